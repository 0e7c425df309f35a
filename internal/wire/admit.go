package wire

import (
	"time"

	"iotmon/internal/iot"
)

// Admit decodes one record of the readings' log into r and admits it by its append time. The processor and the archiver
// both call it, so they accept the same readings. The error is an *iot.InvalidError, and trying again fails again. A panic
// while decoding becomes such an error: a bug in the decoder must not stop a partition at the record that triggers it.
func (d *Decoder) Admit(data []byte, appended time.Time, by *iot.Admission, r *iot.Reading) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = iot.Invalid("", "cannot be decoded: internal error: %v", fault)
		}
	}()
	if err := d.Decode(data, r); err != nil {
		return err
	}
	return by.Admit(r, appended)
}
