package source

import (
	"context"

	"iotmon/internal/iot"
)

// Log takes readings in.
type Log interface {
	// Append writes the readings and returns once the log has acknowledged every one of them. After an error some may be
	// in the log and some not; appending all of them again does no harm, because a reading is counted once by its
	// identity. The readings are the caller's again when Append returns.
	Append(ctx context.Context, readings []iot.Reading) error
}
