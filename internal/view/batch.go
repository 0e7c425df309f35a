package view

import (
	"go.opentelemetry.io/otel/trace"

	"iotmon/internal/iot"
)

// Batch is what one fetch from the log brought, in the order of each partition. Some of it may be older than, or the same
// as, what was applied before: a processor that has just got a partition repeats records, and one that has lost it may still send some.
type Batch struct {
	States []iot.DeviceState
	// Forgotten are the devices that were deleted; it is to be applied before States. One of a lower position than what is
	// known of the device changes nothing; nor does a state of a lower position than that of its device's deletion.
	Forgotten []Forgotten
	Summaries []iot.WindowSummary
	Alerts    []iot.Alert
	// Traced lists the devices in States whose new state belongs to a sampled trace.
	Traced []Traced
}

// Reset empties the batch for the next one. It keeps the room.
func (b *Batch) Reset() {
	b.Forgotten = emptied(b.Forgotten)
	b.States, b.Summaries, b.Alerts, b.Traced = emptied(b.States), emptied(b.Summaries), emptied(b.Alerts), emptied(b.Traced)
}

// emptied keeps alive nothing that the elements point to.
func emptied[T any](s []T) []T {
	clear(s)
	return s[:0]
}

// Traced is a device in a batch whose new state belongs to a sampled trace.
type Traced struct {
	Device iot.DeviceID
	// Span has begun when the state was read from the log; the hub ends it.
	Span trace.Span
}

// Forgotten is a device that was deleted, and the position at which. Offset 0 means that another program has deleted the state:
// that holds for every state up to now, whatever its position, and for none that comes later.
type Forgotten struct {
	Device iot.DeviceID
	iot.Position
}
