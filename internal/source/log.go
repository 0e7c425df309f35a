package source

import (
	"context"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/mapping"
)

// Log is the log of readings, as a source sees it.
type Log interface {
	// Append appends the readings and returns once the log has acknowledged every one of them. After an error some may be in the
	// log and some not. Appending all of them again does no harm: a reading is identified by device and timestamp, and counts
	// once. When Append has returned, the caller may change the readings.
	Append(ctx context.Context, readings []iot.Reading) error
}

// Records is the log as a Pipeline sees it: beside readings it takes what a source reports about devices, and what it could not map.
type Records interface {
	Log
	// Report appends reports about devices, as Append appends readings.
	Report(ctx context.Context, reports []Report) error
	// Reject appends what could not be mapped or admitted to the dead letters, as Append appends readings.
	Reject(ctx context.Context, rejected []Rejected) error
}

// Report is what a source says about one device.
type Report struct {
	Device iot.Identity
	iot.StatusReport
}

// Rejected is a message, or a value of it, that has become no reading.
type Rejected struct {
	// Source is the name of the source, Topic where in it the message came from.
	Source, Topic string
	// Received is when the message was received.
	Received time.Time
	// Payload is the message as it was received, cut to MaxRejected bytes; Length is its whole length in bytes.
	Payload []byte
	Length  int
	// Field is what the reason is about, such as device_id; empty for the message as a whole.
	Field, Reason string
	// Why is the reason by its code, if it has one.
	Why mapping.Reason
}

// MaxRejected is the maximum length in bytes of a payload that is kept because it was rejected.
const MaxRejected = 64 << 10
