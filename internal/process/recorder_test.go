package process_test

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/process"
	"iotmon/internal/wire"
)

// recorder keeps outputs as text, in their order, as a topic does.
type recorder struct {
	finals, alerts, areas, rejects []string
	// late holds the highest position at which a window was announced: announcements merge from batch to batch.
	late   map[string]int64
	states map[string][]byte
	// inForce holds the values by key, nil for one that was deleted.
	inForce map[string][]byte
	open    int
}

func newRecorder() *recorder {
	return &recorder{late: make(map[string]int64), states: make(map[string][]byte), inForce: make(map[string][]byte)}
}

func (r *recorder) Summary(s *iot.WindowSummary) {
	switch {
	case s.Late:
		key := fmt.Sprint(s.Type, " ", s.Window.Start.Format(time.TimeOnly))
		r.late[key] = max(r.late[key], s.Offset)
	case s.Final:
		mustAddUp(s)
		r.finals = append(r.finals, string(wire.AppendWindowSummary(nil, s)))
	default:
		mustAddUp(s)
		r.open++
	}
}

// mustAddUp panics if the groups of a summary are not its parts.
func mustAddUp(s *iot.WindowSummary) {
	if s.Groups == nil {
		return
	}
	var sum iot.Summary
	areas := 0
	for i := range s.Groups {
		sum.Merge(s.Groups[i].Summary)
		if area := s.Groups[i].Area; area != "" && area != iot.OtherAreas {
			areas++
		}
	}
	if sum.Count != s.Count || sum.Bad != s.Bad || sum.Uncertain != s.Uncertain || sum.Sum.Float64() != s.Sum.Float64() || sum.Min != s.Min ||
		sum.Max != s.Max || sum.Online != s.Online || sum.Offline != s.Offline || sum.AlertCount != s.AlertCount || sum.Devices < s.Devices ||
		areas > iot.MaxAreas {
		panic(fmt.Sprintf("the groups of %+v add up to %+v", s, sum))
	}
}

func (r *recorder) Alert(a *iot.Alert) {
	r.alerts = append(r.alerts, string(wire.AppendAlert(nil, a)))
}

func (r *recorder) Areas(d *iot.DeviceAreas) {
	r.areas = append(r.areas, string(wire.AppendDeviceAreas(nil, d)))
}

func (r *recorder) State(s *iot.DeviceState) {
	r.states[s.Latest.Identity().String()] = wire.AppendDeviceState(nil, s)
}

// Forget keeps that there was a state.
func (r *recorder) Forget(device iot.Identity, _ iot.Position) { r.states[device.String()] = nil }

func (r *recorder) InForce(key, value []byte, _ iot.Position) {
	r.inForce[string(key)] = bytes.Clone(value)
}

func (r *recorder) Reject(reject *process.Reject) {
	r.rejects = append(r.rejects, fmt.Sprint(reject.Offset, " ", reject.Field, " ", reject.Reason))
}

// append adds the outputs of another recorder, as the commit of a transaction.
func (r *recorder) append(other *recorder) {
	r.finals = append(r.finals, other.finals...)
	r.alerts = append(r.alerts, other.alerts...)
	r.areas = append(r.areas, other.areas...)
	r.rejects = append(r.rejects, other.rejects...)
	for key, offset := range other.late {
		r.late[key] = max(r.late[key], offset)
	}
	maps.Copy(r.states, other.states)
	maps.Copy(r.inForce, other.inForce)
}

// difference describes how two runs differ, "" if they are equal. It ignores the positions of states, and of what is in
// force, which depend on when they were published.
func (r *recorder) difference(want *recorder) string {
	for _, list := range []struct {
		name      string
		got, want []string
	}{{"finals", r.finals, want.finals}, {"alerts", r.alerts, want.alerts}, {"areas", r.areas, want.areas}, {"rejects", r.rejects, want.rejects}} {
		if !slices.Equal(list.got, list.want) {
			return fmt.Sprintf("%s: got %d, want %d:\n%q\n%q", list.name, len(list.got), len(list.want), list.got, list.want)
		}
	}
	if !maps.Equal(r.late, want.late) {
		return fmt.Sprintf("late windows: got %v, want %v", r.late, want.late)
	}
	got, wanted := r.finalStates(), want.finalStates()
	for id := range wanted {
		if got[id] != wanted[id] {
			return fmt.Sprintf("state of %s: got\n%s\nwant\n%s", id, got[id], wanted[id])
		}
	}
	if len(got) != len(wanted) {
		return fmt.Sprintf("states: got %d, want %d", len(got), len(wanted))
	}
	if got, want := r.finalInForce(), want.finalInForce(); !maps.Equal(got, want) {
		return fmt.Sprintf("in force: got\n%q\nwant\n%q", got, want)
	}
	return ""
}

// finalInForce returns what is in force by key, without positions, which depend on when it was published.
func (r *recorder) finalInForce() map[string]string {
	values := make(map[string]string, len(r.inForce))
	for key, value := range r.inForce {
		if value != nil {
			values[key], _, _ = strings.Cut(string(value), `,"partition":`)
		}
	}
	return values
}

func (r *recorder) finalStates() map[string]string {
	states := make(map[string]string, len(r.states))
	for id, text := range r.states {
		if text == nil {
			continue
		}
		state, err := wire.DecodeDeviceState(text)
		if err != nil {
			panic(err)
		}
		state.Position = iot.Position{}
		states[id] = string(wire.AppendDeviceState(nil, &state))
	}
	return states
}
