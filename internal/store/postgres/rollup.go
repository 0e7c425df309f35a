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

// floor returns the start of the minute or hour that holds the time.
func floor(at, length int64) int64 {
	rest := at % length
	if rest < 0 {
		rest += length
	}
	return at - rest
}

// sample is a reading as rollups keep it. Times are Unix microseconds.
type sample struct {
	at    int64
	value float64
	flags int16
}

func (s sample) point() api.Point {
	return api.Point{Time: time.UnixMicro(s.at).UTC(), Value: s.value, Quality: store.Quality(int64(s.flags))}
}

// rollup is what is kept of some readings of one device: enough to draw them, and to merge with what is kept of others.
// Neither the order of adding nor of merging changes it. A zero rollup is of no readings. Readings of quality bad are counted
// beside the others; the samples are of them only where there are no others.
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

// readings returns how many readings it is of.
func (r *rollup) readings() int64 { return r.count + r.bad }

// merge adds what is kept of other readings, which is unchanged.
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

// mergeAlike merges samples that are of bad readings both, or neither.
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

// period names a rollup: the device's row, and where its minute or hour starts.
type period struct{ device, start int64 }

// rollups are those of one length.
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
