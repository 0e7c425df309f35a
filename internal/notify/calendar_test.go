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
