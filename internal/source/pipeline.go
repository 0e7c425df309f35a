package source

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
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
	// maxAhead is how far the times of values without a time may be ahead of their arrival: a million values that came at once need that.
	maxAhead = time.Second
	// firstPause and longestPause are those between two attempts to append.
	firstPause, longestPause = 200 * time.Millisecond, 5 * time.Second
	// grace is how long an append may go on after its context has ended: its outcome decides whether messages are acknowledged.
	grace = 2 * time.Second
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
	// Follow, if not nil, replaces Mapping and Admission as soon as something is set in it, and again whenever it is set.
	Follow *Mapping
	Status *Status
	Logger *slog.Logger
	// MaxMessages is how many messages may wait to be converted; 0 means 2,000.
	MaxMessages int
	// MaxDevices is how many devices the source may have at a time; 0 means 100,000. The readings of further ones are dead letters.
	MaxDevices int
	// MaxBytes is how much memory the messages that are not in the log yet may occupy; 0 means 16 MiB.
	MaxBytes int64
	// Now is the clock of what the source receives; nil means time.Now.
	Now func() time.Time
}

// Pipeline takes the messages of a source, makes readings of them and appends those to the log. While the log does not acknowledge, Send
// blocks: so the source does not receive more than fits into memory. What cannot be mapped or admitted goes to the dead letters.
type Pipeline struct {
	o        PipelineOptions
	messages chan *Message
	memory   *semaphore.Weighted

	// What follows belongs to Run.
	mapped    *Mapped
	mapper    *mapping.Mapper
	admission *iot.Admission
	points    []mapping.Point
	batch     []*Message
	readings  []iot.Reading
	reports   []Report
	rejected  []Rejected
	// parts are what is appended one after the other: the readings of each, and then its reports. What follows the last of them is a part, too.
	parts []part
	// reported are the devices with a report about their status in the last part.
	reported map[iot.DeviceID]struct{}
	// arrival is the last time that a value without a time was given.
	arrival  time.Time
	draining bool
	// devices are those that have become readings.
	devices *deviceSet
	// missing is when a message without a rule was a dead letter, by its kind.
	missing map[unmappedKind]time.Time
}

// part is how far a part of the readings and reports of a batch goes: a report about a device and a later reading of it are in different parts, so
// that they are in the log in their order.
type part struct{ readings, reports int }

// NewPipeline returns a Pipeline; Run works it.
func NewPipeline(o PipelineOptions) *Pipeline {
	o.MaxBytes, o.MaxMessages = cmp.Or(o.MaxBytes, defaultMaxBytes), cmp.Or(o.MaxMessages, maxBatch)
	if o.Now == nil {
		o.Now = time.Now
	}
	p := &Pipeline{
		o: o, messages: make(chan *Message, o.MaxMessages), memory: semaphore.NewWeighted(o.MaxBytes), mapper: o.Mapping.Mapper(), admission: o.Admission,
	}
	p.reported = make(map[iot.DeviceID]struct{})
	p.missing, p.devices = make(map[unmappedKind]time.Time), newDeviceSet(cmp.Or(o.MaxDevices, defaultMaxDevices))
	return p
}

// Send gives the pipeline a message. It blocks while MaxBytes of messages are not in the log. After an error, which is that of ctx, the
// message has not been taken, and its Done is not called.
func (p *Pipeline) Send(ctx context.Context, m *Message) error {
	if m.Received.IsZero() {
		m.Received = p.o.Now()
	}
	size := min(m.size(), p.o.MaxBytes)
	if err := p.memory.Acquire(ctx, size); err != nil {
		return err
	}
	select {
	case p.messages <- m:
		if !m.Own {
			p.o.Status.received(m)
		}
		return nil
	case <-ctx.Done():
		p.memory.Release(size)
		return ctx.Err()
	}
}

