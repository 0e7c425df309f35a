package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/semaphore"

	"iotmon/internal/iot"
	"iotmon/internal/mapping"
	"iotmon/internal/retry"
)

const (
	// maxBatch is the maximum number of messages that are appended to the log together, maxReadings that of readings but for those of the
	// last message.
	maxBatch, maxReadings = 2_000, 5_000
	// maxRejections is how many values of one message are rejected one by one.
	maxRejections = 10
	// defaultMaxBytes is the default of PipelineOptions.MaxBytes.
	defaultMaxBytes = 16 << 20
	// firstPause and longestPause are those between two attempts to append.
	firstPause, longestPause = 200 * time.Millisecond, 5 * time.Second
)

// Decode appends the values of a message with a payload to points. They need not have the topic, the tags or the time of the message. The
// error says why the payload has none, and is an *iot.InvalidError.
type Decode func(m *Message, points []mapping.Point) ([]mapping.Point, error)

// PipelineOptions configure a Pipeline. Those without a default are required.
type PipelineOptions struct {
	// Name is the name of the source.
	Name string
	Log  Records
	// Decode is nil if the source sends points only.
	Decode Decode
	// Mapping makes readings of the values.
	Mapping *mapping.Rules
	// Admission is the same test as the processor's.
	Admission *iot.Admission
	Status    *Status
	Logger    *slog.Logger
	// MaxBytes is how much memory the messages that are not in the log yet may occupy; 0 means 16 MiB.
	MaxBytes int64
}

// Pipeline takes the messages of a source, makes readings of them and appends those to the log. While the log does not acknowledge, Send
// blocks: so the source does not receive more than fits into memory. What cannot be mapped or admitted goes to the dead letters.
type Pipeline struct {
	o        PipelineOptions
	messages chan *Message
	memory   *semaphore.Weighted

	// What follows belongs to Run.
	points   []mapping.Point
	batch    []*Message
	readings []iot.Reading
	reports  []Report
	rejected []Rejected
	// arrival is the last time that a value without a time was given.
	arrival time.Time
}

// NewPipeline returns a Pipeline; Run works it.
func NewPipeline(o PipelineOptions) *Pipeline {
	o.MaxBytes = cmp.Or(o.MaxBytes, defaultMaxBytes)
	return &Pipeline{o: o, messages: make(chan *Message, maxBatch), memory: semaphore.NewWeighted(o.MaxBytes)}
}

// Send gives the pipeline a message. It blocks while MaxBytes of messages are not in the log. After an error, which is that of ctx, the
// message has not been taken, and its Done is not called.
func (p *Pipeline) Send(ctx context.Context, m *Message) error {
	if m.Received.IsZero() {
		m.Received = time.Now()
	}
	size := min(m.size(), p.o.MaxBytes)
	if err := p.memory.Acquire(ctx, size); err != nil {
		return err
	}
	select {
	case p.messages <- m:
		p.o.Status.received(m)
		return nil
	case <-ctx.Done():
		p.memory.Release(size)
		return ctx.Err()
	}
}

// Run works until ctx ends. Messages that are not in the log then are done with an error. It must be called once.
func (p *Pipeline) Run(ctx context.Context) error {
	for {
		select {
		case m := <-p.messages:
			p.collect(m)
			p.work(ctx)
		case <-ctx.Done():
			for {
				select {
				case m := <-p.messages:
					p.batch = append(p.batch, m)
				default:
					p.finish(len(p.batch), ctx.Err())
					return nil
				}
			}
		}
	}
}

// collect makes a batch of the message and of those that have come while the last batch was appended.
func (p *Pipeline) collect(m *Message) {
	p.batch = append(p.batch, m)
	for len(p.batch) < maxBatch {
		select {
		case m := <-p.messages:
			p.batch = append(p.batch, m)
		default:
			return
		}
	}
}

// work converts the messages of the batch and appends what has become of them.
func (p *Pipeline) work(ctx context.Context) {
	for converted := 0; converted < len(p.batch); {
		p.convert(p.batch[converted])
		if converted++; converted == len(p.batch) || len(p.readings) >= maxReadings {
			p.finish(converted, p.append(ctx))
			converted = 0
		}
	}
}

// finish says of the first messages of the batch whether they are in the log, and removes them from the batch.
func (p *Pipeline) finish(count int, err error) {
	for _, m := range p.batch[:count] {
		p.memory.Release(min(m.size(), p.o.MaxBytes))
		m.done(err)
	}
	p.batch = slices.Delete(p.batch, 0, count)
	p.readings, p.reports, p.rejected = p.readings[:0], p.reports[:0], p.rejected[:0]
}

