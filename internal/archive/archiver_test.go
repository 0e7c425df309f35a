package archive_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"iotmon/internal/api"
	"iotmon/internal/archive"
	"iotmon/internal/iot"
	"iotmon/internal/store/sqlite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newAdmission(t testing.TB) *iot.Admission {
	t.Helper()
	catalog, err := iot.NewCatalog(iot.BuiltinTypes()...)
	if err != nil {
		t.Fatal(err)
	}
	return &iot.Admission{Catalog: catalog, Skew: 10 * time.Second}
}

func openStore(path string) (*sqlite.Store, error) {
	return sqlite.Open(context.Background(), sqlite.Options{Path: path, ReadingsTopic: topics.Readings})
}

// emptyDatabase returns the bytes of a database with nothing but its schema: copying it is faster than making another.
func emptyDatabase(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "empty.db")
	store, err := openStore(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	database, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return database
}

// failure is what becomes of one write.
type failure int

const (
	none failure = iota
	// beforeCommit loses the batch, afterCommit only the news of it.
	beforeCommit
	afterCommit
)

// shakyStore is a store whose writes fail as planned. When it holds all that the broker does it calls full.
type shakyStore struct {
	archive.Store
	broker *broker
	full   func()

	mu        sync.Mutex
	plan      []failure
	failed    int
	conflicts int
}

func (s *shakyStore) Write(ctx context.Context, batch *archive.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := none
	if len(s.plan) > 0 {
		next, s.plan = s.plan[0], s.plan[1:]
	}
	if next == beforeCommit {
		s.failed++
		return errInterrupted
	}
	err := s.Store.Write(ctx, batch)
	if errors.Is(err, archive.ErrOffsetsMoved) {
		s.conflicts++
	}
	if err != nil {
		return err
	}
	if s.holdsAll(ctx) {
		s.full()
	}
	if next == afterCommit {
		s.failed++
		return errInterrupted
	}
	return nil
}

func (s *shakyStore) holdsAll(ctx context.Context) bool {
	for _, extent := range s.broker.extents() {
		offsets, err := s.Offsets(ctx, extent.Topic)
		if err != nil || offsets[extent.Source].Next < extent.End {
			return false
		}
	}
	return true
}

// pass is one way of archiving what a broker holds.
type pass struct {
	archivers int
	chunk     int
	log       []bool
	writes    []failure
	patience  time.Duration
}

// archiveAll runs archivers on the store until it holds all that the broker does. It must run in a synctest bubble.
func (p *pass) archiveAll(b *broker, admission *iot.Admission, store archive.Store, logger *slog.Logger) *shakyStore {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	shaky := &shakyStore{Store: store, broker: b, full: cancel, plan: p.writes}
	var running sync.WaitGroup
	for range p.archivers {
		archiver := archive.New(archive.Options{
			Open: b.open(ctx, p.chunk, trouble(p.log)), Store: shaky, Topics: topics, Admission: admission,
			Patience: p.patience, Logger: logger, Now: time.Now,
		})
		running.Go(func() { _ = archiver.Run(ctx) })
	}
	running.Wait()
	return shaky
}

// rows is all that the archive answers with.
type rows struct {
	Offsets   map[archive.Source]archive.Offset
	Readings  map[iot.DeviceID][]api.Point
	Summaries []iot.WindowSummary
	Alerts    []api.ArchivedAlert
}

func readRows(store *sqlite.Store) (*rows, error) {
	ctx := context.Background()
	r := &rows{Offsets: make(map[archive.Source]archive.Offset), Readings: make(map[iot.DeviceID][]api.Point)}
	for _, topic := range []string{topics.Readings, topics.Aggregates, topics.Alerts} {
		offsets, err := store.Offsets(ctx, topic)
		if err != nil {
			return nil, err
		}
		for source, offset := range offsets {
			r.Offsets[source] = offset
		}
	}
	from, to := began.Add(-24*time.Hour), began.Add(24*time.Hour)
	for _, group := range devices {
		for _, device := range group {
			points, err := store.Readings(ctx, api.ReadingsQuery{Device: device, From: from, To: to, MaxPoints: 10_000})
			if err != nil {
				return nil, err
			}
			r.Readings[device] = points
		}
	}
	var err error
	if r.Summaries, err = store.Summaries(ctx, api.SummariesQuery{From: from, To: to, Limit: 1000}); err != nil {
		return nil, err
	}
	for i := range r.Summaries {
		s := &r.Summaries[i]
		s.Sum = iot.SumOf(s.Sum.Float64()) // The terms of equal sums may differ.
	}
	r.Alerts, err = store.Alerts(ctx, api.AlertsQuery{Limit: 1000})
	return r, err
}

// result archives all into a new database and reads it back.
func (p *pass) result(b *broker, admission *iot.Admission, path string, empty []byte) (got *rows, shaky *shakyStore, err error) {
	if err := os.WriteFile(path, empty, 0o600); err != nil {
		return nil, nil, err
	}
	store, err := openStore(path)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	shaky = p.archiveAll(b, admission, store, slog.New(slog.DiscardHandler))
	got, err = readRows(store)
	return got, shaky, err
}

// mustResult is result in a bubble of its own.
func (p *pass) mustResult(t *testing.T, r *rapid.T, b *broker, admission *iot.Admission, path string, empty []byte) (got *rows, shaky *shakyStore) {
	var err error
	synctest.Test(t, func(*testing.T) { got, shaky, err = p.result(b, admission, path, empty) })
	if err != nil {
		r.Fatal(err)
	}
	return got, shaky
}

