package wire

import (
	"time"

	"iotmon/internal/iot"
)

// Admit decodes one record of the readings' log into r and admits it by its append time. A reading of another device than the
// record's key names is refused: its partition is that of the key, so it would count in a place where nobody looks for it. A record
// without a key may be of any device. The processor and the archiver both call Admit, so they accept the same readings. The error is
// an *iot.InvalidError, and trying again fails again. A panic while decoding becomes such an error: a bug in the decoder must not stop
// a partition at the record that triggers it.
func (d *Decoder) Admit(key, value []byte, appended time.Time, by *iot.Admission, r *iot.Reading) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = iot.Invalid("", "cannot be decoded: internal error: %v", fault)
		}
	}()
	if err := d.Decode(value, r); err != nil {
		return err
	}
	if err := by.Admit(r, appended); err != nil {
		return err
	}
	if len(key) > 0 && string(key) != string(r.ID) {
		return checkKey(key, r.ID)
	}
	return nil
}

// checkKey returns an *iot.InvalidError unless the key is another spelling of the id, which is in canonical form.
func checkKey(key []byte, id iot.DeviceID) error {
	if device, err := DecodeDeviceKey(key); err == nil && device == (iot.Identity{ID: id}) {
		return nil
	}
	return iot.Invalid("device_id", "the record's key names another device (got %s and the key %s)", iot.Quote(string(id)), iot.Quote(string(key)))
}
