package controltest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"iotmon/internal/control"
	"iotmon/internal/iot"
)

// RunMany runs the conformance suite of changes of many devices. open returns two handles of one empty database, as two processes have
// them, and closes them when the test has ended.
func RunMany(t *testing.T, open func(t *testing.T) (a, b control.Store)) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, a, b control.Store)
	}{
		{"other changes are made between the batches of an import", manyBetween},
		{"imports of the same devices at once", manyAtOnce},
		{"of imports of the same versions at once each device follows one", manyRivals},
		{"an interrupted import is completed by the same import", manyInterrupted},
		{"what is imported comes into force while others decide", manyInForce},
	} {
		t.Run(test.name, func(t *testing.T) {
			a, b := open(t)
			test.run(t, a, b)
		})
	}
}

// imported is how many devices an import has, and mostInBatch how many a transaction may have.
const (
	imported    = 2500
	mostInBatch = 1000
)

func device(i int) iot.Identity { return iot.Identity{ID: iot.DeviceID(fmt.Sprintf("device %04d", i))} }

// naming returns edits that give the devices a name, if they have one of the versions; none means any.
func naming(name string, versions ...int64) []control.Edit {
	edits := make([]control.Edit, imported)
	for i := range edits {
		edits[i] = control.Edit{
			Device: device(i), If: control.Condition{Versions: versions},
			To: func(e iot.DeviceEntry) (iot.DeviceEntry, error) { e.Name = name; return e, nil },
		}
	}
	return edits
}

// registry returns the registry of a process in which nothing is in force.
func registry(store control.Store) *control.Registry {
	inForce := control.NewInForce()
	NewLog(inForce)
	return control.NewRegistry(control.RegistryOptions{Store: store, InForce: inForce, Decided: func([]control.Object) {}, Now: time.Now})
}

// observed is a store that calls before each change.
type observed struct {
	control.Store
	before func(refs int) error
}

func (o observed) Change(ctx context.Context, refs []control.Ref, decide func([]control.Object) ([]control.Change, error)) error {
	if err := o.before(len(refs)); err != nil {
		return err
	}
	return o.Store.Change(ctx, refs, decide)
}

// state returns the objects of all imported devices, and how many audit entries there are of them. It checks that the audit of
// each device has no gap.
func state(t *testing.T, store control.Store) (objects []control.Object, entries []control.Audit) {
	t.Helper()
	refs := make([]control.Ref, imported)
	for i := range refs {
		refs[i] = control.DeviceRef(device(i))
	}
	objects, err := store.Objects(t.Context(), refs)
	if err == nil {
		entries, err = store.Audit(t.Context(), control.AuditQuery{Limit: 1_000_000})
	}
	if err != nil {
		t.Fatal(err)
	}
	last := make(map[control.Ref][]byte)
	for _, entry := range slices.Backward(entries) {
		if string(entry.Before) != string(last[entry.Ref]) {
			t.Fatalf("audit of %s: version %d begins with %s, the one before it ended with %s", entry.ID, entry.Version, entry.Before, last[entry.Ref])
		}
		last[entry.Ref] = entry.After
	}
	for i := range objects {
		if string(objects[i].Body) != string(last[objects[i].Ref]) {
			t.Fatalf("%s is %s, its audit ends with %s", objects[i].ID, objects[i].Body, last[objects[i].Ref])
		}
	}
	return objects, entries
}

// Sequence: somebody imports a table, somebody else changes one device. In one transaction for the whole table, 100,000 rows took half a
// minute, and the other change was refused after five seconds.
func manyBetween(t *testing.T, a, b control.Store) {
	others, between := registry(b), 0
	importing := registry(observed{a, func(refs int) error {
		if refs > mostInBatch {
			t.Errorf("%d devices are changed in one transaction", refs)
		}
		between++
		_, err := others.Change(t.Context(), []control.Edit{{
			Device: iot.Identity{ID: "other"},
			To:     func(e iot.DeviceEntry) (iot.DeviceEntry, error) { e.Name = fmt.Sprint(between); return e, nil },
		}}, control.By{Actor: "other"})
		return err
	}})
	made := 0
	if err := importing.ChangeMany(t.Context(), naming("x"), control.By{Actor: "importer"}, func(*control.Outcome) { made++ }); err != nil || made != imported {
		t.Fatalf("%d made, %v", made, err)
	}
	if objects, entries := state(t, a); len(entries) != imported+between || between < imported/mostInBatch || objects[imported-1].Version != 1 {
		t.Errorf("got %d audit entries with %d other changes, want all", len(entries), between)
	}
	// What is there already needs no transaction.
	before := between
	err := importing.ChangeMany(t.Context(), naming("x"), control.By{Actor: "importer"}, func(o *control.Outcome) { t.Errorf("%v has changed again", o.Device) })
	if err != nil || between != before {
		t.Errorf("the same import again: %d transactions, %v", between-before, err)
	}
}

