package processor

import (
	"reflect"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/iot"
	"iotmon/internal/kafka/kafkatest"
	"iotmon/internal/view"
	"iotmon/internal/wire"
)

// A state that changes with every reading is written to the log once for each transaction, not in a batch for each reading. Otherwise
// the log of a small plant would mostly hold outdated states.
func TestOnlyTheLastStateOfATransactionIsInTheLog(t *testing.T) {
	l := newTestLog(t)
	given := make(chan float64, 1000)
	stop := l.startWith(Options{CommitInterval: time.Second, Metrics: &stepMetrics{}, LocalView: func(b view.Batch) {
		for i := range b.States {
			given <- b.States[i].Latest.Value
		}
	}})
	const times = 20
	start := time.Now()
	for i := range times {
		l.Post(kafkatest.Reading(1, start.Add(time.Duration(i)*time.Millisecond), float64(i)))
		select {
		case got := <-given:
			if got != float64(i) {
				t.Fatalf("got the state after reading %v, want that after %d", got, i)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("the live view was not given the state after reading %d", i)
		}
	}
	took := time.Since(start)
	stop()
	states := 0
	l.Committed(l.Topics.States, func(r *kgo.Record) bool {
		state, err := wire.DecodeDeviceState(r.Value)
		if err != nil {
			return false // It is the mark of a restore.
		}
		states++
		return state.Latest.Value == times-1
	})
	if most := 2 + int(took/time.Second); states > most {
		t.Errorf("got %d states of %d readings in the log, want up to %d, one for each transaction", states, times, most)
	}
}

// Sequence: the publication of a state took long, so the next one must wait. Meanwhile a reading is processed, and then none comes for a
// long time. Its state is published when it may be, not at the end of the transaction.
func TestTheLastStateBeforeAPauseIsPublishedSoon(t *testing.T) {
	l := newTestLog(t)
	first := true
	published := make(chan float64, 2)
	l.startWith(Options{CommitInterval: time.Hour, Metrics: &stepMetrics{}, LocalView: func(b view.Batch) {
		for i := range b.States {
			published <- b.States[i].Latest.Value
		}
		if len(b.States) > 0 && first {
			first = false
			l.Post(kafkatest.Reading(1, time.Now(), 2))
			time.Sleep(100 * time.Millisecond) // A slow view: the next publication waits for four times as long.
		}
	}})
	l.Post(kafkatest.Reading(1, time.Now(), 1))
	for want := 1.0; want <= 2; want++ {
		select {
		case got := <-published:
			if got != want {
				t.Errorf("got the state after reading %v, want that after %v", got, want)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("the state after reading %v was not published", want)
		}
	}
}

// A device in alarm costs no more than another: its state is passed on directly too, with alerts of its own.
func TestStatesWithAlertsArePassedOnDirectlyAndFinalWindowsAreNot(t *testing.T) {
	l := newTestLog(t)
	direct := make(chan view.Batch, 1000)
	stop := l.startWith(Options{CommitInterval: 100 * time.Millisecond, Metrics: &stepMetrics{}, LocalView: func(b view.Batch) {
		direct <- view.Batch{States: append([]iot.DeviceState(nil), b.States...), Summaries: append([]iot.WindowSummary(nil), b.Summaries...)}
	}})
	l.Post(kafkatest.Reading(1, time.Now(), 40), kafkatest.Reading(2, time.Now(), 20))
	l.Committed(l.Topics.States, func(r *kgo.Record) bool {
		state, err := wire.DecodeDeviceState(r.Value)
		return err == nil && len(state.Alerts) > 0
	})
	l.awaitReadings(2)
	stop()
	l.Committed(l.Topics.Aggregates, func(r *kgo.Record) bool {
		s, err := wire.DecodeWindowSummary(r.Value)
		if err != nil || !s.Final {
			t.Errorf("got a window in progress in the log: %+v, %v", s, err)
		}
		return true
	})
	close(direct)
	inAlarm, calm := 0, 0
	for b := range direct {
		for i := range b.States {
			if len(b.States[i].Alerts) > 0 {
				inAlarm++
			} else {
				calm++
			}
		}
		for i := range b.Summaries {
			if b.Summaries[i].Final {
				t.Errorf("got the final window of %v", b.Summaries[i].Window.Start)
			}
		}
	}
	if inAlarm == 0 || calm == 0 {
		t.Errorf("got %d states with alerts and %d without, want those of device 1 and of device 2", inAlarm, calm)
	}
}

// A state is copied by assignment for the live view. If a field is added that both copies would share, addState must copy it, as it
// does the alerts.
func TestAStateThatIsPassedOnSharesNothingThatChanges(t *testing.T) {
	// A battery level, a raised event and a status report are never changed in place. Past, Clock and Conditions are removed from the copy.
	allowed := map[string]bool{
		".Latest.Device.Metadata.BatteryLevel": true, ".RuleStates.Alerts": true, ".RuleStates.Conditions": true, ".Past": true, ".Clock": true,
		".Report": true,
	}
	var walk func(path string, of reflect.Type)
	walk = func(path string, of reflect.Type) {
		switch of.Kind() {
		case reflect.Struct:
			if of == reflect.TypeFor[time.Time]() {
				return
			}
			for i := range of.NumField() {
				walk(path+"."+of.Field(i).Name, of.Field(i).Type)
			}
		case reflect.Slice, reflect.Map, reflect.Pointer, reflect.Interface, reflect.Func, reflect.Chan:
			if !allowed[path] {
				t.Errorf("iot.DeviceState%s is shared by the copies of a state", path)
			}
		}
	}
	walk("", reflect.TypeFor[iot.DeviceState]())

	var given iot.DeviceState
	v := newLocalView(func(b view.Batch) { given = b.States[0] }, "device-state", nil)
	state := &iot.DeviceState{Past: new(iot.PastRun), Clock: new(iot.ClockRun)}
	state.Alerts, state.Conditions = []iot.AlertState{{Rule: "overheat"}}, make([]iot.ConditionState, 1)
	v.addState(state, newTraces(nil))
	v.publish()
	state.Alerts[0].Rule = "changed"
	if given.Alerts[0].Rule != "overheat" {
		t.Error("the alerts of a state that was passed on changed with those of the processor")
	}
	if given.Past != nil || given.Clock != nil || given.Conditions != nil {
		t.Errorf("got a state with Past, Clock or Conditions, which the processor goes on changing: %+v", given)
	}
}
