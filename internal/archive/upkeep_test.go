package archive_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"iotmon/internal/archive"
	"iotmon/internal/iot"
)

// forgetless is a store that crashes, so many times, between the log's acknowledgement and its own.
type forgetless struct {
	archive.Store
	crashes int
}

func (s *forgetless) Published(ctx context.Context, corrections []archive.Correction) error {
	if s.crashes > 0 {
		s.crashes--
		return errInterrupted
	}
	return s.Store.Published(ctx, corrections)
}

// Whatever fails on the way, a corrected window is published at least once, last as it is in the archive, and never before it is
// there; then no more. The archiving itself does not wait for it.
func TestCorrectedWindowsArePublishedUntilTheLogHasThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, sqlite := onePlant(t)
		defer sqlite.Close()
		key := windowKey{0, iot.WindowOf(began, windowLength).Start}
		p.publish(key, true)
		p.read(0, "b", began.Add(time.Second), 7)
		store := &forgetless{Store: sqlite, crashes: 2}

		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var log bytes.Buffer
		away, published := 3, 0
		archiver := archive.New(archive.Options{
			Open: p.open(ctx, 1, trouble(nil)), Store: store, Topics: topics, Admission: p.admission,
			Logger: slog.New(slog.NewTextHandler(&log, nil)), Now: time.Now,
			Publish: func(ctx context.Context, corrected []iot.WindowSummary) error {
				if away--; away >= 0 {
					<-ctx.Done() // A log that does not answer.
					return context.Cause(ctx)
				}
				got, err := readRows(sqlite)
				if err != nil || len(got.Readings["b"]) != 1 {
					t.Errorf("published before the archive has the reading: %+v, %v", got, err)
				}
				s := &corrected[0]
				if len(corrected) != 1 || s.Count != 2 || !s.Corrected || s.Sum.Float64() != 8 || s.Window.Start != key.start || s.Online != 3 {
					t.Errorf("got %+v, want the window with both readings", corrected)
				}
				published++
				return nil
			},
		})
		var running sync.WaitGroup
		running.Go(func() {
			if err := archiver.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		time.Sleep(5 * time.Second)
		if got, err := readRows(sqlite); err != nil || len(got.Readings["b"]) != 1 {
			t.Errorf("while the log does not take the correction: got %+v, %v, want both readings archived", got, err)
		}
		time.Sleep(5 * time.Minute)
		cancel()
		running.Wait()
		if published != 3 {
			t.Errorf("published %d times, want once for each crash and once more", published)
		}
		if lines := strings.Count(log.String(), "cannot recompute windows or publish"); lines != 1 {
			t.Errorf("the outage was logged %d times, want once:\n%s", lines, log.String())
		}
	})
}
