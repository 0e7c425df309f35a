package view

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"iotmon/internal/iot"
	"iotmon/internal/view/viewtest"
)

// allDevices returns the state of every device, by id.
func allDevices(v *View) []iot.DeviceState {
	var all []iot.DeviceState
	v.Scan("", false, func(s *iot.DeviceState) bool {
		all = append(all, *s)
		return true
	})
	return all
}

// allOpen returns the last event of every open alert, in the order in which they opened. It panics if the counts of the view
// do not match.
func allOpen(v *View) []iot.Alert {
	v.mu.RLock()
	open := make([]iot.Alert, len(v.alerts.open))
	counts := make(map[iot.Severity]int64)
	for i, a := range v.alerts.open {
		open[i] = a.Last
		counts[a.Last.Severity]++
	}
	v.mu.RUnlock()
	for severity, counted := range v.OpenAlerts() {
		if counted != counts[severity] {
			panic(fmt.Sprintf("open alerts of severity %s: counted %d, there are %d", severity, counted, counts[severity]))
		}
	}
	return open
}

func forgets(p *viewtest.Script, id string) Forgotten {
	return Forgotten{Identity: iot.Identity{ID: iot.DeviceID(id)}, Position: p.Position()}
}

func TestAForgottenDeviceIsGoneUntilItSendsAgain(t *testing.T) {
	p, v := script(), newTestView()
	alarm := p.Alarm(1, iot.Temperature, "A", iot.Critical, iot.Raised)
	said := p.Says("device_001", iot.Temperature, "A", 99)
	said.Alerts = []iot.AlertState{{Rule: alarm.Rule, Raised: &alarm}}
	other := p.Says("device_002", iot.Humidity, "B", 40)
	v.Apply(Batch{States: []iot.DeviceState{said, other}, Alerts: []iot.Alert{alarm}})
	gone := forgets(p, "device_001")
	for _, step := range []struct {
		name  string
		batch Batch
		want  int
	}{
		{"forgotten", Batch{Forgotten: []Forgotten{gone}}, 1},
		{"forgotten twice", Batch{Forgotten: []Forgotten{gone}}, 1},
		{"a zombie's state from before", Batch{States: []iot.DeviceState{said}}, 1},
		{"it sends again", Batch{States: []iot.DeviceState{p.Says("device_001", iot.Temperature, "C", 20)}}, 2},
		{"the log read once more", Batch{Forgotten: []Forgotten{gone}, States: []iot.DeviceState{said}}, 2},
		{"deleted by another program", Batch{Forgotten: []Forgotten{{Identity: iot.Identity{ID: "device_001"}}}}, 1},
	} {
		v.Apply(step.batch)
		if got := len(allDevices(v)); got != step.want {
			t.Errorf("%s: got %d devices, want %d", step.name, got, step.want)
		}
		if got := v.Counts(); got.Total != int64(step.want) {
			t.Errorf("%s: got %+v counted, want %d", step.name, got, step.want)
		}
		if open := allOpen(v); len(open) != 0 {
			t.Errorf("%s: got %v open, want none", step.name, open)
		}
	}
	if len(v.counts) != 1 {
		t.Errorf("got counts of %d groups, want those of the device that is left", len(v.counts))
	}
}

func TestForgottenDevicesLeaveNothingBehind(t *testing.T) {
	p, v := script(), newTestView()
	for n := range 3 * keptDeletions {
		id := fmt.Sprint("device ", n)
		v.Apply(Batch{States: []iot.DeviceState{p.Says(id, iot.Temperature, "building "+id, 20)}})
		v.Apply(Batch{Forgotten: []Forgotten{forgets(p, id)}})
	}
	if len(v.devices) != 1 || len(v.numbers)+v.order.Len()+len(v.counts) != 0 || len(v.deletions.positions) != keptDeletions {
		t.Errorf("got %d numbers in use, %d known, %d listed, %d groups and %d deletions; want 1, none, none, none and %d",
			len(v.devices), len(v.numbers), v.order.Len(), len(v.counts), len(v.deletions.positions), keptDeletions)
	}
}

// A scan, in either direction and from any device on, visits each device that exists throughout exactly once and in the order of
// the ids, whatever devices are added and removed meanwhile.
func TestScanVisitsOnceWhatStays(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p, v := script(), newTestView()
		id := func(n int) string { return fmt.Sprintf("设备 %05d", n) }
		devices := rapid.SampledFrom([]int{0, 1, 7, scanBlock - 1, scanBlock, scanBlock + 1, 2*scanBlock + 3}).Draw(rt, "devices")
		var stays []iot.DeviceID
		for n := range devices {
			v.Apply(Batch{States: []iot.DeviceState{p.Says(id(2*n), iot.Humidity, "A", float64(n))}})
			if n%3 > 0 {
				stays = append(stays, iot.DeviceID(id(2*n)))
			}
		}
		descending := rapid.Bool().Draw(rt, "descending")
		if descending {
			slices.Reverse(stays)
		}
		var after iot.DeviceID
		if len(stays) > 0 && rapid.Bool().Draw(rt, "from the middle") {
			n := rapid.IntRange(0, len(stays)-1).Draw(rt, "after")
			after, stays = stays[n], stays[n+1:]
		}
		var visited []iot.DeviceID
		for more := true; more; {
			var last iot.DeviceID
			last, more = v.scanSome(after, descending, func(s *iot.DeviceState) bool {
				visited = append(visited, s.Latest.ID)
				return true
			})
			after = last
			n := rapid.IntRange(0, devices).Draw(rt, "changes")
			v.Apply(Batch{
				States:    []iot.DeviceState{p.Says(id(2*n+1), iot.Humidity, "A", 1)},
				Forgotten: []Forgotten{forgets(p, id(2*(n-n%3)))},
			})
		}
		seen := visited
		visited = slices.DeleteFunc(slices.Clone(visited), func(id iot.DeviceID) bool { return !slices.Contains(stays, id) })
		if !slices.Equal(visited, stays) {
			rt.Errorf("got %d of %d devices that stay", len(visited), len(stays))
		}
		if !slices.IsSortedFunc(seen, func(a, b iot.DeviceID) int {
			if descending {
				a, b = b, a
			}
			return cmp.Compare(a, b)
		}) {
			rt.Errorf("not in order: %q", seen)
		}
	})
}
