package trial

import (
	"errors"
	"math"
	"slices"
	"time"

	"iotmon/internal/alert"
	"iotmon/internal/iot"
)

// PointsFound says how the points of machines were found that expressions name.
type PointsFound struct {
	// Every is how often they were taken: minPointStep, or more seldom if there are many for the span.
	Every time.Duration
	// Machines is of how many machines the rules watch devices, and Without how many of them never had one of the points with a good value.
	Machines, Without int
	// WithoutArea is how many watched devices have no area, so that they are of no machine and have no points.
	WithoutArea int
}

const (
	// minPointStep is how often points are taken at most, as live.
	minPointStep = time.Second
	// maxPointValues bounds the values that are in memory at a time: of each point one for each step.
	maxPointValues = 4 << 20
)

// pointKey is a point of a machine.
type pointKey struct {
	machine iot.Machine
	name    string
}

// points are the points of a span, for each step of the time: those at its beginning. They do not change once they are read, so that workers may share them.
type points struct {
	from   time.Time
	step   time.Duration
	series map[pointKey]*pointSeries
}

// pointSeries are the values of one point at the steps, math.NaN where it had no good one, and when it had sent last, zero where that is too long ago.
type pointSeries struct {
	alert.PointDevice

	values []float64
	seen   []int64
	any    bool
}

// of returns the device of the point; it has one.
func (s *pointSeries) of() *iot.Device {
	device, _ := s.Device()
	return device
}

// Point implements alert.Points: the point at the beginning of the step in which the reading is.
func (p *points) Point(machine iot.Machine, name string, r *iot.Reading) (value, age float64, known bool) {
	series := p.series[pointKey{machine, name}]
	at := int(r.Time.Sub(p.from) / p.step)
	if series == nil || at < 0 || at >= len(series.seen) || series.seen[at] == 0 {
		return 0, 0, false
	}
	return series.values[at], r.Time.Sub(time.UnixMicro(series.seen[at])).Seconds(), true
}

// findPoints finds the points that the rules name for the selected devices, among all devices of their machines. It returns false if a limit has stopped it.
func (r *run) findPoints(selected []iot.Device) (ok bool, err error) {
	p, machines, withoutArea := r.namedPoints(selected)
	found := &PointsFound{Every: p.step, Machines: len(machines), WithoutArea: withoutArea}
	if len(p.series) == 0 {
		if withoutArea > 0 {
			r.result.Points = found
		}
		return true, nil
	}
	all, err := r.archive.DevicesOf(r.ctx, r.Tenant, "", MaxDevices+1)
	if err != nil {
		return false, err
	}
	for i := range all[:min(len(all), MaxDevices)] {
		r.matchPoints(p, machines, &all[i])
	}
	if ok, err = r.readPoints(p); !ok || err != nil {
		return ok, err
	}
	for machine, names := range machines {
		if slices.ContainsFunc(names, func(name string) bool { return !p.series[pointKey{machine, name}].any }) {
			found.Without++
		}
	}
	r.result.Points = found
	for _, engine := range r.engines {
		engine.JudgeByPoints(p)
	}
	return true, nil
}

// namedPoints returns the points that the rules name for the selected devices, and their names by machine. Some of the devices that a rule with points watches may
// have no machine: withoutArea is how many.
func (r *run) namedPoints(selected []iot.Device) (p *points, machines map[iot.Machine][]string, withoutArea int) {
	p, machines = &points{from: r.From, series: make(map[pointKey]*pointSeries)}, make(map[iot.Machine][]string)
	for i := range selected {
		peers := alert.PeersOf(r.Entry(selected[i].Identity()), &selected[i])
		machine, without := iot.Machine{Tenant: peers.Tenant, Area: peers.Area}, false
		for _, s := range r.total.sides {
			if len(s.points) == 0 || !s.selects(&selected[i]) {
				continue
			}
			if machine.Area == "" {
				without = true
				continue
			}
			for _, name := range s.points {
				if key := (pointKey{machine, name}); p.series[key] == nil {
					p.series[key] = new(pointSeries)
					machines[machine] = append(machines[machine], name)
				}
			}
		}
		if without {
			withoutArea++
		}
	}
	seconds := math.Ceil(r.To.Sub(r.From).Seconds() * float64(len(p.series)) / maxPointValues)
	p.step = max(minPointStep, time.Duration(seconds)*time.Second)
	return p, machines, withoutArea
}

