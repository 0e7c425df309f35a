package postgres_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"iotmon/internal/api"
	"iotmon/internal/archive"
	"iotmon/internal/iot"
	"iotmon/internal/store/postgres"
	"iotmon/internal/store/sqlite"
	"iotmon/internal/store/storetest"
)

var start = time.Date(2024, 1, 30, 22, 0, 0, 0, time.UTC)

func at(seconds float64) time.Time { return start.Add(time.Duration(seconds * 1e9)) }

func reading(device string, partition int32, seconds, value float64) archive.Reading {
	return archive.Reading{
		Partition: partition, Device: &iot.Device{ID: iot.DeviceID(device), Type: iot.Temperature, Unit: "°C"}, Time: at(seconds), Value: value,
	}
}

// feed writes to one partition, keeping the offset in step.
type feed struct {
	partition int32
	next      archive.Offset
}

func (f *feed) batch(appended float64, readings ...archive.Reading) *archive.Batch {
	return &archive.Batch{Readings: readings, Moves: []archive.Move{{
		Source: archive.Source{Topic: storetest.Topic, Partition: f.partition},
		Old:    f.next, New: archive.Offset{Next: f.next.Next + int64(len(readings)) + 1}, Appended: at(appended),
	}}}
}

func (f *feed) moved(b *archive.Batch) { f.next = b.Moves[0].New }

func (f *feed) write(t testing.TB, s archive.Store, appended float64, readings ...archive.Reading) {
	t.Helper()
	b := f.batch(appended, readings...)
	if err := s.Write(context.Background(), b); err != nil {
		t.Fatal(err)
	}
	f.moved(b)
}

// pass writes readings of a day before appended, so that the log's clock is at appended.
func (f *feed) pass(t testing.TB, s archive.Store, appended float64) {
	t.Helper()
	f.write(t, s, appended-24*60*60)
	f.write(t, s, appended)
}

// rolledUp selects the readings that minutes and hours must contain: those before the time up to which all partitions of their
// device are rolled up, without marked hours.
const rolledUp = `SELECT r.* FROM readings r
	JOIN (SELECT p.device, min(r.until) AS until FROM device_partitions p LEFT JOIN rolled r USING (partition)
		GROUP BY p.device HAVING count(*) = count(r.until)) AS l ON l.device = r.device
	WHERE date_trunc('%[1]s', r.time, 'UTC') + interval '1 %[1]s' <= l.until
		AND NOT EXISTS (SELECT FROM dirty_hours d WHERE d.device = r.device AND d.hour = date_trunc('hour', r.time, 'UTC'))`

// audit compares minutes and hours with the readings, computed by the server.
func audit(t testing.TB, url string) {
	t.Helper()
	for _, unit := range []string{"minute", "hour"} {
		of := fmt.Sprintf(rolledUp, unit)
		// Readings of quality bad are counted separately. They are used in place of the others only where there are no others.
		truth := fmt.Sprintf(`SELECT device, begins, count(*) FILTER (WHERE NOT bad), count(*) FILTER (WHERE bad) AS bad,
				min(time) FILTER (WHERE stands) AS first_at, max(time) FILTER (WHERE stands) AS last_at,
				min(value) FILTER (WHERE stands), max(value) FILTER (WHERE stands),
				(array_agg(value ORDER BY time) FILTER (WHERE stands))[1] AS first, (array_agg(value ORDER BY time DESC) FILTER (WHERE stands))[1] AS last,
				(array_agg(time ORDER BY value, time) FILTER (WHERE stands))[1] AS min_at, (array_agg(time ORDER BY value DESC, time) FILTER (WHERE stands))[1] AS max_at
			FROM (SELECT *, NOT bad OR bool_and(bad) OVER (PARTITION BY device, begins) AS stands
				FROM (SELECT *, flags & 2 <> 0 AS bad, date_trunc('%s', time, 'UTC') AS begins FROM (%s) AS r) AS r) AS r GROUP BY 1, 2`, unit, of)
		kept := fmt.Sprintf(`SELECT device, time, count, bad, first_at, last_at, min, max, first, last, min_at, max_at FROM %ss
			WHERE (device, time) IN (SELECT device, date_trunc('%s', time, 'UTC') FROM (%s) AS r)`, unit, unit, of)
		for _, query := range []string{truth + ` EXCEPT ` + kept, kept + ` EXCEPT ` + truth} {
			if n := ask[int64](t, url, `SELECT count(*) FROM (`+query+`) AS difference`); n != 0 {
				t.Errorf("%d %ss differ from their readings", n, unit)
			}
		}
	}
	if n := ask[int64](t, url, `SELECT count(*) FROM
			(SELECT partition, count(*) FROM readings GROUP BY partition EXCEPT SELECT partition, sum(count)::bigint FROM reading_counts GROUP BY partition) AS d`); n != 0 {
		t.Errorf("of %d partitions the count differs from the readings", n)
	}
}

