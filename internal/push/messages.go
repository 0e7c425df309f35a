package push

import (
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// encoder makes one message of each kind, encoded once for all viewers that are sent it. The lock of shared guards it.
type encoder struct {
	options   *HubOptions
	present   *present
	fragments *fragments
	viewers   *viewers
	traces    traces
	// rules are the alert rules in force; none before Hub.SetRules.
	rules wire.AlertRulesInForce
}

func (en *encoder) envelope(kind string, seq uint64) wire.Envelope {
	return wire.Envelope{Type: kind, Seq: seq, Timestamp: iot.CutTime(en.options.Now())}
}

func (en *encoder) snapshotEnvelope(kind string, seq uint64, snapshot bool) wire.Envelope {
	e := en.envelope(kind, seq)
	e.Snapshot = snapshot
	return e
}

func (en *encoder) hello(v *viewer, session string) *message {
	hello := wire.Hello{
		Envelope:      en.envelope(wire.TypeHello, v.last),
		ServerVersion: en.options.Version,
		Session:       session,
		Resumed:       v.resumed,
		WindowSeconds: int(en.present.WindowLength() / time.Second),
		DeviceTypes:   wire.FromCatalog(en.options.Catalog),
		Limits:        wireLimits(en.options),
	}
	hello.AlertRulesInForce = en.rules
	return encode(hello.Envelope, hello)
}

func wireLimits(o *HubOptions) wire.Limits {
	return wire.Limits{
		MessageBytes:    o.Limits.MessageBytes,
		FilterItems:     o.Limits.FilterItems,
		PingSeconds:     int(o.Limits.PingInterval / time.Second),
		MaxConnections:  o.Limits.Connections,
		ResumeMessages:  o.Limits.Alerts,
		SnapshotWindows: o.View.KeptWindows(),
	}
}

func (en *encoder) types(seq uint64) *message {
	m := wire.DeviceTypes{Envelope: en.envelope(wire.TypeDeviceTypes, seq), DeviceTypes: wire.FromCatalog(en.options.Catalog)}
	return encode(m.Envelope, m)
}

func (en *encoder) alertRules(seq uint64) *message {
	m := wire.AlertRules{Envelope: en.envelope(wire.TypeAlertRules, seq), AlertRulesInForce: en.rules}
	return encode(m.Envelope, m)
}

func (en *encoder) fault(fault wire.Error, seq uint64) *message {
	fault.Envelope = en.envelope(wire.TypeError, seq)
	return encode(fault.Envelope, fault)
}

func (en *encoder) alerts(events []*iot.Alert, seq uint64, snapshot bool) *message {
	m := wire.AlertMessage{
		Envelope: en.snapshotEnvelope(wire.TypeAlert, seq, snapshot),
		Alerts:   make([]wire.Alert, len(events)),
	}
	for i, event := range events {
		m.Alerts[i] = wire.FromAlert(event)
	}
	return encode(m.Envelope, m)
}

func (en *encoder) window(m *wire.AggregatedData, seq uint64, snapshot bool) *message {
	m.Envelope = en.snapshotEnvelope(wire.TypeAggregatedData, seq, snapshot)
	return encode(m.Envelope, m)
}

func (en *encoder) history(seq uint64) *message {
	m := wire.HistoryChanged{Envelope: en.envelope(wire.TypeHistoryChanged, seq)}
	return encode(m.Envelope, m)
}

func (en *encoder) removals(ids []iot.DeviceID, seq uint64) *message {
	m := wire.DeviceRemoved{Envelope: en.envelope(wire.TypeDeviceRemoved, seq), DeviceIDs: ids}
	return encode(m.Envelope, m)
}

func (en *encoder) status(f *filter, changed []entry, seq uint64, snapshot bool) *message {
	total, byType := en.present.Count(&f.Filter)
	m := wire.DeviceStatus{
		Envelope:          en.snapshotEnvelope(wire.TypeDeviceStatus, seq, snapshot),
		StatusCounts:      total,
		ByType:            byType,
		Changed:           make([]wire.StatusChange, len(changed)),
		ReadingsPerSecond: en.present.ReadingsPerSecond(en.options.Now()),
	}
	for i, e := range changed {
		device := en.present.Device(e.device)
		m.Changed[i] = wire.StatusChange{DeviceID: device.Latest.ID, Status: device.Status, Since: device.Since}
	}
	return encode(m.Envelope, m)
}

// devices joins the JSON of devices, which is kept for further messages until a device changes. If it is not part of a snapshot,
// it claims the traces of the devices, and one device is the sample for the age at delivery: the first that is traced, otherwise any.
func (en *encoder) devices(entries []entry, seq uint64, snapshot bool) *message {
	e := en.snapshotEnvelope(wire.TypeDeviceData, seq, snapshot)
	size := 0
	for _, entry := range entries {
		size += len(en.fragments.get(entry.device)) + 1
	}
	const envelopeSize = len(`{"type":"device_data","seq":18446744073709551615,"timestamp":"2006-01-02T15:04:05.999999999Z","snapshot":true,"devices":[]}`)
	data := make([]byte, frameHead, frameHead+envelopeSize+size)
	data = append(appendEnvelope(data, e), `,"devices":[`...)
	for i, entry := range entries {
		if i > 0 {
			data = append(data, ',')
		}
		data = append(data, en.fragments.byDevice[entry.device]...)
	}
	data = append(data, "]}"...)
	m := newMessage(e, data)
	if !snapshot {
		// The first or last would not do: the place in a message may depend on the age.
		sampled := entries[seq%uint64(len(entries))]
		if spans, first := en.traces.claim(entries); len(spans) > 0 {
			t := &messageTrace{spans: spans, composed: time.Now(), viewers: en.viewers.count()}
			m.traceID, sampled = t.id(), first
			m.trace.Store(t)
		}
		m.sample = en.present.Device(sampled.device).Latest.Time
	}
	return m
}
