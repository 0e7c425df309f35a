package sqlite

import (
	"slices"

	"iotmon/internal/api"
)

// thinner keeps of each bucket of time the first, the smallest, the largest and the last point. The zero thinner keeps
// everything. Points come in order.
type thinner struct {
	// start and step are microseconds; step 0 means no buckets.
	start, step int64

	kept   []api.Point
	bucket int64
	full   bool
	// The four points of the open bucket.
	first, smallest, largest, last api.Point
}

func (t *thinner) add(at int64, p api.Point) {
	if t.step == 0 {
		t.kept = append(t.kept, p)
		return
	}
	if bucket := (at - t.start) / t.step; !t.full || bucket != t.bucket {
		t.flush()
		t.bucket, t.full = bucket, true
		t.first, t.smallest, t.largest, t.last = p, p, p, p
		return
	}
	t.last = p
	if p.Value < t.smallest.Value {
		t.smallest = p
	}
	if p.Value > t.largest.Value {
		t.largest = p
	}
}

// flush keeps the open bucket's points in the order of time, each once.
func (t *thinner) flush() {
	if !t.full {
		return
	}
	points := []api.Point{t.first, t.smallest, t.largest, t.last}
	slices.SortFunc(points, func(a, b api.Point) int { return a.Time.Compare(b.Time) })
	t.kept = append(t.kept, slices.CompactFunc(points, func(a, b api.Point) bool { return a.Time.Equal(b.Time) })...)
}

func (t *thinner) finish() []api.Point {
	t.flush()
	return t.kept
}