// Run works until ctx ends. Then Drain must be called. Both must be called once.
func (p *Pipeline) Run(ctx context.Context) error {
	for {
		select {
		case m := <-p.messages:
			p.collect(m)
			if p.work(ctx) != nil {
				return nil
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// Drain appends the messages that Run has left and that nobody sends again, such as the values of a poll. The others are done with an error. It
// returns when nothing is left, or a moment after ctx has ended. Nothing may be sent any more.
func (p *Pipeline) Drain(ctx context.Context) {
	p.draining = true
	for len(p.messages) > 0 {
		p.batch = append(p.batch, <-p.messages)
	}
	kept := p.batch[:0]
	for _, m := range p.batch {
		if !m.Again {
			kept = append(kept, m)
			continue
		}
		p.forget(m, errEnded)
	}
	clear(p.batch[len(kept):])
	p.batch = kept
	if p.work(ctx) != nil {
		p.finish(len(p.batch), errEnded)
	}
}

// errEnded means that a message is not in the log, or perhaps not.
var errEnded = errors.New("the source has ended")

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

// work converts the messages of the batch and appends what has become of them. After an error, which means that ctx has ended, the batch has the
// messages that are not in the log.
func (p *Pipeline) work(ctx context.Context) error {
	p.follow()
	for converted := 0; converted < len(p.batch); {
		p.convert(p.batch[converted])
		if converted++; converted == len(p.batch) || len(p.readings) >= maxReadings {
			err := p.append(ctx)
			if err != nil {
				p.discard()
				return err
			}
			p.finish(converted, nil)
			converted = 0
		}
	}
	return nil
}

// finish says of the first messages of the batch whether they are in the log, and removes them from the batch.
func (p *Pipeline) finish(count int, err error) {
	for _, m := range p.batch[:count] {
		p.forget(m, err)
	}
	p.batch = slices.Delete(p.batch, 0, count)
	p.discard()
}

// forget says of a message whether it is in the log.
func (p *Pipeline) forget(m *Message, err error) {
	p.memory.Release(min(m.size(), p.o.MaxBytes))
	m.done(err)
}

// discard empties what has become of the batch.
func (p *Pipeline) discard() {
	p.readings, p.reports, p.rejected, p.parts = p.readings[:0], p.reports[:0], p.rejected[:0], p.parts[:0]
	clear(p.reported)
}

// append appends what has become of the batch to the log. It tries again until it succeeds, or ctx ends. The try that is under way then gets
// a moment more.
func (p *Pipeline) append(ctx context.Context) error {
	pause := retry.NewBackoff(firstPause, longestPause)
	var from part
	for {
		trying, done := linger(ctx, grace)
		err := p.tryAppend(trying, &from)
		done()
		if !p.draining { // Then it is the next owner's to say.
			p.o.Status.log(err)
		}
		if err == nil {
			p.o.Status.appended(p.readings, p.rejected)
			return nil
		}
		if ctx.Err() != nil {
			return errEnded
		}
		p.o.Logger.Error("the log does not acknowledge what a source has received; the source waits", "source", p.o.Name, "error", err)
		if err := pause.Wait(ctx); err != nil {
			return errEnded
		}
	}
}

// linger returns a context that ends some time after ctx.
func linger(ctx context.Context, by time.Duration) (context.Context, context.CancelFunc) {
	lingering, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		_ = retry.Wait(lingering, by)
		cancel()
	})
	return lingering, func() { stop(); cancel() }
}

// tryAppend appends the readings, the reports and the dead letters behind those in from, which it moves over what is in the log. What an error leaves in
// doubt is appended again: never a report of an earlier part, which would come after later readings.
func (p *Pipeline) tryAppend(ctx context.Context, from *part) error {
	for i := range len(p.parts) + 1 {
		to := part{len(p.readings), len(p.reports)}
		if i < len(p.parts) {
			to = p.parts[i]
		}
		if to.readings > from.readings {
			if err := p.o.Log.Append(ctx, p.readings[from.readings:to.readings]); err != nil {
				return err
			}
			from.readings = to.readings
		}
		if to.reports > from.reports {
			if err := p.o.Log.Report(ctx, p.reports[from.reports:to.reports]); err != nil {
				return err
			}
			from.reports = to.reports
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
	points := append(p.points[:0], m.Points...)
	if m.Payload != nil {
		var err error
		if points, err = p.o.Decode(m, points); err != nil {
			p.o.Status.decoded(m, nil, err)
			p.reject(m, err)
			return
		}
	}
	if !m.Own {
		p.o.Status.decoded(m, points, nil)
	}
	p.points = points
	for i := range points {
		points[i].Topic = cmp.Or(points[i].Topic, m.Topic)
		if points[i].Tags == nil {
			points[i].Tags = m.Tags
		}
	}
	p.mapPoints(m, points)
}

// mapPoints makes readings, reports and dead letters of the points of a message.
func (p *Pipeline) mapPoints(m *Message, points []mapping.Point) {
	p.mapper.Begin(points)
	c := converted{now: iot.CutTime(p.o.Now()), received: iot.CutTime(m.Received)}
	for i := range points {
		if err := p.point(&points[i], m, &c); err != nil {
			c.matched++
			if c.refused++; c.refused <= maxRejections {
				p.reject(m, err)
			}
		}
	}
	if c.refused > maxRejections {
		p.reject(m, iot.Invalid("", "%d more values of the message are no readings", c.refused-maxRejections))
	}
	if c.matched == 0 {
		p.unmapped(m, points)
	}
	p.o.Status.ignored(c.ignored, c.untimed)
}

// converted counts what has become of the values of a message.
type converted struct {
	// now is the time of the conversion, received that of the message's arrival, as readings have times: one look at the clock serves all values.
	now, received time.Time
	// matched are those for which there is a rule, refused those of them that are neither readings nor reports.
	matched, refused, ignored int
	// untimed is whether the message is a retained one with values that have no time.
	untimed bool
}

// arrived returns the time of a value that has none of its own: a microsecond after the last one if that is not before it, because two values
// of a device at the same microsecond would be the same reading. If it is long before the last one, the clock has been set back, and the
// time is the clock's again.
func (p *Pipeline) arrived(m *Message) time.Time {
	at := iot.CutTime(m.Received)
	if ahead := p.arrival.Sub(at); ahead >= 0 && ahead < maxAhead {
		at = p.arrival.Add(time.Microsecond)
	}
	p.arrival = at
	return at
}

// point converts one value. The error is the reason why it is no reading although there is a rule for it.
func (p *Pipeline) point(point *mapping.Point, m *Message, c *converted) error {
	if m.Report != nil {
		return p.reportOf(point, m, c)
	}
	var r mapping.Result
	if err := p.mapper.Map(point, &r); err != nil {
		return err
	}
	switch r.Outcome {
	case mapping.Unmatched:
		return nil
	case mapping.Ignored:
		c.ignored++
	case mapping.Reported:
		if r.Status.Time.IsZero() {
			r.Status.Time = p.arrived(m)
		}
		if err := p.report(&r); err != nil {
			return err
		}
	case mapping.Read:
		if r.Reading.Time.IsZero() && m.Retained {
			c.untimed = true
			break
		}
		if err := p.admit(&r.Reading, r.Interval, point, m, c); err != nil {
			return err
		}
	}
	c.matched++
	return nil
}

// reportOf makes the report of a message one about the device of a point.
func (p *Pipeline) reportOf(point *mapping.Point, m *Message, c *converted) error {
	d, ok, err := p.mapper.Device(point)
	if !ok || err != nil {
		return err
	}
	c.matched++
	r := mapping.Result{Status: *m.Report, Device: d.ID}
	if r.Status.Time.IsZero() {
		r.Status.Time = point.Time
	}
	if r.Status.Time.IsZero() {
		r.Status.Time = p.arrived(m)
	}
	return p.report(&r)
}

// admit adds a reading to those that will be appended, and what is known of how often its device sends.
func (p *Pipeline) admit(r *iot.Reading, interval time.Duration, point *mapping.Point, m *Message, c *converted) error {
	if r.Time.IsZero() {
		r.Time = p.arrived(m)
	}
	if r.ReceivedAt.IsZero() {
		r.ReceivedAt = c.received
	}
	if err := p.admission.Admit(r, c.now); err != nil {
		if invalid, ok := errors.AsType[*iot.InvalidError](err); ok {
			return invalid.Of(point.Field)
		}
		return err
	}
	known := p.devices.admit(r.ID, c.now)
	if known == nil {
		return iot.Invalid("device_id", "the source has %d devices, and may not have more: raise max_devices of the source, or have fewer topics and tags make devices (got %s)",
			p.devices.most, iot.Quote(string(r.ID)))
	}
	if _, reported := p.reported[r.ID]; reported {
		p.parts = append(p.parts, part{len(p.readings), len(p.reports)})
		clear(p.reported)
	}
	p.readings = append(p.readings, *r)
	if known.says(interval, c.now) {
		p.reports = append(p.reports, Report{Device: r.Identity(), StatusReport: iot.StatusReport{Interval: known.interval, Time: c.now}})
	}
	return nil
}

// report adds reports to those that will be appended: about one device, or about all that have become readings and whose ids begin with r.Below.
func (p *Pipeline) report(r *mapping.Result) error {
	if r.Below == "" {
		device := iot.Identity{ID: r.Device}
		if err := device.Normalize(); err != nil {
			return err
		}
		p.reportAbout(device, &r.Status)
		return nil
	}
	p.devices.below(r.Below, func(id iot.DeviceID) { p.reportAbout(iot.Identity{ID: id}, &r.Status) })
	return nil
}

func (p *Pipeline) reportAbout(device iot.Identity, status *iot.StatusReport) {
	p.reports = append(p.reports, Report{Device: device, StatusReport: *status})
	p.reported[device.ID] = struct{}{}
}

// reject adds a message to the dead letters. A message of which several values are rejected is there several times.
func (p *Pipeline) reject(m *Message, reason error) {
	rejected := Rejected{
		Source: p.o.Name, Topic: m.Topic, Received: m.Received, Payload: m.Payload[:min(len(m.Payload), MaxRejected)], Length: len(m.Payload),
		Reason: reason.Error(), Why: mapping.ReasonOf(reason),
	}
	if invalid, ok := errors.AsType[*iot.InvalidError](reason); ok {
		rejected.Field, rejected.Reason = invalid.Field, invalid.Reason
	}
	p.rejected = append(p.rejected, rejected)
}