func TestInterruptedArchivingEqualsOneUndisturbedPass(t *testing.T) {
	empty, path, admission := emptyDatabase(t), filepath.Join(t.TempDir(), "archive.db"), newAdmission(t)
	var failed, conflicts int
	rapid.Check(t, func(r *rapid.T) {
		p := newPlant(admission)
		for range rapid.IntRange(1, 60).Draw(r, "steps") {
			p.step(r)
		}
		p.append(topics.Readings, 0, p.now, nil, true) // So that there is at least one record.
		disturbed := pass{
			archivers: rapid.IntRange(1, 2).Draw(r, "archivers"),
			chunk:     rapid.IntRange(1, 10).Draw(r, "chunk"),
			log:       rapid.SliceOfN(rapid.SampledFrom([]bool{false, false, true}), 0, 12).Draw(r, "log"),
			writes:    rapid.SliceOfN(rapid.SampledFrom([]failure{none, beforeCommit, afterCommit}), 0, 12).Draw(r, "writes"),
			patience:  rapid.SampledFrom([]time.Duration{0, 0, time.Second, 90 * time.Second}).Draw(r, "patience"),
		}
		undisturbed := pass{archivers: 1, chunk: 1 << 20}
		want, _ := undisturbed.mustResult(t, r, p.broker, admission, path, empty)
		mustHold(r, want, p)
		got, store := disturbed.mustResult(t, r, p.broker, admission, path, empty)
		failed, conflicts = failed+store.failed, conflicts+store.conflicts
		if !reflect.DeepEqual(got, want) {
			r.Fatalf("disturbed:   %+v\nundisturbed: %+v", got, want)
		}
	})
	if failed == 0 || conflicts == 0 {
		t.Errorf("%d writes failed and %d were another archiver's: the test has tested nothing", failed, conflicts)
	}
}

// mustHold compares the archive with what the plant knows.
func mustHold(t *rapid.T, got *rows, p *plant) {
	t.Helper()
	readings := 0
	for _, points := range got.Readings {
		readings += len(points)
	}
	if readings != len(p.seen) {
		t.Fatalf("got %d readings, want %d", readings, len(p.seen))
	}
	want := make(map[time.Time]*iot.Summary)
	for key := range p.closed {
		if !p.closed[key] {
			continue
		}
		if want[key.start] == nil {
			want[key.start] = new(iot.Summary)
		}
		want[key.start].Merge(*p.truth[key])
	}
	if len(got.Summaries) != len(want) {
		t.Fatalf("got %d windows, want %d", len(got.Summaries), len(want))
	}
	for i := range got.Summaries {
		s := &got.Summaries[i]
		if w := want[s.Window.Start]; w == nil || s.Count != w.Count || s.Sum.Float64() != w.Sum.Float64() || s.Min != w.Min || s.Max != w.Max {
			t.Fatalf("got %+v, want %+v", s, w)
		}
	}
}

// onePlant is a plant with one reading, and a store for it.
func onePlant(t *testing.T) (*plant, *sqlite.Store) {
	t.Helper()
	p := newPlant(newAdmission(t))
	p.read(0, "a", began, 1)
	store, err := openStore(filepath.Join(t.TempDir(), "archive.db"))
	if err != nil {
		t.Fatal(err)
	}
	return p, store
}

func TestAnOutageLosesNothingAndIsLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, store := onePlant(t)
		defer store.Close()
		var log bytes.Buffer
		outage := pass{archivers: 1, chunk: 1, writes: make([]failure, 100)}
		for i := range outage.writes {
			outage.writes[i] = beforeCommit
		}
		started := time.Now()
		outage.archiveAll(p.broker, p.admission, store, slog.New(slog.NewTextHandler(&log, nil)))
		got, err := readRows(store)
		if err != nil || len(got.Readings["a"]) != 1 {
			t.Errorf("got %+v, %v, want the reading", got, err)
		}
		if lines := strings.Count(log.String(), "\n"); lines != 2 {
			t.Errorf("got %d lines, want one for the outage and one for its end:\n%s", lines, log.String())
		}
		// 100 ms, doubled up to 5 s, and cut at random by a quarter on average: about 94 pauses have a mean of 3.75 s.
		if took := time.Since(started); took < 300*time.Second || took > 420*time.Second {
			t.Errorf("a hundred tries took %v, want about 360 s", took)
		}
	})
}

func TestTheArchiverReportsWhetherItIsReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, store := onePlant(t)
		defer store.Close()
		ctx, cancel := context.WithCancel(t.Context())
		var ready []bool
		var retried, written int
		archiver := archive.New(archive.Options{
			Open:  p.open(ctx, 1, trouble([]bool{true})),
			Store: &shakyStore{Store: store, broker: p.broker, full: cancel, plan: []failure{beforeCommit, beforeCommit}},
			Metrics: archive.Metrics{
				Ready:   func(now bool) { ready = append(ready, now) },
				Retried: func() { retried++ },
				Written: func(rows int, _, behind time.Duration) {
					written += rows
					if behind <= 0 {
						t.Errorf("the newest reading is %v old", behind)
					}
				},
			},
			Topics: topics, Admission: p.admission, Logger: slog.New(slog.DiscardHandler),
			Now: func() time.Time { return began.Add(time.Second) },
		})
		if err := archiver.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if want := []bool{false, false, false, true}; !reflect.DeepEqual(ready, want) {
			t.Errorf("ready: got %v, want %v", ready, want)
		}
		if retried != 2 || written != 1 {
			t.Errorf("got %d retries and %d rows, want 2 and 1", retried, written)
		}
	})
}