func manyAtOnce(t *testing.T, a, b control.Store) {
	var all sync.WaitGroup
	for name, store := range map[string]control.Store{"a": a, "b": b} {
		edits := naming(name)
		if name == "b" {
			slices.Reverse(edits)
		}
		all.Go(func() {
			if err := registry(store).ChangeMany(t.Context(), edits, control.By{Actor: name}, func(*control.Outcome) {}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	objects, entries := state(t, a)
	if len(entries) != 2*imported {
		t.Errorf("got %d audit entries, want %d", len(entries), 2*imported)
	}
	for i := range objects {
		if objects[i].Version != 2 {
			t.Fatalf("got %+v, want version 2", objects[i])
		}
	}
}

// Both are based on the same versions. One or both end early; no device is changed twice.
func manyRivals(t *testing.T, a, b control.Store) {
	var all sync.WaitGroup
	var counted atomic.Int64
	for name, store := range map[string]control.Store{"a": a, "b": b} {
		all.Go(func() {
			made := 0
			err := registry(store).ChangeMany(t.Context(), naming(name, 0), control.By{Actor: name}, func(*control.Outcome) { made++ })
			counted.Add(int64(made))
			var partial *control.PartialError
			var refused *control.RefusedError
			switch {
			case err == nil && made == imported, err != nil && made == 0 && errors.As(err, &refused):
			case errors.As(err, &partial) && partial.Made == made && errors.As(err, &refused):
			default:
				t.Errorf("%s: %d made, %v", name, made, err)
			}
		})
	}
	all.Wait()
	objects, entries := state(t, b)
	if counted.Load() != int64(len(entries)) || len(entries) > imported || len(entries) < mostInBatch {
		t.Errorf("%d are said to be made, %d are", counted.Load(), len(entries))
	}
	for i := range objects {
		if objects[i].Version > 1 {
			t.Fatalf("%s was changed twice", objects[i].ID)
		}
	}
}

func manyInterrupted(t *testing.T, a, b control.Store) {
	left := 2
	outage := errors.New("away")
	interrupted := registry(observed{a, func(int) error {
		if left--; left < 0 {
			return outage
		}
		return nil
	}})
	made := 0
	count := func(*control.Outcome) { made++ }
	edits := naming("x", 0)
	var partial *control.PartialError
	err := interrupted.ChangeMany(t.Context(), edits, control.By{}, count)
	if !errors.As(err, &partial) || !errors.Is(err, control.ErrUnavailable) || partial.Made != 2*mostInBatch || made != partial.Made {
		t.Fatalf("%d made, %v, want two batches", made, err)
	}
	objects, entries := state(t, b)
	for i := range objects {
		if want := i < partial.Made; (objects[i].Version == 1) != want {
			t.Fatalf("%s: got version %d", objects[i].ID, objects[i].Version)
		}
	}
	if len(entries) != made {
		t.Errorf("got %d audit entries", len(entries))
	}
	// It is the same import, though half of its versions are old by now.
	if err := registry(b).ChangeMany(t.Context(), edits, control.By{}, count); err != nil || made != imported {
		t.Errorf("again: %d made in all, %v", made, err)
	}
	if _, entries := state(t, a); len(entries) != imported {
		t.Errorf("got %d audit entries, want one of each device", len(entries))
	}
	// Another import of the old versions is refused, and changes nothing.
	var refused *control.RefusedError
	if err := registry(a).ChangeMany(t.Context(), naming("y", 0), control.By{}, count); !errors.As(err, &refused) || made != imported {
		t.Errorf("got %v, want a refusal", err)
	}
	if _, entries := state(t, b); len(entries) != imported {
		t.Errorf("got %d audit entries after the refusal", len(entries))
	}
}

// Two processes with their loops: in one a table is imported, in the other devices are forgotten and changed one by one.
func manyInForce(t *testing.T, a, b control.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	inForce := []*control.InForce{control.NewInForce(), control.NewInForce()}
	log := NewLog(inForce...)
	var loops, all sync.WaitGroup
	var processes []*control.Registry
	for i, store := range []control.Store{a, b} {
		loop := control.NewLoop(control.LoopOptions{Store: store, InForce: inForce[i], Log: log, Logger: slog.New(slog.DiscardHandler)})
		processes = append(processes, control.NewRegistry(control.RegistryOptions{Store: store, InForce: inForce[i], Decided: loop.Decided, Now: time.Now}))
		loops.Go(func() { _ = loop.Run(ctx) })
	}
	for _, name := range []string{"one", "two"} {
		all.Go(func() {
			if err := processes[0].ChangeMany(ctx, naming(name), control.By{Actor: name}, func(*control.Outcome) {}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Go(func() {
		for i := range 50 {
			edit := control.Edit{Device: device(i * 37), To: func(iot.DeviceEntry) (iot.DeviceEntry, error) { return iot.DeviceEntry{Forget: i%2 == 0}, nil }}
			if _, err := processes[1].Change(ctx, []control.Edit{edit}, control.By{Actor: "other"}); err != nil {
				t.Error(err)
			}
		}
	})
	all.Wait()
	objects, _ := state(t, b)
	waiting, stop := context.WithTimeout(ctx, time.Minute)
	defer stop()
	for i := range objects {
		for _, f := range inForce {
			version, _ := f.Version(objects[i].Ref)
			if !f.Wait(waiting, objects[i].Ref, objects[i].Version) || version > objects[i].Version {
				t.Fatalf("%s: version %d was decided, and %d is in force", objects[i].ID, objects[i].Version, version)
			}
		}
	}
	cancel()
	loops.Wait()
}
