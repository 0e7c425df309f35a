package processor

import (
	"slices"

	"go.opentelemetry.io/otel/trace"

	"iotmon/internal/iot"
	"iotmon/internal/kafka"
	"iotmon/internal/view"
)

// early gives the live view of the same process what it would otherwise read from the log a moment later. So a device that
// speaks several times while a transaction is open has one state in it, together with those of others, rather than a batch of
// its own each time: with few devices the states were half of all that was written to the disk.
//
// The live view takes what is not committed in any case, and goes by positions. States with alerts take the way through the log,
// because the processor goes on working on them; so do windows that are final.
type early struct {
	give   func(view.Batch)
	topic  string
	tracer trace.Tracer
	batch  view.Batch
	// unsaved are the states that the transaction does not have yet. They are the processor's own, as last published.
	unsaved map[iot.DeviceID]*iot.DeviceState
}

// newEarly returns nil for nobody to give to.
func newEarly(give func(view.Batch), topic string, tracer trace.Tracer) *early {
	if give == nil {
		return nil
	}
	return &early{give: give, topic: topic, tracer: tracer, unsaved: make(map[iot.DeviceID]*iot.DeviceState)}
}

// state takes a state, and reports whether it will be saved later rather than now.
func (e *early) state(s *iot.DeviceState, followed *followed) bool {
	if len(s.Alerts) > 0 {
		delete(e.unsaved, s.Latest.ID)
		return false
	}
	own := *s
	own.Past, own.Clock = nil, nil // The processor works on them, and nobody looks at them.
	e.batch.States = append(e.batch.States, own)
	e.unsaved[s.Latest.ID] = s
	if ctx := followed.context(s.Latest.ID); trace.SpanContextFromContext(ctx).IsSampled() {
		_, span := e.tracer.Start(ctx, "process "+e.topic, trace.WithSpanKind(trace.SpanKindConsumer), kafka.TopicAttributes(e.topic, "process"))
		e.batch.Traced = append(e.batch.Traced, view.Traced{Device: s.Latest.ID, Span: span})
	}
	return true
}

// summary takes the summary of a window in progress.
func (e *early) summary(s *iot.WindowSummary) {
	own := *s
	own.Sum, own.Alerts = s.Sum.Clone(), slices.Clone(s.Alerts) // The window goes on changing.
	e.batch.Summaries = append(e.batch.Summaries, own)
}

// publish hands over what has been taken.
func (e *early) publish() {
	if len(e.batch.States)+len(e.batch.Summaries) > 0 {
		e.give(e.batch)
		e.batch.Reset()
	}
}

// save calls write for every state that is not in the transaction yet.
func (e *early) save(write func(*iot.DeviceState)) {
	for _, s := range e.unsaved {
		write(s)
	}
	clear(e.unsaved)
}
