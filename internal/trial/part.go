package trial

import (
	"context"
	"errors"
	"time"

	"iotmon/internal/iot"
)

// part is the trial on some devices. One goroutine at a time owns it.
type part struct {
	*run
	ctx     context.Context //nolint:containedctx // It ends with the call of Run.
	devices []iot.Device
	// most is how many readings it evaluates at most.
	most int64

	sides    []*side
	found    newest
	readings int64
	// tried is how many devices were evaluated; stopped is why not all of them.
	tried   int
	stopped Limit
	err     error

	// at is the index of the device that is evaluated, which has sent reading last; -1 before the first.
	at      int
	reading iot.Reading
}

func (r *run) newPart(devices []iot.Device, most int64) *part {
	p := &part{run: r, ctx: r.ctx, devices: devices, most: most, found: newest{limit: r.Alerts}, at: -1}
	for i, engine := range r.engines {
		p.sides = append(p.sides, &side{part: p, engine: engine, tally: newTally(r.From, r.To), leveled: r.leveled[i], deviates: r.deviates[i], points: r.points[i]})
	}
	if len(p.sides) == 2 {
		p.sides[0].other, p.sides[1].other = p.sides[1], p.sides[0]
	}
	return p
}

// evaluate evaluates the readings of the devices.
func (p *part) evaluate() {
	err := p.archive.EachReading(p.ctx, p.devices, p.From, p.To, p.visit)
	if p.err = errors.Join(err, p.ctx.Err()); p.err != nil {
		return
	}
	p.tried = len(p.devices)
	if p.stopped != "" {
		p.tried = p.at + 1 // The readings of the last one are counted, although there are more.
	}
	p.endDevice()
}

// visit evaluates a reading of the device with the given index.
func (p *part) visit(index int, reading Reading) bool {
	if index != p.at {
		p.endDevice()
		p.at = index
		p.reading = iot.Reading{Device: p.devices[index]}
		for _, s := range p.sides {
			s.begin(&p.reading.Device)
		}
	}
	if p.readings++; p.readings%checkEvery == 0 && (p.ctx.Err() != nil || p.Now().After(p.deadline)) {
		p.stopped = StoppedByTime
		return false
	}
	p.silent(reading.Time)
	p.reading.Time, p.reading.Value, p.reading.Quality = reading.Time, reading.Value, reading.Quality
	for _, s := range p.sides {
		s.engine.EndSilence(s.set, &s.states, reading.Time, s)
		s.engine.Evaluate(s.set, &s.states, &p.reading, s)
	}
	if p.readings == p.most {
		p.stopped = StoppedByReadings
		return false
	}
	return true
}

// silent judges the silence of the device that is evaluated, from its last reading to the given time, exclusive: a reading that comes just in time ends
// it.
func (p *part) silent(to time.Time) {
	since := p.reading.Time
	if since.IsZero() {
		return
	}
	for _, s := range p.sides {
		s.engine.Silent(s.set, &s.states, &p.reading, since, to.Add(-1), since, s)
	}
}

// endDevice ends the device that is evaluated.
func (p *part) endDevice() {
	if p.at < 0 {
		return
	}
	if p.stopped == "" { // Otherwise there may be more readings.
		p.silent(p.To)
	}
	for _, s := range p.sides {
		s.end()
	}
	p.at = -1
}

// add adds what another part, of other devices, has found.
func (p *part) add(other *part) {
	p.readings += other.readings
	p.tried += other.tried
	for i, s := range p.sides {
		s.tally.add(other.sides[i].tally)
	}
	for _, a := range other.found.alerts {
		p.found.add(a)
	}
}
