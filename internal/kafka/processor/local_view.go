package processor

import (
	"slices"

	"go.opentelemetry.io/otel/trace"

	"iotmon/internal/iot"
	"iotmon/internal/kafka"
	"iotmon/internal/view"
)

// localView passes states and windows in progress directly to the live view of the same process, which would otherwise read them
// from the log a moment later. A state that is passed on directly is written to the log only once for each transaction, in one batch
// with the others. Without this, every reading of a device would write a state in a batch of its own. With few devices such batches
// were half of all data on the disk.
//
// The live view may get uncommitted states because it compares positions. Alert events and final windows are always written to the log
// at once.
type localView struct {
	apply  func(view.Batch)
	topic  string
	tracer trace.Tracer
	batch  view.Batch
	// unwritten are the states that were passed on and are not yet in the transaction. They point to the memory of process.Partition.
	unwritten iot.ByDevice[*iot.DeviceState]
}

// newLocalView returns nil if apply is nil.
func newLocalView(apply func(view.Batch), topic string, tracer trace.Tracer) *localView {
	if apply == nil {
		return nil
	}
	return &localView{apply: apply, topic: topic, tracer: tracer}
}

// addState adds a state to the next batch.
func (v *localView) addState(s *iot.DeviceState, traces *traces) {
	own := *s
	own.Alerts = slices.Clone(s.Alerts)                 // The processor goes on changing them.
	own.Past, own.Clock, own.Conditions = nil, nil, nil // Likewise, and the live view does not need them.
	v.batch.States = append(v.batch.States, own)
	v.unwritten.Set(s.Latest.Identity(), s)
	if ctx := traces.context(s.Latest.Identity()); trace.SpanContextFromContext(ctx).IsSampled() {
		_, span := v.tracer.Start(ctx, "process "+v.topic, trace.WithSpanKind(trace.SpanKindConsumer), kafka.TopicAttributes(v.topic, "process"))
		v.batch.Traced = append(v.batch.Traced, view.Traced{Device: s.Latest.Identity(), Span: span})
	}
}

// addSummary adds the summary of a window in progress to the next batch.
func (v *localView) addSummary(s *iot.WindowSummary) {
	own := *s
	own.Summary, own.Groups = s.Summary.Clone(), iot.CloneGroups(s.Groups) // The window goes on changing.
	v.batch.Summaries = append(v.batch.Summaries, own)
}

// publish passes the batch to the live view and begins a new one.
func (v *localView) publish() {
	if len(v.batch.States)+len(v.batch.Summaries) > 0 {
		v.apply(v.batch)
		v.batch.Reset()
	}
}

// writeStates calls write for every state that is not yet in the transaction.
func (v *localView) writeStates(write func(*iot.DeviceState)) {
	for _, s := range v.unwritten.All() {
		write(s)
	}
	v.unwritten.Clear()
}
