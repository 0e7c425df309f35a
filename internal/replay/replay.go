package replay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/mapping"
	"iotmon/internal/replay/recording"
	"iotmon/internal/retry"
	"iotmon/internal/wire"
)

// batchSize is the largest number of readings in a request. The cost of a request no longer matters with so many, and systems
// accept far larger ones.
const batchSize = 1000

// Destination accepts or rejects readings. Client implements it.
type Destination interface {
	// Send returns when each reading was accepted or rejected. It blocks and retries until then. An error is final. It does not
	// keep the slice.
	Send(ctx context.Context, readings []iot.Reading) (wire.Ingested, error)
}

// Options configure Run. File and Mapping are required.
type Options struct {
	// File is the path of the recording.
	File string
	// Format is what the file consists of; empty is detected.
	Format Format
	// Layout is that of a table.
	Layout  recording.Layout
	Mapping Mapping
	// Topic is the topic of all values, for rules that have one.
	Topic string
	// Terms are the limits of the destination.
	Terms Terms
	// Shift moves all times by the same span, so that the newest reading is dated at the moment when it is due to be sent, or now
	// at the greatest speed. Without it the readings keep their times and are marked as historical.
	Shift bool
	// Speed is the number of seconds of the recording that pass in a second; 0 is as fast as the destination accepts readings.
	Speed float64
	// Rate limits the readings sent in a second; 0 for no limit.
	Rate float64
	// Progress is called after every response with the summary so far, which it must not keep, and the number of bytes of the
	// file that have been read, of size. nil is allowed.
	Progress func(done *Summary, read, size int64)
	// Warn is called before the first reading is sent, with each warning for the user. nil is allowed.
	Warn func(warning string)
}

// Run sends a recording. The summary is nil only if nothing was sent. If there is an error too, the summary counts the readings
// before it.
func Run(ctx context.Context, o Options, to Destination) (*Summary, error) {
	if o.Progress == nil {
		o.Progress = func(*Summary, int64, int64) {}
	}
	if o.Warn == nil {
		o.Warn = func(string) {}
	}
	source, err := o.open()
	if err != nil {
		return nil, err
	}
	defer source.close()
	rules, err := o.compile(source)
	if err != nil {
		return nil, err
	}
	p := player{o: o, to: to, source: source, rules: rules, repeats: newRepeats(), summary: new(Summary)}
	p.summary.Payloads = source.table == nil
	p.converter = source.converter(rules, o.Terms.states(), p.summary.unmapped)
	if source.table != nil {
		p.summary.Notes, p.summary.Ignored = source.table.Notes, p.converter.unsent(source.table, rules)
		p.fixed = !slices.ContainsFunc(o.Mapping.Rules, func(r mapping.Rule) bool { return !constantType(&r) }) && o.Mapping.Long == nil
	}
	if err := p.schedule(ctx); err != nil {
		return nil, err
	}
	err = p.run(ctx)
	p.summary.Elapsed = time.Since(p.start)
	return p.summary, err
}

// compile returns the rules of an open recording. The error says what they lack, or what the system would refuse.
func (o *Options) compile(source *openFile) (*mapping.Rules, error) {
	rules, err := o.Mapping.rules(o.File, source)
	if err != nil {
		return nil, err
	}
	if len(rules) == 0 {
		if err := o.suggestRules(); err != nil {
			return nil, err
		}
	}
	compiled, err := mapping.New(rules, nil)
	if err != nil {
		return nil, usage("map: %w", err)
	}
	if err := o.Terms.check(rules); err != nil {
		return nil, err
	}
	if slices.ContainsFunc(rules, func(r mapping.Rule) bool { return r.Status != nil }) {
		o.Warn("rules with a status make nothing of a recording: whether a device was connected is not replayed")
	}
	if source.table == nil {
		return compiled, nil
	}
	if len(source.converter(compiled, nil, nil).columns) == 0 {
		return nil, usage("no rule is for any column: %s", suggestMapping(o.File, source.table))
	}
	return compiled, nil
}

// schedule decides by how much the times move, and finds out whether the readings would be too old.
func (p *player) schedule(ctx context.Context) error {
	p.start = time.Now()
	if p.source.Backwards() && p.o.Speed > 0 {
		p.o.Warn("the newest row comes first, so -speed cannot pace the rows: they are sent at once")
	}
	if !p.o.Shift && p.o.Terms.Retention == 0 && p.o.Terms.Earliest.IsZero() {
		return nil
	}
	reach, err := p.o.timeSpan(ctx, p.rules)
	if err != nil {
		return err
	}
	p.start = time.Now()
	if p.o.Shift {
		p.shift = iot.CutTime(p.start.Add(p.scaled(reach.newest.Sub(reach.first)))).Sub(reach.newest)
		reach.oldest, reach.newest = reach.oldest.Add(p.shift), reach.newest.Add(p.shift)
	}
	warning, err := p.o.Terms.tooOld(reach, p.start)
	if warning != "" {
		p.o.Warn(warning)
	}
	return err
}

// player sends one recording.
type player struct {
	o         Options
	to        Destination
	source    *openFile
	rules     *mapping.Rules
	converter *converter
	// fixed is set if each column has one type and one unit, so that the system refuses all of it or nothing for them.
	fixed   bool
	summary *Summary
	repeats *repeats

	// start is the moment at which first, the time of the first reading, is due; every time is moved by shift.
	start, first time.Time
	shift        time.Duration
	// next is the moment before which the rate allows no further request.
	next time.Time
	// batch are the readings that will be sent next, lines the line of each in the file.
	batch []iot.Reading
	lines []int
}

