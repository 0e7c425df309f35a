package integration

import (
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// TestChangedWindowsAndLatenessLeaveEveryNumberRight restarts the program with another window length and another lateness, while
// readings are posted. Windows must follow each other without overlapping, before, across and after the change, each with the
// readings of its own span. Late readings must correct windows of the old length.
func TestChangedWindowsAndLatenessLeaveEveryNumberRight(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute; make test runs it")
	}
	inTurn(t)
	s := newServer(t, t.TempDir(), changedConfig(2, "1s"), "-no-simulator")
	s.start()
	posters := startPosters(t, s.base(), "gateway")
	time.Sleep(3 * time.Second) // Some windows of the first length.
	for i, step := range []struct {
		window   int
		lateness string
	}{{2, "4s"}, {3, "0s"}, {3, "1s"}} {
		if i%2 == 0 {
			s.kill()
		} else {
			s.stop()
		}
		if err := os.WriteFile(s.config(), []byte(changedConfig(step.window, step.lateness)), 0o600); err != nil {
			t.Fatal(err)
		}
		s.start()
		waitFor(t, patience, fmt.Sprintf("windows of %d s", step.window), func() bool {
			rows := summaries(t, s)
			return len(rows) > 0 && rows[len(rows)-1].WindowSeconds == step.window
		})
	}
	samples := posters.stop()
	var wrong []string
	if !eventually(patience, func() bool {
		wrong = wrongWindows(summaries(t, s), samples)
		return len(wrong) == 0
	}) {
		t.Errorf("%d windows are wrong; the first: %q", len(wrong), wrong[:min(5, len(wrong))])
	}
	lengths := make(map[int]int)
	for _, row := range summaries(t, s) {
		lengths[row.WindowSeconds]++
	}
	t.Logf("%d readings; windows by seconds: %v", len(samples), lengths)
	if strings.Contains(s.log.String(), "level=ERROR") {
		t.Errorf("something went wrong: %s", s.log.String())
	}
}

// century is a window that holds every sample.
const century = 100 * 365 * 24 * time.Hour

func changedConfig(window int, lateness string) string {
	return fmt.Sprintf("aggregation: {window_seconds: %d, allowed_lateness: %s, max_clock_skew: 1s}\nalerts: {device_offline: \"off\"}\n", window, lateness)
}

// summaries returns the archived windows, oldest first.
func summaries(t *testing.T, s *server) []wire.Aggregate {
	t.Helper()
	rows := list[wire.Aggregate](t, s.base(), "/api/v1/summaries",
		url.Values{"from": {"2020-01-01T00:00:00Z"}, "to": {"2100-01-01T00:00:00Z"}, "limit": {"500"}})
	slices.SortFunc(rows, func(a, b wire.Aggregate) int { return a.Timestamp.Compare(b.Timestamp) })
	return rows
}

// firstFrom returns the index of the first of the samples, in the order of their times, that is not before at.
func firstFrom(samples []sample, at time.Time) int {
	i, _ := slices.BinarySearchFunc(samples, at, func(s sample, at time.Time) int { return s.at.Compare(at) })
	return i
}

// wrongWindows compares each window with the samples of its own span, and checks that the windows of a type do not overlap.
func wrongWindows(rows []wire.Aggregate, samples []sample) []string {
	var wrong []string
	ends := make(map[iot.DeviceType]time.Time)
	counted := make(map[iot.DeviceType]int64)
	byKind := make(map[iot.DeviceType][]sample)
	for _, s := range samples {
		byKind[s.kind] = append(byKind[s.kind], s)
	}
	for _, list := range byKind {
		slices.SortStableFunc(list, func(a, b sample) int { return a.at.Compare(b.at) }) // Of the same reading, the one sent first stays the first.
	}
	for _, row := range rows {
		length := time.Duration(row.WindowSeconds) * time.Second
		name := fmt.Sprintf("%s %s of %v", row.DeviceType, row.Timestamp.Format(time.TimeOnly), length)
		if row.Timestamp.Before(ends[row.DeviceType]) {
			wrong = append(wrong, name+": overlaps the one before it")
		}
		ends[row.DeviceType] = row.Timestamp.Add(length)
		list := byKind[row.DeviceType]
		within := list[firstFrom(list, row.Timestamp):firstFrom(list, row.Timestamp.Add(length))]
		for _, truth := range summarize(within, century) {
			wrong = append(wrong, compareOne(name, row.Data, truth)...)
			counted[row.DeviceType] += truth.count
		}
	}
	all := make(map[iot.DeviceType]int64)
	for key, truth := range summarize(samples, century) {
		all[key.kind] += truth.count
	}
	for kind, n := range all {
		if counted[kind] != n {
			wrong = append(wrong, fmt.Sprintf("%s: %d of %d readings are in a window", kind, counted[kind], n))
		}
	}
	return wrong
}