// append appends what has become of the batch to the log. It tries again until it succeeds, or ctx ends.
func (p *Pipeline) append(ctx context.Context) error {
	pause := retry.NewBackoff(firstPause, longestPause)
	for {
		err := p.tryAppend(ctx)
		if ctx.Err() != nil {
			return fmt.Errorf("the source has ended: %w", context.Cause(ctx))
		}
		p.o.Status.log(err)
		if err == nil {
			p.o.Status.appended(p.readings, p.rejected)
			return nil
		}
		p.o.Logger.Error("the log does not acknowledge what a source has received; the source waits", "source", p.o.Name, "error", err)
		if err := pause.Wait(ctx); err != nil {
			return err
		}
	}
}

// tryAppend appends the readings, the reports and the dead letters. Those that are in the log already are appended again after an error.
func (p *Pipeline) tryAppend(ctx context.Context) error {
	if len(p.readings) > 0 {
		if err := p.o.Log.Append(ctx, p.readings); err != nil {
			return err
		}
	}
	if len(p.reports) > 0 {
		if err := p.o.Log.Report(ctx, p.reports); err != nil {
			return err
		}
	}
	if len(p.rejected) > 0 {
		return p.o.Log.Reject(ctx, p.rejected)
	}
	return nil
}

// convert makes readings, reports and dead letters of a message.
func (p *Pipeline) convert(m *Message) {
	if m.Invalid != nil {
		p.reject(m, m.Invalid)
		return
	}
	points := m.Points
	if m.Payload != nil {
		decoded, err := p.o.Decode(m, p.points[:0])
		p.points = decoded[:0]
		if err != nil {
			p.o.Status.decoded(m, nil, err)
			p.reject(m, err)
			return
		}
		points = decoded
	}
	p.o.Status.decoded(m, points, nil)
	mapped, refused := 0, 0
	for i := range points {
		point := points[i]
		if p.fill(&point, m) {
			p.o.Status.untimed()
			return
		}
		ok, err := p.point(&point, m)
		if ok {
			mapped++
		}
		if err == nil {
			continue
		}
		if refused++; refused <= maxRejections {
			p.reject(m, err)
		}
	}
	if refused > maxRejections {
		p.reject(m, iot.Invalid("", "%d more values of the message are no readings", refused-maxRejections))
	}
	if mapped == 0 {
		p.reject(m, unmapped(points))
	}
}

// fill gives a point what it has of its message, and reports whether it has no time although its message is a retained one.
func (p *Pipeline) fill(point *mapping.Point, m *Message) (unknownTime bool) {
	point.Topic = cmp.Or(point.Topic, m.Topic)
	if point.Tags == nil {
		point.Tags = m.Tags
	}
	if !point.Time.IsZero() {
		return false
	}
	if m.Retained && m.Report == nil {
		return true
	}
	// Two values of a device that came in the same microsecond would be the same reading.
	p.arrival = iot.CutTime(later(m.Received, p.arrival.Add(time.Microsecond)))
	point.Time = p.arrival
	return false
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// point converts one value, and reports whether there is a rule for it. The error is the reason why it is no reading.
func (p *Pipeline) point(point *mapping.Point, m *Message) (bool, error) {
	var r iot.Reading
	ok, err := p.o.Mapping.Reading(point, &r)
	if !ok || err != nil {
		return ok, err
	}
	if m.Report != nil {
		report := Report{Device: r.Identity(), StatusReport: *m.Report}
		if report.Time.IsZero() {
			report.Time = point.Time
		}
		p.reports = append(p.reports, report)
		return true, nil
	}
	r.ReceivedAt = iot.CutTime(m.Received)
	if err := p.o.Admission.Admit(&r, iot.CutTime(time.Now())); err != nil {
		if invalid, ok := errors.AsType[*iot.InvalidError](err); ok {
			return true, iot.Invalid(invalid.Field, "%s, in the value %s", invalid.Reason, iot.Quote(point.Field))
		}
		return true, err
	}
	p.readings = append(p.readings, r)
	return true, nil
}

// maxNames is how many names of values a reason lists.
const maxNames = 10

func unmapped(points []mapping.Point) error {
	if len(points) == 0 {
		return iot.Invalid("", "no values in it")
	}
	names := make(map[string]bool)
	for i := range points[:min(len(points), maxNames)] {
		names[points[i].Field] = true
	}
	return iot.Invalid("", "no rule of the source's map matches any of its %d values (%s)", len(points), iot.QuoteNames(maps.Keys(names)))
}

// reject adds a message to the dead letters. A message of which several values are rejected is there several times.
func (p *Pipeline) reject(m *Message, reason error) {
	rejected := Rejected{
		Source: p.o.Name, Topic: m.Topic, Received: m.Received, Payload: m.Payload[:min(len(m.Payload), MaxRejected)], Length: len(m.Payload),
		Reason: reason.Error(),
	}
	if invalid, ok := errors.AsType[*iot.InvalidError](reason); ok {
		rejected.Field, rejected.Reason = invalid.Field, invalid.Reason
	}
	p.rejected = append(p.rejected, rejected)
}
