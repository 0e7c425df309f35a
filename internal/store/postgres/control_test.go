package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"iotmon/internal/control"
	"iotmon/internal/control/controltest"
	"iotmon/internal/iot"
	"iotmon/internal/store/postgres"
	"iotmon/internal/store/storetest"
)

func TestControl(t *testing.T) {
	storetest.RunControl(t, func(t *testing.T) control.Store { return open(t, newURL(t)).Control() })
	controltest.RunMany(t, func(t *testing.T) (a, b control.Store) {
		url := newURL(t)
		return open(t, url).Control(), open(t, url).Control()
	})
}

// Sequence: a process holds the lock of changes in a transaction that does not end, for example because it is stopped. Another must say that it is
// the other changes that it waits for, and not that the database does not answer.
func TestAChangeThatWaitsForAnotherProcessIsBusy(t *testing.T) {
	t.Parallel()
	url := newURL(t)
	a, b := open(t, url).Control(), open(t, url).Control()
	ref := control.DeviceRef(iot.Identity{ID: "a"})
	held, resume := make(chan struct{}), make(chan struct{})
	done := make(chan error, 1)
	nothing := func([]control.Object) ([]control.Change, error) { return nil, nil }
	go func() {
		done <- a.Change(context.Background(), []control.Ref{ref}, func([]control.Object) ([]control.Change, error) {
			close(held)
			<-resume
			return nil, nil
		})
	}()
	<-held
	if err := b.Change(t.Context(), []control.Ref{ref}, nothing); !errors.Is(err, control.ErrBusy) {
		t.Errorf("got %v, want ErrBusy", err)
	}
	if found, err := b.Objects(t.Context(), []control.Ref{ref}); err != nil || len(found) != 1 {
		t.Errorf("meanwhile nothing can be read: %v", err)
	}
	close(resume)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := b.Change(t.Context(), []control.Ref{ref}, nothing); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func registry(store control.Store) *control.Registry {
	return control.NewRegistry(control.RegistryOptions{
		Store: store, InForce: storetest.InForce(0), Decided: func([]control.Object) {}, Now: func() time.Time { return start },
	})
}

// The server crashes while decisions are made. A decision that was confirmed is there afterwards, and none is there in part.
func TestDecisionsSurviveACrashOfTheServer(t *testing.T) {
	s := ownServer(t)
	store := open(t, s.url("postgres"))
	r := registry(store.Control())
	confirmed := make(chan int64, 1)
	confirmed <- 0
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			edits := []control.Edit{renamed("a", i), renamed("b", i)}
			out, err := r.Change(context.Background(), edits, control.By{Actor: "someone"})
			switch {
			case err == nil:
				<-confirmed
				confirmed <- out[0].After.Version
			case !errors.Is(err, control.ErrUnavailable):
				t.Error(err)
			}
		}
	}()
	reach := func(more int64) {
		t.Helper()
		var first int64
		for last := int64(-1); last < first+more; time.Sleep(time.Millisecond) {
			v := <-confirmed
			confirmed <- v
			if last < 0 {
				first = v
			}
			last = v
		}
	}
	for range 2 {
		reach(20)
		if err := errors.Join(s.stop("immediate"), s.start()); err != nil {
			t.Fatal(err)
		}
	}
	reach(5)
	close(stop)
	<-stopped
	found, err := store.Control().Objects(t.Context(), []control.Ref{control.DeviceRef(iot.Identity{ID: "a"}), control.DeviceRef(iot.Identity{ID: "b"})})
	if err != nil {
		t.Fatal(err)
	}
	entries, err := store.Control().Audit(t.Context(), control.AuditQuery{Limit: 1_000_000})
	if err != nil {
		t.Fatal(err)
	}
	if v := <-confirmed; found[0].Version < v || found[0].Version != found[1].Version || int64(len(entries)) != 2*found[0].Version {
		t.Errorf("version %d was confirmed: got versions %d and %d with %d audit entries", v, found[0].Version, found[1].Version, len(entries))
	}
	if err := s.stop("fast"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Change(t.Context(), []control.Edit{renamed("a", -1)}, control.By{}); !errors.Is(err, control.ErrUnavailable) {
		t.Errorf("without the server: got %v, want ErrUnavailable", err)
	}
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Change(t.Context(), []control.Edit{renamed("a", -1)}, control.By{}); err != nil {
		t.Errorf("after the server is back: %v", err)
	}
}

func renamed(device iot.DeviceID, i int) control.Edit {
	return control.Edit{
		Device: iot.Identity{ID: device},
		To:     func(e iot.DeviceEntry) (iot.DeviceEntry, error) { e.Name = fmt.Sprint(i); return e, nil },
	}
}

func TestANewerControlSchemaIsRefused(t *testing.T) {
	url := newURL(t)
	open(t, url)
	command(t, url, `INSERT INTO control_db_version (version_id, is_applied) VALUES (99, true)`)
	if err := lazily(t, url).Migrate(t.Context()); !errors.Is(err, postgres.ErrUnfit) {
		t.Errorf("got %v, want ErrUnfit", err)
	}
}
