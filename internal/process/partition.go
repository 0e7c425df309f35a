package process

import (
	"errors"
	"time"

	"iotmon/internal/aggregate"
	"iotmon/internal/alert"
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
	alerts  openAlerts
	inForce inForce
	delayed delayedMoves
	// shelvingEnds is the earliest planned end of a shelving in force, or one of an earlier shelving, zero if there is none.
	shelvingEnds time.Time
	byDesign     byDesign
	// judged is scratch space of suppressOpen: of a flood most alerts stay as they are.
	judged iot.Alert
	// referencesEnd is the earliest end of a reference in force, or one of an earlier reference, zero if there is none.
	referencesEnd time.Time
	// pointsEnd is the same for points.
	pointsEnd time.Time
	// engine evaluates the rules in force; nil until begin.
	engine *alert.Engine

	epoch int32
	// level is Checkpoint.Level.
	level uint8
	// next is the next offset to read.
	next int64
	// rebuildBelow is the position reached before a restart. Records below it only rebuild windows: all their other effects
	// are in the restored state.
	rebuildBelow int64
	clock        time.Time
	// behind is Checkpoint.Behind.
	behind time.Time
	// limits are those in force, which apply beyond rebuildBelow, and fingerprint is that of their Admission; see beginLimits.
	limits      *limits
	fingerprint uint32
	// configuredCopy is what configuredLimits returns.
	configuredCopy *iot.Limits
	// revision is the Revision of the settings in force. lengthsLost means that the checkpoint has no history of window lengths.
	revision    int64
	lengthsLost bool
	// late holds the windows that late readings belong to, until the end of the batch.
	late map[windowKey]iot.Position
	gap  gap

	reading  iot.Reading
	counts   Counts
	division division
	// toAlerts is what events returns.
	toAlerts alertEvents
	// eventOf lists the devices of which the current record has made alert events. The first eventsKnown of them are in eventOfDevice; see
	// hadEvent.
	eventOf       []iot.Identity
	eventOfDevice map[iot.Identity]bool
	eventsKnown   int
}

// windowKey identifies one summary of a partition.
type windowKey struct {
	Type  iot.DeviceType
	start int64
}

// New returns the processor of partition id that continues from a checkpoint, the zero Checkpoint for a new partition. If
// lost, records that open windows needed are gone, and those windows are marked for recomputation from the archive. Call
// RestoreInForce and then Restore with what was in force and the devices' states before the first Process.
func New(options *Options, id int32, from Checkpoint, lost bool) *Partition {
	lengths, revision := from.Lengths, from.Revision
	if len(lengths) == 0 {
		lengths, revision = iot.OneLength(options.Window), options.Revision
	}
	p := &Partition{
		Options:      options,
		id:           id,
		decoder:      wire.NewStreamDecoder(),
		windows:      aggregate.New(lengths, from.Watermark),
		alerts:       make(openAlerts),
		inForce:      newInForce(),
		delayed:      delayedMoves{until: make(map[iot.Identity]time.Time)},
		epoch:        from.Epoch,
		level:        from.Level,
		next:         from.Offset,
		rebuildBelow: from.Position,
		clock:        from.Clock,
		behind:       from.Behind,
		revision:     revision,
		lengthsLost:  len(from.Lengths) == 0,
		fingerprint:  from.Limits,
		late:         make(map[windowKey]iot.Position),
		gap:          from.gap,
	}
	p.fleet = fleet.New(fleet.Options{
		OfflineAfter: options.OfflineAfter, ForgetAfter: options.ForgetAfter, Entry: p.lastEntryOf,
	}, from.SilenceStart)
	if p.level == 0 || options.Alone {
		p.level = MaxLevel
	}
	if lost {
		p.gap.begin(from.Watermark)
	}
	return p
}

// Restore adds the state that a device had at the checkpoint.
func (p *Partition) Restore(state iot.DeviceState) {
	p.fleet.Restore(state)
	p.alerts.restore(&state)
}

// Checkpoint returns what to commit together with all outputs so far.
func (p *Partition) Checkpoint() Checkpoint {
	return Checkpoint{
		Offset:       p.windows.RebuildFrom(p.next),
		Position:     max(p.next, p.rebuildBelow),
		Epoch:        p.epoch,
		Level:        p.level,
		Watermark:    p.windows.Watermark(),
		Clock:        p.clock,
		SilenceStart: p.fleet.SilenceStart(),
		Behind:       p.behind,
		Lengths:      p.windows.Lengths(),
		Revision:     p.revision,
		Limits:       p.fingerprint,
		Devices:      p.fleet.Len(),
		gap:          p.gap,
	}
}

// Next returns the next offset to read.
func (p *Partition) Next() int64 { return p.next }

