package control_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"iotmon/internal/control"
	"iotmon/internal/control/controltest"
	"iotmon/internal/iot"
)

// decideAt stores a further version of a device's entry.
func decideAt(t *testing.T, store control.Store, device iot.DeviceID, version int64, at time.Time) {
	t.Helper()
	entry := iot.DeviceEntry{Version: version, Name: fmt.Sprint(version)}
	change := control.Change{Object: control.DeviceObject(iot.Identity{ID: device}, &entry), Time: at}
	err := store.Change(t.Context(), []control.Ref{change.Ref}, func([]control.Object) ([]control.Change, error) { return []control.Change{change}, nil })
	if err != nil {
		t.Fatal(err)
	}
}

// Old audit entries go, in an outage later; and not because the clock of a host is years ahead.
func TestThePrunerRemovesOldEntries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := controltest.NewMemory()
		var ahead atomic.Int64 // How far the clock is ahead.
		began := time.Now()
		for version := range int64(1500) {
			decideAt(t, store, "a", version+1, began.Add(time.Duration(version)*time.Second))
		}
		decideAt(t, store, "b", 1, began)
		p := control.NewPruner(control.PrunerOptions{
			Store: store, Retention: 24 * time.Hour, Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }, Logger: slog.New(slog.DiscardHandler),
		})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() {
			if err := p.Run(ctx); err != nil {
				t.Error(err)
			}
		}()
		left := func() int {
			entries, err := store.Audit(t.Context(), control.AuditQuery{Limit: 10_000})
			if err != nil {
				t.Fatal(err)
			}
			return len(entries)
		}
		time.Sleep(20 * time.Hour)
		ahead.Store(int64(20 * 365 * 24 * time.Hour))
		time.Sleep(3 * time.Hour)
		if got := left(); got != 1501 {
			t.Errorf("within the retention, with a clock that is years ahead: got %d entries, want all", got)
		}
		ahead.Store(0)
		store.SetDown(true)
		time.Sleep(20 * time.Hour)
		store.SetDown(false)
		decideAt(t, store, "c", 1, time.Now())
		time.Sleep(2 * time.Hour)
		entries, err := store.Audit(t.Context(), control.AuditQuery{Limit: 10})
		var names []string
		for _, entry := range entries {
			names = append(names, fmt.Sprint(entry.ID, entry.Version))
		}
		if want := []string{"c1", "b1", "a1500"}; err != nil || !slices.Equal(names, want) {
			t.Errorf("got %q, %v, want the last of each: %q", names, err, want)
		}
	})
}
