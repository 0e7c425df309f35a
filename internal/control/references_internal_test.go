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

// referenceRecords is a log whose references come into force when they are processed.
type referenceRecords struct {
	appended []Reference
	refuses  error
}

func (l *referenceRecords) References(_ context.Context, references []Reference) error {
	if l.refuses != nil {
		return l.refuses
	}
	l.appended = append(l.appended, slices.Clone(references)...)
	return nil
}

// hall is References with the states of devices.
type hall struct {
	*References
	states map[iot.DeviceID]iot.DeviceState
	log    *referenceRecords
	offset int64
	now    time.Time
}

func newHall() *hall {
	h := &hall{states: make(map[iot.DeviceID]iot.DeviceState), now: time.Unix(1e9, 0).UTC(), log: new(referenceRecords)}
	inForce := NewInForce()
	inForce.Begin(4)
	inForce.CaughtUp()
	h.References = h.another(inForce)
	return h
}

// another returns the References of another process, which knows the same.
func (h *hall) another(inForce *InForce) *References {
	return NewReferences(ReferencesOptions{
		InForce: inForce, Log: h.log, Complete: func() bool { return true }, OfflineAfter: 15 * time.Second, Logger: slog.New(slog.DiscardHandler),
		Each: func(visit func(*iot.DeviceState) bool) {
			for _, state := range h.states {
				if !visit(&state) {
					return
				}
			}
		},
	})
}

// rule puts a rule for temperatures in force in every partition.
func (h *hall) rule(limit float64, change func(*iot.Rule)) {
	h.offset++
	entry := iot.RuleEntry{Version: h.offset, Rule: iot.Rule{
		Name: "odd", Severity: iot.Warning, Selector: iot.Selector{Type: iot.Temperature}, Condition: iot.Condition{Kind: iot.Deviation, Threshold: limit},
	}}
	if change != nil {
		change(&entry.Rule)
	}
	for id := range int32(4) {
		h.InForce.SetRule(&iot.RuleInForce{RuleEntry: entry, Position: iot.Position{Partition: id, Offset: h.offset}})
	}
}

// sends sets the newest values of devices of the hall, named by the alphabet, in the partitions 0 and 1 by turns.
func (h *hall) sends(values ...float64) {
	for i, value := range values {
		h.state(string(rune('a'+i)), int32(i%2), value, nil)
	}
}

func (h *hall) state(device string, partition int32, value float64, change func(*iot.DeviceState)) {
	h.offset++
	state := iot.DeviceState{
		Latest: iot.Reading{
			Device: iot.Device{ID: iot.DeviceID(device), Type: iot.Temperature, Location: iot.Location{Building: "hall"}}, Time: h.now, Value: value,
		},
		Status: iot.Online, LastSeen: h.now, Position: iot.Position{Partition: partition, Offset: h.offset},
	}
	if change != nil {
		change(&state)
	}
	h.states[state.Latest.ID] = state
}

// after returns what is appended in the step after some time, and has it in force if it is processed.
func (h *hall) after(t *testing.T, pause time.Duration, processed bool) string {
	t.Helper()
	h.now = h.now.Add(pause)
	h.log.appended = nil
	if err := h.step(t.Context(), h.now); !errors.Is(err, h.log.refuses) {
		t.Fatal(err)
	}
	var words []string
	for i := range h.log.appended {
		r := &h.log.appended[i]
		words = append(words, fmt.Sprintf("%s@%d %v of %d", r.Peers.Area, r.Partition, r.Median, r.Devices))
		if processed {
			h.offset++
			h.InForce.SetReference(r.Peers, &iot.ReferenceInForce{Reference: r.Reference, Position: iot.Position{Partition: r.Partition, Offset: h.offset}})
		}
	}
	return strings.Join(words, ", ")
}

