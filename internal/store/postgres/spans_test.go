package postgres

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestSpansOfATime(t *testing.T) {
	noon := time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC).UnixMicro()
	for _, test := range []struct {
		size                size
		at                  int64
		name, begins, until string
	}{
		{day, noon, "d20240229", "2024-02-29", "2024-03-01"},
		{month, noon, "m202402", "2024-02-01", "2024-03-01"},
		{sizes[2], noon, "y2024", "2024-01-01", "2025-01-01"},
		{day, time.Date(2023, 12, 31, 23, 59, 59, 999999000, time.UTC).UnixMicro(), "d20231231", "2023-12-31", "2024-01-01"},
		{day, 0, "d19700101", "1970-01-01", "1970-01-02"},
		{day, -1, "past", "-4000-01-01", "1970-01-01"},
		{month, time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro(), "future", "2200-01-01", "20000-01-01"},
	} {
		got := test.size.at(test.at)
		date := func(us int64) string { return time.UnixMicro(us).UTC().Format(time.DateOnly) }
		if got.name != test.name || date(got.begins) != test.begins || date(got.ends) != test.until {
			t.Errorf("got %s from %s to %s, want %s from %s to %s", got.name, date(got.begins), date(got.ends), test.name, test.begins, test.until)
		}
	}
}

// For any times in any order, each time has exactly one partition, and a batch never needs many.
func TestPartitionsCoverEveryTimeOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var all ranges
		for range rapid.IntRange(1, 6).Draw(t, "batches") {
			from := rapid.Int64Range(-1000, 40_000).Draw(t, "first day")
			apart := rapid.SampledFrom([]int64{1, 1, 2, 40}).Draw(t, "days apart")
			var times []int64
			for i := range rapid.Int64Range(1, 300).Draw(t, "days") {
				times = append(times, (from+i*apart)*24*hourLength+5)
			}
			missing := all.missing(times, day)
			all = append(all, missing...)
			slices.SortFunc(all, byTime)
			for i := 1; i < len(all); i++ {
				if all[i-1].overlaps(all[i]) {
					t.Fatalf("%v overlaps with %v", all[i-1], all[i])
				}
			}
			for _, at := range times {
				if held, ok := all.find(at); !ok || !held.holds(at) {
					t.Fatalf("%v is in no partition of %v", time.UnixMicro(at).UTC(), all)
				}
			}
			for _, s := range missing {
				if parsed, ok := parseSpan(s.name); !ok || parsed != s {
					t.Fatalf("the name of %v is read as %v", s, parsed)
				}
			}
		}
	})
	var days []int64
	for i := range int64(20_000) {
		days = append(days, i*24*hourLength)
	}
	if n := len(ranges(nil).missing(days, day)); n > 60 {
		t.Errorf("55 years of days need %d partitions, want one a year", n)
	}
	if n := len(ranges(nil).missing(days[:maxNew], day)); n != maxNew {
		t.Errorf("%d days need %d partitions, want one a day", maxNew, n)
	}
}

func TestForeignNamesAreNoSpans(t *testing.T) {
	for _, name := range []string{"", "d2024", "d20240230", "x20240101", "default", "m2024", "y20240101", "d20240101_old"} {
		if s, ok := parseSpan(name); ok {
			t.Errorf("%q is read as %v", name, s)
		}
	}
}
