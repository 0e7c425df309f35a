package wire

import (
	"time"

	"iotmon/internal/iot"
)

// deviceForm is the part of a device's readings that repeats. In the form that AppendReading writes, readings of a device
// differ only in time and value. If the rest is equal as text, it need not be decoded again.
type deviceForm struct {
	// head is the text between id and time, tail that between value and received_at.
	head, tail string
	// reading is their decoded value, without times and value.
	reading iot.Reading
}

// recall decodes a reading that differs from the device's last one only in time, value and received_at. For any other it
// returns false and does not move the scanner. key is as in Decoder.devices.
func (d *Decoder) recall(sc *scanner, key []byte, r *iot.Reading) bool {
	at := *sc
	if !at.literal(idKey) {
		return false
	}
	id, ok := at.string()
	if key == nil {
		key = id
	}
	device := d.devices[string(key)]
	if !ok || device == nil || string(id) != string(device.reading.ID) {
		return false
	}
	*r = device.reading
	ok = at.literal(device.head) && at.time(&r.Time) && at.literal(valueKey) && at.float(&r.Value) && at.literal(device.tail) &&
		(at.consume('}') || at.literal(receivedKey) && at.time(&r.ReceivedAt) && at.consume('}'))
	if ok {
		*sc = at
	}
	return ok
}

// remember caches the repeated part of a reading. key is as in Decoder.devices.
func (d *Decoder) remember(key []byte, r *iot.Reading) {
	if r.Historical || len(key) > MaxDeviceKey {
		return
	}
	name := string(r.ID)
	if key != nil {
		name = d.intern(key)
	}
	form := *r
	form.Time, form.Value, form.ValueText, form.ReceivedAt = time.Time{}, 0, "", time.Time{}
	device := d.devices[name]
	if device != nil && device.reading == form {
		return // The same content in another form.
	}
	if device == nil {
		d.buffer = appendString(d.buffer[:0], string(r.ID))
		if len(d.buffer) != len(`""`)+len(r.ID) {
			return // An escaped id can be written in several ways.
		}
		if len(d.devices) >= maxInterned {
			clear(d.devices)
		}
		device = new(deviceForm)
		d.devices[name] = device
	}
	d.buffer = appendHead(d.buffer[:0], &form)
	device.head = d.intern(d.buffer)
	d.buffer = appendTail(d.buffer[:0], &form)
	device.tail, device.reading = string(d.buffer), form
}
