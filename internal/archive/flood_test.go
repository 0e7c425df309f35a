package archive_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"iotmon/internal/archive"
	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// After a flood the archive is ready before all of it is written: the first batches are small.
func TestTheFirstBatchesAfterAFloodAreSmall(t *testing.T) {
	const flood = 45_000
	b := newBroker()
	for i := range flood {
		device := iot.DeviceID(fmt.Sprintf("device_%05d", i))
		alert := iot.Alert{
			ID: iot.AlertID("hot", iot.Identity{ID: device}, began), Rule: "hot", DeviceID: device, DeviceType: iot.Temperature, Severity: iot.Warning,
			Transition: iot.Raised, Onset: began, Time: began, Position: iot.Position{Offset: int64(i)},
		}
		b.append(topics.Alerts, 0, began, wire.AppendAlert(nil, &alert), false)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	store := &floodedStore{left: flood, done: cancel}
	archiver := archive.New(archive.Options{
		Open: func(resume archive.Resume, _ func(archive.Source)) (archive.Log, error) {
			from, err := resume(ctx, b.extents())
			return &steadySession{session{broker: b, next: from, chunk: 500}}, err
		},
		Store: store, Topics: topics, Admission: newAdmission(t), Logger: slog.New(slog.NewTextHandler(new(bytes.Buffer), nil)), Now: time.Now,
	})
	if err := archiver.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if store.largest > 10_500 || store.left > 0 {
		t.Errorf("got a batch of %d alerts, and %d were not written, want at most 10,500 and all", store.largest, store.left)
	}
}

// steadySession hands over chunk after chunk.
type steadySession struct{ session }

func (s *steadySession) Poll(ctx context.Context) ([]archive.Record, error) {
	records := s.pop()
	if len(records) == 0 {
		<-ctx.Done()
	}
	return records, nil
}

// floodedStore stores nothing and counts alerts.
type floodedStore struct {
	archive.Store
	largest, left int
	done          func()
}

func (s *floodedStore) Offsets(context.Context, string) (map[archive.Source]archive.Offset, error) {
	return nil, nil
}

func (s *floodedStore) Write(_ context.Context, batch *archive.Batch) error {
	s.largest = max(s.largest, len(batch.Alerts))
	if s.left -= len(batch.Alerts); s.left <= 0 {
		s.done()
	}
	return nil
}

func (s *floodedStore) Recompute(context.Context) error { return nil }

func (s *floodedStore) Corrections(context.Context, int) ([]archive.Correction, error) {
	return nil, nil
}

func (s *floodedStore) Prune(context.Context, archive.Retention) (int64, error) { return 0, nil }
