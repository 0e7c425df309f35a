package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"iotmon/internal/iot"
)

// countedPage is a page that was asked for by offset.
type countedPage struct {
	devicePage
	Total *int
}

// deviceSorts is everything that devices can be ordered by.
func deviceSorts() []string {
	return []string{
		"id", "name", "area", "type", "status", "value", "unit", "last_seen", "since", "building", "floor", "room", "open_alerts", "interval",
		"retired", "model", "firmware", "battery_level", "label.line",
	}
}

// For any fleet and registry, filter, order and page size, the pages by offset and those by cursor are the same list, of every device
// that has sent and, if they are asked for, of every entered one that has not.
func TestPagesByOffsetAndByCursorAreTheSame(t *testing.T) {
	var fleet plant
	r := newRegistry()
	h := newAPI(t, &fleet, &archive{}, r.use)
	rapid.Check(t, func(rt *rapid.T) {
		fleet = drawFleet(rt)
		r.reset()
		request(h, http.MethodDelete, "/api/v1/devices/none") // So that no order is kept.
		want := drawEntries(rt, t, r, fleet)
		query := fmt.Sprintf("/api/v1/devices?sort=%s&order=%s", rapid.SampledFrom(deviceSorts()).Draw(rt, "sort"),
			rapid.SampledFrom([]string{"asc", "desc"}).Draw(rt, "order"))
		if rapid.Bool().Draw(rt, "never sent") {
			query += "&never_sent=true"
		} else {
			want = slices.DeleteFunc(want, func(id iot.DeviceID) bool { return !fleet.Known(id) })
		}
		limit := rapid.IntRange(1, 12).Draw(rt, "limit")
		var byOffset, byCursor []iot.DeviceID
		for offset := 0; ; offset += limit {
			page := get[countedPage](t, h, fmt.Sprintf("%s&limit=%d&offset=%d", query, limit, offset))
			if page.Total == nil || *page.Total != len(want) || page.Next != "" {
				rt.Fatalf("offset %d: got total %v and next %q, want %d and none", offset, page.Total, page.Next, len(want))
			}
			if len(page.Items) == 0 {
				break
			}
			byOffset = append(byOffset, ids(page.Items)...)
		}
		for cursor, pages := "", 0; pages == 0 || cursor != ""; pages++ {
			page := get[countedPage](t, h, fmt.Sprintf("%s&limit=%d&cursor=%s", query, limit, cursor))
			if page.Total != nil {
				rt.Fatal("a page by cursor has a total")
			}
			byCursor = append(byCursor, ids(page.Items)...)
			cursor = page.Next
		}
		if !slices.Equal(byOffset, byCursor) {
			rt.Errorf("%s: by offset %q, by cursor %q", query, byOffset, byCursor)
		}
		slices.Sort(byOffset)
		if slices.Sort(want); !slices.Equal(byOffset, want) {
			rt.Errorf("%s: got %q, want each once: %q", query, byOffset, want)
		}
	})
}

// drawEntries enters some devices of a fleet, and some that have never sent. It returns the ids of all devices.
func drawEntries(rt *rapid.T, t *testing.T, r *registry, fleet plant) []iot.DeviceID {
	var all []iot.DeviceID
	for i := range fleet {
		all = append(all, fleet[i].Latest.ID)
	}
	entries := make(map[iot.DeviceID]iot.DeviceEntry)
	for i := range rapid.IntRange(0, 10).Draw(rt, "entries") {
		id := iot.DeviceID(fmt.Sprint("silent", i))
		if len(fleet) > i && rapid.Bool().Draw(rt, "sent") {
			id = fleet[i].Latest.ID
		} else {
			all = append(all, id)
		}
		entries[id] = iot.DeviceEntry{
			Name: rapid.SampledFrom([]string{"", "Press", "oven"}).Draw(rt, "name"), Retired: rapid.Bool().Draw(rt, "retired"),
			Labels:   map[string]string{rapid.SampledFrom([]string{"line", "x"}).Draw(rt, "label"): rapid.SampledFrom([]string{"", "1"}).Draw(rt, "line")},
			Interval: time.Duration(rapid.IntRange(0, 2).Draw(rt, "interval")) * time.Second,
		}
	}
	r.enter(t, entries)
	return all
}

