package process_test

import (
	"testing"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// eventsOf returns the alerts as "rule transition", with "past" for a historical one.
func eventsOf(t *testing.T, out *recorder) []string {
	t.Helper()
	var events []string
	for _, text := range out.alerts {
		a, err := wire.DecodeAlert([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		event := a.Rule + " " + string(a.Transition)
		if a.Historical {
			event += " past"
		}
		events = append(events, event)
	}
	return events
}

func count(events []string, event string) int {
	n := 0
	for _, e := range events {
		if e == event {
			n++
		}
	}
	return n
}

func stateOf(t *testing.T, out *recorder, id iot.DeviceID) iot.DeviceState {
	t.Helper()
	state, err := wire.DecodeDeviceState(out.states[string(id)])
	if err != nil {
		t.Fatalf("state of %s: %v", id, err)
	}
	return state
}

// every5 has a device send a value every 5 s from one moment to another, each dated back.
func (j *journal) every5(device string, from, to, back, value float64) {
	for now := from; now < to; now += 5 {
		j.reading(now, device, now-back, value)
	}
}

// A device's clock is set back by half an hour while it goes on sending. The device stays online, and a value that is too high
// raises an alert within little more than a minute.
func TestAClockThatIsSetBackSilencesNobody(t *testing.T) {
	var j journal
	j.every5("a", 0, 60, 0, 20)
	j.every5("a", 60, 180, 1800, 40)
	out := onePass(t, j)
	events := eventsOf(t, out)
	if got := count(events, "device_offline raised"); got != 0 {
		t.Errorf("got %d offline alerts, want none: %q", got, events)
	}
	for _, want := range []string{"temperature_high raised", "temperature_critical raised", "device_clock_step cleared"} {
		if count(events, want) != 1 {
			t.Errorf("got events %q, want %s once", events, want)
		}
	}
	state := stateOf(t, out, "a")
	if want := at(175 - 1800); !state.Latest.Time.Equal(want) || state.Status != iot.Online || state.Age != 1800*time.Second {
		t.Errorf("got latest %v, %s, age %v, want %v, online, half an hour", state.Latest.Time, state.Status, state.Age, want)
	}
	for _, text := range out.alerts {
		if a, err := wire.DecodeAlert([]byte(text)); err == nil && a.Rule == iot.RuleClock && (a.Value != 1800 || a.Unit != "s") {
			t.Errorf("got a step of %v %s, want 1800 s", a.Value, a.Unit)
		}
	}
}

func TestAClockThatIsSetRightAgainIsLiveAtOnce(t *testing.T) {
	var j journal
	j.every5("a", 0, 120, 1800, 20)
	j.every5("a", 120, 130, 0, 40)
	out := onePass(t, j)
	if events := eventsOf(t, out); count(events, "temperature_critical raised") != 1 {
		t.Errorf("got %q, want the alarm with the first reading under the right clock", events)
	}
}

// A device that is new and behind is known from its first reading on, and watched once it is clear that this is its clock.
func TestANewDeviceWithASlowClockIsLiveAfterAMinute(t *testing.T) {
	var j journal
	j.every5("a", 0, 20, 1800, 40)
	if state := stateOf(t, onePass(t, j), "a"); state.Status != iot.Offline {
		t.Errorf("got %s after four readings, want offline: they may be a backlog", state.Status)
	}
	j.every5("a", 20, 90, 1800, 40)
	out := onePass(t, j)
	if state := stateOf(t, out, "a"); state.Status != iot.Online {
		t.Errorf("got %s, want online", state.Status)
	}
	if events := eventsOf(t, out); count(events, "temperature_critical raised") != 1 {
		t.Errorf("got %q, want the alarm", events)
	}
}

// The rule waits for 3 s above its threshold and clears after 5 s below: values that change sides each second are no alarm, and
// such as stay for ten seconds are one each time.
func TestABacklogIsOnePastAlarmPerAlarm(t *testing.T) {
	for _, test := range []struct {
		name   string
		period float64
		want   int
		order  func(i, n int) int
	}{
		{"flapping every second, oldest first", 1, 0, func(i, _ int) int { return i }},
		{"flapping every second, newest first", 1, 0, func(i, n int) int { return n - 1 - i }},
		{"ten seconds above and ten below, oldest first", 10, 30, func(i, _ int) int { return i }},
		{"ten seconds above and ten below, newest first", 10, 30, func(i, n int) int { return n - 1 - i }},
	} {
		t.Run(test.name, func(t *testing.T) {
			var j journal
			j.every5("a", 0, 30, 0, 20)
			const readings = 600
			for i := range readings {
				at := test.order(i, readings)
				value := 20.0
				if int(float64(at)/test.period)%2 == 1 {
					value = 30
				}
				j.reading(30+float64(i)/readings, "a", -1500+float64(at), value)
			}
			j.every5("a", 35, 90, 0, 20)
			events := eventsOf(t, onePass(t, j))
			if got := count(events, "temperature_high cleared past"); got != test.want {
				t.Errorf("got %d past alarms, want %d", got, test.want)
			}
			if got := len(events) - count(events, "temperature_high cleared past"); got != 0 {
				t.Errorf("got %q, want nothing of the present", events)
			}
		})
	}
}

// An alert that is still open at the end of a backlog is announced once, with its onset in the past.
func TestWhatStandsAtTheEndOfABacklogIsAnnouncedOnce(t *testing.T) {
	var j journal
	j.every5("a", 0, 30, 0, 20)
	j.tick(60)
	for i := range 300 { // Ten minutes later it delivers what it has measured since, too hot for the last five minutes.
		value := 20.0
		if i >= 150 {
			value = 30
		}
		j.reading(660+float64(i)/300, "a", 60+2*float64(i), value)
	}
	j.every5("a", 665, 690, 0, 30)
	out := onePass(t, j)
	events := eventsOf(t, out)
	if count(events, "temperature_high raised") != 1 || count(events, "temperature_high cleared past") != 0 {
		t.Errorf("got %q, want one alarm, of the present", events)
	}
	for _, text := range out.alerts {
		if a, err := wire.DecodeAlert([]byte(text)); err == nil && a.Rule == "temperature_high" && !a.Onset.Equal(at(360)) {
			t.Errorf("got onset %v, want %v, when it began", a.Onset, at(360))
		}
	}
}

func TestABacklogThatIsMarkedIsNotThePresent(t *testing.T) {
	var j journal
	for i := range 20 {
		j.write(float64(i), iot.Reading{Device: iot.Device{ID: "a"}, Time: at(float64(i)), Value: 40, Historical: true})
	}
	j.tick(60)
	out := onePass(t, j)
	if state := stateOf(t, out, "a"); state.Status != iot.Offline || len(state.Alerts) != 0 {
		t.Errorf("got %s with alerts %v, want offline without", state.Status, state.Alerts)
	}
	if events := eventsOf(t, out); count(events, "temperature_high cleared past") != 1 || count(events, "temperature_high raised") != 0 {
		t.Errorf("got %q, want one alarm of the past", events)
	}
	if len(out.finals) == 0 {
		t.Error("got no window, want the readings in their windows")
	}
}

// The server was down for five minutes, and a thousand devices send the readings of that time.
func TestNobodyGoesOfflineBecauseTheServerWasDown(t *testing.T) {
	var j journal
	for i := range 100 {
		j.reading(0, device(i), 0, 20)
	}
	for second := range 30 {
		for i := range 100 {
			for k := range 10 {
				j.reading(300+float64(second), device(i), float64(second*10+k), 20)
			}
		}
	}
	j.tick(331)
	if events := eventsOf(t, onePass(t, j)); len(events) != 0 {
		t.Errorf("got %d events such as %s, want none", len(events), events[0])
	}
}

func device(i int) string { return string(rune('A'+i%26)) + string(rune('a'+i/26)) }

func TestAReadingAtTheMomentOfTheTimeoutIsInTime(t *testing.T) {
	var j journal
	j.reading(0, "a", 0, 20)
	for second := 1.0; second < 15; second++ {
		j.tick(second)
	}
	j.reading(15, "a", 15, 20)
	if events := eventsOf(t, onePass(t, j)); len(events) != 0 {
		t.Errorf("got %q, want none", events)
	}
}

func TestADurationIsNotOverAMicrosecondBeforeItsEnd(t *testing.T) {
	var j journal
	j.reading(0, "a", 0, 30)
	j.reading(2.999999, "a", 2.999999, 30)
	if events := eventsOf(t, onePass(t, j)); len(events) != 0 {
		t.Errorf("got %q, want none", events)
	}
	j.reading(3, "a", 3, 30)
	if events := eventsOf(t, onePass(t, j)); count(events, "temperature_high raised") != 1 {
		t.Errorf("got %q, want the alarm", events)
	}
}

// A value above the threshold, silence, and another value above it are one alert: the device is offline in between, so no safe
// value was measured.
func TestSilenceDoesNotEndAnAlarm(t *testing.T) {
	var j journal
	j.every5("a", 0, 10, 0, 40)
	for second := 10.0; second < 200; second += 4 {
		j.tick(second)
	}
	j.every5("a", 200, 210, 0, 40)
	events := eventsOf(t, onePass(t, j))
	if count(events, "temperature_critical raised") != 1 || count(events, "temperature_critical cleared") != 0 {
		t.Errorf("got %q, want one alarm throughout", events)
	}
}

// A gateway boots in 2030 and sets its clock right a minute later.
func TestALogWhoseClockRanAheadGoesOn(t *testing.T) {
	var j journal
	j.every5("a", 0, 60, 0, 20)
	j.tick(4 * 365 * 86400)
	j.every5("a", 60, 300, 0, 20)
	for second := 300.0; second < 330; second++ {
		j.tick(second)
	}
	out := onePass(t, j)
	if len(out.finals) < 8 {
		t.Errorf("got %d closed windows, want those of the last minutes too", len(out.finals))
	}
	events := eventsOf(t, out)
	if last := events[len(events)-1]; last != "device_offline raised" {
		t.Errorf("got %q, want the silence at the end noticed", events)
	}
	if got := count(events, "device_offline raised") - count(events, "device_offline cleared"); got != 1 {
		t.Errorf("got %d open offline alerts, want one", got)
	}
}
