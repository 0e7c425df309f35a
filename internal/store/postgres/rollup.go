package postgres

import (
	"time"

	"iotmon/internal/api"
	"iotmon/internal/iot"
	"iotmon/internal/store"
)

// The lengths of rollups, in microseconds.
const (
	minuteLength = int64(time.Minute / time.Microsecond)
	hourLength   = int64(time.Hour / time.Microsecond)
)

// floor returns the start of the minute or hour that contains the time.
func floor(at, length int64) int64 {
	rest := at % length
	if rest < 0 {
		rest += length
	}
	return at - rest
}

// sample is a reading within a rollup. Times are Unix microseconds.
type sample struct {
	at    int64
	value float64
	flags int16
}

func (s sample) point() api.Point {
	return api.Point{Time: time.UnixMicro(s.at).UTC(), Value: s.value, Quality: store.Quality(int64(s.flags))}
}

// rollup summarizes readings of one device for a chart: their number and the first, smallest, largest and last. It does not
// depend on the order of adding or merging. The zero rollup has no readings. Readings of quality bad are counted
// separately, and are samples only if there are no others.
type rollup struct {
	count, bad                     int64
	sum                            iot.Sum
	first, smallest, largest, last sample
}

func (r *rollup) add(s sample) {
	one := rollup{first: s, smallest: s, largest: s, last: s}
	if store.Quality(int64(s.flags)) == iot.Bad {
		one.bad = 1
	} else {
		one.count = 1
		r.sum.Add(s.value)
	}
	r.mergeSamples(&one)
}

// readings returns the number of readings, including bad ones.
func (r *rollup) readings() int64 { return r.count + r.bad }

// merge adds the rollup of other readings, which is unchanged.
func (r *rollup) merge(other *rollup) {
	r.mergeSamples(other)
	r.sum.Merge(other.sum)
}

// mergeSamples merges the samples and the counts.
func (r *rollup) mergeSamples(other *rollup) {
	switch {
	case other.readings() == 0 || r.count > 0 && other.count == 0:
	case r.readings() == 0 || r.count == 0 && other.count > 0:
		r.first, r.smallest, r.largest, r.last = other.first, other.smallest, other.largest, other.last
	default:
		r.mergeAlike(other)
	}
	r.count, r.bad = r.count+other.count, r.bad+other.bad
}

// mergeAlike merges samples if both rollups, or neither, consist of bad readings.
func (r *rollup) mergeAlike(other *rollup) {
	if other.first.at < r.first.at {
		r.first = other.first
	}
	if other.last.at > r.last.at {
		r.last = other.last
	}
	if s := other.smallest; s.value < r.smallest.value || s.value == r.smallest.value && s.at < r.smallest.at {
		r.smallest = s
	}
	if s := other.largest; s.value > r.largest.value || s.value == r.largest.value && s.at < r.largest.at {
		r.largest = s
	}
}

// period is the key of a rollup: the device's row id and the start of the minute or hour.
type period struct{ device, start int64 }

// rollups are rollups of the same length.
type rollups map[period]*rollup

func (m rollups) at(device, start int64) *rollup {
	r := m[period{device, start}]
	if r == nil {
		r = new(rollup)
		m[period{device, start}] = r
	}
	return r
}

// hours merges minutes to hours.
func (m rollups) hours() rollups {
	hours := make(rollups)
	for p, r := range m {
		hours.at(p.device, floor(p.start, hourLength)).merge(r)
	}
	return hours
}
