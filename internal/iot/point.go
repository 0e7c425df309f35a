package iot

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"
)

// Machine is an area whose devices are the points of one machine, which the expressions of rules for one of them refer to. Area is the whole path: a
// device without an area is of no machine.
type Machine struct {
	Tenant Tenant
	Area   Area
}

// Compare orders by tenant, then by area.
func (m Machine) Compare(n Machine) int {
	return cmp.Or(cmp.Compare(m.Tenant, n.Tenant), cmp.Compare(m.Area, n.Area))
}

// Normalize checks the names. The error is an *InvalidError.
func (m *Machine) Normalize() error {
	if m.Tenant != "" {
		if err := normalizeKey("tenant", (*string)(&m.Tenant), MaxTenant); err != nil {
			return err
		}
	}
	if m.Area == "" {
		return Invalid("area", "missing")
	}
	return m.Area.Normalize()
}

const (
	// PointLabel is the label by which the registry says what a device is called among the points of its machine.
	PointLabel = "point"
	// MaxMachinePoints is the maximum number of points of a machine that the rules for its devices name together, and MaxPoints that of those in force in a
	// partition.
	MaxMachinePoints = 32
	MaxPoints        = 10_000
	// PointLasts is how long a point holds at least and, where that is longer, PointIntervals for how many intervals, in which the device sends.
	PointLasts     = time.Minute
	PointIntervals = 3
	// MaxPointFor is the maximum of Point.For.
	MaxPointFor = 24 * time.Hour
)

// CheckPointName checks a name of a point and puts it into form NFC. The error is an *InvalidError.
func CheckPointName(name *string) error { return normalizeKey("point", name, MaxIDLength) }

// Point is the newest value of a device, by the name by which expressions of rules for devices of the same machine refer to it.
type Point struct {
	Name   string
	Device DeviceID
	// Good means that the device is online and its newest value good. Otherwise Value is 0.
	Good  bool
	Value float64
	// Seen is when the device has sent last, by the log's clock, and For how long the point holds from then on unless another one follows.
	Seen time.Time
	For  time.Duration
	// Evidence is the position of the device's state from which this follows.
	Evidence Position
}

// Normalize checks the point. The error is an *InvalidError.
func (p *Point) Normalize() error {
	if err := CheckPointName(&p.Name); err != nil {
		return err
	}
	if err := normalizeID(&p.Device); err != nil {
		return err
	}
	if math.IsNaN(p.Value) || math.IsInf(p.Value, 0) || !p.Good && p.Value != 0 {
		return Invalid("value", "not a finite number, or one of a point without a good value (got %v)", p.Value)
	}
	unsignZero(&p.Value)
	if p.Seen.IsZero() {
		return Invalid("seen", "missing")
	}
	p.Seen, p.For = CutTime(p.Seen), p.For.Truncate(time.Microsecond)
	if p.For <= 0 || p.For > MaxPointFor {
		return Invalid("for", "must be more than 0 and at most %v (got %v)", MaxPointFor, p.For)
	}
	if p.Evidence.Partition < 0 || p.Evidence.Epoch < 0 || p.Evidence.Offset < 0 {
		return Invalid("evidence", "must not be negative (got %+v)", p.Evidence)
	}
	return nil
}

// Until returns when the point ends, by the log's clock.
func (p *Point) Until() time.Time { return p.Seen.Add(p.For) }

// After reports whether the point follows from a later state than another one of the same name: of the same device by the position of the states, of
// different ones by when they have sent.
func (p *Point) After(q *Point) bool {
	if p.Device == q.Device && p.Evidence.Partition == q.Evidence.Partition {
		return p.Evidence.Compare(q.Evidence) > 0
	}
	return p.Seen.After(q.Seen)
}

// Points are points of one machine, at most MaxMachinePoints: the value of a record of KindPoints, whose key is the Machine. They follow from the states of
// devices in all partitions, and are appended to the partitions of those devices that rules watch whose expressions name them.
type Points []Point

// Normalize checks the points, and orders them by name. The error is an *InvalidError.
func (p Points) Normalize() error {
	if len(p) == 0 || len(p) > MaxMachinePoints {
		return Invalid("points", "must be between 1 and %d (got %d)", MaxMachinePoints, len(p))
	}
	for i := range p {
		if err := p[i].Normalize(); err != nil {
			return err
		}
	}
	slices.SortFunc(p, func(a, b Point) int { return strings.Compare(a.Name, b.Name) })
	for i := range p[1:] {
		if p[i].Name == p[i+1].Name {
			return Invalid("point", "given twice (got %s)", Quote(p[i].Name))
		}
	}
	return nil
}

// Find returns the point with the name, nil if there is none.
func (p Points) Find(name string) *Point {
	for i := range p {
		if p[i].Name == name {
			return &p[i]
		}
	}
	return nil
}

// PointsInForce are the points of a machine in a partition. Each is kept until it has ended.
type PointsInForce struct {
	Points
	Position
}
