package postgres_test

import (
	"testing"

	"iotmon/internal/archive"
)

// The clock of a host is in a wrong year at its start, readings are rolled up there, and then the clock is corrected. All later
// readings are rolled up, and only a few hours have to be recomputed.
func TestRollingUpGoesBackWithTheClock(t *testing.T) {
	url := newURL(t)
	s := open(t, url)
	f := &feed{}
	const year = 365 * 24 * 60 * 60
	roll := func(appended float64) {
		t.Helper()
		for i := range 10 {
			f.write(t, s, appended+float64(i)*60, reading("a", 0, appended+float64(i)*60, float64(i)))
		}
		if _, err := s.Prune(t.Context(), archive.Retention{}); err != nil {
			t.Fatal(err)
		}
		audit(t, url)
	}
	roll(0)
	roll(year)
	for hour := range 5 {
		roll(float64(1+hour) * 3600)
	}
	f.write(t, s, 6*3600, reading("a", 0, 6*3600, 1))
	if n := ask[int64](t, url, `SELECT count(*) FROM dirty_hours`); n != 0 {
		t.Errorf("%d hours are marked, want none: the reading is in time", n)
	}
	if n := ask[int64](t, url, `SELECT count(*) FROM minutes WHERE time < $1`, at(year-1)); n < 50 {
		t.Errorf("got %d minutes, want all of the first five hours", n)
	}
}
