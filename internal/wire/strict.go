package wire

import (
	"encoding/json"
	"unicode/utf8"

	"iotmon/internal/iot"
)

// MaxRecord is the maximum size in bytes of any value that is encoded by this package, a little less than the largest record
// that Kafka accepts by default, 1 MiB, with its key and headers.
const MaxRecord = 1_000_000

// decodeObject decodes the JSON object of a record into message, a pointer to a struct. Unknown keys are ignored, so that
// optional fields can be added. Invalid UTF-8 is refused: encoding/json would replace it, so that two texts could become one.
// The error is an *iot.InvalidError.
func decodeObject(data []byte, limit int, message any) error {
	if len(data) > limit {
		return iot.Invalid("", "longer than %d bytes (got %d)", limit, len(data))
	}
	if !utf8.Valid(data) {
		return iot.Invalid("", "not UTF-8 at byte %d", validUTF8(data)+1)
	}
	if err := json.Unmarshal(data, message); err != nil {
		return iot.Invalid("", "must be a JSON object with known types (got %s): %v", excerpt(data), err)
	}
	return nil
}
