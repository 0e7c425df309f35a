package command

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"iotmon/internal/app/datadir"
	"iotmon/internal/config"
	"iotmon/internal/store/sqlite"
)

// dataDir makes the data directory of a stopped iotmon. Its path contains characters that a pattern of file names would read
// as special.
func dataDir(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data[1")
	store, err := sqlite.Open(t.Context(), sqlite.Options{Path: datadir.Database(dir), ReadingsTopic: "device-data"})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	decided, err := sqlite.OpenControl(t.Context(), datadir.Decisions(dir))
	if err != nil {
		t.Fatal(err)
	}
	if err := decided.Close(); err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(datadir.Broker(dir), "log")
	if err := os.MkdirAll(log, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(log, "segment"), []byte("readings"), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// commanded runs backup or restore and returns the exit status and all output.
func commanded(t *testing.T, name string, args ...string) (status int, said string) {
	t.Helper()
	var out bytes.Buffer
	if name == "backup" {
		return Backup(t.Context(), args, "", &out, &out), out.String()
	}
	return Restore(t.Context(), args, "", nil, &out, &out), out.String()
}

// saved makes a backup and returns its path.
func saved(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "iotmon.tar.gz")
	if status, said := commanded(t, "backup", "-data-dir", dataDir(t), file); status != Done {
		t.Fatalf("got status %d: %s", status, said)
	}
	return file
}

// names returns the names in a directory.
func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, entry := range entries {
		all = append(all, entry.Name())
	}
	return strings.Join(all, " ")
}

// Of two backups into one file, one succeeds and the other fails; the file is complete.
func TestTwoBackupsIntoOneFile(t *testing.T) {
	data, place := dataDir(t), t.TempDir()
	file := filepath.Join(place, "iotmon.tar.gz")
	won := make([]bool, 4)
	var commands sync.WaitGroup
	for i := range won {
		commands.Go(func() {
			status, _ := commanded(t, "backup", "-data-dir", data, file)
			won[i] = status == Done
		})
	}
	commands.Wait()
	winners := 0
	for _, one := range won {
		if one {
			winners++
		}
	}
	if winners != 1 || names(t, place) != "iotmon.tar.gz" {
		t.Errorf("%d of the backups succeeded and left %q; want one, and its file", winners, names(t, place))
	}
	if status, said := commanded(t, "restore", "-data-dir", filepath.Join(place, "new"), file); status != Done {
		t.Errorf("got status %d: %s", status, said)
	}
}

// An existing directory is neither removed nor replaced, and keeps its mode: a disk may be mounted on it, or its parent may
// belong to another user.
func TestRestoreFillsAnExistingDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	for _, name := range []string{dir, filepath.Join(dir, "lost+found")} {
		if err := os.Mkdir(name, 0o750); err != nil {
			t.Fatal(err)
		}
	}
	before, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	if status, said := commanded(t, "restore", "-data-dir", dir, saved(t)); status != Done {
		t.Fatalf("got status %d: %s", status, said)
	}
	after, err := os.Stat(dir)
	if err != nil || !os.SameFile(before, after) || after.Mode() != before.Mode() {
		t.Errorf("got %v, %v, want the same directory", after, err)
	}
	if got := names(t, dir); got != "control.db iotmon.db kafka lost+found" || names(t, filepath.Dir(dir)) != "data" {
		t.Errorf("got %q, and beside it %q", got, names(t, filepath.Dir(dir)))
	}
	text, err := os.ReadFile(filepath.Join(datadir.Broker(dir), "log", "segment"))
	if err != nil || string(text) != "readings" {
		t.Errorf("got %q, %v", text, err)
	}
}

// Versions before decisions had one database.
func TestADirectoryWithoutDecisionsIsBackedUp(t *testing.T) {
	dir, file, to := dataDir(t), filepath.Join(t.TempDir(), "file"), filepath.Join(t.TempDir(), "data")
	if err := os.Remove(datadir.Decisions(dir)); err != nil {
		t.Fatal(err)
	}
	if status, said := commanded(t, "backup", "-data-dir", dir, file); status != Done {
		t.Fatalf("backup: got status %d: %s", status, said)
	}
	if status, said := commanded(t, "restore", "-data-dir", to, file); status != Done || names(t, to) != "iotmon.db kafka" {
		t.Errorf("restore: got status %d: %s; %q", status, said, names(t, to))
	}
}

func TestARestoreThatFailsLeavesNothing(t *testing.T) {
	place := t.TempDir()
	whole, err := os.ReadFile(saved(t))
	if err != nil {
		t.Fatal(err)
	}
	cut := filepath.Join(t.TempDir(), "cut")
	if err := os.WriteFile(cut, whole[:len(whole)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	there := filepath.Join(place, "there")
	if err := os.Mkdir(there, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{there, filepath.Join(place, "new")} {
		if status, said := commanded(t, "restore", "-data-dir", dir, cut); status != Failed || !strings.Contains(said, "ends too early") {
			t.Errorf("got status %d and %q", status, said)
		}
	}
	if names(t, place) != "there" || names(t, there) != "" {
		t.Errorf("the restore left %q, and %q inside", names(t, place), names(t, there))
	}
}

func TestTwoRestoresIntoOneDirectory(t *testing.T) {
	file, dir := saved(t), filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	won := make([]bool, 4)
	var commands sync.WaitGroup
	for i := range won {
		commands.Go(func() {
			status, _ := commanded(t, "restore", "-data-dir", dir, file)
			won[i] = status == Done
		})
	}
	commands.Wait()
	want := ""
	for _, one := range won {
		if one {
			want += "control.db iotmon.db kafka"
		}
	}
	if got := names(t, dir); got != want {
		t.Errorf("got %q, want everything if one restore succeeded, otherwise nothing: %q", got, want)
	}
}

// The restore was killed after the first of its two files.
func TestAHalfRestoredDirectoryIsNotUsed(t *testing.T) {
	dir := dataDir(t)
	if err := os.Mkdir(filepath.Join(dir, "restoring-1"), 0o700); err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	iotmon := Program{Service: config.Iotmon}
	if status := iotmon.Run(t.Context(), []string{"-data-dir", dir, "-addr", "127.0.0.1:0"}, &stderr, &stderr); status != CannotStart || !strings.Contains(stderr.String(), "restore again") {
		t.Errorf("iotmon: got status %d and %q", status, stderr.String())
	}
	if status, said := commanded(t, "backup", "-data-dir", dir, filepath.Join(t.TempDir(), "file")); status != Failed || !strings.Contains(said, "restore again") {
		t.Errorf("backup: got status %d and %q", status, said)
	}
	if status, said := commanded(t, "restore", "-data-dir", dir, saved(t)); status != Failed || !strings.Contains(said, "is not empty") {
		t.Errorf("restore: got status %d and %q", status, said)
	}
}
