package push

import (
	"net/url"
	"testing"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/view"
	"iotmon/internal/wire"
)

func TestBatchedViewersAreServedTogetherAndAlertsSooner(t *testing.T) {
	var b batched
	at := func(ms int) time.Time { return noon.Add(time.Duration(ms) * time.Millisecond) }
	for _, step := range []struct {
		ms              int
		changed, alerts bool
		want            bool
	}{
		{0, true, false, true},
		{5, true, false, false},
		{50, false, false, false},
		{299, true, false, false},
		{300, false, false, true}, // For what came before.
		{301, false, false, false},
		{700, false, false, false}, // Nothing has changed.
		{701, true, false, true},
		{720, true, true, false},
		{790, true, false, false},
		{801, false, false, true}, // The alert, and all else.
		{-3_600_000, true, false, true},
	} {
		if got := b.due(at(step.ms), 2, step.changed, step.alerts); got != step.want {
			t.Errorf("at %d ms: served: got %v, want %v", step.ms, got, step.want)
		}
	}
	if b.wait(at(0)) >= 0 {
		t.Error("there is a time for the next round and nothing to send")
	}
	if b.due(at(10_000), 0, true, true) || b.wait(at(10_001)) >= 0 {
		t.Error("without such viewers there are rounds for them")
	}
}

// A viewer that asked for batches is sent all alerts, the last of everything else, and few messages.
func TestBatchedViewerMissesNothing(t *testing.T) {
	p := build(t, nil)
	v := p.connect(url.Values{"batch": {"true"}})
	v.readUntil(isSnapshot(wire.TypeDeviceStatus))
	began := time.Now()
	const changes = 50
	for i := range changes {
		batch := view.Batch{States: []iot.DeviceState{p.Says("device_001", iot.Temperature, "A", float64(i))}}
		if i == changes/2 {
			batch.Alerts = []iot.Alert{p.Alarm(1, iot.Temperature, "A", iot.Info, iot.Raised)}
		}
		p.Apply(batch)
		time.Sleep(10 * time.Millisecond) // As readings come; the hub has rounds meanwhile.
	}
	messages, alerts := 0, 0
	for _, m := range v.readUntil(hasDevice("device_001", changes-1)) {
		alerts += len(m.Alerts)
		if m.Type == wire.TypeDeviceData && !m.Snapshot {
			messages++
		}
	}
	// Each interval ends with a message, the first one comes at once, and the alert brings one more.
	if most := int(time.Since(began)/batchInterval) + 3; messages > most {
		t.Errorf("got %d messages with readings in %v, want %d at most", messages, time.Since(began), most)
	}
	if alerts != 1 {
		t.Errorf("got %d alerts, want 1", alerts)
	}
}
