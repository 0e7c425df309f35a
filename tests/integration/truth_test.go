package integration

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// sample is one reading as the test sent it and got it acknowledged.
type sample struct {
	device string
	kind   iot.DeviceType
	at     time.Time
	value  float64
}

// buildings are where devices are; "" is unknown.
var buildings = []string{"A栋", "B/2", ""}

// building is where the device was then: most stay, and some move every second.
func (s *sample) building() string {
	number := int64(s.device[len(s.device)-1])
	if number == '9' {
		number += s.at.Unix()
	}
	return buildings[number%int64(len(buildings))]
}

// stat is the truth about one device type in one window, computed the plain way.
type stat struct {
	count    int64
	sum      iot.Sum
	min, max float64
	devices  map[string]bool
}

type windowKey struct {
	kind  iot.DeviceType
	start int64
}

// summarize computes the expected summaries of the acknowledged readings. Samples must be in the order sent: of readings with the
// same device and timestamp only the first counts.
func summarize(samples []sample, length time.Duration) map[windowKey]*stat {
	type identity struct {
		device string
		at     int64
	}
	seen := make(map[identity]bool, len(samples))
	stats := make(map[windowKey]*stat)
	for _, s := range samples {
		id := identity{s.device, s.at.UnixMicro()}
		if seen[id] {
			continue
		}
		seen[id] = true
		key := windowKey{s.kind, s.at.UnixMicro() / length.Microseconds() * length.Microseconds()}
		st := stats[key]
		if st == nil {
			st = &stat{min: s.value, max: s.value, devices: make(map[string]bool)}
			stats[key] = st
		}
		st.count++
		st.sum.Add(s.value)
		st.min, st.max = min(st.min, s.value), max(st.max, s.value)
		st.devices[s.device] = true
	}
	return stats
}

// compareSummaries reports every window in which the archive's answer differs from the truth.
func compareSummaries(got []wire.Aggregate, want map[windowKey]*stat) []string {
	var wrong []string
	seen := make(map[windowKey]bool)
	for _, a := range got {
		key := windowKey{a.DeviceType, a.Timestamp.UnixMicro()}
		name := fmt.Sprintf("%s %s", a.DeviceType, a.Timestamp.Format(time.RFC3339))
		truth := want[key]
		switch {
		case seen[key]:
			wrong = append(wrong, name+": listed twice")
		case truth == nil && a.Data.Count == 0:
		case truth == nil:
			wrong = append(wrong, fmt.Sprintf("%s: got %d readings, want none", name, a.Data.Count))
		default:
			wrong = append(wrong, compareOne(name, a.Data, truth)...)
		}
		seen[key] = true
	}
	for key, truth := range want {
		if !seen[key] {
			wrong = append(wrong, fmt.Sprintf("%s %s: missing, want %d readings", key.kind, time.UnixMicro(key.start).UTC().Format(time.RFC3339), truth.count))
		}
	}
	slices.Sort(wrong)
	return wrong
}

// compareOne compares to the last bit: sums are exact, whatever the order of the readings.
func compareOne(name string, got wire.AggregateData, want *stat) []string {
	if got.Average == nil || got.Min == nil || got.Max == nil {
		return []string{name + ": numbers missing"}
	}
	average := want.sum.Float64() / float64(want.count)
	if got.Count != want.count || *got.Average != average || *got.Min != want.min || *got.Max != want.max || got.DeviceCount != int64(len(want.devices)) {
		return []string{fmt.Sprintf("%s: got count %d average %v min %v max %v devices %d, want %d %v %v %v %d", name,
			got.Count, *got.Average, *got.Min, *got.Max, got.DeviceCount, want.count, average, want.min, want.max, len(want.devices))}
	}
	return nil
}

// episode is one alert as the rules demand it from the readings: raised and, unless still open, cleared.
type episode struct {
	device        string
	raised, clear time.Time
}

// episodes computes the truth about a rule without durations from acknowledged samples.
func episodes(samples []sample, rule iot.Rule) map[string]episode {
	byDevice := make(map[string][]sample)
	for _, s := range samples {
		if s.kind == rule.Type {
			byDevice[s.device] = append(byDevice[s.device], s)
		}
	}
	found := make(map[string]episode)
	for device, list := range byDevice {
		slices.SortStableFunc(list, func(a, b sample) int { return cmp.Compare(a.at.UnixMicro(), b.at.UnixMicro()) })
		open := ""
		for _, s := range list {
			switch {
			case open == "" && rule.Violated(s.value):
				open = iot.AlertID(rule.Name, iot.Identity{ID: iot.DeviceID(device)}, s.at)
				found[open] = episode{device: device, raised: s.at}
			case open != "" && rule.Safe(s.value):
				e := found[open]
				e.clear = s.at
				found[open], open = e, ""
			}
		}
	}
	return found
}

// archivedAlert is an item of GET /api/v1/alerts, as far as the comparison goes.
type archivedAlert struct {
	ID        string         `json:"id"`
	DeviceID  string         `json:"device_id"`
	AlertType string         `json:"alert_type"`
	State     iot.Transition `json:"state"`
	RaisedAt  time.Time      `json:"raised_at"`
	ClearedAt *time.Time     `json:"cleared_at"`
}

func compareAlerts(got []archivedAlert, want map[string]episode) []string {
	var wrong []string
	seen := make(map[string]bool)
	for _, a := range got {
		truth, ok := want[a.ID]
		switch {
		case seen[a.ID]:
			wrong = append(wrong, fmt.Sprintf("alert %s of %s: listed twice", a.ID, a.DeviceID))
		case !ok:
			wrong = append(wrong, fmt.Sprintf("alert %s of %s raised at %v: never happened", a.ID, a.DeviceID, a.RaisedAt))
		case !a.RaisedAt.Equal(truth.raised) || (a.ClearedAt == nil) != truth.clear.IsZero() || a.ClearedAt != nil && !a.ClearedAt.Equal(truth.clear):
			wrong = append(wrong, fmt.Sprintf("alert %s of %s: got %v to %v, want %v to %v", a.ID, a.DeviceID, a.RaisedAt, a.ClearedAt, truth.raised, truth.clear))
		}
		seen[a.ID] = true
	}
	for id, truth := range want {
		if !seen[id] {
			wrong = append(wrong, fmt.Sprintf("alert %s of %s at %v: missing", id, truth.device, truth.raised))
		}
	}
	slices.Sort(wrong)
	return wrong
}

// list reads every page of a listing.
func list[T any](t testing.TB, base, path string, query url.Values) []T {
	t.Helper()
	var all []T
	for {
		response, err := http.Get(base + path + "?" + query.Encode())
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || response.StatusCode != http.StatusOK {
			t.Fatalf("GET %s: got status %d, %v: %s", path, response.StatusCode, err, body)
		}
		var page struct {
			Items []T    `json:"items"`
			Next  string `json:"next"`
		}
		if err := json.Unmarshal(body, &page); err != nil {
			t.Fatalf("GET %s: %v in %s", path, err, body)
		}
		all = append(all, page.Items...)
		if page.Next == "" {
			return all
		}
		query.Set("cursor", page.Next)
	}
}
