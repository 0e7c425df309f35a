package iot_test

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"iotmon/internal/iot"
)

// drawSummaries draws the summaries of n partitions. The alerts of one are unlike those of another, and there may be more
// than a summary lists.
func drawSummaries(t *rapid.T, n int) []iot.Summary {
	summaries := make([]iot.Summary, n)
	for i := range summaries {
		s := &summaries[i]
		for _, v := range addends().Draw(t, "values") {
			s.Add(v)
		}
		count := rapid.Int64Range(0, 1000)
		s.Devices, s.Online, s.Offline = count.Draw(t, "devices"), count.Draw(t, "online"), count.Draw(t, "offline")
	}
	kinds := rapid.SliceOfN(rapid.IntRange(0, n*len(iot.Severities)*4-1), 0, 2*iot.MaxSummaryAlerts).Draw(t, "alerts")
	for i, kind := range kinds {
		s := &summaries[kind%n]
		kind /= n
		s.AlertCount++
		s.Alerts = append(s.Alerts, iot.Alert{
			ID:       fmt.Sprint("alert ", i),
			Severity: iot.Severities[kind%len(iot.Severities)],
			Onset:    time.Unix(int64(kind/len(iot.Severities)), 0).UTC(),
		})
	}
	for i := range summaries {
		summaries[i].Alerts = iot.TopAlerts(summaries[i].Alerts)
	}
	return summaries
}

// merge merges in the given order, without changing its arguments.
func merge(first iot.Summary, others ...iot.Summary) iot.Summary {
	merged := first.Clone()
	for _, other := range others {
		merged.Merge(other)
	}
	return merged
}

// rounded returns the summary with a rounded sum: the terms of equal sums may differ.
func rounded(s iot.Summary) iot.Summary {
	s.Sum = iot.SumOf(s.Sum.Float64())
	if len(s.Alerts) == 0 {
		s.Alerts = nil
	}
	return s
}

func mustEqual(t *rapid.T, got, want iot.Summary) {
	t.Helper()
	if got, want := rounded(got), rounded(want); !reflect.DeepEqual(got, want) {
		t.Fatalf("got %+v, want %+v", got, want)
	}
}

func TestMergeIsCommutative(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSummaries(t, 2)
		mustEqual(t, merge(s[0], s[1]), merge(s[1], s[0]))
	})
}

func TestMergeIsAssociative(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSummaries(t, 3)
		mustEqual(t, merge(merge(s[0], s[1]), s[2]), merge(s[0], merge(s[1], s[2])))
	})
}

func TestMergeLeavesTheOtherAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSummaries(t, 3)
		want := s[1].Clone()
		merged := merge(s[0], s[1])
		merged.Merge(s[2])
		merged.Add(1)
		mustEqual(t, s[1], want)
	})
}

func TestMergeEqualsAddingEverything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := addends().Draw(t, "values")
		var whole iot.Summary
		parts := make([]iot.Summary, 3)
		for _, v := range values {
			whole.Add(v)
			parts[rapid.IntRange(0, 2).Draw(t, "part")].Add(v)
		}
		got := merge(parts[0], parts[1:]...)
		mustEqual(t, got, whole)
		if len(values) == 0 {
			return
		}
		if least, most := slices.Min(values), slices.Max(values); got.Min != least || got.Max != most {
			t.Fatalf("got %v to %v, want %v to %v", got.Min, got.Max, least, most)
		}
	})
}

func TestMergedAlertsAreTheMostUrgent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSummaries(t, 3)
		all := slices.Concat(s[0].Alerts, s[1].Alerts, s[2].Alerts)
		slices.SortFunc(all, func(a, b iot.Alert) int {
			return cmp.Or(cmp.Compare(b.Severity.Rank(), a.Severity.Rank()), a.Onset.Compare(b.Onset), cmp.Compare(a.ID, b.ID))
		})
		want := all[:min(len(all), iot.MaxSummaryAlerts)]
		got := merge(s[0], s[1], s[2])
		if !slices.Equal(got.Alerts, want) {
			t.Fatalf("got %+v, want %+v", got.Alerts, want)
		}
		if want := s[0].AlertCount + s[1].AlertCount + s[2].AlertCount; got.AlertCount != want {
			t.Fatalf("got %d alerts, want %d", got.AlertCount, want)
		}
	})
}

func TestAverageOfNothingIsZero(t *testing.T) {
	var s iot.Summary
	if got := s.Average(); got != 0 {
		t.Errorf("got %v, want 0", got)
	}
	s.Add(1)
	s.Add(4)
	if got := s.Average(); got != 2.5 {
		t.Errorf("got %v, want 2.5", got)
	}
}
