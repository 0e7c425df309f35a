package api_test

import (
	"fmt"
	"math"
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

func TestReadingsRange(t *testing.T) {
	at := func(s string) time.Time {
		parsed, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			t.Fatal(err)
		}
		return parsed
	}
	tests := []struct {
		query    string
		from, to time.Time
	}{
		{"", noon.Add(-time.Hour), noon},
		{"?to=-1h", noon.Add(-2 * time.Hour), noon.Add(-time.Hour)},
		{"?from=-7d", noon.Add(-7 * 24 * time.Hour), noon},
		{"?from=-1h30m&to=now", noon.Add(-90 * time.Minute), noon},
		{"?from=2026-02-28T00:00:00Z&to=2026-02-28T12:00:00.123456789Z", at("2026-02-28T00:00:00Z"), at("2026-02-28T12:00:00.123456Z")},
		{"?from=2026-03-01T08:00:00%2B08:00", at("2026-03-01T00:00:00Z"), noon},
		{"?from=2026-03-01T08:00:00+08:00", at("2026-03-01T00:00:00Z"), noon},
		{"?from=0001-01-01T00:00:00Z", at("1970-01-01T00:00:00Z"), noon},
	}
	for _, test := range tests {
		t.Run(test.query, func(t *testing.T) {
			history := &archive{points: []api.Point{{Time: noon, Value: 1}, {Time: noon, Value: 2, Quality: iot.Bad}}}
			h := newAPI(t, plant{}, history, nil)
			got := get[struct {
				From, To time.Time
				Items    []struct {
					Value   float64
					Quality iot.Quality
				}
			}](t, h, "/api/v1/devices/d1/readings"+test.query)
			if q := history.readingsQuery; !q.From.Equal(test.from) || !q.To.Equal(test.to) || !got.From.Equal(test.from) || !got.To.Equal(test.to) {
				t.Errorf("asked history for %v to %v and answered %v to %v, want %v to %v", q.From, q.To, got.From, got.To, test.from, test.to)
			}
			if len(got.Items) != 2 || got.Items[1].Value != 2 || got.Items[1].Quality != iot.Bad {
				t.Errorf("got items %+v", got.Items)
			}
		})
	}
}

// History answers up to four readings per bucket, and the client must get no more than it asked for.
func TestReadingsAreThinnedToMaxPoints(t *testing.T) {
	tests := []struct {
		query   string
		buckets int
		step    time.Duration
	}{
		{"", 250, 0},
		{"?max_points=5000", 1250, 0},
		{"?max_points=4", 1, 0},
		{"?max_points=7&step=1s", 1, time.Hour},
		{"?max_points=400&step=1m", 100, time.Minute},
		{"?max_points=400&step=10s", 100, 36 * time.Second},
		{"?max_points=40&step=1s&from=-10s", 10, time.Second},
	}
	for _, test := range tests {
		history := &archive{}
		h := newAPI(t, plant{device("d1", iot.Temperature, 1, nil)}, history, nil)
		if items := get[struct{ Items []any }](t, h, "/api/v1/devices/d1/readings"+test.query).Items; items == nil {
			t.Errorf("%q: items are null, want an empty array", test.query)
		}
		if q := history.readingsQuery; q.MaxPoints != test.buckets || q.Step != test.step || q.Few() < 4*test.buckets || q.Few() > 4*test.buckets+3 {
			t.Errorf("%q: got %d buckets of %v beyond %d readings, want %d of %v", test.query, q.MaxPoints, q.Step, q.Few(), test.buckets, test.step)
		}
	}
}

