package notify_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"iotmon/internal/notify"
)

// At each minute the turns say what OnCall says, also when clocks are set, and two that follow one another differ.
func TestTurnsAreWhoIsOnCall(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone, err := time.LoadLocation(rapid.SampledFrom([]string{"UTC", "Asia/Shanghai", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe"}).Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		clock := rapid.Custom(func(t *rapid.T) time.Duration {
			return time.Duration(rapid.IntRange(0, 24*60).Draw(t, "minute")) * time.Minute
		})
		channels := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c"}), 1, 3)
		// Clocks are set in Europe on March 29, in America on March 8, and on Lord Howe by half an hour on April 5.
		moment := rapid.Custom(func(t *rapid.T) time.Time {
			return time.Date(2026, 3, rapid.IntRange(5, 36).Draw(t, "day"), 0, rapid.IntRange(0, 24*60).Draw(t, "minute"), 0, 0, zone)
		})
		calendar := &notify.Calendar{Zone: zone, Otherwise: channels.Draw(t, "otherwise")}
		for range rapid.IntRange(0, 2).Draw(t, "overrides") {
			from := moment.Draw(t, "from")
			calendar.Overrides = append(calendar.Overrides, notify.Override{From: from, Until: from.Add(clock.Draw(t, "lasts")), Channels: channels.Draw(t, "override")})
		}
		for range rapid.IntRange(0, 3).Draw(t, "shifts") {
			days := rapid.SliceOfDistinct(rapid.Custom(func(t *rapid.T) time.Weekday { return time.Weekday(rapid.IntRange(0, 6).Draw(t, "day")) }), rapid.ID).Draw(t, "days")
			calendar.Shifts = append(calendar.Shifts, notify.Shift{
				Span: notify.Span{Days: days, From: clock.Draw(t, "from"), To: clock.Draw(t, "to")}, Channels: channels.Draw(t, "shift"),
			})
		}
		if rapid.Bool().Draw(t, "rotates") {
			calendar.Rotation = &notify.Rotation{Start: moment.Draw(t, "start"), Days: rapid.IntRange(1, 9).Draw(t, "turn"), Channels: channels.Draw(t, "rotation")}
		}
		from := moment.Draw(t, "now")
		until := from.AddDate(0, 0, 3)
		turns := calendar.Turns(from, until)
		if !turns[0].From.Equal(from) || !turns[len(turns)-1].Until.Equal(until) {
			t.Fatalf("got turns from %v until %v, want from %v until %v", turns[0].From, turns[len(turns)-1].Until, from, until)
		}
		i := 0
		for at := from; at.Before(until); at = at.Add(time.Minute) {
			if !at.Before(turns[i].Until) {
				if i++; !turns[i].From.Equal(turns[i-1].Until) || slices.Equal(turns[i].Channels, turns[i-1].Channels) {
					t.Fatalf("got %v after %v", turns[i], turns[i-1])
				}
			}
			want := slices.Compact(slices.Sorted(slices.Values(calendar.OnCall(at))))
			if !slices.Equal(turns[i].Channels, want) {
				t.Fatalf("at %v: got %v, want %v", at, turns[i].Channels, want)
			}
		}
	})
}

// Quiet hours keep nothing back for ever, whatever they are, also where clocks are set, and spans are of the whole week if no minute by the clock is in
// none of them.
func TestQuietHoursEnd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone, err := time.LoadLocation(rapid.SampledFrom([]string{"UTC", "Europe/Berlin", "Australia/Lord_Howe"}).Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		clock := rapid.SampledFrom([]time.Duration{0, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 18*time.Hour + time.Minute, 24 * time.Hour})
		times := notify.Times{Zone: zone}
		for range rapid.IntRange(1, 5).Draw(t, "spans") {
			days := rapid.SliceOfDistinct(rapid.Custom(func(t *rapid.T) time.Weekday { return time.Weekday(rapid.IntRange(0, 6).Draw(t, "day")) }), rapid.ID).Draw(t, "days")
			times.Spans = append(times.Spans, notify.Span{Days: days, From: clock.Draw(t, "from"), To: clock.Draw(t, "to")})
		}
		now := time.Date(2026, 3, 20, 0, rapid.IntRange(0, 20*24*60).Draw(t, "minute"), rapid.IntRange(0, 59).Draw(t, "second"), 0, zone)
		free := false // By a week of clocks that nobody sets.
		unset := notify.Times{Zone: time.UTC, Spans: times.Spans}
		for minute := range 7 * 24 * 60 {
			free = free || !unset.In(time.Date(2026, 3, 1, 0, minute, 0, 0, time.UTC))
		}
		last, whole := notify.WholeWeek(times.Spans)
		if whole == free {
			t.Fatalf("got whole week %v, want %v", whole, !free)
		}
		if whole {
			if _, sooner := notify.WholeWeek(times.Spans[:last]); sooner {
				t.Fatalf("span %d is not the first that makes the week whole", last)
			}
		}
		end := times.End(now)
		if end.Before(now.Truncate(time.Minute)) || !whole && times.In(end) || whole && !end.Equal(now) || end.Sub(now) > 15*24*time.Hour {
			t.Fatalf("at %v: got an end at %v (whole week: %v)", now, end, whole)
		}
	})
}
