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

// household is parents with the states of devices, and a log whose outages come into force when they are processed.
type household struct {
	*Parents
	states  map[iot.Identity]iot.DeviceState
	log     []Outage
	refuses error
	offset  int64
	now     time.Time
}

func newHousehold() *household {
	h := &household{states: make(map[iot.Identity]iot.DeviceState), now: time.Unix(1e9, 0)}
	inForce := NewInForce()
	inForce.Begin(4)
	inForce.CaughtUp()
	h.Parents = NewParents(ParentsOptions{
		InForce: inForce, Log: h, Complete: func() bool { return true }, Logger: slog.New(slog.DiscardHandler),
		State: func(id iot.Identity) (iot.DeviceState, bool) { s, ok := h.states[id]; return s, ok },
	})
	return h
}

func (h *household) Outages(_ context.Context, outages []Outage) error {
	if h.refuses != nil {
		return h.refuses
	}
	h.log = append(h.log, slices.Clone(outages)...)
	return nil
}

// register puts devices in force, given as device:parent:partition.
func (h *household) register(devices ...string) {
	for _, text := range devices {
		parts := strings.Split(text, ":")
		h.offset++
		entry := iot.EntryInForce{DeviceEntry: iot.DeviceEntry{Version: h.offset, Parent: iot.DeviceID(parts[1])}}
		_, _ = fmt.Sscan(parts[2], &entry.Partition)
		entry.Offset = h.offset
		h.InForce.SetDevice(iot.Identity{ID: iot.DeviceID(parts[0])}, &entry)
	}
}

// is sets the state of a device.
func (h *household) is(device string, silent bool) {
	h.offset++
	state := iot.DeviceState{Position: iot.Position{Partition: 9, Offset: h.offset}}
	if silent {
		state.Alerts = []iot.AlertState{{Rule: iot.RuleOffline, Raised: new(iot.Alert)}}
	}
	h.states[iot.Identity{ID: iot.DeviceID(device)}] = state
}

// after returns what is said in the step after some time, and has it in force if it is processed.
func (h *household) after(t *testing.T, pause time.Duration, processed bool) string {
	t.Helper()
	h.now = h.now.Add(pause)
	h.log = nil
	if err := h.step(t.Context(), h.now); !errors.Is(err, h.refuses) {
		t.Fatal(err)
	}
	var words []string
	for i := range h.log {
		o := &h.log[i]
		words = append(words, fmt.Sprintf("%s@%d %v", o.Parent.ID, o.Partition, o.Silent))
		if processed {
			h.offset++
			in := iot.OutageInForce{Silent: o.Silent, Evidence: o.Evidence, Position: iot.Position{Partition: o.Partition, Offset: h.offset}}
			h.InForce.SetOutage(o.Parent, &in)
		}
	}
	return strings.Join(words, ", ")
}

func (h *household) mustSay(t *testing.T, pause time.Duration, processed bool, want string) {
	t.Helper()
	if got := h.after(t, pause, processed); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestASilentParentIsSaidWhereItsDevicesAre(t *testing.T) {
	h := newHousehold()
	h.register("a:g:1", "b:g:3", "c:g:3", "d:other:2", "lone::0")
	h.is("g", false)
	h.mustSay(t, 0, true, "")
	h.is("g", true)
	h.is("lone", true) // It has no devices.
	h.mustSay(t, time.Second, true, "g@1 true, g@3 true")
	h.mustSay(t, time.Minute, true, "")
	h.mustSay(t, outageAgain, true, "g@1 true, g@3 true") // Otherwise it would end.
	h.register("e:g:0")                                   // A device is registered meanwhile,
	h.mustSay(t, time.Second, true, "g@0 true")
	h.is("g", false)
	h.mustSay(t, time.Second, true, "g@0 false, g@1 false, g@3 false")
	h.mustSay(t, time.Hour, true, "")
}

// Processors that are away get what is to be said now and then, not with every step.
func TestWhatIsNotInForceIsSaidSeldom(t *testing.T) {
	h := newHousehold()
	h.register("a:g:1")
	h.is("g", true)
	times := 0
	for range 3600 {
		if h.after(t, time.Second, false) != "" {
			times++
		}
	}
	if times < 10 || times > 25 {
		t.Errorf("got it said %d times in an hour, want it now and then", times)
	}
	h.is("g", false)
	h.mustSay(t, time.Second, false, "") // It was never in force.
}

func TestAFailureOfTheLogIsMadeUpFor(t *testing.T) {
	h := newHousehold()
	h.register("a:g:1")
	h.is("g", true)
	h.refuses = errors.New("no broker")
	h.mustSay(t, time.Second, true, "")
	h.refuses = nil
	h.mustSay(t, time.Second, true, "g@1 true")
}

// After a start, nobody knows how long ago an outage was said last.
func TestAfterAStartOutagesAreSaidAgain(t *testing.T) {
	h := newHousehold()
	h.register("a:g:1")
	h.is("g", true)
	h.mustSay(t, time.Second, true, "g@1 true")
	h.said = make(map[partitionParent]said)
	h.mustSay(t, time.Second, true, "g@1 true")
}

// A process whose states are older than those of another one does not contradict it.
func TestAProcessThatIsBehindSaysNothing(t *testing.T) {
	h := newHousehold()
	h.register("a:g:1")
	h.is("g", true)
	behind := h.states[iot.Identity{ID: "g"}]
	h.mustSay(t, time.Second, true, "g@1 true")
	h.is("g", false)
	h.mustSay(t, time.Second, true, "g@1 false")
	h.states[iot.Identity{ID: "g"}] = behind
	h.mustSay(t, time.Hour, true, "")
}

// A parent that is forgotten has no alert, so nothing may be suppressed in its name.
func TestAForgottenParentIsNotSilent(t *testing.T) {
	h := newHousehold()
	h.register("a:g:1")
	h.is("g", true)
	h.mustSay(t, time.Second, true, "g@1 true")
	delete(h.states, iot.Identity{ID: "g"})
	h.mustSay(t, time.Second, true, "g@1 false")
}

// Devices above one another would silence one another for good.
func TestDevicesAboveThemselvesSilenceNobody(t *testing.T) {
	h := newHousehold()
	h.register("a:b:1", "b:c:1", "c:a:1", "self:self:1", "below:a:1")
	for _, device := range []string{"a", "b", "c", "self", "below"} {
		h.is(device, true)
	}
	h.mustSay(t, time.Second, true, "")
	h.register("c::1")
	h.mustSay(t, time.Second, true, "a@1 true, b@1 true, c@1 true")
}

func TestAlertsThatStandForAParent(t *testing.T) {
	latched, returning := iot.Alert{Latched: time.Unix(1, 0)}, time.Unix(1, 0)
	for name, test := range map[string]struct {
		state iot.AlertState
		want  bool
	}{
		"offline":           {iot.AlertState{Rule: iot.RuleOffline, Raised: new(iot.Alert)}, true},
		"no data":           {iot.AlertState{Rule: "quiet", Condition: iot.NoData, Raised: new(iot.Alert)}, true},
		"no data, latched":  {iot.AlertState{Rule: "quiet", Condition: iot.NoData, Raised: &latched}, false},
		"no data, clearing": {iot.AlertState{Rule: "quiet", Condition: iot.NoData, Raised: new(iot.Alert), Safe: returning}, false},
		"hot":               {iot.AlertState{Rule: "hot", Raised: new(iot.Alert)}, false},
	} {
		state := iot.DeviceState{RuleStates: iot.RuleStates{Alerts: []iot.AlertState{test.state}}}
		if got := state.AboutSilence(); got != test.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}
