package replay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"iotmon/internal/iot"
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
	// File is the path of a CSV file with a header.
	File    string
	Layout  recording.Layout
	Mapping Mapping
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

// openFile is a recording that is read from a file.
type openFile struct {
	*recording.Table
	file *os.File
	size int64
}

// openRecording opens a file and detects the properties that layout does not set. The caller closes it.
func openRecording(path string, layout recording.Layout) (*openFile, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open recording: %w", err)
	}
	table, err := recording.Open(file, layout)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), file.Close())
	}
	r := &openFile{Table: table, file: file}
	if info, err := file.Stat(); err == nil {
		r.size = info.Size()
	}
	return r, nil
}

// close closes the file. It was only read, so an error could not mean a loss.
func (r *openFile) close() { _ = r.file.Close() }

// Run sends a recording. The summary is nil only if nothing was sent. If there is an error too, the summary counts the readings
// before it.
func Run(ctx context.Context, o Options, to Destination) (*Summary, error) {
	if o.Progress == nil {
		o.Progress = func(*Summary, int64, int64) {}
	}
	if o.Warn == nil {
		o.Warn = func(string) {}
	}
	source, err := openRecording(o.File, o.Layout)
	if err != nil {
		return nil, err
	}
	defer source.close()
	mapping, err := o.Mapping.resolve(o.File, source.Table)
	if err != nil {
		return nil, err
	}
	if err := o.Terms.check(&mapping); err != nil {
		return nil, err
	}
	p := player{
		o: o, to: to, source: source, mapping: mapping, repeats: newRepeats(),
		summary: &Summary{Ignored: mapping.ignored, Notes: source.Notes},
		cells:   cellReader{numbers: source.Numbers(), types: o.Terms.states()},
	}
	if err := p.schedule(ctx); err != nil {
		return nil, err
	}
	err = p.run(ctx)
	p.summary.Elapsed = time.Since(p.start)
	return p.summary, err
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
	reach, err := timeSpan(ctx, p.o.File, p.o.Layout)
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
	o       Options
	to      Destination
	source  *openFile
	mapping rowMapping
	cells   cellReader
	summary *Summary
	repeats *repeats

	// start is the moment at which first, the time of the first row, is due; every time is moved by shift.
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
		row, err := p.source.Next()
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
		if err := p.play(ctx, row); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// play waits until the row is due and adds its readings to the batch. Before it waits it sends the batch: those readings
// are due already.
func (p *player) play(ctx context.Context, row recording.Row) error {
	if p.first.IsZero() {
		p.first = row.Time
	}
	if p.o.Speed > 0 {
		due := p.start.Add(p.scaled(row.Time.Sub(p.first)))
		if time.Until(due) > 0 {
			if err := p.flush(ctx); err != nil {
				return err
			}
			if err := retry.Wait(ctx, time.Until(due)); err != nil {
				return err
			}
		}
	}
	known := len(p.batch)
	p.batch = p.mapping.readings(row, p.cells, p.batch, func(refused cellError) { p.refuseCell(row.Line, refused) })
	for i := known; i < len(p.batch); i++ {
		r := &p.batch[i]
		r.Time = r.Time.Add(p.shift)
		r.Historical = !p.o.Shift
		p.lines = append(p.lines, row.Line)
		p.summary.Own.add(p.repeats.add(r))
	}
	if len(p.batch) >= batchSize {
		return p.flush(ctx)
	}
	return nil
}

// scaled returns how long a span of the recording takes to play.
func (p *player) scaled(span time.Duration) time.Duration {
	if p.o.Speed == 0 {
		return 0
	}
	return time.Duration(float64(span) / p.o.Speed)
}

func (p *player) refuseCell(line int, refused cellError) {
	if invalid, ok := errors.AsType[*iot.InvalidError](refused.err); ok {
		p.summary.refuse(line, invalid.Field, invalid.Reason)
		return
	}
	p.summary.missing(refused.cell)
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
		if !p.mapping.long && hopeless == nil && (r.Field == "device_type" || r.Field == "unit") {
			hopeless = fmt.Errorf("the system refuses everything of %s: %s: %s", readings[r.Index].ID, r.Field, r.Reason)
		}
	}
	p.o.Progress(p.summary, p.source.Offset(), p.source.size)
	return hopeless
}
