package wire

import (
	"time"

	"iotmon/internal/iot"
)

// Admit decodes one record of the readings' log into r and admits it by the time at which it was appended. The processor and
// the archiver both call it, so they take in the same readings. The error is an *iot.InvalidError: the record cannot be taken
// in, now or ever. A panic on the way is one, too: a fault in here must not stop a partition at the record that shows it.
func (d *Decoder) Admit(data []byte, appended time.Time, by *iot.Admission, r *iot.Reading) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = iot.Invalid("", "cannot be decoded: internal fault: %v", fault)
		}
	}()
	if err := d.Decode(data, r); err != nil {
		return err
	}
	return by.Admit(r, appended)
}
