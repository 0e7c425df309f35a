package iot

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// Peers are the devices of one tenant, area and type, which a condition of the kind Deviation compares with one another. Area is the whole path of the
// area to which a device belongs: devices of areas below it are not among them. Devices without an area are peers of one another.
type Peers struct {
	Tenant Tenant
	Area   Area
	Type   DeviceType
}

// Compare orders by tenant, then by area, then by type.
func (p Peers) Compare(q Peers) int {
	return cmp.Or(cmp.Compare(p.Tenant, q.Tenant), cmp.Compare(p.Area, q.Area), cmp.Compare(p.Type, q.Type))
}

// Normalize checks the names. The error is an *InvalidError.
func (p *Peers) Normalize() error {
	if p.Tenant != "" {
		if err := normalizeKey("tenant", (*string)(&p.Tenant), MaxTenant); err != nil {
			return err
		}
	}
	if err := p.Area.Normalize(); err != nil {
		return err
	}
	return normalizeKey("device_type", (*string)(&p.Type), DefaultMaxText)
}

const (
	// MinPeers is how many devices with good values a median needs to be a reference: with fewer, one that is wrong moves it.
	MinPeers = 5
	// ReferenceLasts is how long a reference holds at least and, where that is longer, ReferenceIntervals for how many intervals, in which the devices send.
	ReferenceLasts     = 3 * time.Minute
	ReferenceIntervals = 3
	// MaxReferenceFor is the maximum of Reference.For.
	MaxReferenceFor = 24 * time.Hour
	// MaxReferences is the maximum number of references that are in force in a partition.
	MaxReferences = 1000
	// maxPeers is more devices than there can be.
	maxPeers = 1 << 30
)

// Reference is the median of the newest values of peers: the value of a record of KindReference. It follows from the states of devices in all
// partitions, and is appended to the partitions of those that rules of the kind Deviation watch.
type Reference struct {
	// Median is in the type's unit.
	Median float64
	// Devices is how many devices it is the median of, at least MinPeers: those that are online, and whose newest value is good.
	Devices int
	// Newest is when the newest of the values was appended, by the log's clock, and For how long the reference holds from then on unless another one
	// follows. So one that follows from old states holds no longer because it is appended late. One with an earlier Newest contradicts nothing.
	Newest time.Time
	For    time.Duration
}

// Normalize checks the reference. The error is an *InvalidError.
func (r *Reference) Normalize() error {
	if math.IsNaN(r.Median) || math.IsInf(r.Median, 0) {
		return Invalid("median", "not a finite number (got %v)", r.Median)
	}
	unsignZero(&r.Median)
	if r.Devices < MinPeers || r.Devices > maxPeers {
		return Invalid("devices", "must be at least %d (got %d)", MinPeers, r.Devices)
	}
	if r.Newest.IsZero() {
		return Invalid("newest", "missing")
	}
	r.Newest, r.For = CutTime(r.Newest), r.For.Truncate(time.Microsecond)
	if r.For <= 0 || r.For > MaxReferenceFor {
		return Invalid("for", "must be more than 0 and at most %v (got %v)", MaxReferenceFor, r.For)
	}
	return nil
}

// Until returns when the reference ends, by the log's clock.
func (r *Reference) Until() time.Time { return r.Newest.Add(r.For) }

// ReferenceInForce is the last reference of peers in a partition. It is kept until it has ended.
type ReferenceInForce struct {
	Reference
	Position
}

// Median returns the median of the values, which it sorts: of an even number the mean of the two in the middle. There is at least one, and all are finite.
func Median(values []float64) float64 {
	slices.Sort(values)
	middle := len(values) / 2
	if len(values)%2 == 1 {
		return values[middle]
	}
	low, high := values[middle-1], values[middle]
	return max(low, min(low/2+high/2, high)) // Their sum may be too great for a number, and the half of one too small.
}
