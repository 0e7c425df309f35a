package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"iotmon/internal/iot"
)

// pointRecords is a log whose points come into force when they are processed.
type pointRecords struct {
	appended []MachinePoints
	refuses  error
}

func (l *pointRecords) Points(_ context.Context, points []MachinePoints) error {
	if l.refuses == nil {
		l.appended = append(l.appended, slices.Clone(points)...)
	}
	return l.refuses
}

// shop is Points with the states of devices.
type shop struct {
	*Points
	states map[iot.DeviceID]iot.DeviceState
	log    *pointRecords
	offset int64
	now    time.Time
}

func newShop() *shop {
	s := &shop{states: make(map[iot.DeviceID]iot.DeviceState), now: time.Unix(1e9, 0).UTC(), log: new(pointRecords)}
	inForce := NewInForce()
	inForce.Begin(4)
	inForce.CaughtUp()
	s.Points = s.another(inForce)
	return s
}

// another returns the Points of another process, which knows the same.
func (s *shop) another(inForce *InForce) *Points {
	return NewPoints(PointsOptions{
		InForce: inForce, Log: s.log, Complete: func() bool { return true }, OfflineAfter: 15 * time.Second, Logger: slog.New(slog.DiscardHandler),
		Each: func(visit func(*iot.DeviceState) bool) {
			for _, state := range s.states {
				if !visit(&state) {
					return
				}
			}
		},
		State: func(id iot.Identity) (iot.DeviceState, bool) { state, ok := s.states[id.ID]; return state, ok },
	})
}

// rule puts a rule for temperatures in force in every partition.
func (s *shop) rule(expression string, change func(*iot.Rule)) {
	s.offset++
	entry := iot.RuleEntry{Version: s.offset, Rule: iot.Rule{
		Name: "odd", Severity: iot.Warning, Selector: iot.Selector{Type: iot.Temperature}, Condition: iot.Condition{Kind: iot.Expression, Expression: expression},
	}}
	if change != nil {
		change(&entry.Rule)
	}
	for id := range int32(4) {
		s.InForce.SetRule(&iot.RuleInForce{RuleEntry: entry, Position: iot.Position{Partition: id, Offset: s.offset}})
	}
}

// sends sets the newest value of a device of a type in a machine.
func (s *shop) sends(device string, t iot.DeviceType, partition int32, machine string, value float64, change func(*iot.DeviceState)) {
	s.offset++
	state := iot.DeviceState{
		Latest: iot.Reading{Device: iot.Device{ID: iot.DeviceID(device), Type: t, Location: iot.Location{Building: machine}}, Time: s.now, Value: value},
		Status: iot.Online, LastSeen: s.now, Position: iot.Position{Partition: partition, Offset: s.offset},
	}
	if change != nil {
		change(&state)
	}
	s.states[state.Latest.ID] = state
}

// press has two temperatures in the partitions 0 and 1, and a pressure in partition 2.
func (s *shop) press(name string, pressure float64) {
	s.sends(name+"-t1", iot.Temperature, 0, name, 20, nil)
	s.sends(name+"-t2", iot.Temperature, 1, name, 21, nil)
	s.sends(name+"-p", iot.Pressure, 2, name, pressure, nil)
}