// plant is a history in the making: devices in two partitions, whose readings come late, twice and in any order.
type plant struct {
	url    string
	store  *postgres.Store
	oracle *sqlite.Store
	feeds  [2]*feed
	clock  float64
	prefix string
}

func (p *plant) device(t *rapid.T) (string, int32) {
	n := rapid.IntRange(0, 3).Draw(t, "device")
	return fmt.Sprintf("%s-%d", p.prefix, n), p.feeds[n%2].partition
}

func (p *plant) write(t *rapid.T) {
	f := p.feeds[rapid.IntRange(0, 1).Draw(t, "partition")]
	p.clock += rapid.SampledFrom([]float64{0, 1, 30, 90, 1800, 5000}).Draw(t, "pause")
	var readings []archive.Reading
	for range rapid.IntRange(0, 40).Draw(t, "readings") {
		device, partition := p.device(t)
		if partition != f.partition {
			continue
		}
		late := rapid.SampledFrom([]float64{0, 0, 0, 1, 59, 61, 200, 4000, 9000}).Draw(t, "late")
		jitter := float64(rapid.IntRange(0, 300).Draw(t, "jitter"))
		r := reading(device, partition, p.clock-late-jitter/2, float64(rapid.IntRange(-3, 3).Draw(t, "value")))
		r.Quality = rapid.SampledFrom([]iot.Quality{iot.Good, iot.Good, iot.Uncertain, iot.Bad}).Draw(t, "quality")
		readings = append(readings, r)
	}
	b := f.batch(p.clock, readings...)
	for _, s := range []archive.Store{p.oracle, p.store} {
		if err := s.Write(context.Background(), b); err != nil {
			t.Fatal(err)
		}
	}
	f.moved(b)
}

func (p *plant) prune(t *rapid.T) {
	if removed, err := p.store.Prune(context.Background(), archive.Retention{}); err != nil || removed != 0 {
		t.Fatalf("removed %d, %v", removed, err)
	}
}

func (p *plant) ask(t *rapid.T) {
	device, _ := p.device(t)
	from := at(rapid.Float64Range(-10_000, p.clock).Draw(t, "from")).Truncate(time.Microsecond)
	q := api.ReadingsQuery{
		Device: iot.DeviceID(device), From: from,
		To:        from.Add(time.Duration(rapid.IntRange(1, 40_000).Draw(t, "seconds")) * time.Second),
		Step:      time.Duration(rapid.SampledFrom([]int{0, 60, 120, 600, 3600, 3601, 7200, 20_000}).Draw(t, "step")) * time.Second,
		MaxPoints: rapid.IntRange(1, 60).Draw(t, "points"),
		Whole:     rapid.IntRange(0, 100).Draw(t, "whole"),
	}
	want, err := p.oracle.Readings(context.Background(), q)
	if err != nil {
		t.Fatal(err)
	}
	got, err := p.store.Readings(context.Background(), q)
	if err != nil || !slices.Equal(got, want) {
		t.Fatalf("%+v: got %v, %v, want %v", q, got, err, want)
	}
}

