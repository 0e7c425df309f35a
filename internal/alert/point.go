package alert

import (
	"math"

	"iotmon/internal/expression"
	"iotmon/internal/iot"
)

// Points knows the points of machines to which the expressions of rules refer.
type Points interface {
	// Point returns the point of a machine with the name by which a reading of one of the machine's devices is to be judged: its value, not a number if it has no
	// good one, and the seconds since its device has sent; false if nothing is known of it.
	Point(machine iot.Machine, name string, r *iot.Reading) (value, age float64, known bool)
}

// JudgeByPoints sets what the points of expressions are. Without it none is known. Call it before anything is evaluated.
func (e *Engine) JudgeByPoints(points Points) { e.points = points }

// ExpressionPoints returns the names of the points to which the rule's expression refers, nil if it is of another kind.
func ExpressionPoints(rule *iot.Rule) []string {
	if rule.Kind != iot.Expression {
		return nil
	}
	program, err := compileExpression(&rule.Condition)
	if err != nil {
		return nil // It is not in force.
	}
	return program.Points()
}

// lookUp sets the points that the expression needs.
func (rule *compiled) lookUp(in *expression.Input, set *Set, r *iot.Reading) {
	for i, name := range rule.program.Points() {
		in.Points[i] = expression.Point{Value: math.NaN(), Age: expression.MaxAge}
		if set.points == nil || set.peers.Area == "" {
			continue
		}
		if value, age, known := set.points.Point(iot.Machine{Tenant: set.peers.Tenant, Area: set.peers.Area}, name, r); known {
			in.Points[i] = expression.Point{Value: value, Age: min(max(age, 0), expression.MaxAge)}
		}
	}
}

// PointMatch is by what a device is the point of a name: the zero PointMatch by nothing. The highest one of a machine counts; if several devices have it, none of them is.
type PointMatch int

// What makes a device the point of a name, the least first.
const (
	NoPoint PointMatch = iota
	ByType
	ByLabel
	ByID
)

// MatchPoint returns by what a device is the point of a name in its machine. entry is its registry entry, nil if it is not registered. One that is retired is none.
func MatchPoint(name string, entry *iot.DeviceEntry, id iot.DeviceID, t iot.DeviceType) PointMatch {
	switch {
	case entry != nil && entry.Retired:
		return NoPoint
	case name == string(id):
		return ByID
	case entry != nil && entry.Labels[iot.PointLabel] == name:
		return ByLabel
	case name == string(t):
		return ByType
	}
	return NoPoint
}

// PointDevice is the device of a point: of the devices of a machine that were offered so far the one with the highest match, none if several have it.
type PointDevice struct {
	device iot.Device
	match  PointMatch
	// alike is how many devices have the match.
	alike int
}

// Offer makes the device that of the point if it matches the name better than those before. entry is as for MatchPoint.
func (p *PointDevice) Offer(name string, entry *iot.DeviceEntry, d *iot.Device) {
	switch match := MatchPoint(name, entry, d.ID, d.Type); {
	case match > p.match:
		p.device, p.match, p.alike = *d, match, 1
	case match == p.match && match != NoPoint:
		p.alike++
	}
}

// Device returns the device; false if there is none.
func (p *PointDevice) Device() (*iot.Device, bool) {
	return &p.device, p.alike == 1
}

// Alike returns how many devices match the name alike: with more than one there is no point.
func (p *PointDevice) Alike() int { return p.alike }
