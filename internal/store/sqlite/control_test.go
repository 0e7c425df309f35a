package sqlite_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"iotmon/internal/control"
	"iotmon/internal/control/controltest"
	"iotmon/internal/iot"
	"iotmon/internal/store/sqlite"
	"iotmon/internal/store/storetest"
)

func openControl(t testing.TB, path string) *sqlite.Control {
	t.Helper()
	c, err := sqlite.OpenControl(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func controlPath(t testing.TB) string { return filepath.Join(t.TempDir(), "control.db") }

func TestControl(t *testing.T) {
	storetest.RunControl(t, func(t *testing.T) control.Store { return openControl(t, controlPath(t)) })
	controltest.RunMany(t, func(t *testing.T) (a, b control.Store) {
		c := openControl(t, controlPath(t))
		return c, c
	})
}

// Sequence: the disk hangs in the middle of a change. Somebody else decides, and must get an answer; so must a process that ends.
func TestAChangeDoesNotWaitForEverForAnother(t *testing.T) {
	c := openControl(t, controlPath(t))
	ref := control.DeviceRef(iot.Identity{ID: "a"})
	hung, resume, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		done <- c.Change(context.Background(), []control.Ref{ref}, func([]control.Object) ([]control.Change, error) {
			close(hung)
			<-resume
			return nil, nil
		})
	}()
	<-hung
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	others := make(chan error, 2)
	go func() {
		others <- c.Change(ctx, []control.Ref{ref}, func([]control.Object) ([]control.Change, error) { return nil, nil })
	}()
	go func() { others <- c.Confirm(context.Background(), []control.Object{{Ref: ref}}) }()
	for i := range cap(others) {
		select {
		case err := <-others:
			if err == nil || errors.Is(err, control.ErrBusy) || i == 0 && !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v, want that it has waited too long", err)
			}
		case <-time.After(30 * time.Second):
			t.Error("a call waits for a change that hangs")
		}
	}
	close(resume)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := c.Confirm(t.Context(), nil); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func registry(store control.Store, inForce *control.InForce) *control.Registry {
	return control.NewRegistry(control.RegistryOptions{
		Store: store, InForce: inForce, Decided: func([]control.Object) {}, Now: func() time.Time { return start },
	})
}

func named(device iot.DeviceID, name string) []control.Edit {
	return []control.Edit{{
		Device: iot.Identity{ID: device},
		To:     func(e iot.DeviceEntry) (iot.DeviceEntry, error) { e.Name = name; return e, nil },
	}}
}

func TestDecidingNeedsTheDatabaseAndWhatIsInForce(t *testing.T) {
	c := openControl(t, controlPath(t))
	if _, err := registry(c, control.NewInForce()).Change(t.Context(), named("a", "x"), control.By{}); !errors.Is(err, control.ErrUnavailable) || !errors.Is(err, control.ErrNotRead) {
		t.Errorf("before it is known what is in force: got %v, want ErrUnavailable and ErrNotRead", err)
	}
	r := registry(c, storetest.InForce(0))
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	_, changed := r.Change(t.Context(), named("a", "x"), control.By{})
	planned := r.Plan(t.Context(), named("a", "x"), func(*control.Outcome) {})
	_, read := r.Entry(t.Context(), iot.Identity{ID: "a"})
	_, audited := r.Audit(t.Context(), control.AuditQuery{Limit: 1})
	for _, err := range []error{changed, planned, read, audited} {
		if !errors.Is(err, control.ErrUnavailable) {
			t.Errorf("without the database: got %v, want ErrUnavailable", err)
		}
	}
}

func TestAControlFileOfANewerVersionIsRefused(t *testing.T) {
	path := controlPath(t)
	if err := openControl(t, path).Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := raw(t, path).Exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, 1)`); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.OpenControl(t.Context(), path); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "version 99") {
		t.Errorf("got %v, want a refusal that names the file and the version", err)
	}
}

// decideForEver, in a process of its own, decides again and again, and prints each version that is stored.
func decideForEver(path string) error {
	c, err := sqlite.OpenControl(context.Background(), path)
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		edits := append(named("a", fmt.Sprint(i)), named("b", fmt.Sprint(i))...)
		out, err := registry(c, storetest.InForce(0)).Change(context.Background(), edits, control.By{Actor: "killed"})
		if err != nil {
			return err
		}
		fmt.Println(out[0].After.Version)
	}
}

// controlEnv has the path for decideForEver, in the process that is killed.
const controlEnv = "IOTMON_TEST_CONTROL"

func TestAKilledProcessLeavesWholeDecisions(t *testing.T) {
	if path := os.Getenv(controlEnv); path != "" {
		t.Fatal(decideForEver(path))
	}
	path := controlPath(t)
	for range 3 {
		command := exec.Command(os.Args[0], "-test.run=^TestAKilledProcessLeavesWholeDecisions$")
		command.Env = append(os.Environ(), controlEnv+"="+path)
		output, err := command.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		lines, last := bufio.NewScanner(output), int64(0)
		for printed := 0; lines.Scan(); printed++ {
			if _, err := fmt.Sscan(lines.Text(), &last); err != nil {
				t.Fatalf("got %q", lines.Text())
			}
			if printed == 20 {
				if err := command.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = command.Wait() // It was killed.
		c := openControl(t, path)
		found, err := c.Objects(t.Context(), []control.Ref{control.DeviceRef(iot.Identity{ID: "a"}), control.DeviceRef(iot.Identity{ID: "b"})})
		if err != nil {
			t.Fatal(err)
		}
		entries, err := c.Audit(t.Context(), control.AuditQuery{Limit: 1_000_000})
		if err != nil {
			t.Fatal(err)
		}
		if found[0].Version < last || found[0].Version != found[1].Version || int64(len(entries)) != 2*found[0].Version {
			t.Errorf("version %d was stored: got versions %d and %d with %d audit entries", last, found[0].Version, found[1].Version, len(entries))
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// importOnce, in a process of its own, imports a table, and prints a line after each batch. It does not end by itself.
func importOnce(path string) error {
	c, err := sqlite.OpenControl(context.Background(), path)
	if err != nil {
		return err
	}
	made := 0
	return registry(c, storetest.InForce(0)).ChangeMany(context.Background(), table(), control.By{Actor: "killed"}, func(*control.Outcome) {
		if made++; made%1000 == 0 {
			fmt.Println(made)
		}
		if made == 4000 {
			select {}
		}
	})
}

// table returns edits of many devices that have no entry.
func table() (edits []control.Edit) {
	for i := range 5000 {
		edit := named(iot.DeviceID(fmt.Sprintf("d%04d", i)), "x")[0]
		edit.If.Versions = []int64{0}
		edits = append(edits, edit)
	}
	return edits
}

// A process is killed while it imports. The first rows are there, and the same import makes the others.
func TestAKilledImportIsCompletedByTheSameImport(t *testing.T) {
	if path := os.Getenv(controlEnv); path != "" {
		t.Fatal(importOnce(path))
	}
	path := controlPath(t)
	command := exec.Command(os.Args[0], "-test.run=^TestAKilledImportIsCompletedByTheSameImport$")
	command.Env = append(os.Environ(), controlEnv+"="+path)
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	printed := 0
	for lines := bufio.NewScanner(output); lines.Scan(); printed++ {
		if printed == 1 {
			if err := command.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = command.Wait() // It was killed.
	c := openControl(t, path)
	there, err := c.Since(t.Context(), 0, 10_000)
	if err != nil || len(there) < 1000*printed || len(there) == len(table()) || len(there)%1000 != 0 {
		t.Fatalf("got %d rows after %d batches, %v, want whole batches", len(there), printed, err)
	}
	for i, o := range there {
		if want := fmt.Sprintf("d%04d", i); o.ID != want || o.Version != 1 {
			t.Fatalf("got %s with version %d, want %s", o.ID, o.Version, want)
		}
	}
	made := 0
	err = registry(c, storetest.InForce(0)).ChangeMany(t.Context(), table(), control.By{Actor: "again"}, func(*control.Outcome) { made++ })
	entries, failed := c.Audit(t.Context(), control.AuditQuery{Limit: 10_000})
	if err != nil || failed != nil || made != len(table())-len(there) || len(entries) != len(table()) {
		t.Errorf("again: %d made after %d, %d audit entries, %v, %v", made, len(there), len(entries), err, failed)
	}
}