// Readings are written late, twice and out of order, and rolled up at any time. A history has the same answers as SQLite, which
// has no rollups, and every rollup is that of its readings.
func TestRollupsAreTheirReadings(t *testing.T) {
	url := newURL(t)
	store := open(t, url)
	oracle, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "oracle.db"), ReadingsTopic: storetest.Topic})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { oracle.Close() })
	partition := int32(0)
	rapid.Check(t, func(t *rapid.T) {
		partition += 2
		p := &plant{
			url: url, store: store, oracle: oracle, prefix: fmt.Sprint(partition),
			feeds: [2]*feed{{partition: partition}, {partition: partition + 1}},
		}
		t.Repeat(map[string]func(*rapid.T){"write": p.write, "prune": p.prune, "ask": p.ask, "ask again": p.ask})
	})
	audit(t, url)
	if n := ask[int64](t, url, `SELECT count(*) FROM hours WHERE count > 1`); n == 0 {
		t.Error("no hour was rolled up")
	}
}

// Many write late and at once while two stores roll up: the race that a snapshot taken too early would lose.
func TestNothingSlipsPastTheRollingUp(t *testing.T) {
	url := newURL(t)
	stores := []*postgres.Store{open(t, url), open(t, url), open(t, url)}
	const rounds = 150
	var writers, rollers sync.WaitGroup
	done := make(chan struct{})
	for i, s := range stores {
		f := &feed{partition: int32(i)}
		writers.Go(func() {
			for round := range rounds {
				clock := float64(round * 20)
				var readings []archive.Reading
				for device := range 20 {
					name := fmt.Sprintf("%d-%d", i, device)
					readings = append(readings, reading(name, f.partition, clock, 1), reading(name, f.partition, clock-float64(device*13), 2))
				}
				f.write(t, s, clock, readings...)
			}
		})
		if i == 0 {
			continue
		}
		rollers.Go(func() {
			for {
				if _, err := s.Prune(context.Background(), archive.Retention{}); err != nil {
					t.Error(err)
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	writers.Wait()
	close(done)
	rollers.Wait()
	audit(t, url)
	for range 2 {
		if _, err := stores[0].Prune(t.Context(), archive.Retention{}); err != nil {
			t.Fatal(err)
		}
	}
	audit(t, url)
	if n := ask[int64](t, url, `SELECT count(*) FROM dirty_hours`); n != 0 {
		t.Errorf("%d marks are left", n)
	}
	if n := ask[int64](t, url, `SELECT count(*) FROM minutes`); n < 1000 {
		t.Errorf("only %d minutes were rolled up", n)
	}
}

// A writer that finds an hour already marked does not mark it again. The hour must not be recomputed before that writer has
// committed, because its reading is not visible yet.
func TestAMarkIsNotWorkedOffBeforeItsReadingIsThere(t *testing.T) {
	url := newURL(t)
	s, other := open(t, url), open(t, url)
	f := &feed{}
	f.write(t, s, 9000, reading("a", 0, 9000, 1))
	f.write(t, s, 9000, reading("a", 0, 10, 1))

	// The rolling up stops behind its announcement, for which it has waited for every writer.
	release := lockTable(t, url, "rolled")
	pruned := make(chan error)
	go func() { _, err := other.Prune(context.Background(), archive.Retention{}); pruned <- err }()
	awaitWaiting(t, url, "rolled")

	// The write stops behind its readings, at its alert.
	commit := lockTable(t, url, "alerts")
	written := make(chan error)
	b := f.batch(9000, reading("a", 0, 11, 5))
	b.Alerts = []iot.Alert{{ID: "1", DeviceID: "a", Onset: at(0), Time: at(0)}}
	go func() { written <- s.Write(context.Background(), b) }()
	awaitWaiting(t, url, "alerts")

	release()
	if err := <-pruned; err != nil {
		t.Error(err)
	}
	commit()
	if err := <-written; err != nil {
		t.Error(err)
	}
	audit(t, url)
}

// lockTable keeps everybody from a table until release is called.
func lockTable(t *testing.T, url, table string) (release func()) {
	t.Helper()
	conn := connect(t, url)
	if _, err := conn.Exec(t.Context(), `BEGIN; LOCK TABLE `+table+` IN ACCESS EXCLUSIVE MODE`); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		if err := conn.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}
}

// awaitWaiting waits until a session waits for a lock of a table.
func awaitWaiting(t *testing.T, url, table string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		if ask[int64](t, url, `SELECT count(*) FROM pg_locks WHERE relation = $1::text::regclass AND NOT granted`, table) > 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("nobody waits for %s", table)
		}
	}
}

// A device that moves to another partition, as when a topic gets more partitions, keeps one rollup of both.
func TestADeviceThatMovesKeepsItsRollups(t *testing.T) {
	url := newURL(t)
	s := open(t, url)
	first, second := &feed{partition: 0}, &feed{partition: 1}
	first.write(t, s, 0)
	second.write(t, s, 0)
	for i := range 60 {
		f := first
		if i%7 > 3 {
			f = second
		}
		f.write(t, s, float64(i*10), reading("a", f.partition, float64(i*10), float64(i)))
	}
	first.write(t, s, 9000)
	if _, err := s.Prune(t.Context(), archive.Retention{}); err != nil {
		t.Fatal(err)
	}
	audit(t, url)
	second.write(t, s, 9000)
	if _, err := s.Prune(t.Context(), archive.Retention{}); err != nil {
		t.Fatal(err)
	}
	audit(t, url)
	if n := ask[int64](t, url, `SELECT count FROM hours`); n != 60 {
		t.Errorf("got an hour of %d readings, want 60", n)
	}
}

// For times whose raw readings are deleted, a history still has the extremes of every minute, each once.
func TestRollupsOutliveReadings(t *testing.T) {
	url := newURL(t)
	s := open(t, url)
	f := &feed{}
	f.write(t, s, 0)
	const n = 7200
	var readings []archive.Reading
	for i := range n {
		readings = append(readings, reading("a", 0, float64(i), float64(i*7919%997)))
	}
	f.write(t, s, n, readings...)
	q := api.ReadingsQuery{Device: "a", From: at(100), To: at(n), MaxPoints: 20}
	before, err := s.Readings(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	const days = 3 * 24 * 60 * 60
	f.pass(t, s, days)
	removed, err := s.Prune(t.Context(), archive.Retention{Readings: time.Hour})
	if err != nil || removed != n {
		t.Fatalf("removed %d, %v, want all %d", removed, err, n)
	}
	if left := ask[int64](t, url, `SELECT count(*) FROM readings`); left != 0 {
		t.Errorf("%d readings are left", left)
	}
	after, err := s.Readings(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	if len(after) < 20 || len(after) > len(before) {
		t.Errorf("got %d points of the rollups, %d of the readings", len(after), len(before))
	}
	for _, p := range after {
		if i := int(p.Time.Sub(start).Seconds()); p.Value != float64(i*7919%997) {
			t.Errorf("got %v, which never was", p)
		}
	}
	if !slices.ContainsFunc(after, func(p api.Point) bool { return p.Value == 996 }) {
		t.Error("the largest value is gone")
	}
	if _, err := s.Prune(t.Context(), archive.Retention{Readings: time.Hour, Summaries: time.Hour}); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Readings(t.Context(), q); err != nil || len(got) != 0 {
		t.Errorf("got %d points, %v, want none when the rollups are old, too", len(got), err)
	}
}
