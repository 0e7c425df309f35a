package api_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"iotmon/internal/api"
	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

type devicePage struct {
	Items []wire.Device
	Next  string
}

func TestDevicesNarrow(t *testing.T) {
	at := func(building string, floor int, room string) func(*iot.DeviceState) {
		return func(s *iot.DeviceState) {
			s.Latest.Location = iot.Location{Building: building, Floor: floor, Room: room}
		}
	}
	fleet := plant{
		device("Press-1", iot.Pressure, 1000, at("A栋", 3, "301")),
		device("press-2", iot.Pressure, 1010, at("A栋", 0, "")),
		device("oven", iot.Temperature, 200, alarmed("temperature_high", iot.Critical)),
		device("cellar", iot.Humidity, 60, func(s *iot.DeviceState) { s.Status = iot.Offline; at("B", -1, "x")(s) }),
	}
	h := newAPI(t, fleet, &archive{}, nil)
	tests := []struct {
		query string
		want  []iot.DeviceID
	}{
		{"", []iot.DeviceID{"Press-1", "cellar", "oven", "press-2"}},
		{"?type=pressure_sensor", []iot.DeviceID{"Press-1", "press-2"}},
		{"?status=offline", []iot.DeviceID{"cellar"}},
		{"?building=" + url.QueryEscape("A栋"), []iot.DeviceID{"Press-1", "press-2"}},
		{"?floor=3", []iot.DeviceID{"Press-1"}},
		{"?floor=-1", []iot.DeviceID{"cellar"}},
		{"?floor=0", []iot.DeviceID{"oven", "press-2"}},
		{"?room=301", []iot.DeviceID{"Press-1"}},
		{"?q=PRESS", []iot.DeviceID{"Press-1", "press-2"}},
		{"?q=ell", []iot.DeviceID{"cellar"}},
		{"?has_open_alerts=true", []iot.DeviceID{"oven"}},
		{"?has_open_alerts=false&type=pressure_sensor&q=2", []iot.DeviceID{"press-2"}},
		{"?q=nowhere", nil},
		{"?sort=value", []iot.DeviceID{"cellar", "oven", "Press-1", "press-2"}},
		{"?sort=value&order=desc&limit=2", []iot.DeviceID{"press-2", "Press-1"}},
		{"?sort=status", []iot.DeviceID{"cellar", "Press-1", "oven", "press-2"}},
		{"?sort=building&order=desc&limit=1", []iot.DeviceID{"cellar"}},
		{"?sort=type&limit=1", []iot.DeviceID{"cellar"}},
	}
	for _, test := range tests {
		t.Run(test.query, func(t *testing.T) {
			if got := ids(get[devicePage](t, h, "/api/v1/devices"+test.query).Items); !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func ids(devices []wire.Device) []iot.DeviceID {
	var out []iot.DeviceID
	for _, d := range devices {
		out = append(out, d.DeviceID)
	}
	return out
}

// For any fleet, order and page size, following the cursor returns every matching device exactly once, in order. All pages but
// the last are full.
func TestPagingGivesEveryDeviceOnce(t *testing.T) {
	var fleet plant
	h := newAPI(t, &fleet, &archive{}, nil)
	rapid.Check(t, func(rt *rapid.T) {
		fleet = drawFleet(rt)
		sort := rapid.SampledFrom([]string{"id", "type", "status", "value", "last_seen", "building"}).Draw(rt, "sort")
		order := rapid.SampledFrom([]string{"asc", "desc"}).Draw(rt, "order")
		limit := rapid.IntRange(1, 12).Draw(rt, "limit")
		base := fmt.Sprintf("/api/v1/devices?sort=%s&order=%s&limit=", sort, order)

		var paged []iot.DeviceID
		for cursor, pages := "", 0; pages == 0 || cursor != ""; pages++ {
			page := get[devicePage](t, h, fmt.Sprintf("%s%d&cursor=%s", base, limit, cursor))
			if page.Next != "" && len(page.Items) != limit || len(page.Items) > limit {
				rt.Fatalf("page %d has %d devices, want %d", pages, len(page.Items), limit)
			}
			paged = append(paged, ids(page.Items)...)
			cursor = page.Next
		}
		whole := ids(get[devicePage](t, h, base+"1000").Items)
		if !slices.Equal(paged, whole) {
			rt.Errorf("pages of %d give %q, one page gives %q", limit, paged, whole)
		}
		var all []iot.DeviceID
		for _, state := range fleet {
			all = append(all, state.Latest.ID)
		}
		slices.Sort(all)
		if slices.Sort(whole); !slices.Equal(whole, all) {
			rt.Errorf("got %q, want every device once: %q", whole, all)
		}
	})
}

func drawFleet(rt *rapid.T) plant {
	var fleet plant
	n := rapid.IntRange(0, 40).Draw(rt, "devices")
	for i := range n {
		id := iot.DeviceID(fmt.Sprintf("%s%d", rapid.SampledFrom([]string{"a", "b/", "设备"}).Draw(rt, "prefix"), i))
		fleet = append(fleet, device(id, rapid.SampledFrom([]iot.DeviceType{iot.Temperature, iot.Humidity}).Draw(rt, "type"),
			float64(rapid.IntRange(-2, 2).Draw(rt, "value"))/3, func(s *iot.DeviceState) {
				s.Status = rapid.SampledFrom([]iot.Status{iot.Online, iot.Offline}).Draw(rt, "status")
				s.Latest.Location.Building = rapid.SampledFrom([]string{"", "A", "B"}).Draw(rt, "building")
				s.Latest.Time = noon.Add(-time.Duration(rapid.IntRange(0, 3).Draw(rt, "age")) * time.Second)
			}))
	}
	return fleet
}

// A start reads the devices from the log: one that is not there yet may exist.
func TestADeviceThatIsNotReadYetIsNotUnknown(t *testing.T) {
	complete := false
	h := newAPI(t, plant{}, &archive{}, func(o *api.Options) { o.Complete = func() bool { return complete } })
	for _, target := range []string{"/api/v1/devices/d1", "/api/v1/devices/d1/readings"} {
		complete = false
		if w := request(h, http.MethodGet, target); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
			t.Errorf("%s during the start: got %d with Retry-After %q, want 503", target, w.Code, w.Header().Get("Retry-After"))
		}
		complete = true
		if w := request(h, http.MethodGet, target); w.Code != http.StatusNotFound {
			t.Errorf("%s after it: got %d, want 404", target, w.Code)
		}
	}
}
