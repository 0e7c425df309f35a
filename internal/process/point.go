package process

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"iotmon/internal/alert"
	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

var _ alert.Points = (*Partition)(nil)

// applyPoints puts points of a machine in force, to which expressions of rules for its devices refer. It returns an error if the record is not a valid one.
func (p *Partition) applyPoints(rec *Record) error {
	machine, err := wire.DecodeMachineKey(rec.Key)
	if err != nil {
		return fmt.Errorf("points: %w", err)
	}
	next, err := wire.DecodePoints(rec.Value)
	if err != nil {
		return fmt.Errorf("points: %w", err)
	}
	p.inForce.changePoints(machine) // Also if nothing changes; see processDevice.
	known := p.inForce.points[machine]
	if known == nil {
		known = new(iot.PointsInForce)
	}
	for i := range next {
		point := &next[i]
		// By the clock of a broker that is ahead it would hold for longer than others.
		point.Seen = earlier(point.Seen, p.clock)
		p.putPoint(known, point)
	}
	if len(known.Points) == 0 {
		return nil
	}
	p.inForce.points[machine] = known
	return nil
}

// putPoint puts a point in force unless one that follows from a later state is, or there are too many.
func (p *Partition) putPoint(of *iot.PointsInForce, point *iot.Point) {
	switch before := of.Find(point.Name); {
	case before != nil && before.After(point):
		return
	case before != nil:
		*before = *point
	case len(of.Points) >= iot.MaxMachinePoints || p.inForce.countPoints >= iot.MaxPoints:
		p.counts.PointsLeftOut++
		return
	default:
		p.inForce.countPoints++
		of.Points = append(of.Points, *point)
		slices.SortFunc(of.Points, func(a, b iot.Point) int { return strings.Compare(a.Name, b.Name) })
	}
	p.endPointAt(point.Until())
}

// Point implements alert.Points: the point in force by the log's clock.
func (p *Partition) Point(machine iot.Machine, name string, _ *iot.Reading) (value, age float64, known bool) {
	var point *iot.Point
	if of := p.inForce.points[machine]; of != nil {
		point = of.Find(name)
	}
	if point == nil || !point.Until().After(p.clock) {
		p.counts.PointsMissing++
		return 0, 0, false
	}
	value = point.Value
	if !point.Good {
		p.counts.PointsMissing++
		value = math.NaN()
	}
	return value, p.clock.Sub(point.Seen).Seconds(), true
}

// endPointAt has the points looked at when the log's clock has come to a time.
func (p *Partition) endPointAt(t time.Time) {
	if p.pointsEnd.IsZero() || t.Before(p.pointsEnd) {
		p.pointsEnd = t
	}
}

// endPoints removes the points that have ended.
func (p *Partition) endPoints() {
	p.pointsEnd = time.Time{}
	for machine, known := range p.inForce.points {
		before := len(known.Points)
		known.Points = slices.DeleteFunc(known.Points, func(point iot.Point) bool {
			until := point.Until()
			if until.After(p.clock) {
				p.endPointAt(until)
				return false
			}
			return true
		})
		if len(known.Points) == before {
			continue
		}
		p.inForce.countPoints -= before - len(known.Points)
		p.inForce.changePoints(machine)
		if len(known.Points) == 0 {
			delete(p.inForce.points, machine)
		}
	}
}

// setBackPoints moves the points back by as much as the log's clock is set back.
func (p *Partition) setBackPoints(by time.Duration) {
	p.pointsEnd = time.Time{}
	for machine, known := range p.inForce.points {
		for i := range known.Points {
			known.Points[i].Seen = known.Points[i].Seen.Add(-by)
			p.endPointAt(known.Points[i].Until())
		}
		p.inForce.changePoints(machine)
	}
}

// restorePoints puts the points of a machine in force that were at the checkpoint.
func (p *Partition) restorePoints(machine iot.Machine, known *iot.PointsInForce) {
	p.inForce.points[machine] = known
	p.inForce.countPoints += len(known.Points)
	for i := range known.Points {
		p.endPointAt(known.Points[i].Until())
	}
}
