package source

import (
	"context"

	"iotmon/internal/iot"
)

// Log is the log of readings, as a source sees it.
type Log interface {
	// Append appends the readings and returns once the log has acknowledged every one of them. After an error some may be in the
	// log and some not. Appending all of them again does no harm: a reading is identified by device and timestamp, and counts
	// once. When Append has returned, the caller may change the readings.
	Append(ctx context.Context, readings []iot.Reading) error
}