func TestSummariesCanBePagedWhileWindowsClose(t *testing.T) {
	history := &archive{}
	start := noon.Add(-10 * time.Minute)
	addWindow := func(i int) {
		window := iot.WindowOf(start.Add(time.Duration(i)*30*time.Second), 30*time.Second)
		for _, deviceType := range []iot.DeviceType{iot.Humidity, iot.Temperature} {
			s := iot.WindowSummary{Type: deviceType, Window: window, Final: true}
			s.Add(float64(i))
			history.summaries = append(history.summaries, s)
		}
	}
	for i := range 5 {
		addWindow(i)
	}
	clock := noon
	h := newAPI(t, plant{}, history, func(o *api.Options) { o.Now = func() time.Time { return clock } })
	var got []string
	query := "/api/v1/summaries?from=-10m&limit=3"
	for cursor, pages := "", 0; pages == 0 || cursor != ""; pages++ {
		page := get[struct {
			Items []wire.Aggregate
			Next  string
		}](t, h, query+"&cursor="+url.QueryEscape(cursor))
		for _, item := range page.Items {
			got = append(got, fmt.Sprintf("%d %s", int(item.Timestamp.Sub(start)/(30*time.Second)), item.DeviceType))
		}
		if len(page.Items) > 3 || page.Next != "" && len(page.Items) < 3 {
			t.Fatalf("page %d has %d items, want 3 or a last one with fewer", pages, len(page.Items))
		}
		cursor = page.Next
		clock = clock.Add(5 * time.Minute)
		addWindow(20 + pages)
	}
	var want []string
	for i := range 5 {
		want = append(want, fmt.Sprintf("%d humidity_sensor", i), fmt.Sprintf("%d temperature_sensor", i))
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestSummariesNarrow(t *testing.T) {
	history := &archive{}
	h := newAPI(t, plant{}, history, nil)
	get[any](t, h, "/api/v1/summaries?type=humidity_sensor&from=-1d&to=-1h")
	want := api.SummariesQuery{Type: iot.Humidity, From: noon.Add(-24 * time.Hour), To: noon.Add(-time.Hour), Limit: 1001}
	if history.summariesQuery != want {
		t.Errorf("got %+v, want %+v", history.summariesQuery, want)
	}
}

// For any step and page size, the merged summaries are those of the readings of each step, and no step is returned twice.
func TestSummariesAreMergedToSteps(t *testing.T) {
	history := &archive{}
	h := newAPI(t, plant{}, history, nil)
	rapid.Check(t, func(rt *rapid.T) {
		history.summaries = drawWindows(rt)
		step := rapid.SampledFrom([]time.Duration{30 * time.Second, time.Minute, 5 * time.Minute, time.Hour}).Draw(rt, "step")
		from := noon.Add(-time.Duration(rapid.IntRange(1, 120).Draw(rt, "from")) * 30 * time.Second)
		limit := rapid.IntRange(1, 9).Draw(rt, "limit")
		want := mergedByHand(history.summaries, from, step)
		var got []string
		target := fmt.Sprintf("/api/v1/summaries?from=%s&step=%s&limit=%d", from.Format(time.RFC3339), step, limit)
		for cursor, pages := "", 0; pages == 0 || cursor != ""; pages++ {
			page := get[summaryPage](t, h, target+"&cursor="+cursor)
			if len(page.Items) > limit || page.Next != "" && len(page.Items) < limit {
				rt.Fatalf("page %d has %d items, want %d or a last one with fewer", pages, len(page.Items), limit)
			}
			for _, item := range page.Items {
				got = append(got, fmt.Sprintf("%s %s %d %g-%g devices %d online %d", item.Timestamp.Format(time.TimeOnly), item.DeviceType,
					item.Data.Count, *item.Data.Min, *item.Data.Max, item.Data.DeviceCount, item.Data.Online))
			}
			cursor = page.Next
		}
		if !slices.Equal(got, want) {
			rt.Errorf("step %v in pages of %d:\ngot  %q\nwant %q", step, limit, got, want)
		}
	})
}

// Narrowed to an area, pages of any size return each of its windows once, as recorded or merged, and leave out windows without it.
func TestSummariesNarrowToAnArea(t *testing.T) {
	history := &archive{}
	h := newAPI(t, plant{}, history, nil)
	rapid.Check(t, func(rt *rapid.T) {
		history.summaries = drawWindows(rt)
		var inside []iot.WindowSummary
		for i := range history.summaries {
			if s := &history.summaries[i]; rapid.IntRange(0, 9).Draw(rt, "area") == 0 {
				s.Groups = []iot.GroupSummary{{Group: iot.Group{Area: "A栋", Type: s.Type}, Summary: s.Summary}}
				inside = append(inside, *s)
			} else {
				s.Groups = []iot.GroupSummary{{Group: iot.Group{Area: "B", Type: s.Type}, Summary: s.Summary}}
			}
		}
		step := rapid.SampledFrom([]time.Duration{30 * time.Second, 5 * time.Minute}).Draw(rt, "step")
		target := fmt.Sprintf("/api/v1/summaries?area=%s&from=-1h&limit=%d", url.QueryEscape("A栋"), rapid.IntRange(1, 40).Draw(rt, "limit"))
		if step > 30*time.Second || rapid.Bool().Draw(rt, "merged") {
			target += "&step=" + step.String()
		}
		var got []string
		for cursor, pages := "", 0; pages == 0 || cursor != ""; pages++ {
			page := get[summaryPage](t, h, target+"&cursor="+cursor)
			for _, item := range page.Items {
				got = append(got, fmt.Sprintf("%s %s %d %g-%g devices %d online %d", item.Timestamp.Format(time.TimeOnly), item.DeviceType,
					item.Data.Count, *item.Data.Min, *item.Data.Max, item.Data.DeviceCount, item.Data.Online))
			}
			cursor = page.Next
		}
		if want := mergedByHand(inside, noon.Add(-time.Hour), step); !slices.Equal(got, want) {
			rt.Fatalf("%s:\ngot  %q\nwant %q", target, got, want)
		}
	})
	for _, area := range []string{"A/1", "/other", "A%00"} {
		checkProblem(t, request(h, http.MethodGet, "/api/v1/summaries?area="+area), http.StatusUnprocessableEntity, "first level of an area")
	}
}

type summaryPage struct {
	Items []wire.Aggregate
	Next  string
}

// drawWindows returns windows of an hour before noon in the order of an archive, some of them missing.
func drawWindows(rt *rapid.T) []iot.WindowSummary {
	var windows []iot.WindowSummary
	for i := range 120 {
		for _, deviceType := range []iot.DeviceType{iot.Humidity, iot.Pressure, iot.Temperature} {
			if rapid.IntRange(0, 3).Draw(rt, "there") == 0 {
				continue
			}
			s := iot.WindowSummary{Type: deviceType, Window: iot.WindowOf(noon.Add(time.Duration(i-120)*30*time.Second), 30*time.Second)}
			s.Add(float64(rapid.IntRange(-9, 9).Draw(rt, "value")))
			s.Devices, s.Online = int64(rapid.IntRange(1, 5).Draw(rt, "devices")), int64(i)
			windows = append(windows, s)
		}
	}
	return windows
}

func mergedByHand(windows []iot.WindowSummary, from time.Time, step time.Duration) []string {
	var rows []string
	for start := noon.Add(-time.Hour); start.Before(noon); start = start.Add(step) {
		for _, deviceType := range []iot.DeviceType{iot.Humidity, iot.Pressure, iot.Temperature} {
			var count, devices, online int64
			smallest, largest := math.Inf(1), math.Inf(-1)
			for _, w := range windows {
				at := w.Window.Start
				if w.Type != deviceType || at.Before(start) || !at.Before(start.Add(step)) || at.Before(from) {
					continue
				}
				count, devices, online = count+w.Count, max(devices, w.Devices), w.Online
				smallest, largest = min(smallest, w.Min), max(largest, w.Max)
			}
			if count > 0 {
				rows = append(rows, fmt.Sprintf("%s %s %d %g-%g devices %d online %d",
					start.Format(time.TimeOnly), deviceType, count, smallest, largest, devices, online))
			}
		}
	}
	return rows
}

// A page that would have to read half the archive ends early, and the next goes on where it ended.
func TestMergingReadsInBoundedPages(t *testing.T) {
	history := &archive{}
	const windows = 45_000
	start := noon.Add(-windows * 30 * time.Second)
	for i := range windows {
		s := iot.WindowSummary{Type: iot.Humidity, Window: iot.WindowOf(start.Add(time.Duration(i)*30*time.Second), 30*time.Second)}
		s.Add(1)
		history.summaries = append(history.summaries, s)
	}
	h := newAPI(t, plant{}, history, nil)
	var readings int64
	pages := 0
	for cursor := ""; pages == 0 || cursor != ""; pages++ {
		page := get[summaryPage](t, h, "/api/v1/summaries?from=-30d&step=1d&cursor="+cursor)
		for _, item := range page.Items {
			readings += item.Data.Count
		}
		cursor = page.Next
	}
	if readings != windows || pages < 3 {
		t.Errorf("got %d readings in %d pages, want all %d in 3 or more", readings, pages, windows)
	}
	for pages, cursor := 0, ""; pages == 0 || cursor != ""; pages++ {
		page := get[summaryPage](t, h, "/api/v1/summaries?from=-30d&step=1h&area=elsewhere&cursor="+cursor)
		if len(page.Items) > 0 || pages > 3 {
			t.Fatalf("page %d has %d items, want a few pages without any", pages, len(page.Items))
		}
		if cursor = page.Next; cursor == "" && pages < 2 {
			t.Errorf("got the last page after %d, want the range read in several", pages+1)
		}
	}
}

func TestSummariesWithoutAlerts(t *testing.T) {
	_, history := fullPlant()
	h := newAPI(t, plant{}, history, nil)
	for query, want := range map[string]int{"": 1, "?alerts=false": 0, "?alerts=false&step=1h": 0} {
		item := get[summaryPage](t, h, "/api/v1/summaries"+query).Items[0]
		if item.Alerts == nil || len(item.Alerts) != want || history.summariesQuery.WithoutAlerts != (want == 0) {
			t.Errorf("%q: got alerts %v, history was spared them: %v; want %d", query, item.Alerts, history.summariesQuery.WithoutAlerts, want)
		}
	}
}

func TestAlertsCanBePagedWhileNewOnesAreRaised(t *testing.T) {
	history := &archive{}
	for i := range 7 {
		// Pairs have the same onset, so the cursor must also have the id.
		onset := noon.Add(-time.Duration(i/2) * time.Minute)
		history.alerts = append(history.alerts, api.ArchivedAlert{
			Alert:  iot.Alert{ID: fmt.Sprintf("id-%d", i), Rule: "temperature_high", Onset: onset, Transition: iot.Cleared},
			Raised: onset, ClearedAt: onset.Add(time.Second),
		})
	}
	h := newAPI(t, plant{}, history, nil)
	var got []string
	for cursor, pages := "", 0; pages == 0 || cursor != ""; pages++ {
		page := get[struct {
			Items []struct {
				ID       string
				RaisedAt time.Time  `json:"raised_at"`
				Cleared  *time.Time `json:"cleared_at"`
			}
			Next string
		}](t, h, "/api/v1/alerts?limit=3&cursor="+url.QueryEscape(cursor))
		for _, item := range page.Items {
			got = append(got, item.ID)
			if item.Cleared == nil || item.Cleared.Sub(item.RaisedAt) != time.Second {
				t.Errorf("%s: raised %v and cleared %v, want a second apart", item.ID, item.RaisedAt, item.Cleared)
			}
		}
		cursor = page.Next
		newer := api.ArchivedAlert{Alert: iot.Alert{ID: fmt.Sprintf("new-%d", pages), Onset: noon.Add(time.Minute)}}
		history.alerts = slices.Insert(history.alerts, 0, newer)
	}
	if want := []string{"id-0", "id-1", "id-2", "id-3", "id-4", "id-5", "id-6"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAlertsNarrow(t *testing.T) {
	open, cleared := true, false
	tests := []struct {
		query string
		want  api.AlertsQuery
	}{
		{"", api.AlertsQuery{Limit: 101}},
		{"?state=open&severity=critical&limit=5", api.AlertsQuery{Open: &open, Severity: iot.Critical, Limit: 6}},
		{"?state=cleared&type=humidity_sensor&rule=humidity_high", api.AlertsQuery{Open: &cleared, Type: iot.Humidity, Rule: "humidity_high", Limit: 101}},
		{"?device=" + url.QueryEscape("设备/1") + "&from=-1h", api.AlertsQuery{Device: "设备/1", From: noon.Add(-time.Hour), Limit: 101}},
		{"?state=returned&area=hall%2F2&q=boiler", api.AlertsQuery{Returned: true, Area: "hall/2", Text: "boiler", Limit: 101}},
		{"?to=-1h", api.AlertsQuery{To: noon.Add(-time.Hour), Limit: 101}},
	}
	for _, test := range tests {
		history := &archive{}
		body := get[map[string]any](t, newAPI(t, plant{}, history, nil), "/api/v1/alerts"+test.query)
		got := history.alertsQuery
		if (got.Open == nil) != (test.want.Open == nil) || got.Open != nil && *got.Open != *test.want.Open {
			t.Errorf("%q: got open %v, want %v", test.query, got.Open, test.want.Open)
		}
		got.Open, test.want.Open = nil, nil
		if got != test.want {
			t.Errorf("%q: got %+v, want %+v", test.query, got, test.want)
		}
		if items, ok := body["items"].([]any); !ok || len(items) != 0 {
			t.Errorf("%q: got items %v, want an empty array", test.query, body["items"])
		}
		if _, ok := body["next"]; ok {
			t.Errorf("%q: the only page has a next", test.query)
		}
	}
}

// A cursor that is changed, or used with another listing, would skip rows: it is refused.
func TestForeignCursorsAreRefused(t *testing.T) {
	fleet := plant{device("d1", iot.Temperature, 1, nil), device("d2", iot.Temperature, 2, nil), device("d3", iot.Humidity, 3, nil)}
	h := newAPI(t, fleet, &archive{}, nil)
	next := get[struct{ Next string }](t, h, "/api/v1/devices?limit=1&sort=value").Next
	for _, target := range []string{
		"/api/v1/devices?sort=id&cursor=", "/api/v1/devices?sort=value&order=desc&cursor=",
		"/api/v1/devices?sort=value&type=humidity_sensor&cursor=", "/api/v1/devices?sort=value&floor=0&cursor=",
		"/api/v1/alerts?cursor=", "/api/v1/summaries?cursor=",
	} {
		checkProblem(t, request(h, http.MethodGet, target+next), http.StatusBadRequest, "does not belong")
	}
	for i := range next {
		changed := []byte(next)
		if changed[i]++; next[i] == 'z' {
			changed[i] = 'A'
		}
		checkProblem(t, request(h, http.MethodGet, "/api/v1/devices?sort=value&cursor="+url.QueryEscape(string(changed))), http.StatusBadRequest, "does not belong")
	}
	if got := get[struct{ Items []wire.Device }](t, h, "/api/v1/devices?limit=2&sort=value&cursor="+next).Items; len(got) != 2 || got[0].DeviceID != "d2" {
		t.Errorf("got %+v with another limit, want d2 and d3", got)
	}
}