func (p *player) run(ctx context.Context) error {
	for ctx.Err() == nil {
		r, err := p.source.next()
		if err == io.EOF {
			return p.flush(ctx)
		}
		refused, isRefused := errors.AsType[*recording.RowError](err)
		if err != nil && !isRefused {
			return fmt.Errorf("read %s: %w", p.o.File, err)
		}
		p.summary.Rows++
		if isRefused {
			p.summary.refuse(refused.Line, refused.Field, refused.Reason)
			continue
		}
		if err := p.play(ctx, r); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// play waits until the readings of a record are due and adds them to the batch. Before it waits it sends the batch: those readings are due
// already.
func (p *player) play(ctx context.Context, r record) error {
	known := len(p.batch)
	p.batch = p.converter.convert(r, p.batch, func(refused valueError) { p.refuse(r.line, refused) })
	if added := p.batch[known:]; len(added) > 0 {
		if p.first.IsZero() {
			p.first = added[0].Time
		}
		if err := p.wait(ctx, added[0].Time, known); err != nil {
			return err
		}
		known = len(p.batch) - len(added)
	}
	for i := known; i < len(p.batch); i++ {
		reading := &p.batch[i]
		reading.Time = reading.Time.Add(p.shift)
		reading.Historical = !p.o.Shift
		p.lines = append(p.lines, r.line)
		p.summary.Own.add(p.repeats.add(reading))
	}
	if len(p.batch) >= batchSize {
		return p.flush(ctx)
	}
	return nil
}

// wait waits until readings of a time are due, all of the batch from the index next on. Before that it sends the others.
func (p *player) wait(ctx context.Context, at time.Time, next int) error {
	if p.o.Speed == 0 {
		return nil
	}
	due := p.start.Add(p.scaled(at.Sub(p.first)))
	if time.Until(due) <= 0 {
		return nil
	}
	waiting := slices.Clone(p.batch[next:])
	p.batch = p.batch[:next]
	if err := p.flush(ctx); err != nil {
		return err
	}
	p.batch = append(p.batch, waiting...)
	return retry.Wait(ctx, time.Until(due))
}

// scaled returns how long a span of the recording takes to play.
func (p *player) scaled(span time.Duration) time.Duration {
	if p.o.Speed == 0 {
		return 0
	}
	return time.Duration(float64(span) / p.o.Speed)
}

// refuse counts a value without a reading.
func (p *player) refuse(line int, refused valueError) {
	if invalid, ok := errors.AsType[*iot.InvalidError](refused.err); ok {
		p.summary.refuse(line, invalid.Field, invalid.Reason)
		return
	}
	p.summary.missing(refused.written)
}

// flush sends the batch, no faster than the rate allows.
func (p *player) flush(ctx context.Context) error {
	readings, lines := p.batch, p.lines
	most := batchSize
	if p.o.Rate > 0 {
		most = max(1, min(most, int(p.o.Rate/10)))
	}
	for len(readings) > 0 {
		n := min(len(readings), most)
		if err := p.throttle(ctx, n); err != nil {
			return err
		}
		answer, err := p.to.Send(ctx, readings[:n])
		if err != nil {
			return fmt.Errorf("send readings from line %d on: %w", lines[0], err)
		}
		if err := p.count(answer, readings[:n], lines[:n]); err != nil {
			return err
		}
		readings, lines = readings[n:], lines[n:]
	}
	p.batch, p.lines = p.batch[:0], p.lines[:0]
	return nil
}

// throttle waits until the rate allows n more readings. Time in which nothing could be sent is not made up for.
func (p *player) throttle(ctx context.Context, n int) error {
	if p.o.Rate == 0 {
		return nil
	}
	if delay := time.Until(p.next); delay > 0 {
		if err := retry.Wait(ctx, delay); err != nil {
			return err
		}
	}
	p.next = time.Now().Add(time.Duration(float64(n) / p.o.Rate * float64(time.Second)))
	return nil
}

// count adds the response of the destination to the summary. It returns an error if the type or unit of a column is unknown to
// the destination: it would reject all other rows too.
func (p *player) count(answer wire.Ingested, readings []iot.Reading, lines []int) error {
	for _, r := range readings {
		p.summary.sent(r.Time)
	}
	p.summary.Accepted += int64(answer.Accepted)
	p.summary.Known.Duplicates += int64(answer.Duplicates)
	p.summary.Known.Conflicts += int64(answer.Conflicts)
	var hopeless error
	for _, r := range answer.Rejected {
		if r.Index < 0 || r.Index >= len(readings) {
			return fmt.Errorf("the system rejected reading %d of %d", r.Index, len(readings))
		}
		p.summary.refuse(lines[r.Index], r.Field, r.Reason)
		if p.fixed && hopeless == nil && (r.Field == "device_type" || r.Field == "unit") {
			hopeless = fmt.Errorf("the system refuses everything of %s: %s: %s", readings[r.Index].ID, r.Field, r.Reason)
		}
	}
	p.o.Progress(p.summary, p.source.Offset(), p.source.size)
	return hopeless
}
