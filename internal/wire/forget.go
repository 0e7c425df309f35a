package wire

import (
	"encoding/json"
	"fmt"

	"iotmon/internal/iot"
)

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