func (s *shop) mustAppend(t *testing.T, pause time.Duration, processed bool, want string) {
	t.Helper()
	s.now = s.now.Add(pause)
	s.log.appended = nil
	if err := s.step(t.Context(), s.now); !errors.Is(err, s.log.refuses) {
		t.Fatal(err)
	}
	var words []string
	for i := range s.log.appended {
		m := &s.log.appended[i]
		for _, point := range m.Points {
			words = append(words, fmt.Sprintf("%s@%d %s=%v", m.Area, m.Partition, point.Name, point.Value))
			if !point.Good {
				words[len(words)-1] += " lost"
			}
		}
		if processed {
			s.offset++
			s.InForce.SetPoints(m.Machine, &iot.PointsInForce{Points: m.Points, Position: iot.Position{Partition: m.Partition, Offset: s.offset}})
		}
	}
	if got := strings.Join(words, ", "); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

const pressure = string(iot.Pressure)

func TestThePointsThatRulesNameAreAppendedWhereTheyAreNeeded(t *testing.T) {
	s := newShop()
	s.press("press", 4)
	s.press("other", 5)
	s.mustAppend(t, time.Second, true, "") // No rule needs them.
	s.rule("point('"+pressure+"').value > 3", func(r *iot.Rule) { r.Area = "press" })
	s.mustAppend(t, time.Second, true, "press@0 pressure_sensor=4, press@1 pressure_sensor=4")
	s.mustAppend(t, time.Second, true, "")
	s.press("press", 4)
	s.mustAppend(t, time.Second, true, "") // It is the same, and hardly older.
	s.press("press", 4.1)
	s.mustAppend(t, time.Second, true, "press@0 pressure_sensor=4.1, press@1 pressure_sensor=4.1")
	s.now = s.now.Add(pointAgain)
	s.press("press", 4.1)
	s.mustAppend(t, time.Second, true, "press@0 pressure_sensor=4.1, press@1 pressure_sensor=4.1")
	s.sends("press-p", iot.Pressure, 2, "press", 4.1, func(state *iot.DeviceState) { state.Status = iot.Offline })
	s.mustAppend(t, time.Second, true, "press@0 pressure_sensor=0 lost, press@1 pressure_sensor=0 lost")
	s.sends("press-p", iot.Pressure, 2, "press", 4.1, func(state *iot.DeviceState) { state.Latest.Quality = iot.Bad })
	s.mustAppend(t, time.Second, true, "") // Still lost.
	s.rule("point('"+pressure+"').value > 3", func(r *iot.Rule) { r.Devices = []iot.DeviceID{"other-t2"} })
	s.mustAppend(t, time.Second, true, "other@1 pressure_sensor=5")
	s.rule("point('"+pressure+"').value > 3", func(r *iot.Rule) { r.Disabled = true })
	s.press("other", 6)
	s.mustAppend(t, time.Second, true, "")
}

// The id of a device goes before the label of its entry, and that before its type. Where several devices match, none is the point.
func TestWhatIsAPointOfAMachine(t *testing.T) {
	s := newShop()
	s.press("press", 4)
	register := func(device, label string, change func(*iot.DeviceEntry)) {
		s.offset++
		entry := iot.DeviceEntry{Version: s.offset, Labels: map[string]string{iot.PointLabel: label}}
		if change != nil {
			change(&entry)
		}
		s.InForce.SetDevice(iot.Identity{ID: iot.DeviceID(device)}, &iot.EntryInForce{DeviceEntry: entry, Position: iot.Position{Offset: s.offset}})
	}
	s.rule(`point("p").value + point("press-p").value + point("temperature_sensor").value > 0`, func(r *iot.Rule) { r.Devices = []iot.DeviceID{"press-t1"} })
	s.mustAppend(t, time.Second, true, "press@0 press-p=4")
	s.sends("p2", iot.Pressure, 3, "press", 7, nil)
	register("p2", "p", nil)
	s.mustAppend(t, time.Second, true, "press@0 p=7, press@0 press-p=4")
	register("press-t2", "p", nil)
	s.mustAppend(t, time.Second, true, "") // There are two of that name: the point ends.
	register("press-t2", "p", func(e *iot.DeviceEntry) { e.Retired = true })
	s.sends("p2", iot.Pressure, 3, "press", 8, nil)
	s.mustAppend(t, time.Second, true, "press@0 p=8, press@0 press-p=4, press@0 temperature_sensor=20") // Nor does a retired one count by its type.
	register("p2", "p", func(e *iot.DeviceEntry) { e.Area = "elsewhere" })
	s.sends("press-p", iot.Pressure, 2, "press", 5, nil)
	s.mustAppend(t, time.Second, true, "press@0 press-p=5, press@0 temperature_sensor=20")
	s.sends("p", iot.Pressure, 2, "press", 6, nil)
	s.mustAppend(t, findPointsEvery, true, "press@0 p=6, press@0 press-p=5, press@0 temperature_sensor=20") // A device that has come meanwhile.
}

// Of two processes the one that is behind appends nothing that contradicts the other.
func TestAProcessThatIsBehindAppendsNoPoint(t *testing.T) {
	s := newShop()
	s.rule("point('"+pressure+"').value > 3", nil)
	s.press("press", 4)
	behind := s.states
	s.states = make(map[iot.DeviceID]iot.DeviceState)
	s.press("press", 5)
	s.mustAppend(t, time.Second, true, "press@0 pressure_sensor=5, press@1 pressure_sensor=5")
	s.states = behind
	s.Points = s.another(s.InForce)
	for range 100 {
		s.mustAppend(t, time.Second, true, "")
	}
}

// Processors that are away get points that stay the same now and then, not with every step.
func TestPointsThatAreNotInForceAreAppendedSeldom(t *testing.T) {
	s := newShop()
	s.rule("point('"+pressure+"').value > 3", nil)
	s.press("press", 4)
	times := 0
	for range 3600 {
		s.now, s.log.appended = s.now.Add(time.Second), nil
		if err := s.step(t.Context(), s.now); err != nil {
			t.Fatal(err)
		}
		times += min(len(s.log.appended), 1)
	}
	if times < 50 || times > 80 {
		t.Errorf("got them appended %d times in an hour, want about once a minute", times)
	}
	s.log.refuses = errors.New("no broker")
	s.press("press", 5)
	s.mustAppend(t, time.Second, true, "")
	s.log.refuses = nil
	s.mustAppend(t, time.Second, true, "press@0 pressure_sensor=5, press@1 pressure_sensor=5")
}

// A partition keeps a limited number of points. Those for which it has no room are not appended.
func TestPointsForWhichThereIsNoRoomAreNotAppended(t *testing.T) {
	s := newShop()
	s.rule("point('"+pressure+"').value > 3", func(r *iot.Rule) { r.Type = "" })
	for round := range 3 {
		for i := range iot.MaxPoints + 500 {
			s.sends(fmt.Sprintf("%05d", i), iot.Pressure, 0, fmt.Sprintf("press %05d", i), float64(round), nil)
		}
		s.now, s.log.appended = s.now.Add(time.Second), nil
		if err := s.step(t.Context(), s.now); err != nil {
			t.Fatal(err)
		}
		if got := len(s.log.appended); got != iot.MaxPoints || s.log.appended[got-1].Area != "press 09999" {
			t.Fatalf("got points of %d machines appended, want those of the first %d", got, iot.MaxPoints)
		}
		for i := range s.log.appended {
			m := &s.log.appended[i]
			s.InForce.SetPoints(m.Machine, &iot.PointsInForce{Points: m.Points, Position: iot.Position{Offset: int64(round)}})
		}
	}
}

// BenchmarkPoints is a step of a plant with 100,000 devices, of which a rule watches one in each of 1,000 machines; two points of each change.
func BenchmarkPoints(b *testing.B) {
	s := newShop()
	s.rule(`point("p").value > point("q").value`, nil)
	for i := range 1000 {
		machine := fmt.Sprint("press ", i)
		s.sends(fmt.Sprint("t", i), iot.Temperature, int32(i%4), machine, 20, nil)
		for _, point := range []string{"p", "q"} {
			id := fmt.Sprint(point, i)
			s.sends(id, iot.Pressure, int32(i%3), machine, 4, nil)
			s.InForce.SetDevice(iot.Identity{ID: iot.DeviceID(id)}, &iot.EntryInForce{DeviceEntry: iot.DeviceEntry{Version: 1, Labels: map[string]string{iot.PointLabel: point}}})
		}
	}
	for i := range 97_000 {
		s.sends(fmt.Sprint("other", i), iot.Humidity, 0, "hall", 4, nil)
	}
	for _, again := range []bool{false, true} {
		b.Run(map[bool]string{false: "values", true: "values and devices"}[again], func(b *testing.B) {
			value := 0.0
			for b.Loop() {
				value++
				for i := range 1000 {
					for _, point := range []string{"p", "q"} {
						id := iot.DeviceID(fmt.Sprint(point, i))
						state := s.states[id]
						state.Latest.Value, state.Position.Offset = value, state.Position.Offset+1
						s.states[id] = state
					}
				}
				if again {
					s.found = time.Time{}
				}
				s.log.appended = s.log.appended[:0]
				if err := s.step(b.Context(), s.now); err != nil || len(s.log.appended) != 1000 {
					b.Fatal(len(s.log.appended), err)
				}
			}
		})
	}
}
