package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"iotmon/internal/control"
	"iotmon/internal/iot"
)

// RunControl runs the conformance suite of control.Store. open returns an empty store, which it closes when the test has ended.
func RunControl(t *testing.T, open func(t *testing.T) control.Store) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, control.Store)
	}{
		{"an empty store answers with nothing", controlEmpty},
		{"a change is stored with its audit", controlChange},
		{"a refused change leaves nothing", controlRefused},
		{"an interrupted change leaves nothing or all", controlInterrupted},
		{"changes at once are made one after another", controlAtOnce},
		{"a reader of revisions misses nothing", controlReader},
		{"many changes in one transaction", controlMany},
		{"names are whole, whatever is in them", controlNames},
		{"a version is confirmed, not the next", controlConfirm},
		{"audit pages without gap or repeat", controlAuditPages},
		{"old audit entries are removed, but the last of an object", controlPrune},
		{"of two edits of one version one is made", controlOneWins},
		{"versions go on above what is in force", controlAbove},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

// decided returns the change that makes an entry with a name the given version of a device's.
func decided(device string, version int64, name string) control.Change {
	entry := iot.DeviceEntry{Version: version, Name: name}
	return control.Change{
		Object: control.DeviceObject(iot.Identity{ID: iot.DeviceID(device)}, &entry), Actor: "someone", Action: "put", Time: at(float64(version)),
	}
}

// storeDecided stores changes.
func storeDecided(ctx context.Context, store control.Store, changes ...control.Change) error {
	var refs []control.Ref
	for _, ch := range changes {
		refs = append(refs, ch.Ref)
	}
	return store.Change(ctx, refs, func([]control.Object) ([]control.Change, error) { return changes, nil })
}

func mustDecide(t *testing.T, store control.Store, changes ...control.Change) {
	t.Helper()
	if err := storeDecided(t.Context(), store, changes...); err != nil {
		t.Fatal(err)
	}
}

func object(t *testing.T, store control.Store, ref control.Ref) control.Object {
	t.Helper()
	found, err := store.Objects(t.Context(), []control.Ref{ref})
	if err != nil || len(found) != 1 {
		t.Fatalf("got %v, %v, want one object", found, err)
	}
	return found[0]
}

func audit(t *testing.T, store control.Store, q control.AuditQuery) []control.Audit {
	t.Helper()
	if q.Limit == 0 {
		q.Limit = 1_000_000
	}
	found, err := store.Audit(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func since(t *testing.T, store control.Store, revision int64, limit int) []control.Object {
	t.Helper()
	found, err := store.Since(t.Context(), revision, limit)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// sameVersions checks that Versions returns the objects of a page of Since, without their bodies. Nobody may write meanwhile.
func sameVersions(t *testing.T, store control.Store, revision int64, limit int, page []control.Object) {
	t.Helper()
	versions, err := store.Versions(t.Context(), revision, limit)
	if err != nil {
		t.Fatal(err)
	}
	same := slices.EqualFunc(versions, page, func(a, b control.Object) bool {
		return a.Ref == b.Ref && a.Version == b.Version && a.Deleted == b.Deleted && a.Revision == b.Revision && a.Confirmed == b.Confirmed && a.Body == nil
	})
	if !same {
		t.Errorf("since %d: got versions %+v, want those of %+v", revision, versions, page)
	}
}

func ref(device string) control.Ref { return control.DeviceRef(iot.Identity{ID: iot.DeviceID(device)}) }

func controlEmpty(t *testing.T, store control.Store) {
	if got := object(t, store, ref("a")); got.Version != 0 || got.Body != nil || got.Ref != ref("a") {
		t.Errorf("got %+v, want the zero object of that name", got)
	}
	if got, err := store.Objects(t.Context(), nil); err != nil || len(got) != 0 {
		t.Errorf("no names: got %v, %v", got, err)
	}
	if got := len(since(t, store, 0, 10)) + len(audit(t, store, control.AuditQuery{})); got != 0 {
		t.Errorf("got %d objects and audit entries", got)
	}
	if err := store.Change(t.Context(), []control.Ref{ref("a")}, func([]control.Object) ([]control.Change, error) { return nil, nil }); err != nil {
		t.Errorf("no change: %v", err)
	}
	if got := object(t, store, ref("a")); got.Version != 0 {
		t.Errorf("after no change: got version %d", got.Version)
	}
}

func controlChange(t *testing.T, store control.Store) {
	first, second := decided("a", 1, "one"), decided("a", 5, "two")
	mustDecide(t, store, first)
	seen := object(t, store, ref("a"))
	if seen.Version != 1 || string(seen.Body) != string(first.Body) || seen.Deleted || seen.Revision == 0 {
		t.Errorf("got %+v %s, want version 1", seen, seen.Body)
	}
	second.Deleted, second.Actor, second.Action, second.Reason = true, "somebody else", "delete", "不再需要 it's gone"
	err := store.Change(t.Context(), []control.Ref{ref("b"), ref("a")}, func(current []control.Object) ([]control.Change, error) {
		if current[0].Version != 0 || current[0].Ref != ref("b") || current[1].Version != 1 || string(current[1].Body) != string(first.Body) {
			t.Errorf("decide got %+v", current)
		}
		return []control.Change{second}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	now := object(t, store, ref("a"))
	if now.Version != 5 || !now.Deleted || now.Revision <= seen.Revision {
		t.Errorf("got %+v, want version 5, deleted, with a higher revision than %d", now, seen.Revision)
	}
	got := audit(t, store, control.AuditQuery{Of: ref("a")})
	if len(got) != 2 {
		t.Fatalf("got %d audit entries, want 2", len(got))
	}
	for i, want := range []control.Audit{
		{Ref: ref("a"), Revision: now.Revision, Time: second.Time, Actor: "somebody else", Action: "delete", Reason: second.Reason, Version: 5, Before: first.Body, After: second.Body},
		{Ref: ref("a"), Revision: seen.Revision, Time: first.Time, Actor: "someone", Action: "put", Version: 1, After: first.Body},
	} {
		if fmt.Sprintf("%q %v", got[i].Before, got[i].Before == nil) != fmt.Sprintf("%q %v", want.Before, want.Before == nil) || !got[i].Time.Equal(want.Time) {
			t.Errorf("audit %d: got %q at %v, want %q at %v", i, got[i].Before, got[i].Time, want.Before, want.Time)
		}
		got[i].Time = want.Time
		if fmt.Sprint(got[i]) != fmt.Sprint(want) {
			t.Errorf("audit %d: got %+v, want %+v", i, got[i], want)
		}
	}
}

func controlRefused(t *testing.T, store control.Store) {
	mustDecide(t, store, decided("a", 3, "kept"))
	mine := errors.New("mine")
	err := store.Change(t.Context(), []control.Ref{ref("a")}, func([]control.Object) ([]control.Change, error) {
		return []control.Change{decided("a", 4, "dropped")}, mine
	})
	if err != mine { //nolint:errorlint // The store must return the very error.
		t.Errorf("got %v, want the error of decide", err)
	}
	for name, changes := range map[string][]control.Change{
		"an equal version":   {decided("b", 1, ""), decided("a", 3, "dropped")},
		"a lower version":    {decided("b", 1, ""), decided("a", 2, "dropped")},
		"an unlocked object": {decided("a", 4, "dropped"), decided("c", 1, "")},
	} {
		err := store.Change(t.Context(), []control.Ref{ref("a"), ref("b")}, func([]control.Object) ([]control.Change, error) { return changes, nil })
		if err == nil {
			t.Errorf("%s was stored", name)
		}
	}
	if all := since(t, store, 0, 10); len(all) != 1 || all[0].Version != 3 || len(audit(t, store, control.AuditQuery{})) != 1 {
		t.Errorf("got %+v, want only the first change", all)
	}
}

func controlInterrupted(t *testing.T, store control.Store) {
	interrupted := 0
	for looks := int64(1); ; looks++ {
		ctx := newFuse(t.Context(), looks)
		err := storeDecided(ctx, store, decided("a", 1, "x"), decided("b", 1, "y"))
		ctx.cancel()
		objects, entries := len(since(t, store, 0, 10)), len(audit(t, store, control.AuditQuery{}))
		switch {
		case objects == 2 && entries == 2:
			if interrupted == 0 {
				t.Error("no change was interrupted")
			}
			return
		case objects != 0 || entries != 0 || err == nil:
			t.Fatalf("interrupted at look %d: got %d objects and %d audit entries, error %v", looks, objects, entries, err)
		}
		interrupted++
	}
}

// chain checks that each audit entry of a device begins with what the one before it ended with.
func chain(t *testing.T, store control.Store, device string) {
	t.Helper()
	entries := audit(t, store, control.AuditQuery{Of: ref(device)})
	slices.Reverse(entries)
	var before []byte
	for i := range entries {
		if string(entries[i].Before) != string(before) {
			t.Errorf("audit entry %d of %s begins with %s, the one before it ended with %s", i, device, entries[i].Before, before)
		}
		before = entries[i].After
	}
	if last := object(t, store, ref(device)); string(last.Body) != string(before) {
		t.Errorf("%s is %s, its audit ends with %s", device, last.Body, before)
	}
}

func controlAtOnce(t *testing.T, store control.Store) {
	const writers, rounds = 4, 10
	var all sync.WaitGroup
	for writer := range writers {
		refs := []control.Ref{ref("a"), ref("b")}
		if writer%2 == 1 {
			slices.Reverse(refs) // Names in any order lead to no deadlock.
		}
		all.Go(func() {
			for range rounds {
				err := store.Change(context.Background(), refs, func(current []control.Object) (changes []control.Change, err error) {
					for _, o := range current {
						changes = append(changes, decided(o.ID, o.Version+1, fmt.Sprint(writer)))
					}
					return changes, nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	for _, device := range []string{"a", "b"} {
		if got := object(t, store, ref(device)).Version; got != writers*rounds {
			t.Errorf("%s: got version %d, want %d", device, got, writers*rounds)
		}
		chain(t, store, device)
	}
}

// A reader asks for what was changed after the last revision that it has seen, while others write.
func controlReader(t *testing.T, store control.Store) {
	const writers, rounds = 3, 10
	var all sync.WaitGroup
	for writer := range writers {
		all.Go(func() {
			for round := range rounds {
				if err := storeDecided(context.Background(), store, decided(fmt.Sprintf("%d-%d", writer, round), 1, "")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { all.Wait(); close(done) }()
	seen, last := 0, int64(0)
	for finished := false; ; {
		page := since(t, store, last, 2)
		for _, o := range page {
			if o.Revision <= last {
				t.Errorf("revision %d after %d", o.Revision, last)
			}
			last = o.Revision
			seen++
		}
		if len(page) == 0 && finished {
			break
		}
		select {
		case <-done:
			finished = true
		default:
		}
	}
	if seen != writers*rounds {
		t.Errorf("the reader has seen %d objects, want %d", seen, writers*rounds)
	}
}

func controlMany(t *testing.T, store control.Store) {
	const n = 1000
	var changes []control.Change
	for i := range n {
		changes = append(changes, decided(fmt.Sprintf("device_%04d", i), 1, "name"))
	}
	mustDecide(t, store, changes...)
	entries := audit(t, store, control.AuditQuery{})
	if all := since(t, store, 0, 2*n); len(all) != n || len(entries) != n {
		t.Fatalf("got %d objects and %d audit entries, want %d of each", len(all), len(entries), n)
	}
	for i := range changes {
		if got := entries[n-1-i]; got.Ref != changes[i].Ref || got.Revision != object(t, store, got.Ref).Revision {
			t.Fatalf("audit entry %d is of %v with revision %d", i, got.Ref, got.Revision)
		}
	}
}

func controlNames(t *testing.T, store control.Store) {
	refs := []control.Ref{ref("a"), {Kind: control.Device, Tenant: "t", ID: "a"}, {Kind: control.Rule, ID: "a"}, ref("A"), ref("a "), ref("设备/一"), ref("🌡️ 'x\"%_\\"),
		ref(strings.Repeat("x", iot.MaxIDLength))}
	var changes []control.Change
	for i, of := range refs {
		entry := iot.DeviceEntry{Version: int64(i + 1), Name: of.ID}
		ch := control.Change{Object: control.DeviceObject(of.Identity(), &entry), Actor: of.ID, Action: "put", Time: epoch}
		ch.Kind = of.Kind
		changes = append(changes, ch)
	}
	mustDecide(t, store, changes...)
	got, err := store.Objects(t.Context(), refs)
	if err != nil {
		t.Fatal(err)
	}
	for i := range refs {
		if got[i].Ref != refs[i] || got[i].Version != int64(i+1) || string(got[i].Body) != string(changes[i].Body) {
			t.Errorf("got %+v %s, want %v version %d", got[i], got[i].Body, refs[i], i+1)
		}
		if entries := audit(t, store, control.AuditQuery{Of: refs[i]}); len(entries) != 1 || entries[0].Actor != refs[i].ID {
			t.Errorf("%v: got audit %+v", refs[i], entries)
		}
	}
}

func controlConfirm(t *testing.T, store control.Store) {
	mustDecide(t, store, decided("a", 1, ""), decided("b", 1, ""), decided("c", 2, ""))
	old := object(t, store, ref("c"))
	old.Version = 1
	if err := store.Confirm(t.Context(), []control.Object{object(t, store, ref("a")), old, {Ref: ref("d"), Version: 1}}); err != nil {
		t.Fatal(err)
	}
	for _, o := range since(t, store, 0, 10) {
		if want := o.ID == "a"; o.Confirmed != want || object(t, store, o.Ref).Confirmed != want {
			t.Errorf("%s: got confirmed %t, want %t", o.ID, o.Confirmed, want)
		}
	}
	all := since(t, store, 0, 10)
	sameVersions(t, store, 0, 10, all)
	sameVersions(t, store, all[0].Revision, 1, all[1:2])
	sameVersions(t, store, all[2].Revision, 10, nil)
	mustDecide(t, store, decided("a", 2, ""))
	if object(t, store, ref("a")).Confirmed {
		t.Error("the next version is confirmed")
	}
}

func controlAuditPages(t *testing.T, store control.Store) {
	for version := range int64(7) {
		mustDecide(t, store, decided("a", version+1, ""), decided("b", version+1, ""))
	}
	var versions []int64
	for before := int64(0); ; {
		page := audit(t, store, control.AuditQuery{Of: ref("a"), Before: before, Limit: 3})
		if len(page) == 0 {
			break
		}
		for _, entry := range page {
			versions, before = append(versions, entry.Version), entry.Revision
		}
		mustDecide(t, store, decided("a", versions[0]+int64(len(versions)), "later")) // It must not appear on later pages.
	}
	if want := []int64{7, 6, 5, 4, 3, 2, 1}; !slices.Equal(versions, want) {
		t.Errorf("got versions %v, want %v", versions, want)
	}
	rule := decided("of a rule", 1, "")
	rule.Kind = control.Rule
	mustDecide(t, store, rule, decided("c", 1, ""))
	if got := audit(t, store, control.AuditQuery{Kind: control.Rule}); len(got) != 1 || got[0].ID != "of a rule" {
		t.Errorf("of the kind rule: got %+v", got)
	}
	devices := audit(t, store, control.AuditQuery{Kind: control.Device, Limit: 2})
	if len(devices) != 2 || devices[0].ID != "c" || devices[1].ID != "a" {
		t.Fatalf("of the kind device: got %+v", devices)
	}
	for _, entry := range audit(t, store, control.AuditQuery{Kind: control.Device, Before: devices[1].Revision}) {
		if entry.Kind != control.Device || entry.Revision >= devices[1].Revision {
			t.Errorf("the next page of devices has %+v", entry)
		}
	}
}

func controlPrune(t *testing.T, store control.Store) {
	for version := range int64(6) { // Their times are 1 s, 2 s and so on.
		mustDecide(t, store, decided("a", version+1, ""))
	}
	mustDecide(t, store, decided("b", 1, ""), decided("c", 2, ""))
	prune := func(before float64, limit, want int) {
		t.Helper()
		if got, err := store.PruneAudit(t.Context(), at(before), limit); err != nil || got != want {
			t.Errorf("before %v s, up to %d: got %d removed, %v, want %d", before, limit, got, err, want)
		}
	}
	left := func() (versions []string) {
		for _, entry := range audit(t, store, control.AuditQuery{}) {
			versions = append(versions, fmt.Sprint(entry.ID, entry.Version))
		}
		return versions
	}
	prune(1, 100, 0)
	prune(3, 1, 1)
	if want := []string{"c2", "b1", "a6", "a5", "a4", "a3", "a2"}; !slices.Equal(left(), want) {
		t.Errorf("after one: got %q, want %q", left(), want)
	}
	prune(5, 100, 3)
	prune(1000, 100, 1)
	prune(1000, 100, 0)
	if want := []string{"c2", "b1", "a6"}; !slices.Equal(left(), want) {
		t.Errorf("got %q, want the last of each object: %q", left(), want)
	}
	mustDecide(t, store, decided("c", 9, ""))
	if got := audit(t, store, control.AuditQuery{Of: ref("c")}); len(got) != 2 || got[0].Revision <= got[1].Revision || got[0].Revision != object(t, store, ref("c")).Revision {
		t.Errorf("after the next change: got %+v", got)
	}
}

// InForce returns what is in force if device a has an entry of the given version in force; 0 for none.
func InForce(version int64) *control.InForce {
	f := control.NewInForce()
	f.Begin(1)
	if version > 0 {
		f.SetDevice(iot.Identity{ID: "a"}, &iot.EntryInForce{DeviceEntry: iot.DeviceEntry{Version: version}})
	}
	f.CaughtUp()
	return f
}

func registry(store control.Store, inForce int64) *control.Registry {
	return control.NewRegistry(control.RegistryOptions{
		Store: store, InForce: InForce(inForce), Decided: func([]control.Object) {}, Now: func() time.Time { return epoch },
	})
}

// rename returns an edit of device a that is made only if it has one of the versions.
func rename(name string, versions ...int64) []control.Edit {
	return []control.Edit{{
		Device: iot.Identity{ID: "a"}, If: control.Condition{Versions: versions},
		To: func(e iot.DeviceEntry) (iot.DeviceEntry, error) { e.Name = name; return e, nil },
	}}
}

func controlOneWins(t *testing.T, store control.Store) {
	const rivals = 6
	var mu sync.Mutex
	var won []string
	var all sync.WaitGroup
	for i := range rivals {
		all.Go(func() {
			name := fmt.Sprint("rival ", i)
			_, err := registry(store, 0).Change(context.Background(), rename(name, 0), control.By{Actor: name})
			mu.Lock()
			defer mu.Unlock()
			if lost := new(control.ConditionError); err == nil {
				won = append(won, name)
			} else if !errors.As(err, &lost) || lost.Version != 1 {
				t.Errorf("got %v, want a *ConditionError with version 1", err)
			}
		})
	}
	all.Wait()
	entry, err := registry(store, 0).Entry(t.Context(), iot.Identity{ID: "a"})
	if err != nil || len(won) != 1 || entry.Name != won[0] || entry.Version != 1 {
		t.Errorf("got entry %+v, %v; %q have won", entry, err, won)
	}
}

// After an older database was restored, versions start above the highest in force.
func controlAbove(t *testing.T, store control.Store) {
	mustDecide(t, store, decided("a", 3, "of the backup"))
	changed := new(control.ConditionError)
	if _, err := registry(store, 7).Change(t.Context(), rename("new", 3), control.By{}); !errors.As(err, &changed) || changed.Version != 7 {
		t.Errorf("a change of the version in the backup: got %v, want a *ConditionError with version 7", err)
	}
	if entry, err := registry(store, 7).Entry(t.Context(), iot.Identity{ID: "a"}); err != nil || entry.Version != 7 || entry.Name != "" {
		t.Errorf("got %+v, %v, want what is in force", entry, err)
	}
	out, err := registry(store, 7).Change(t.Context(), rename("new", 7), control.By{})
	if err != nil || out[0].After.Version != 8 || out[0].Before.Version != 7 || out[0].Before.Name != "" {
		t.Errorf("got %+v, %v, want version 8", out, err)
	}
	if out, err = registry(store, 9).Change(t.Context(), rename("new"), control.By{}); err != nil || out[0].After.Version != 10 {
		t.Errorf("another is in force: got %+v, %v, want version 10", out, err)
	}
	if out, err = registry(store, 10).Change(t.Context(), rename("new"), control.By{}); err != nil || out[0].Changed() {
		t.Errorf("the same name: got %+v, %v, want no change", out, err)
	}
}
