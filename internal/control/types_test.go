package control_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"iotmon/internal/control"
	"iotmon/internal/control/controltest"
	"iotmon/internal/iot"
	"iotmon/internal/mapping"
)

func flow(unit string) iot.TypeSpec { return iot.TypeSpec{Name: "flow", Unit: unit, Max: 9} }

// defining returns an edit of a map that defines a type.
func defining(source string, types ...iot.TypeSpec) control.MapEdit {
	return control.MapEdit{Source: source, Types: types, To: func(e mapping.Entry) (mapping.Entry, error) {
		e.Deleted, e.Rules = false, nil
		for i := range types {
			e.Rules = append(e.Rules, mapping.Rule{Field: "f", Device: "d", Type: types[i].Name, Define: &mapping.Type{Unit: types[i].Unit, Max: types[i].Max}})
		}
		return e, nil
	}}
}

// A map whose type is not in force makes readings that every consumer rejects. So the type comes first, however long that takes, and also when the
// program that has decided is killed in between.
func TestTheTypesOfAMapComeIntoForceBeforeIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, inForce := controltest.NewMemory(), control.NewInForce()
		log := controltest.NewLog(inForce)
		log.Slow.Store(true)
		// Nobody brings into force what is decided here: the program is killed.
		killed := control.NewRegistry(control.RegistryOptions{Store: store, InForce: inForce, Decided: func([]control.Object) {}, Now: time.Now})
		if _, err := killed.ChangeMap(t.Context(), defining("hall-3", flow("L")), control.By{Actor: "u-1", Action: "put"}); err != nil {
			t.Fatal(err)
		}
		loop := control.NewLoop(control.LoopOptions{Store: store, InForce: inForce, Log: log, Logger: slog.New(slog.DiscardHandler)})
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = loop.Run(ctx) })
		defer running.Wait()
		defer cancel()
		time.Sleep(time.Hour)
		if version, _ := inForce.Version(control.MapRef("hall-3")); version != 0 || inForce.Admits("flow") {
			t.Errorf("without processors: got version %d of the map, type in force %v", version, inForce.Admits("flow"))
		}
		log.Slow.Store(false)
		if !inForce.Wait(ctx, control.MapRef("hall-3"), 1) || !inForce.Admits("flow") {
			t.Error("the map is in force without its type")
		}
		audit, err := killed.Audit(t.Context(), control.AuditQuery{Of: control.TypeRef("flow"), Limit: 10})
		if err != nil || len(audit) != 1 || audit[0].Actor != "u-1" {
			t.Errorf("got %+v, %v", audit, err)
		}
	})
}

// Of two who define a type differently at the same moment, one is refused with the reason. Afterwards the type is the same everywhere.
func TestATypeIsDecidedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, inForce := controltest.NewMemory(), control.NewInForce()
		log := controltest.NewLog(inForce)
		r := decidingBy(t, store, inForce, log)
		var refused []error
		var mu sync.Mutex
		var both sync.WaitGroup
		for i, unit := range []string{"L", "m³"} {
			both.Go(func() {
				if _, err := r.ChangeMap(t.Context(), defining(fmt.Sprint("hall-", i), flow(unit)), control.By{}); err != nil {
					mu.Lock()
					defer mu.Unlock()
					refused = append(refused, err)
				}
			})
		}
		both.Wait()
		var invalid *iot.InvalidError
		if len(refused) != 1 || !errors.As(refused[0], &invalid) || !strings.Contains(invalid.Reason, "decided otherwise before") {
			t.Fatalf("got %v, want one refused", refused)
		}
		synctest.Wait()
		time.Sleep(time.Minute)
		_, all := inForce.Types()
		if len(all) != 1 {
			t.Fatalf("got %+v", all)
		}
		// Again, and in another map: nothing changes, and nobody is refused.
		if _, err := r.ChangeMap(t.Context(), defining("hall-9", all[0]), control.By{}); err != nil {
			t.Error(err)
		}
		// A database that was restored from an older backup learns the type, and does not let it be decided otherwise.
		restored := decidingBy(t, controltest.NewMemory(), inForce, log)
		other := flow("s")
		if _, err := restored.ChangeMap(t.Context(), defining("hall-8", other), control.By{}); !errors.As(err, &invalid) {
			t.Errorf("got %v, want it refused", err)
		}
		time.Sleep(time.Minute)
		audit, err := restored.Audit(t.Context(), control.AuditQuery{Of: control.TypeRef("flow"), Limit: 10})
		if err != nil || len(audit) != 1 || audit[0].Action != "adopt" {
			t.Errorf("got %+v, %v, want the type adopted", audit, err)
		}
	})
}

// Types stay for good, so there must be an end of them.
func TestTypesAreNotDecidedWithoutEnd(t *testing.T) {
	store, inForce := controltest.NewMemory(), control.NewInForce()
	log := controltest.NewLog(inForce)
	r := control.NewRegistry(control.RegistryOptions{Store: store, InForce: inForce, Now: time.Now, Decided: func(objects []control.Object) {
		if _, err := log.Append(context.Background(), objects); err != nil {
			t.Error(err)
		}
	}})
	var invalid *iot.InvalidError
	for i := range control.MaxTypes + 1 {
		spec := iot.TypeSpec{Name: iot.DeviceType(fmt.Sprint("t", i)), Max: 1}
		_, err := r.ChangeMap(t.Context(), defining("hall-3", spec), control.By{})
		if last := i == control.MaxTypes; last != (err != nil) || last && !(errors.As(err, &invalid) && strings.Contains(invalid.Reason, "more than 200")) {
			t.Fatalf("type %d: got %v", i, err)
		}
	}
}

// While consumers of an older version may run, a type would have them leave their partitions.
func TestATypeWaitsForTheEndOfAnUpgrade(t *testing.T) {
	store, inForce := controltest.NewMemory(), control.NewInForce()
	controltest.NewLog(inForce)
	allowed := control.ErrOlder
	r := control.NewRegistry(control.RegistryOptions{
		Store: store, InForce: inForce, Now: time.Now, Decided: func([]control.Object) {}, TypesAllowed: func(context.Context) error { return allowed },
	})
	if _, err := r.ChangeMap(t.Context(), defining("hall-3", flow("L")), control.By{}); !errors.Is(err, control.ErrOlder) {
		t.Errorf("got %v", err)
	}
	if _, err := r.ChangeMap(t.Context(), control.MapEdit{Source: "hall-3", To: rulesFor("b")}, control.By{}); err != nil {
		t.Errorf("a map without new types: got %v", err)
	}
	allowed = errors.New("the broker does not answer")
	if _, err := r.ChangeMap(t.Context(), defining("hall-3", flow("L")), control.By{}); !errors.Is(err, control.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}