func (h *hall) mustAppend(t *testing.T, pause time.Duration, processed bool, want string) {
	t.Helper()
	if got := h.after(t, pause, processed); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTheMedianOfPeersIsAppendedWhereTheyAre(t *testing.T) {
	h := newHall()
	h.sends(20, 21, 22, 23, 90)
	h.mustAppend(t, 0, true, "") // No rule needs it.
	h.rule(3, nil)
	h.mustAppend(t, time.Second, true, "hall@0 22 of 5, hall@1 22 of 5")
	h.sends(20, 21, 22.1, 23, 90)
	h.mustAppend(t, time.Second, true, "") // A small part of the limit is no change.
	h.sends(20, 21, 22.5, 23, 90)
	h.mustAppend(t, time.Second, true, "hall@0 22.5 of 5, hall@1 22.5 of 5")
	h.mustAppend(t, time.Hour, true, "") // The devices have sent nothing: what follows from them ends.
	h.sends(20, 21, 22.5, 23, 90)
	h.mustAppend(t, time.Second, true, "hall@0 22.5 of 5, hall@1 22.5 of 5")
	h.now = h.now.Add(referenceAgain)
	h.sends(20, 21, 22.5, 23, 90)
	h.mustAppend(t, time.Second, true, "hall@0 22.5 of 5, hall@1 22.5 of 5")
	h.rule(3, func(r *iot.Rule) { r.Disabled = true })
	h.sends(1, 1, 1, 1, 1)
	h.mustAppend(t, time.Second, true, "")
}

// The devices that are watched decide where the median goes, and all peers what it is.
func TestAllPeersMakeTheMedianForThoseThatAreWatched(t *testing.T) {
	h := newHall()
	h.rule(3, func(r *iot.Rule) { r.Devices = []iot.DeviceID{"b"} })
	h.sends(20, 21, 22, 23, 90)
	h.state("other", 3, 50, func(s *iot.DeviceState) { s.Latest.Location.Building = "yard" })
	h.mustAppend(t, time.Second, true, "hall@1 22 of 5")
}

func TestWhatCountsForAMedian(t *testing.T) {
	h := newHall()
	h.rule(3, nil)
	h.sends(20, 21, 22, 23, 24)
	for name, change := range map[string]func(*iot.DeviceState){
		"offline":   func(s *iot.DeviceState) { s.Status = iot.Offline },
		"bad":       func(s *iot.DeviceState) { s.Latest.Quality = iot.Bad },
		"uncertain": func(s *iot.DeviceState) { s.Latest.Quality = iot.Uncertain },
		"humidity":  func(s *iot.DeviceState) { s.Latest.Type = iot.Humidity },
		"elsewhere": func(s *iot.DeviceState) { s.Latest.Location.Room = "1" },
		"acme's":    func(s *iot.DeviceState) { s.Latest.Tenant = "acme" },
		"stale":     func(s *iot.DeviceState) { s.LastSeen = h.now.Add(-15*time.Minute - time.Second) },
	} {
		h.state(name, 1, 1000, change)
	}
	h.state("retired", 1, 1000, nil)
	h.InForce.SetDevice(iot.Identity{ID: "retired"}, &iot.EntryInForce{DeviceEntry: iot.DeviceEntry{Version: 1, Retired: true}})
	h.state("registered", 1, 24, func(s *iot.DeviceState) { s.Latest.Quality, s.Latest.Location = iot.Good, iot.Location{} })
	h.InForce.SetDevice(iot.Identity{ID: "registered"}, &iot.EntryInForce{DeviceEntry: iot.DeviceEntry{Version: 1, Area: "hall", Interval: 5 * time.Minute}})
	h.mustAppend(t, time.Second, true, "hall@0 22.5 of 6, hall@1 22.5 of 6")
	if got := h.log.appended[0].For; got != 15*time.Minute {
		t.Errorf("got a reference for %v, want three intervals of the device that sends most seldom", got)
	}
	delete(h.states, "registered")
	delete(h.states, "a")
	h.now = h.now.Add(time.Minute)
	h.sends()
	h.state("b", 1, 50, nil)
	h.mustAppend(t, time.Second, true, "") // Four are too few.
}

// Of two processes the one that is behind appends nothing that contradicts the other.
func TestAProcessThatIsBehindAppendsNoMedian(t *testing.T) {
	h := newHall()
	h.rule(3, nil)
	h.sends(20, 20, 20, 20, 20)
	behind := h.states
	h.mustAppend(t, time.Second, true, "hall@0 20 of 5, hall@1 20 of 5")
	h.states = make(map[iot.DeviceID]iot.DeviceState)
	h.sends(30, 30, 30, 30, 30)
	h.mustAppend(t, time.Second, true, "hall@0 30 of 5, hall@1 30 of 5")
	ahead := h.states
	h.states = behind
	other := h.another(h.InForce)
	for range 100 {
		h.now = h.now.Add(referencesEvery)
		if err := other.step(t.Context(), h.now); err != nil {
			t.Fatal(err)
		}
	}
	if len(h.log.appended) != 2 {
		t.Errorf("got %+v, want nothing of the process that is behind", h.log.appended[2:])
	}
	h.states = ahead
	h.mustAppend(t, time.Second, true, "") // Both know the same now.
}

// Processors that are away get a median now and then, not with every step.
func TestAMedianThatIsNotInForceIsAppendedSeldom(t *testing.T) {
	h := newHall()
	h.rule(3, nil)
	times := 0
	for range 1200 {
		h.sends(20, 20, 20, 20, 20)
		if h.after(t, referencesEvery, false) != "" {
			times++
		}
	}
	if times < 50 || times > 80 {
		t.Errorf("got it appended %d times in an hour, want about once a minute", times)
	}
}

func TestMediansOutliveAFailureOfTheLog(t *testing.T) {
	h := newHall()
	h.rule(3, nil)
	h.sends(20, 20, 20, 20, 20)
	h.log.refuses = errors.New("no broker")
	h.mustAppend(t, time.Second, true, "")
	h.log.refuses = nil
	h.mustAppend(t, time.Second, true, "hall@0 20 of 5, hall@1 20 of 5")
}
