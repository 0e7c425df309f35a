package forward

import (
	"bytes"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// batch are the entries that records have become. It reuses its memory.
type batch struct {
	entries []Entry
	// records holds, for each entry, the index of its record.
	records []int
	// skipped counts the records of readings and reports that cannot be decoded.
	skipped int
	text    []byte
}

// fill makes the entries of records, up to most entries or maxBatchBytes. It returns how many records it has used, at least one.
func (f *Forwarder) fill(b *batch, records []Record, most int) (used int) {
	b.entries, b.records, b.skipped, b.text = b.entries[:0], b.records[:0], 0, b.text[:0]
	size, now := 0, f.o.Now()
	for i := range records {
		if len(b.entries) > 0 && (len(b.entries) == most || size+len(records[i].Value) > maxBatchBytes) {
			return i
		}
		var entry Entry
		switch ok, skipped := f.convert(b, &records[i], now, &entry); {
		case ok:
			b.entries, b.records = append(b.entries, entry), append(b.records, i)
			size += len(entry.Value)
		case skipped:
			b.skipped++
		}
	}
	return len(records)
}

// convert makes the entry of a record. Ok is false if the record is not forwarded. Skipped is whether it should have been, but cannot be
// decoded: the local processor has made a dead letter of it.
func (f *Forwarder) convert(b *batch, r *Record, now time.Time, entry *Entry) (ok, skipped bool) {
	if r.Marker || r.Kind.Decides() {
		return false, false
	}
	old := now.Sub(r.Appended) > f.o.HistoricalAfter
	switch r.Kind.Kind {
	case iot.KindReading:
		if len(r.Value) == 0 {
			return false, false
		}
		var reading iot.Reading
		if f.decoder.Decode(r.Value, &reading) != nil {
			return false, true
		}
		device, key, ok := deviceOf(r, &reading)
		if !ok {
			return false, true
		}
		*entry = Entry{Device: device, Key: key, Value: r.Value, Time: reading.Time}
		if old && !reading.Historical {
			reading.Historical = true
			entry.Value = b.append(func(dst []byte) []byte { return wire.AppendReading(dst, &reading) })
		}
		return true, false
	case iot.KindStatus:
		if !f.o.Centre.Reports() {
			return false, false
		}
		device, err := wire.DecodeDeviceKey(r.Key)
		if err != nil {
			return false, true
		}
		report, err := wire.DecodeStatusReport(r.Value, r.Appended, f.o.Admission)
		if err != nil {
			return false, true
		}
		*entry = Entry{Device: device, Key: r.Key, Value: r.Value, Kind: iot.KindStatus, Level: report.Level(), Time: report.Time}
		if old && !report.Historical {
			report.Historical = true
			entry.Value = b.append(func(dst []byte) []byte { return wire.AppendStatusReport(dst, &report) })
		}
		return true, false
	}
	return false, false
}

// deviceOf returns the device of a reading, and its key; false if the key of the record is of another one. A record without a key may be of
// any device. The id in the reading is as it was sent, so it may have another form.
func deviceOf(r *Record, reading *iot.Reading) (device iot.Identity, key []byte, ok bool) {
	own := iot.Identity{ID: reading.ID}
	if len(r.Key) == 0 {
		if own.Normalize() != nil {
			return own, nil, false
		}
		return own, wire.AppendDeviceKey(nil, own), true
	}
	device, err := wire.DecodeDeviceKey(r.Key)
	if err != nil {
		return device, nil, false
	}
	if device.ID != own.ID && (own.Normalize() != nil || device.ID != own.ID) {
		return device, nil, false
	}
	return device, r.Key, true
}

// append appends a value to the batch's buffer. When that has to grow, earlier values keep their place in the old one.
func (b *batch) append(value func([]byte) []byte) []byte {
	start := len(b.text)
	b.text = value(b.text)
	return b.text[start:len(b.text):len(b.text)]
}

// clone returns a copy that stays valid when the records of a Reader do not.
func (e *Entry) clone() Entry {
	return Entry{Device: e.Device, Key: bytes.Clone(e.Key), Value: bytes.Clone(e.Value), Kind: e.Kind, Level: e.Level, Time: e.Time}
}
