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

func TestStatesWithAlertsAndFinalWindowsAreNotPassedOnDirectly(t *testing.T) {
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
	states := 0
	for b := range direct {
		for i := range b.States {
			states++
			if len(b.States[i].Alerts) > 0 {
				t.Errorf("got the state of %s with alerts, which the processor goes on changing", b.States[i].Latest.ID)
			}
		}
		for i := range b.Summaries {
			if b.Summaries[i].Final {
				t.Errorf("got the final window of %v", b.Summaries[i].Window.Start)
			}
		}
	}
	if states == 0 {
		t.Error("got no state at all, want that of device 2")
	}
}

// A state is copied by assignment for the live view. If a field is added that both copies would share, addState must copy it, or write
// such states to the log only, as it does for states with alerts.
func TestAStateIsCopiedByAssignmentButForItsAlerts(t *testing.T) {
	// A battery level is never changed in place. Past and Clock are removed from the copy.
	allowed := map[string]bool{".Alerts": true, ".Latest.Device.Metadata.BatteryLevel": true, ".Past": true, ".Clock": true}
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
	v.addState(&iot.DeviceState{Past: new(iot.PastRun), Clock: new(iot.ClockRun)}, newTraces(nil))
	v.publish()
	if given.Past != nil || given.Clock != nil {
		t.Errorf("got a state with Past and Clock, which the processor goes on changing: %+v", given)
	}
}
