package wire

import (
	"bytes"
	"time"

	"iotmon/internal/iot"
)

// AppendMachineKey appends the Kafka key of a machine: tenant and area, with a separator between them.
func AppendMachineKey(dst []byte, machine iot.Machine) []byte {
	return append(append(append(dst, machine.Tenant...), separator), machine.Area...)
}

// DecodeMachineKey decodes what AppendMachineKey wrote. The error is an *iot.InvalidError.
func DecodeMachineKey(key []byte) (iot.Machine, error) {
	tenant, area, ok := bytes.Cut(key, []byte{separator})
	if !ok {
		return iot.Machine{}, iot.Invalid("machine", "must be a tenant and an area (got %s)", iot.Quote(string(key)))
	}
	machine := iot.Machine{Tenant: iot.Tenant(tenant), Area: iot.Area(area)}
	if err := machine.Normalize(); err != nil {
		return iot.Machine{}, err
	}
	return machine, nil
}

// AppendPointsKey appends the key under which the points of a machine are kept in partition-state.
func AppendPointsKey(dst []byte, machine iot.Machine) []byte {
	return AppendMachineKey(appendKeyOf(dst, PointsInForce), machine)
}

// machinePoint is the JSON of a point. Without a good value it has none.
type machinePoint struct {
	Name   string       `json:"name"`
	Device iot.DeviceID `json:"device"`
	Value  *float64     `json:"value,omitempty"`
	Seen   time.Time    `json:"seen"`
	// For is in microseconds.
	For      int64        `json:"for_us"`
	Evidence iot.Position `json:"evidence"`
}

// machinePoints is the JSON of a record of points.
type machinePoints struct {
	Points []machinePoint `json:"points"`
}

func toPoints(points iot.Points) machinePoints {
	m := machinePoints{make([]machinePoint, len(points))}
	for i := range points {
		p := &points[i]
		m.Points[i] = machinePoint{Name: p.Name, Device: p.Device, Seen: p.Seen, For: p.For.Microseconds(), Evidence: p.Evidence}
		if p.Good {
			m.Points[i].Value = &p.Value
		}
	}
	return m
}

func (m *machinePoints) points() (iot.Points, error) {
	points := make(iot.Points, len(m.Points))
	for i := range m.Points {
		of := &m.Points[i]
		if err := checkTimes(of.Seen); err != nil {
			return nil, iot.Invalid("seen", "%v", err)
		}
		lasts, err := microseconds("for", of.For)
		if err != nil {
			return nil, err
		}
		points[i] = iot.Point{Name: of.Name, Device: of.Device, Seen: of.Seen, For: lasts, Evidence: of.Evidence}
		if of.Value != nil {
			points[i].Good, points[i].Value = true, *of.Value
		}
	}
	if err := points.Normalize(); err != nil {
		return nil, err
	}
	return points, nil
}

// AppendPoints appends the JSON of points.
func AppendPoints(dst []byte, points *iot.Points) []byte { return appendJSON(dst, toPoints(*points)) }

// DecodePoints decodes what AppendPoints wrote. The error is an *iot.InvalidError.
func DecodePoints(data []byte) (iot.Points, error) {
	var m machinePoints
	if err := decodeObject(data, MaxRecord, &m); err != nil {
		return nil, err
	}
	return m.points()
}

type pointsInForce struct {
	machinePoints
	iot.Position
}

// AppendPointsInForce appends the JSON of points that are in force.
func AppendPointsInForce(dst []byte, p *iot.PointsInForce) []byte {
	return appendJSON(dst, pointsInForce{toPoints(p.Points), p.Position})
}

// DecodePointsInForce decodes what AppendPointsInForce wrote. The error is an *iot.InvalidError.
func DecodePointsInForce(data []byte) (iot.PointsInForce, error) {
	var m pointsInForce
	if err := decodeObject(data, MaxRecord, &m); err != nil {
		return iot.PointsInForce{}, err
	}
	points, err := m.machinePoints.points()
	if err != nil {
		return iot.PointsInForce{}, err
	}
	return iot.PointsInForce{Points: points, Position: m.Position}, nil
}
