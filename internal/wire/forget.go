package wire

import (
	"encoding/json"
	"fmt"

	"iotmon/internal/iot"
)

// IsForget reports whether a record of the readings' log that is not a tick asks to forget the device of its key: it has a
// key and a null value. An empty value is not null.
func IsForget(key, value []byte) bool { return value == nil && len(key) > 0 }

// PositionHeader is the header of a tombstone in device-state: the position at which the device was forgotten, as
// AppendPosition writes it.
const PositionHeader = "iotmon-position"

// AppendPosition appends the JSON of a position.
func AppendPosition(dst []byte, p iot.Position) []byte {
	return fmt.Appendf(dst, `{"partition":%d,"epoch":%d,"position":%d}`, p.Partition, p.Epoch, p.Offset)
}

// DecodePosition decodes what AppendPosition wrote.
func DecodePosition(data []byte) (iot.Position, error) {
	var p iot.Position
	if err := json.Unmarshal(data, &p); err != nil {
		return iot.Position{}, fmt.Errorf("decode position: %w", err)
	}
	return p, nil
}