func TestDevicesThatHaveNeverSentAreListed(t *testing.T) {
	r := newRegistry()
	h := newAPI(t, plant{device("d1", iot.Temperature, 1, alarmed("a", iot.Info)), device("d2", iot.Temperature, 2, nil)}, &archive{}, r.use)
	r.enter(t, map[iot.DeviceID]iot.DeviceEntry{
		"d1": {Name: "oven", Labels: map[string]string{"line": "2"}}, "new": {Name: "press", Area: "hall/1", Labels: map[string]string{"line": "1"}}, "old": {Retired: true},
	})
	for query, want := range map[string][]iot.DeviceID{
		"":                                                    {"d1", "d2"},
		"registered=true":                                     {"d1"},
		"never_sent=true":                                     {"d1", "d2", "new", "old"},
		"never_sent=true&order=desc":                          {"old", "new", "d2", "d1"},
		"never_sent=true&registered=true":                     {"d1", "new", "old"},
		"status=never_sent":                                   {"new", "old"},
		"status=never_sent&retired=false":                     {"new"},
		"never_sent=true&retired=true":                        {"old"},
		"never_sent=true&status=online":                       {"d1", "d2"},
		"never_sent=true&area=hall":                           {"new"},
		"never_sent=true&q=PRESS":                             {"new"},
		"never_sent=true&label=line":                          {"d1", "new"},
		"never_sent=true&sort=label.line":                     {"new", "d1", "d2", "old"},
		"never_sent=true&sort=value":                          {"d1", "d2", "new", "old"},
		"never_sent=true&sort=status":                         {"new", "old", "d1", "d2"},
		"never_sent=true&type=" + "temperature_sensor":        {"d1", "d2"},
		"never_sent=true&floor=0":                             {"d1", "d2"},
		"never_sent=true&has_open_alerts=true":                {"d1"},
		"never_sent=true&has_open_alerts=false":               {"d2", "new", "old"},
		"never_sent=true&sort=value&order=desc":               {"d2", "d1", "old", "new"},
		"never_sent=true&sort=open_alerts&limit=1&order=desc": {"d1"},
	} {
		for _, how := range []string{"", "&offset=0"} {
			if got := ids(get[devicePage](t, h, "/api/v1/devices?"+query+how).Items); !slices.Equal(got, want) {
				t.Errorf("%s: got %q, want %q", query+how, got, want)
			}
		}
	}
	const want = `{"device_id":"new","status":"never_sent","area":"hall/1","registered":{"version":1,"name":"press","area":"hall/1","labels":{"line":"1"}}}`
	if w := request(h, http.MethodGet, "/api/v1/devices?status=never_sent"); !strings.Contains(w.Body.String(), want) {
		t.Errorf("got %s, want %s", w.Body, want)
	}
	if w := request(h, http.MethodGet, "/api/v1/devices/d2"); !strings.Contains(w.Body.String(), `"status":"online"`) {
		t.Errorf("got %s, want the status of a device that has sent", w.Body)
	}
}

func TestOffsetsAreChecked(t *testing.T) {
	h := newAPI(t, plant{device("d1", iot.Temperature, 1, nil), device("d2", iot.Temperature, 2, nil)}, &archive{}, nil)
	cursor := get[devicePage](t, h, "/api/v1/devices?limit=1").Next
	for query, contains := range map[string]string{
		"offset=-1": "query.offset", "offset=x": "query.offset", "offset=0&cursor=" + url.QueryEscape(cursor): "together with cursor",
		"sort=label.": "label.NAME or one of id, name", "sort=label." + strings.Repeat("x", 65): "query.sort",
	} {
		checkProblem(t, request(h, http.MethodGet, "/api/v1/devices?"+query), http.StatusUnprocessableEntity, contains)
	}
	for offset, want := range map[int]int{0: 2, 1: 1, 2: 0, 1 << 62: 0} {
		page := get[countedPage](t, h, fmt.Sprintf("/api/v1/devices?offset=%d", offset))
		if len(page.Items) != want || *page.Total != 2 {
			t.Errorf("offset %d: got %d of %d devices, want %d of 2", offset, len(page.Items), *page.Total, want)
		}
	}
}

// crowded is a plant that counts the scans, and how many there are at the same time; each takes a second.
type crowded struct {
	plant
	scans, now, most atomic.Int32
}

func (c *crowded) Scan(after iot.DeviceID, descending bool, visit func(*iot.DeviceState) bool) {
	c.scans.Add(1)
	now := c.now.Add(1)
	for most := c.most.Load(); now > most && !c.most.CompareAndSwap(most, now); most = c.most.Load() {
	}
	time.Sleep(time.Second)
	c.plant.Scan(after, descending, visit)
	c.now.Add(-1)
}

// Many who scroll in the same list cost one scan, many with other lists no more than two at a time, and a request that would wait for long is
// refused. A change is seen at once.
func TestScansOfAllDevicesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fleet, r := &crowded{plant: plant{device("d1", iot.Temperature, 1, nil)}}, newRegistry()
		h := newAPI(t, fleet, &archive{}, r.use)
		statuses := func(queries ...string) map[int]int {
			var wait sync.WaitGroup
			var mu sync.Mutex
			codes := make(map[int]int)
			for _, query := range queries {
				wait.Go(func() {
					code := request(h, http.MethodGet, "/api/v1/"+query).Code
					mu.Lock()
					defer mu.Unlock()
					codes[code]++
				})
			}
			wait.Wait()
			return codes
		}
		same, different := make([]string, 100), make([]string, 100)
		for i := range same {
			same[i] = fmt.Sprintf("devices?sort=value&offset=%d", i)
			different[i] = []string{"devices?sort=value&q=%d", "devices?offset=0&q=%d", "areas?area=%d"}[i%3]
			different[i] = fmt.Sprintf(different[i], i)
		}
		if codes := statuses(same...); codes[http.StatusOK] != 100 || fleet.scans.Load() != 1 {
			t.Errorf("the same list: got %v by %d scans, want 100 times 200 by one", codes, fleet.scans.Load())
		}
		if codes := statuses(different...); codes[http.StatusOK] < 8 || codes[http.StatusServiceUnavailable] < 80 || fleet.most.Load() != 2 {
			t.Errorf("different lists: got %v with up to %d scans at a time, want some of 200, many of 503, and two", codes, fleet.most.Load())
		}
		time.Sleep(2 * time.Second)
		const list = "/api/v1/devices?offset=0&never_sent=true"
		var page countedPage
		for _, step := range []struct {
			method string
			want   int
		}{{"", 1}, {http.MethodPatch, 2}, {http.MethodDelete, 1}} {
			if step.method != "" {
				send(h, step.method, "/api/v1/devices/new", `{"name":"x"}`, "Content-Type", asPatch)
			}
			if err := json.Unmarshal(request(h, http.MethodGet, list).Body.Bytes(), &page); err != nil || *page.Total != step.want {
				t.Errorf("after %q: got %d devices, want %d (%v)", step.method, *page.Total, step.want, err)
			}
		}
	})
}
