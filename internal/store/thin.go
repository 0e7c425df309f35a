package store

import (
	"slices"

	"iotmon/internal/api"
	"iotmon/internal/iot"
)

// Thinner reduces points to the first, the smallest, the largest and the last of each time bucket; few points are kept
// whole. Points of quality bad are kept only in a bucket without others. Points must be added in order of time.
type Thinner struct {
	// start and step, the length of a bucket, are microseconds.
	start, step int64
	// few is up to how many points are all kept.
	few int

	// whole holds the points so far, up to one more than few.
	whole []api.Point
	kept  []api.Point
	// bucket is the number of the open bucket, if opened.
	bucket int64
	opened bool
	// The four points of the open bucket.
	first, smallest, largest, last api.Point
}

// NewThinner returns a thinner for q with at most q.MaxPoints buckets.
func NewThinner(q *api.ReadingsQuery) *Thinner {
	return &Thinner{start: q.From.UnixMicro(), step: BucketLength(q), few: q.Few()}
}

// BucketLength returns the length of a bucket in microseconds, such that no more than MaxPoints cover the range.
func BucketLength(q *api.ReadingsQuery) int64 {
	most := int64(q.MaxPoints)
	least := (q.To.UnixMicro() - q.From.UnixMicro() + most - 1) / most
	return max(q.Step.Microseconds(), least)
}

// Always makes the thinner reduce even few points, because they represent more readings than may be returned whole.
func (t *Thinner) Always() *Thinner {
	t.few = -1
	return t
}

// Add adds the next point.
func (t *Thinner) Add(p api.Point) {
	if len(t.whole) <= t.few {
		t.whole = append(t.whole, p)
	}
	if bucket := (p.Time.UnixMicro() - t.start) / t.step; !t.opened || bucket != t.bucket {
		t.flush()
		t.bucket, t.opened = bucket, true
		t.first, t.smallest, t.largest, t.last = p, p, p, p
		return
	}
	switch bad := p.Quality == iot.Bad; {
	case bad && t.first.Quality != iot.Bad:
		return
	case !bad && t.first.Quality == iot.Bad:
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
func (t *Thinner) flush() {
	if !t.opened {
		return
	}
	points := []api.Point{t.first, t.smallest, t.largest, t.last}
	slices.SortFunc(points, func(a, b api.Point) int { return a.Time.Compare(b.Time) })
	t.kept = append(t.kept, slices.CompactFunc(points, func(a, b api.Point) bool { return a.Time.Equal(b.Time) })...)
}

// Points returns the points that are kept.
func (t *Thinner) Points() []api.Point {
	if len(t.whole) <= t.few {
		return t.whole
	}
	t.flush()
	t.opened = false
	return t.kept
}
