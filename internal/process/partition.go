package process

import (
	"errors"
	"time"

	"iotmon/internal/aggregate"
	"iotmon/internal/fleet"
	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// Partition processes one partition of the readings' log. It is not safe for concurrent use: one goroutine at a time
// owns it.
type Partition struct {
	*Options
	id      int32
	decoder *wire.Decoder
	windows *aggregate.Windows
	fleet   *fleet.Fleet
	alerts  standing

	epoch int32
	// next is the next offset to read.
	next int64
	// quietBelow is the position that was reached before a restart: below it windows are rebuilt and nothing else, as all
	// other effects are in the restored state.
	quietBelow int64
	clock      time.Time
	// late holds the windows that late readings belong to, until the end of the batch.
	late map[windowKey]iot.Position
	gap  gap

	reading iot.Reading
	counts  Counts
}

// windowKey names one summary of a partition.
type windowKey struct {
	Type  iot.DeviceType
	start int64
}

// New returns the processor of partition id that goes on from the checkpoint, the zero Checkpoint for a new one. If lost,
// records that open windows needed are gone: those windows are marked for recomputation from the archive. Restore the
// devices' states before the first Process.
func New(options *Options, id int32, from Checkpoint, lost bool) *Partition {
	return &Partition{
		Options:    options,
		id:         id,
		decoder:    wire.NewStreamDecoder(),
		windows:    aggregate.New(options.Window, from.Watermark),
		fleet:      fleet.New(options.OfflineAfter, from.Floor),
		alerts:     make(standing),
		epoch:      from.Epoch,
		next:       from.Offset,
		quietBelow: from.Position,
		clock:      from.Clock,
		late:       make(map[windowKey]iot.Position),
		gap:        gap{open: lost, from: from.Watermark},
	}
}

// Restore puts in the state that a device had at the checkpoint.
func (p *Partition) Restore(state iot.DeviceState) {
	p.fleet.Restore(state)
	p.alerts.restore(&state)
}

// Checkpoint returns what to commit together with all outputs so far.
func (p *Partition) Checkpoint() Checkpoint {
	return Checkpoint{
		Offset:    p.windows.First(p.next),
		Position:  max(p.next, p.quietBelow),
		Epoch:     p.epoch,
		Watermark: p.windows.Watermark(),
		Clock:     p.clock,
		Floor:     p.fleet.Floor(),
	}
}

// Next returns the next offset to read.
func (p *Partition) Next() int64 { return p.next }

// Waiting reports whether the passing of time alone could have an effect, so that a silent log needs ticks.
func (p *Partition) Waiting() bool {
	return p.windows.Len() > 0 || p.fleet.Watching() > 0 || p.gap.open
}

// TakeCounts returns what was counted since the last call.
func (p *Partition) TakeCounts() Counts {
	counts := p.counts
	p.counts = Counts{}
	return counts
}

// Fleet calls visit with how many devices of each type there are.
func (p *Partition) Fleet(visit func(iot.DeviceType, fleet.Counts)) { p.fleet.Types(visit) }

// Process takes in a batch of records in the order of the log. Outputs about single devices wait for PublishStates,
// those about open windows for PublishWindows.
func (p *Partition) Process(records []Record, out Output) {
	for i := range records {
		p.process(&records[i], out)
	}
	p.publishLate(out)
}

func (p *Partition) process(rec *Record, out Output) {
	p.next = rec.Offset + 1
	live := rec.Offset >= p.quietBelow
	p.tell(rec.Appended)
	if live && p.gap.open {
		p.markGap(out)
	}
	switch {
	case rec.Tick:
		p.advance(rec.Appended, out)
	default:
		p.counts.count(live)
		if err := p.take(rec, live, out); err != nil && live {
			p.reject(rec, err, out)
		}
	}
	if live {
		p.findSilent(out)
	}
}

// tell moves the log's clock, and forgives a silence that was the system's own.
func (p *Partition) tell(appended time.Time) {
	if !appended.After(p.clock) {
		return
	}
	if !p.clock.IsZero() && appended.Sub(p.clock) > Standstill {
		p.fleet.Forgive(appended)
	}
	p.clock = appended
}

// take handles a record that should be a reading. The error says why it is none.
func (p *Partition) take(rec *Record, live bool, out Output) error {
	r := &p.reading
	if err := p.decoder.Decode(rec.Value, r); err != nil {
		return err
	}
	if err := p.Admission.Admit(r, rec.Appended); err != nil {
		return err
	}
	outcome := p.windows.Add(r, rec.Offset)
	// The windows that this reading closes lie before it: what it says of its device is none of theirs.
	p.advance(earlier(r.Time, rec.Appended), out)
	if live {
		p.observe(r, rec, outcome, out)
	}
	return nil
}

// observe handles what a reading means for its device.
func (p *Partition) observe(r *iot.Reading, rec *Record, outcome aggregate.Outcome, out Output) {
	p.counts.newest(r.Time, rec.Appended)
	switch outcome {
	case aggregate.Duplicate:
		p.counts.Duplicates++
		return
	case aggregate.Late:
		p.counts.Late++
		key := windowKey{r.Type, p.windows.Of(r).Start.UnixMicro()}
		p.late[key] = p.position()
	}
	device, newer := p.fleet.Observe(r, rec.Appended)
	emit := func(a *iot.Alert) { p.emit(a, out) }
	switch {
	case newer:
		device.Alerts = p.Alerts.Evaluate(device.Alerts, r, emit)
	case r.Time.Before(device.Latest.Time):
		p.Alerts.Historical(device.Alerts, r, emit)
	}
}

// findSilent raises the alerts of the devices that have been silent for too long by the log's clock.
func (p *Partition) findSilent(out Output) {
	for _, device := range p.fleet.Advance(p.clock) {
		device.Alerts = p.Alerts.Silent(device.Alerts, &device.Latest, device.Since, func(a *iot.Alert) { p.emit(a, out) })
	}
}

// emit sends an alert event, once, with the position that it follows from.
func (p *Partition) emit(a *iot.Alert, out Output) {
	a.Position = p.position()
	p.counts.alert(a)
	p.alerts.apply(a)
	out.Alert(a)
}

func (p *Partition) reject(rec *Record, err error, out Output) {
	reject := Reject{Record: *rec, Reason: err.Error()}
	if invalid := (*iot.InvalidError)(nil); errors.As(err, &invalid) {
		reject.Field, reject.Reason = invalid.Field, invalid.Reason
	}
	p.counts.reject(reject.Field)
	out.Reject(&reject)
}

// position is how far the partition has read.
func (p *Partition) position() iot.Position {
	return iot.Position{Partition: p.id, Epoch: p.epoch, Offset: p.next}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
