package simulate

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"iotmon/internal/iot"
)

// minInterval keeps intervals well above a microsecond, the precision of times.
const minInterval = time.Millisecond

// Options describe the fleet to simulate.
type Options struct {
	Catalog *iot.Catalog
	// Devices is how many there are. A device's number never depends on it.
	Devices int
	// Types are assigned to the devices in turn; a type listed twice gets twice as many. Empty means the built-in ones:
	// types added by the configuration usually have real devices.
	Types []iot.DeviceType
	// Interval is the time between two readings of a device, at least a millisecond.
	Interval time.Duration
	Seed     uint64
	Faults   FaultRates
	// Start is the moment after which the first readings are due; not before 1970.
	Start time.Time
}

func (o *Options) check() error {
	switch {
	case o.Catalog == nil:
		return errors.New("no catalog of device types")
	case o.Devices < 1:
		return fmt.Errorf("devices: must be at least 1 (got %d)", o.Devices)
	case o.Interval < minInterval:
		return fmt.Errorf("interval: must be at least %v (got %v)", minInterval, o.Interval)
	case o.Start.UnixMicro() < 0:
		return fmt.Errorf("start: must not be before 1970 (got %v)", o.Start)
	}
	for _, rate := range []float64{o.Faults.Offline, o.Faults.Drift, o.Faults.Stick, o.Faults.Spike, o.Faults.Excursion} {
		if !(rate >= 0) {
			return fmt.Errorf("faults: a rate must not be negative (got %v)", rate)
		}
	}
	return nil
}

// Fleet generates the readings of its devices in the order of their times. It is not safe for concurrent use.
type Fleet struct {
	// devices are sorted by phase, so that a walk over them is a walk through the interval.
	devices  []device
	faults   episodes
	interval int64
	// devices[index] sends next, in the interval that begins cycle*interval µs after 1970.
	cycle int64
	index int
	// reached is the time in µs up to which readings have been returned.
	reached int64
	// levels holds every possible battery level. Readings point into it; it never changes, so other goroutines may use
	// them.
	levels [101]float64
}

// NewFleet returns the fleet, whose first readings are due after o.Start.
func NewFleet(o Options) (*Fleet, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	types := o.Types
	if len(types) == 0 {
		types = builtinTypes()
	}
	profiles := make([]*profile, len(types))
	for i, t := range types {
		spec := o.Catalog.Spec(t)
		if spec == nil {
			return nil, fmt.Errorf("types: unknown device type %q (known: %v)", t, o.Catalog.Types())
		}
		profiles[i] = profileOf(spec)
	}
	f := &Fleet{
		devices:  make([]device, o.Devices),
		faults:   newEpisodes(o.Faults),
		interval: o.Interval.Microseconds(),
	}
	for i := range f.levels {
		f.levels[i] = float64(i)
	}
	for i := range f.devices {
		f.devices[i] = newDevice(o.Seed, i+1, profiles[i%len(profiles)], o.Interval)
	}
	slices.SortFunc(f.devices, func(a, b device) int {
		return cmp.Or(cmp.Compare(a.phase, b.phase), cmp.Compare(a.ID, b.ID))
	})
	f.Seek(o.Start)
	return f, nil
}

func builtinTypes() []iot.DeviceType {
	var types []iot.DeviceType
	for _, spec := range iot.BuiltinTypes() {
		types = append(types, spec.Name)
	}
	return types
}

// Reached returns the time up to which all readings have been returned or skipped.
func (f *Fleet) Reached() time.Time { return time.UnixMicro(f.reached).UTC() }

// Next returns the time at which the next device is due. A device that is offline then sends nothing.
func (f *Fleet) Next() time.Time {
	return time.UnixMicro(f.cycle*f.interval + f.devices[f.index].phase).UTC()
}

// Seek moves to a time without generating the readings in between. It returns how many due times it has skipped, 0 if it
// moves back.
func (f *Fleet) Seek(to time.Time) (skipped int64) {
	before := f.cycle*int64(len(f.devices)) + int64(f.index)
	micros := to.UnixMicro()
	f.cycle = micros / f.interval
	f.index, _ = slices.BinarySearchFunc(f.devices, micros%f.interval, func(d device, phase int64) int {
		if d.phase <= phase {
			return -1
		}
		return 1
	})
	f.wrap()
	f.reached = micros
	return max(0, f.cycle*int64(len(f.devices))+int64(f.index)-before)
}

// Due appends every reading due after Reached and up to until, in the order of their times, and returns the extended slice.
// A reading's timestamp is the time at which it is due. The readings point only to immutable data, so the caller may keep
// them.
func (f *Fleet) Due(until time.Time, dst []iot.Reading) []iot.Reading {
	limit := until.UnixMicro()
	for {
		d := &f.devices[f.index]
		due := f.cycle*f.interval + d.phase
		if due > limit {
			break
		}
		silence, silent := f.faults.offline.during(d.key, due)
		last := silent && due-f.interval < silence.start && silence.announces()
		if !silent || last {
			dst = append(dst, f.reading(d, due, last))
		}
		f.index++
		f.wrap()
	}
	f.reached = max(f.reached, limit)
	return dst
}

// wrap moves to the next interval after the last device of this one.
func (f *Fleet) wrap() {
	if f.index == len(f.devices) {
		f.cycle, f.index = f.cycle+1, 0
	}
}

// reading returns the reading of d at the time due; last makes it the announcement that the device goes offline.
func (f *Fleet) reading(d *device, due int64, last bool) iot.Reading {
	r := iot.Reading{
		Device: d.Device,
		Time:   time.UnixMicro(due).UTC(),
		Value:  d.value(&f.faults, due, f.cycle, f.interval),
		Status: iot.Online,
	}
	r.Metadata.BatteryLevel = &f.levels[d.battery(due)]
	if last {
		r.Status = iot.Offline
	}
	return r
}