// NeedsTicks reports whether something may be due by now without a further reading, so that a silent partition needs ticks.
func (p *Partition) NeedsTicks(now time.Time) bool {
	if p.windows.Len() > 0 || p.ticking() || p.gap.open || !p.gap.next.IsZero() || len(p.delayed.until) > 0 {
		return true
	}
	for _, due := range []time.Time{p.shelvingEnds, p.byDesign.due} {
		if !due.IsZero() && !due.After(now) {
			return true
		}
	}
	deadline, any := p.fleet.Deadline()
	return any && !deadline.After(now)
}

// ResetCounts returns the counts since the last call and sets them to zero.
func (p *Partition) ResetCounts() Counts {
	counts := p.counts
	counts.RulesFailing = p.alerts.failing()
	p.counts = Counts{}
	return counts
}

// Fleet calls visit with the number of devices of each type.
func (p *Partition) Fleet(visit func(iot.DeviceType, fleet.Counts)) { p.fleet.Types(visit) }

// Process processes a batch of records in the order of the log. It publishes alerts, rejects and closed windows;
// PublishStates publishes the devices' states, PublishWindows the open windows. If a record decides something that this
// version does not know, Process returns an *UnsupportedError: it has processed the records before that one, and Next is its
// offset.
func (p *Partition) Process(records []Record, out Output) error {
	p.begin(out)
	var err error
	for i := range records {
		if err = records[i].unsupported(); err != nil {
			break
		}
		p.process(&records[i], out)
	}
	if !p.rebuilding() {
		p.markGap()
	}
	p.publishLate(out)
	return err
}

func (p *Partition) process(rec *Record, out Output) {
	p.next = rec.Offset + 1
	if rec.Offset < p.rebuildBelow {
		p.rebuild(rec)
		return
	}
	p.forgetEvents()
	p.advanceClock(rec.Appended, out)
	if p.gap.open {
		p.boundGap()
	}
	var err error
	switch kind := rec.Kind; {
	case kind == iot.KindReading:
		p.counts.Processed++
		err = p.processReading(rec, out)
	case !rec.known():
		p.counts.Skipped++
	case kind == iot.KindTick:
		p.advanceWatermark(rec.Appended, out)
	case kind == iot.KindStatus:
		err = p.processStatus(rec, out)
	case kind == iot.KindSettings:
		err = p.applySettings(rec, out)
	case kind == iot.KindRule:
		err = p.applyRule(rec, out)
	case kind == iot.KindLevel:
		p.level = max(p.level, rec.Level)
		p.keepLevel()
	case kind == iot.KindDevice:
		err = p.processDevice(rec, out)
	case kind == iot.KindCommand:
		err = p.processCommand(rec, out)
	case kind == iot.KindOutage:
		err = p.applyOutage(rec)
	case kind == iot.KindReference:
		err = p.applyReference(rec)
	case kind == iot.KindPoints:
		err = p.applyPoints(rec)
	}
	if err != nil {
		p.reject(rec, err, out)
	}
	p.handleDue(out)
}

// rebuild adds a record from before the restart to its window again if that is still open. It is admitted by the limits that were in
// force at its offset. The watermark does not move: it was restored, and includes these records under the lateness of that time.
func (p *Partition) rebuild(rec *Record) {
	if rec.Kind != iot.KindReading {
		return
	}
	if !p.inForce.limits.knows(rec.Offset) {
		// The archive knows. It takes no reading away, so one that may have been refused must not be counted.
		p.recomputeOpen()
		return
	}
	admission := p.inForce.limits.at(rec.Offset).admission
	if p.decoder.Admit(rec.Key, rec.Value, rec.Appended, admission, &p.reading) == nil {
		p.windows.Add(&p.reading, p.areaOf(p.fleet.Device(p.reading.Identity()), &p.reading), rec.Offset)
	}
}

// processReading processes a record as a reading. It returns an error if the record is not a valid one.
func (p *Partition) processReading(rec *Record, out Output) error {
	r := &p.reading
	if err := p.decoder.Admit(rec.Key, rec.Value, rec.Appended, p.limits.admission, r); err != nil {
		return err
	}
	device := p.fleet.Device(r.Identity())
	outcome := p.windows.Add(r, p.areaOf(device, r), rec.Offset)
	// Close windows before observe: the new state of the device must not be part of the windows that this reading closes.
	p.advanceWatermark(earlier(r.Time, rec.Appended), out)
	p.counts.newest(r.Time, rec.Appended)
	switch outcome {
	case aggregate.Duplicate:
		p.processDuplicate(device, r, rec, out)
		return nil
	case aggregate.Late:
		p.counts.Late++
		p.markLate(r.Type, p.windows.WindowOf(r.Time))
	}
	p.observe(device, r, rec, out)
	return nil
}

