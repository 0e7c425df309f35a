package postgres

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// span is the range of one partition of a table: from begins up to but not including ends, in Unix microseconds. Its name
// determines both, such as d20240130, m202401 and y2024.
type span struct {
	name         string
	begins, ends int64
}

func (s span) holds(at int64) bool { return s.begins <= at && at < s.ends }

func (s span) overlaps(t span) bool { return s.begins < t.ends && t.begins < s.ends }

// One partition each for times far in the past and in the future, which only come from very wrong clocks.
var (
	past   = span{"past", time.Date(-4000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro(), time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()}
	future = span{"future", time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro(), time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()}
)

// clamp returns the time, limited to the times between past and future.
func clamp(us int64) int64 { return max(past.begins, min(us, future.ends-1)) }

// size is a length of spans and the layout of their names.
type size struct {
	name                string
	years, months, days int
}

// sizes are the possible sizes of a partition. A batch that needs many new days, for example from a recording of years,
// gets months or years instead: every partition that a transaction uses needs locks, of which the server has a few
// thousand.
var sizes = []size{{"d20060102", 0, 0, 1}, {"m200601", 0, 1, 0}, {"y2006", 1, 0, 0}}

// day and month are the usual sizes.
var day, month = sizes[0], sizes[1]

// at returns the span of this size that contains the time.
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

// ranges are non-overlapping spans in the order of time.
type ranges []span

// find returns the span that contains the time.
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

// maxNew is how many partitions may be created at once before larger ones are used.
const maxNew = 40

// missing returns the spans to create for times: of the given size or, if those were too many, of a larger one. Where a
// larger one would overlap with an existing span, it uses a smaller one.
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

// needed returns spans for the times that have none, each of the largest allowed size that fits. Unless all, it stops after
// more than maxNew.
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

// bounds returns the span as the bounds of a partition in SQL.
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
