package control_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"iotmon/internal/control"
	"iotmon/internal/control/controltest"
	"iotmon/internal/iot"
	"iotmon/internal/mapping"
)

// deciding returns a registry whose decisions a loop brings into force.
func deciding(t *testing.T, store *controltest.Memory, inForce *control.InForce) *control.Registry {
	t.Helper()
	return decidingBy(t, store, inForce, controltest.NewLog(inForce))
}

func decidingBy(t *testing.T, store *controltest.Memory, inForce *control.InForce, log control.Log) *control.Registry {
	t.Helper()
	loop := control.NewLoop(control.LoopOptions{Store: store, InForce: inForce, Log: log, Logger: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- loop.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return control.NewRegistry(control.RegistryOptions{Store: store, InForce: inForce, Decided: loop.Decided, Now: time.Now})
}

func rulesFor(device string) func(mapping.Entry) (mapping.Entry, error) {
	return func(e mapping.Entry) (mapping.Entry, error) {
		e.Deleted, e.Rules = false, []mapping.Rule{{Field: "t", Device: device, Type: iot.Temperature}}
		return e, nil
	}
}

func TestAMapComesIntoForce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, inForce := controltest.NewMemory(), control.NewInForce()
		r := deciding(t, store, inForce)
		wait := func(version int64) {
			t.Helper()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if !inForce.Wait(ctx, control.MapRef("hall-3"), version) {
				t.Fatalf("version %d is not in force", version)
			}
		}
		by := control.By{Actor: "u-1", Action: "put"}
		change := func(c control.Condition, to func(mapping.Entry) (mapping.Entry, error)) (mapping.Entry, error) {
			return r.ChangeMap(t.Context(), control.MapEdit{Source: "hall-3", If: c, To: to}, by)
		}
		first, err := change(control.Condition{Unentered: true}, rulesFor("a"))
		if err != nil || first.Version != 1 {
			t.Fatalf("got %+v, %v", first, err)
		}
		wait(1)
		if same, err := change(control.Condition{Versions: []int64{7}}, rulesFor("a")); err != nil || same.Version != 1 {
			t.Errorf("the same again: got %+v, %v, want no new version", same, err)
		}
		var other *control.VersionError
		if _, err := change(control.Condition{Versions: []int64{7}}, rulesFor("b")); !errors.As(err, &other) || other.Version != 1 {
			t.Errorf("based on another version: got %v", err)
		}
		if _, err := change(control.Condition{Versions: []int64{1}}, rulesFor("b")); err != nil {
			t.Error(err)
		}
		wait(2)
		if _, err := change(control.Condition{}, func(e mapping.Entry) (mapping.Entry, error) {
			e.Deleted, e.Rules = true, nil
			return e, nil
		}); err != nil {
			t.Error(err)
		}
		wait(3)
		audit, err := r.Audit(t.Context(), control.AuditQuery{Of: control.MapRef("hall-3"), Limit: 10})
		if err != nil || len(audit) != 3 || audit[0].Version != 3 || audit[2].Before != nil || audit[1].Actor != "u-1" {
			t.Errorf("got %+v, %v", audit, err)
		}
	})
}

// A database that was restored from an older backup learns the map that is in force, and decides after it.
func TestARestoredDatabaseLearnsTheMapInForce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, inForce := controltest.NewMemory(), control.NewInForce()
		r := deciding(t, store, inForce)
		inForce.SetMap(&mapping.Entry{Source: "hall-3", Version: 5, Rules: []mapping.Rule{{Field: "t", Device: "kept", Type: iot.Temperature}}})
		if e, err := r.Map(t.Context(), "hall-3"); err != nil || e.Version != 5 || e.Rules[0].Device != "kept" {
			t.Errorf("got %+v, %v, want the map in force", e, err)
		}
		if e, err := r.ChangeMap(t.Context(), control.MapEdit{Source: "hall-3", To: rulesFor("b")}, control.By{}); err != nil || e.Version != 6 {
			t.Errorf("got %+v, %v, want version 6", e, err)
		}
		if e, err := r.ChangeMap(t.Context(), control.MapEdit{To: rulesFor("b")}, control.By{}); err == nil {
			t.Errorf("without a name: got %+v", e)
		}
	})
}

// While it is not known which maps are in force, nothing is decided about them, and registry entries are decided all the same.
// While a newer version of the program runs beside this one, the database may have kinds of objects that this one must not append to any log.
func TestObjectsOfAnotherVersionAreLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, inForce := controltest.NewMemory(), control.NewInForce()
		later := control.Object{Ref: control.Ref{Kind: "later", ID: "a"}, Version: 1, Body: []byte("{}")}
		err := store.Change(t.Context(), []control.Ref{later.Ref}, func([]control.Object) ([]control.Change, error) {
			return []control.Change{{Object: later, Action: "put", Time: time.Now()}}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		log := &appended{Log: controltest.NewLog(inForce)}
		loop := control.NewLoop(control.LoopOptions{Store: store, InForce: inForce, Log: log, Logger: slog.New(slog.DiscardHandler)})
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := loop.Run(ctx); err != nil || len(log.objects) > 0 {
			t.Errorf("got %v appended, %v", log.objects, err)
		}
	})
}

// appended is a log that keeps what it is given.
type appended struct {
	control.Log
	objects []control.Object
}

func (a *appended) Append(ctx context.Context, objects []control.Object) (map[int32]int64, error) {
	a.objects = append(a.objects, objects...)
	return a.Log.Append(ctx, objects)
}

func TestMapsThatCannotBeReadStopNothingElse(t *testing.T) {
	store, inForce := controltest.NewMemory(), control.NewInForce()
	inForce.Begin(1)
	inForce.CaughtUp()
	r := control.NewRegistry(control.RegistryOptions{Store: store, InForce: inForce, Decided: func([]control.Object) {}, Now: time.Now})
	if _, err := r.ChangeMap(t.Context(), control.MapEdit{Source: "a", To: rulesFor("b")}, control.By{}); !errors.Is(err, control.ErrUnavailable) {
		t.Errorf("got %v, want unavailable", err)
	}
	edit := control.Edit{Device: iot.Identity{ID: "d"}, To: func(e iot.DeviceEntry) (iot.DeviceEntry, error) {
		e.Name = "x"
		return e, nil
	}}
	if _, err := r.Change(t.Context(), []control.Edit{edit}, control.By{}); err != nil {
		t.Error(err)
	}
}