// processDuplicate handles a reading that is already in its window. A device whose clock stands still repeats its latest
// timestamp: such a repetition still counts against silence.
func (p *Partition) processDuplicate(device *fleet.Device, r *iot.Reading, rec *Record, out Output) {
	p.counts.Duplicates++
	if device == nil || !device.Latest.Time.Equal(r.Time) {
		return
	}
	if device.Latest.Value != r.Value {
		p.counts.Conflicts++
	}
	o := p.fleet.Observe(device, r, rec.Appended, p.clock)
	p.observeSilence(&o, r, out)
}

// observe updates the device, nil if it is new, and its alerts by a reading.
func (p *Partition) observe(device *fleet.Device, r *iot.Reading, rec *Record, out Output) {
	o := p.fleet.Observe(device, r, rec.Appended, p.clock)
	p.observeSilence(&o, r, out)
	rules, events := p.rules(o.Device, r), p.events(out)
	switch o.Kind {
	case fleet.Newest:
		if o.Past != nil && (o.Past.Resumed || !o.Past.Last.Before(o.Before)) {
			p.joinPast(o.Device, rules, r, events)
		}
		p.engine.Evaluate(rules, &o.RuleStates, r, events)
	case fleet.SetBack:
		p.engine.SetBack(&o.RuleStates)
		if o.Past != nil {
			p.joinPast(o.Device, rules, r, events)
		}
		events.Alert(p.engine.ClockStepped(r, o.Back, p.clock))
		p.engine.Evaluate(rules, &o.RuleStates, r, events)
	default:
		if o.Returned {
			p.engine.ClearOffline(&o.RuleStates, p.clock, "", events)
		}
		if !r.Time.Equal(o.Before) {
			past := p.engine.EvaluatePast(rules, o.Past, &o.RuleStates, r, p.clock, p.limits.Limits.Lateness, events)
			p.fleet.SetPast(o.Device, past)
		}
	}
}

// joinPast ends a device's run of past readings and continues its alerts with the live reading r, unless no rule judges that: then with the next one.
func (p *Partition) joinPast(device *fleet.Device, rules *alert.Set, r *iot.Reading, events alert.Output) {
	if r.Quality == iot.Bad {
		device.Past.Resumed = true
		p.fleet.SetPast(device, device.Past)
		return
	}
	p.engine.JoinPast(rules, device.Past, &device.RuleStates, r, events)
	p.fleet.SetPast(device, nil)
}

// handleDue handles the fleet's events that are due by the log's clock.
func (p *Partition) handleDue(out Output) {
	for _, due := range p.fleet.Advance(p.clock) {
		switch due.Event {
		case fleet.FellSilent:
			p.raiseOffline(due.Device, due.Since, out)
		case fleet.Impatient:
			p.judgeSilence(due.Device, time.Time{}, out)
		case fleet.PastEnded:
			p.engine.EndPast(due.Past, p.events(out))
		case fleet.Expired:
			p.forget(due.Latest.Identity(), out)
		}
	}
	if !p.shelvingEnds.IsZero() && !p.shelvingEnds.After(p.clock) {
		p.endShelvings(out)
	}
	if !p.byDesign.due.IsZero() && !p.byDesign.due.After(p.clock) {
		p.judgeByDesign(out)
	}
	if !p.referencesEnd.IsZero() && !p.referencesEnd.After(p.clock) {
		p.endReferences()
	}
	if !p.pointsEnd.IsZero() && !p.pointsEnd.After(p.clock) {
		p.endPoints()
	}
	p.moveDelayed(out)
}

// forget removes a device, clears its alerts, and removes what people have decided about them. Its history stays in the archive, and its
// registry entry in force.
func (p *Partition) forget(id iot.Identity, out Output) {
	p.removeHandling(id, out)
	device := p.fleet.Forget(id, p.position())
	if device == nil {
		return
	}
	p.counts.Forgotten++
	if device.Past != nil {
		p.engine.EndPast(device.Past, p.events(out))
	}
	events := p.events(out)
	events.forgets = true
	p.engine.Forget(&device.RuleStates, p.clock, events)
}

func (p *Partition) reject(rec *Record, err error, out Output) {
	reject := Reject{Record: *rec, Reason: err.Error()}
	if invalid := (*iot.InvalidError)(nil); errors.As(err, &invalid) {
		reject.Field, reject.Reason = invalid.Field, invalid.Reason
	}
	p.counts.reject(reject.Field)
	out.Reject(&reject)
}

// position is how far the partition has read, now or before the restart.
func (p *Partition) position() iot.Position {
	return iot.Position{Partition: p.id, Epoch: p.epoch, Offset: max(p.next, p.rebuildBelow)}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