// matchPoints makes a device the point of its machine that a rule names, as control does live.
func (r *run) matchPoints(p *points, machines map[iot.Machine][]string, d *iot.Device) {
	entry := r.Entry(d.Identity())
	peers := alert.PeersOf(entry, d)
	machine := iot.Machine{Tenant: peers.Tenant, Area: peers.Area}
	for _, name := range machines[machine] {
		p.series[pointKey{machine, name}].Offer(name, entry, d)
	}
}

// readPoints reads the values of the points.
func (r *run) readPoints(p *points) (ok bool, err error) {
	var series []*pointSeries
	for _, s := range p.series {
		if _, ok := s.Device(); ok {
			steps := int((r.To.Sub(r.From)-1)/p.step) + 1
			s.values, s.seen = make([]float64, steps), make([]int64, steps)
			series = append(series, s)
		}
	}
	slices.SortFunc(series, func(a, b *pointSeries) int { return a.of().Identity().Compare(b.of().Identity()) })
	readings := int64(0)
	for some := range slices.Chunk(series, chunk) {
		devices := make([]iot.Device, len(some))
		for i, s := range some {
			devices[i] = *s.of()
		}
		reader := pointReader{run: r, points: p, series: some, readings: &readings, at: -1}
		err = r.archive.EachReading(r.ctx, devices, r.From, r.To, reader.visit)
		reader.end()
		if err != nil || r.ctx.Err() != nil {
			return false, errors.Join(err, r.ctx.Err())
		}
		if reader.stopped != "" {
			r.result.Stopped = max(r.result.Stopped, reader.stopped)
			return false, nil
		}
	}
	return true, nil
}

// pointReader reads the values of some points, one after another.
type pointReader struct {
	*run
	*points
	series   []*pointSeries
	readings *int64
	stopped  Limit

	// at is the index of the point whose readings are read, -1 before the first. last is the newest one, of which the point has the values of the first steps,
	// as many as filled; it counts for lasts.
	at     int
	last   Reading
	lasts  time.Duration
	filled int
}

func (p *pointReader) visit(index int, reading Reading) bool {
	if index != p.at {
		p.end()
		p.at, p.last, p.filled = index, Reading{}, 0
		p.lasts = max(iot.PointLasts, p.step)
		if entry := p.Entry(p.series[index].of().Identity()); entry != nil {
			p.lasts = max(p.lasts, iot.PointIntervals*entry.Interval)
		}
	}
	if *p.readings++; *p.readings > p.most {
		p.stopped = StoppedByReadings
		return false
	} else if *p.readings%checkEvery == 0 && p.Now().After(p.deadline) {
		p.stopped = StoppedByTime
		return false
	}
	p.fill(reading.Time)
	p.last = reading
	return true
}

// fill gives the newest value to the steps that begin before a time, at which another value follows.
func (p *pointReader) fill(before time.Time) {
	s := p.series[p.at]
	for ; p.filled < len(s.values); p.filled++ {
		begins := p.points.from.Add(time.Duration(p.filled) * p.step)
		if !begins.Before(before) {
			return
		}
		s.values[p.filled] = math.NaN()
		if p.last.Time.IsZero() || begins.Sub(p.last.Time) >= p.lasts {
			continue
		}
		s.seen[p.filled] = p.last.Time.UnixMicro()
		if p.last.Quality == "" || p.last.Quality == iot.Good {
			s.values[p.filled], s.any = p.last.Value, true
		}
	}
}

// end ends the point whose readings are read.
func (p *pointReader) end() {
	if p.at >= 0 {
		p.fill(p.To)
	}
}
