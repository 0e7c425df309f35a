package processor

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/iot"
	"iotmon/internal/kafka"
	"iotmon/internal/kafka/kafkatest"
	"iotmon/internal/wire"
)

// decide appends a registry entry or a command about a device, to the partition of its readings.
func (l *testLog) decide(kind iot.Kind, device iot.DeviceID, value []byte) {
	l.T.Helper()
	r := &kgo.Record{Topic: l.Topics.Readings, Key: []byte(device), Value: value, Headers: kafka.KindHeaders(kind, 1)}
	if err := l.Client.ProduceSync(l.T.Context(), r).FirstErr(); err != nil {
		l.T.Fatal(err)
	}
}

// awaitInForce returns once something of a device is in force.
func (l *testLog) awaitInForce(of wire.InForce, device iot.DeviceID) {
	l.T.Helper()
	key := string(wire.AppendInForceKey(nil, of, iot.Identity{ID: device}))
	l.Committed(l.Topics.InForce, func(r *kgo.Record) bool { return string(r.Key) == key })
}

// What people have decided is restored from partition-state, before the first record: after a restart an older entry changes nothing,
// and what was shelved is suppressed.
func TestDecisionsSurviveARestart(t *testing.T) {
	l := newTestLog(t)
	stop := l.startProcessor(&stepMetrics{})
	now := time.Now()
	first := kafkatest.Reading(1, now, 20)
	device := first.ID
	l.decide(iot.KindDevice, device, wire.AppendDeviceEntry(nil, &iot.DeviceEntry{Version: 2, Name: "Oven"}))
	l.decide(iot.KindCommand, device, wire.AppendCommand(nil, &iot.Command{
		ID: "c-1", Action: iot.Shelve, Actor: "u-17", Time: now, Until: now.Add(time.Hour),
	}))
	l.Post(first)
	l.awaitInForce(wire.EntryInForce, device)
	l.awaitInForce(wire.ShelvedInForce, device)
	stop()

	stop = l.startProcessor(&stepMetrics{})
	l.decide(iot.KindDevice, device, wire.AppendDeviceEntry(nil, &iot.DeviceEntry{Version: 1, Retired: true}))
	l.Post(kafkatest.Reading(1, now.Add(time.Second), 40))
	l.Committed(l.Topics.Alerts, func(r *kgo.Record) bool {
		a, err := wire.DecodeAlert(r.Value)
		if err != nil || a.DeviceID != device || a.Suppressed != iot.Shelved || a.SuppressedUntil.Before(now) {
			t.Errorf("got %+v, %v, want an alert of a shelved device", a, err)
		}
		return true
	})
	stop()
}
