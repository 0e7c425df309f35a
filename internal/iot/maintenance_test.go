package iot_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"iotmon/internal/iot"
)

func calendarOf(t *testing.T, zone string, weekly ...iot.WeeklyPeriod) (iot.Calendar, *time.Location) {
	t.Helper()
	place, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	return iot.Calendar{TimeZone: zone, Weekly: weekly}, place
}

func TestACalendarFollowsTheClocksOfItsPlace(t *testing.T) {
	night := func(day time.Weekday) iot.WeeklyPeriod {
		return iot.WeeklyPeriod{Day: day, Start: 22 * 60, Minutes: 8 * 60}
	}
	for _, test := range []struct {
		name, zone        string
		weekly            []iot.WeeklyPeriod
		from, until, want []string
	}{
		{"a night", "Asia/Shanghai", []iot.WeeklyPeriod{night(time.Monday)}, []string{"2026-11-28T00:00:00Z"}, []string{"2026-12-05T00:00:00Z"},
			[]string{"2026-11-30T14:00:00Z", "2026-11-30T22:00:00Z"}},
		{"the present one", "Asia/Shanghai", []iot.WeeklyPeriod{night(time.Monday)}, []string{"2026-11-30T20:00:00Z"}, []string{"2026-11-30T20:00:01Z"},
			[]string{"2026-11-30T14:00:00Z", "2026-11-30T22:00:00Z"}},
		{"a night with an hour less", "Europe/Berlin", []iot.WeeklyPeriod{night(time.Saturday)}, []string{"2026-03-28T00:00:00Z"}, []string{"2026-03-30T00:00:00Z"},
			[]string{"2026-03-28T21:00:00Z", "2026-03-29T04:00:00Z"}},
		{"a start that does not exist", "Europe/Berlin", []iot.WeeklyPeriod{{Day: time.Sunday, Start: 150, Minutes: 60}}, []string{"2026-03-28T00:00:00Z"}, []string{"2026-03-30T00:00:00Z"},
			[]string{"2026-03-29T01:30:00Z", "2026-03-29T02:30:00Z"}},
		{"periods that touch", "UTC", []iot.WeeklyPeriod{{Day: time.Monday, Start: 0, Minutes: 1440}, {Day: time.Tuesday, Start: 0, Minutes: 1440}},
			[]string{"2026-11-30T00:00:00Z"}, []string{"2026-12-03T00:00:00Z"}, []string{"2026-11-30T00:00:00Z", "2026-12-02T00:00:00Z"}},
	} {
		calendar, place := calendarOf(t, test.zone, test.weekly...)
		var got []string
		for _, p := range calendar.In(place, instant(t, test.from[0]), instant(t, test.until[0])) {
			got = append(got, p.From.Format(time.RFC3339), p.Until.Format(time.RFC3339))
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}

func instant(t *testing.T, text string) time.Time {
	t.Helper()
	moment, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return moment
}

// A schedule holds exactly while one of its periods does, however they lie, and Next names each change.
func TestAScheduleHoldsDuringItsPeriods(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		epoch := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		second := func(s int) time.Time { return epoch.Add(time.Duration(s) * time.Second) }
		var wanted [60]bool
		entry := iot.RuleEntry{Version: 1, Rule: iot.Rule{Name: "m", Severity: iot.Info, Condition: iot.Condition{Kind: iot.Maintenance}, Schedule: new(iot.Schedule)}}
		for range rapid.IntRange(0, 6).Draw(t, "periods") {
			from := rapid.IntRange(0, 50).Draw(t, "from")
			until := rapid.IntRange(from+1, 59).Draw(t, "until")
			entry.Rule.Schedule.Periods = append(entry.Rule.Schedule.Periods, iot.Period{From: second(from), Until: second(until)})
			for s := from; s < until; s++ {
				wanted[s] = true
			}
		}
		if err := entry.Normalize(); err != nil {
			t.Fatal(err)
		}
		for s, want := range wanted {
			if _, got := entry.Rule.Schedule.Holds(second(s)); got != want {
				t.Errorf("%+v at %d: got %v, want %v", entry.Rule.Schedule.Periods, s, got, want)
			}
			next := slices.Index(wanted[s:], !want)
			if got := entry.Rule.Schedule.Next(second(s)); next >= 0 && (want || slices.Contains(wanted[s:], true)) && !got.Equal(second(s+next)) {
				t.Errorf("%+v after %d: got the next change at %v, want %v", entry.Rule.Schedule.Periods, s, got, second(s+next))
			}
		}
	})
}
