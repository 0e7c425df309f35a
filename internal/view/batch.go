package view

import (
	"go.opentelemetry.io/otel/trace"

	"iotmon/internal/iot"
)

// Batch is the content of one fetch from the log, in the order of each partition. It may contain records that were applied
// before, or that are older than those: a processor that has just been assigned a partition repeats records, and one that has
// lost it may still send some.
type Batch struct {
	States []iot.DeviceState
	// Forgotten lists the forgotten devices. Apply applies it before States. A deletion at a lower position than the known state
	// of its device changes nothing; nor does a state at a lower position than the deletion of its device.
	Forgotten []Forgotten
	Summaries []iot.WindowSummary
	// Past holds events of alerts from before the start, of an open alert only the last. Apply applies them before Alerts. They are
	// announced only as far as they change which alerts are open.
	Past   []iot.Alert
	Alerts []iot.Alert
	// Traced lists the devices in States whose new state belongs to a sampled trace.
	Traced []Traced
}

// Reset empties the batch, so that its memory can be used for the next one.
func (b *Batch) Reset() {
	b.Forgotten = emptied(b.Forgotten)
	b.States, b.Summaries, b.Traced = emptied(b.States), emptied(b.Summaries), emptied(b.Traced)
	b.Past, b.Alerts = emptied(b.Past), emptied(b.Alerts)
}

// emptied returns s with length 0 and the same capacity. It clears the elements, so that what they point to can be freed.
func emptied[T any](s []T) []T {
	clear(s)
	return s[:0]
}

// Traced is a device in a batch whose new state belongs to a sampled trace.
type Traced struct {
	Device iot.Identity
	// Span begins when the state is read from the log; the hub ends it.
	Span trace.Span
}

// Forgotten is a forgotten device, with the position of the deletion. Offset 0 means that a program other than the processor
// has deleted the state: that deletes every state read so far, whatever its position, and none that is read later.
type Forgotten struct {
	iot.Identity
	iot.Position
}
