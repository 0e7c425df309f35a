package process_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"iotmon/internal/iot"
	"iotmon/internal/process"
	"iotmon/internal/wire"
)

func TestBadQualityIsShownAndCountedBeside(t *testing.T) {
	var j journal
	j.reading(0, "a", 0, 20)
	for second := 5.0; second < 30; second += 5 {
		j.write(second, iot.Reading{Device: iot.Device{ID: "a"}, Time: at(second), Value: 85, Quality: iot.Bad})
	}
	j.tick(36)
	out := onePass(t, j)
	if events := eventsOf(t, out); len(events) != 0 {
		t.Errorf("got %q, want no alarm of a bad value", events)
	}
	if state := stateOf(t, out, "a"); state.Latest.Value != 85 || state.Latest.Quality != iot.Bad || state.Status != iot.Online {
		t.Errorf("got %+v, want the bad value shown, of a device that is online", state)
	}
	got, err := wire.DecodeWindowSummary([]byte(out.finals[0]))
	if err != nil || got.Count != 1 || got.Max != 20 || got.Bad != 5 || got.Devices != 1 {
		t.Errorf("got %+v, %v, want one reading and five bad ones beside it", got, err)
	}
}

func TestAForgottenDeviceIsGoneUntilItSends(t *testing.T) {
	var j journal
	j.every5("a", 0, 10, 0, 40)
	j.forget(11, "a")
	j.forget(12, "never seen")
	out := onePass(t, j)
	if out.states["a"] != nil {
		t.Errorf("got state %s, want none", out.states["a"])
	}
	events := eventsOf(t, out)
	if count(events, "temperature_high raised") != count(events, "temperature_high cleared") || count(events, "temperature_critical cleared") != 1 {
		t.Errorf("got %q, want all that was raised cleared", events)
	}
	if len(out.rejects) != 0 {
		t.Errorf("got rejects %q, want none", out.rejects)
	}
	j.reading(20, "a", 20, 20)
	if state := stateOf(t, onePass(t, j), "a"); state.Status != iot.Online {
		t.Errorf("got %s, want the device back", state.Status)
	}
}

func TestASilentDeviceIsForgotten(t *testing.T) {
	var j journal
	j.reading(0, "a", 0, 20)
	j.every5("b", 0, 400, 0, 20)
	p := process.New(options(t), 3, process.Checkpoint{}, false)
	out := newRecorder()
	p.Process(j, out)
	p.PublishStates(out)
	if out.states["a"] != nil || out.states["b"] == nil {
		t.Errorf("got states of %d devices, want b alone: a was silent for five minutes", len(out.states))
	}
	if got := p.ResetCounts().Forgotten; got != 1 {
		t.Errorf("got %d forgotten, want 1", got)
	}
}

// Ticks are needed only while time may have an effect soon. For an offline device that is when it is to be forgotten.
func TestTicksAreNotWantedForNothing(t *testing.T) {
	var j journal
	j.reading(0, "a", 0, 20)
	for second := 1.0; second < 60; second++ {
		j.tick(second)
	}
	p := process.New(options(t), 3, process.Checkpoint{}, false)
	p.Process(j, newRecorder())
	if p.NeedsTicks(at(100)) {
		t.Error("ticks are wanted though the only device is offline")
	}
	if !p.NeedsTicks(at(400)) {
		t.Error("no ticks are wanted though the device is to be forgotten")
	}
}

// forgotten notes at which position devices were forgotten.
type forgotten struct {
	*recorder
	at map[string]iot.Position
}

func (f *forgotten) Forget(device iot.Identity, at iot.Position) { f.at[device.String()] = at }

// Readers of states compare positions: with an equal position, the device would stay deleted although it has sent a reading.
func TestAStateAfterAForgettingHasAHigherPosition(t *testing.T) {
	var j journal
	j.reading(0, "a", 0, 20)
	j.forget(1, "a")
	j.reading(2, "a", 2, 20)
	p := process.New(options(t), 3, process.Checkpoint{}, false)
	out := &forgotten{newRecorder(), make(map[string]iot.Position)}
	p.Process(j, out)
	p.PublishStates(out)
	gone, state := out.at["a"], stateOf(t, out.recorder, "a")
	if gone == (iot.Position{}) || gone.Compare(state.Position) >= 0 {
		t.Errorf("got the state at %v, want it behind the forgetting at %v", state.Position, gone)
	}
}

// A sensor reports its first live values after a backlog as bad. What the backlog began goes on with the first value that rules judge, as if there had
// been no others.
func TestBadReadingsAfterABacklogChangeNoAlert(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var with, without journal
		add := func(appended, time, value float64, quality iot.Quality, historical bool) {
			r := iot.Reading{Device: iot.Device{ID: "a"}, Time: at(time), Value: value, Quality: quality, Historical: historical}
			with.write(appended, r)
			if quality != iot.Bad {
				without.write(appended, r)
			}
		}
		values := rapid.SampledFrom([]float64{20, 29.3, 40})
		for i := range rapid.IntRange(1, 10).Draw(t, "backlog") {
			add(130, float64(10*i), values.Draw(t, "past value"), "", true)
		}
		now := 131.0
		for range rapid.IntRange(1, 5).Draw(t, "bad") {
			now++
			add(now, now, 99, iot.Bad, false)
		}
		for range rapid.IntRange(1, 4).Draw(t, "live") {
			now += 2
			add(now, now, values.Draw(t, "live value"), "", false)
		}
		story := func(j journal) (events []string) {
			for _, text := range onePass(t, j).alerts {
				a, err := wire.DecodeAlert([]byte(text))
				if err != nil {
					t.Fatal(err)
				}
				events = append(events, fmt.Sprint(a.Rule, " ", a.Transition, " ", a.Onset, " ", a.Time, " ", a.Historical))
			}
			return events
		}
		if got, want := story(with), story(without); !slices.Equal(got, want) {
			t.Fatalf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}
