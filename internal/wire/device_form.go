package wire

import (
	"time"

	"iotmon/internal/iot"
)

// deviceForm is what a device form of itself with every reading. In the form that AppendReading writes, readings of a device differ
// in time and value and in little else: the rest is compared, and need not be understood a second time.
type deviceForm struct {
	// head is the text between id and time, tail that between value and received_at.
	head, tail string
	// reading is what they mean: without times and value.
	reading iot.Reading
}

// recall reads a reading that form of its device what the last one has said. For any other it reports false and leaves the
// cursor where it was.
func (d *Decoder) recall(c *cursor, r *iot.Reading) bool {
	at := *c
	if !at.literal(idKey) {
		return false
	}
	id, ok := at.string()
	device := d.devices[string(id)]
	if !ok || device == nil {
		return false
	}
	*r = device.reading
	ok = at.literal(device.head) && at.time(&r.Time) && at.literal(valueKey) && at.float(&r.Value) && at.literal(device.tail) &&
		(at.consume('}') || at.literal(receivedKey) && at.time(&r.ReceivedAt) && at.consume('}'))
	if ok {
		*c = at
	}
	return ok
}

// remember keeps what a reading form of its device.
func (d *Decoder) remember(r *iot.Reading) {
	if r.Historical {
		return
	}
	form := *r
	form.Time, form.Value, form.ValueText, form.ReceivedAt = time.Time{}, 0, "", time.Time{}
	device := d.devices[string(r.ID)]
	if device != nil && device.reading == form {
		return // It form the same in another form.
	}
	if device == nil {
		d.buffer = appendString(d.buffer[:0], string(r.ID))
		if len(d.buffer) != len(`""`)+len(r.ID) {
			return // An escape can be written in many ways.
		}
		if len(d.devices) >= maxInterned {
			clear(d.devices)
		}
		device = new(deviceForm)
		d.devices[string(r.ID)] = device
	}
	d.buffer = appendHead(d.buffer[:0], &form)
	device.head = d.intern(d.buffer)
	d.buffer = appendTail(d.buffer[:0], &form)
	device.tail, device.reading = string(d.buffer), form
}
