package live

import (
	"go.opentelemetry.io/otel/trace"

	"iotmon/internal/iot"
)

// Batch is what one fetch from the log brought, in the order of each partition. Some of it may be older than, or the same
// as, what was applied before: a processor that takes over repeats, and one that lost its partition may still be talking.
type Batch struct {
	States    []iot.DeviceState
	Summaries []iot.WindowSummary
	Alerts    []iot.Alert
	// Traced names those of the devices in States whose way is being followed.
	Traced []Traced
}

// Traced is a device in a batch whose new state belongs to a sampled trace.
type Traced struct {
	Device iot.DeviceID
	// Span has begun when the state was read from the log; the hub ends it.
	Span trace.Span
}
