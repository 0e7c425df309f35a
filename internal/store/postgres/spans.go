package postgres

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// span is what one partition of a table holds: times from begins up to ends, which are Unix microseconds. Its name tells
// both, such as d20240130, m202401 and y2024.
type span struct {
	name         string
	begins, ends int64
}

func (s span) holds(at int64) bool { return s.begins <= at && at < s.ends }

func (s span) overlaps(t span) bool { return s.begins < t.ends && t.begins < s.ends }

// The ends of time. Few clocks are wrong by so much, and for those there is one partition at either end.
var (
	past   = span{"past", time.Date(-4000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro(), time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()}
	future = span{"future", time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro(), time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()}
)

// clamp returns the time, or the end of time that it lies behind.
func clamp(us int64) int64 { return max(past.begins, min(us, future.ends-1)) }

// size is a size of spans, and how to name one.
type size struct {
	name                string
	years, months, days int
}

// sizes are those that a partition may have. A batch that needs many new days, as one of a recording of years does, gets
// months or years instead: every partition that a transaction touches costs locks, of which the server has some
// thousands.
var sizes = []size{{"d20060102", 0, 0, 1}, {"m200601", 0, 1, 0}, {"y2006", 1, 0, 0}}

// day and month are the sizes that tables usually have.
var day, month = sizes[0], sizes[1]

// at returns the span of this size that holds the time.
func (z size) at(us int64) span {
	for _, end := range []span{past, future} {
		if end.holds(clamp(us)) {
			return end
		}
	}
	t := time.UnixMicro(us).UTC()
	begins := time.Date(t.Year(), 1, 1, 0, 0, 0, 0, time.UTC)
	if z.years == 0 {
		begins = time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
	}
	if z.days > 0 {
		begins = time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
	}
	return span{begins.Format(z.name), begins.UnixMicro(), begins.AddDate(z.years, z.months, z.days).UnixMicro()}
}

// parseSpan returns the span of that name.
func parseSpan(name string) (span, bool) {
	for _, end := range []span{past, future} {
		if name == end.name {
			return end, true
		}
	}
	for _, z := range sizes {
		if begins, err := time.Parse(z.name, name); err == nil {
			return z.at(begins.UnixMicro()), true
		}
	}
	return span{}, false
}

// ranges are spans that do not overlap, in the order of time.
type ranges []span

// find returns the span that holds the time.
func (r ranges) find(at int64) (span, bool) {
	at = clamp(at)
	i, found := slices.BinarySearchFunc(r, at, func(s span, at int64) int {
		switch {
		case s.ends <= at:
			return -1
		case s.begins > at:
			return 1
		default:
			return 0
		}
	})
	if !found {
		return span{}, false
	}
	return r[i], true
}

// maxNew is how many partitions are made at once rather than fewer larger ones.
const maxNew = 40

// missing returns the spans that times need beside those that there are, of the given size or, if those were too many, of
// a larger one; where a larger one would overlap with one that is there, of a smaller.
func (r ranges) missing(times []int64, smallest size) []span {
	first := slices.Index(sizes, smallest)
	for i := first; ; i++ {
		last := i == len(sizes)-1
		needed := r.needed(times, sizes[first:i+1], last)
		if last || len(needed) <= maxNew {
			return needed
		}
	}
}

// needed returns spans for what has none yet, each of the largest of the sizes that fits. If it need not be all of them it
// stops when they are too many.
func (r ranges) needed(times []int64, allowed []size, all bool) []span {
	var needed []span
	for _, at := range times {
		if _, ok := r.find(at); ok || slices.ContainsFunc(needed, func(s span) bool { return s.holds(at) }) {
			continue
		}
		for _, z := range slices.Backward(allowed) {
			s := z.at(at)
			if !slices.ContainsFunc(r, s.overlaps) && !slices.ContainsFunc(needed, s.overlaps) {
				needed = append(needed, s)
				break
			}
		}
		if !all && len(needed) > maxNew {
			break
		}
	}
	slices.SortFunc(needed, byTime)
	return needed
}

func byTime(a, b span) int { return cmp.Compare(a.begins, b.begins) }

// bounds words the span as PostgreSQL reads it.
func (s span) bounds() string {
	from, to := "MINVALUE", "MAXVALUE"
	if s.name != past.name {
		from = literal(s.begins)
	}
	if s.name != future.name {
		to = literal(s.ends)
	}
	return fmt.Sprintf("FROM (%s) TO (%s)", from, to)
}

func literal(us int64) string {
	return time.UnixMicro(us).UTC().Format("'2006-01-02 15:04:05.999999+00'")
}
