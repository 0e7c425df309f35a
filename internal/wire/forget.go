package wire

import (
	"encoding/json"
	"fmt"

	"iotmon/internal/iot"
)

// IsForget reports whether a record of the readings' log, that is no tick, says that the device of its key is to be
// forgotten: it has a key and a null value. An empty value is not null.
func IsForget(key, value []byte) bool { return value == nil && len(key) > 0 }

// PositionHeader is the header of a record of device-state that has no value: the device of its key was forgotten at this
// position. The value of the header is what AppendPosition writes.
const PositionHeader = "iotmon-position"

// AppendPosition appends the JSON of a position, as the states of devices end with it.
func AppendPosition(dst []byte, p iot.Position) []byte {
	return fmt.Appendf(dst, `{"partition":%d,"epoch":%d,"position":%d}`, p.Partition, p.Epoch, p.Offset)
}

// DecodePosition reads what AppendPosition wrote. The error says that others have written it.
func DecodePosition(data []byte) (iot.Position, error) {
	var p iot.Position
	if err := json.Unmarshal(data, &p); err != nil {
		return iot.Position{}, fmt.Errorf("decode position: %w", err)
	}
	return p, nil
}
