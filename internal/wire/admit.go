package wire

import (
	"time"

	"iotmon/internal/iot"
)

// Admit decodes one record of the readings' log into r and admits it by its append time. The device is that of the record's key, which
// alone knows the tenant; a record without a key may be of any device that has none. A reading of another device than the key names is
// refused: its partition is that of the key, so it would count in a place where nobody looks for it. The processor and the archiver both
// call Admit, so they accept the same readings. The error is an *iot.InvalidError, and trying again fails again. A panic while decoding
// becomes such an error: a bug in the decoder must not stop a partition at the record that triggers it.
func (d *Decoder) Admit(key, value []byte, appended time.Time, by *iot.Admission, r *iot.Reading) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = iot.Invalid("", "cannot be decoded: internal error: %v", fault)
		}
	}()
	if len(value) > MaxMessage {
		return iot.Invalid("", "longer than %d bytes (got %d)", MaxMessage, len(value))
	}
	if len(key) == 0 {
		key = nil
	}
	if err := d.decode(key, value, r); err != nil {
		return err
	}
	if err := by.Admit(r, appended); err != nil {
		return err
	}
	if key != nil && string(key) != string(r.ID) {
		return d.setTenant(key, r)
	}
	return nil
}

// setTenant sets the tenant of a reading, whose id is in canonical form, by a key other than the id. It returns an *iot.InvalidError if
// the key is of another device.
func (d *Decoder) setTenant(key []byte, r *iot.Reading) error {
	device, known := d.keys[string(key)]
	if !known {
		var err error
		if device, err = DecodeDeviceKey(key); err == nil {
			d.rememberKey(key, device)
		}
	}
	if device.ID != r.ID {
		return iot.Invalid("device_id", "the record's key names another device (got %s and the key %s)", iot.Quote(string(r.ID)), iot.Quote(string(key)))
	}
	r.Tenant = device.Tenant
	return nil
}

// rememberKey caches the device of a key.
func (d *Decoder) rememberKey(key []byte, device iot.Identity) {
	if d.strings == nil || len(key) > MaxDeviceKey {
		return
	}
	if d.keys == nil {
		d.keys = make(map[string]iot.Identity)
	}
	if len(d.keys) >= maxInterned {
		clear(d.keys)
	}
	device.Tenant = iot.Tenant(d.intern([]byte(device.Tenant)))
	d.keys[string(key)] = device
}
