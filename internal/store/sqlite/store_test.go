package sqlite_test

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"iotmon/internal/api"
	"iotmon/internal/archive"
	"iotmon/internal/iot"
	"iotmon/internal/store/sqlite"
	"iotmon/internal/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB, path string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(context.Background(), sqlite.Options{Path: path, ReadingsTopic: storetest.Topic})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func newPath(t testing.TB) string { return filepath.Join(t.TempDir(), "iotmon.db") }

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Store { return open(t, newPath(t)) })
}

var start = time.Date(2024, 1, 30, 10, 30, 0, 0, time.UTC)

// reading is a reading of partition 0 with the given firmware.
func reading(device string, second int, firmware string) archive.Reading {
	return archive.Reading{
		Device: &iot.Device{ID: iot.DeviceID(device), Type: iot.Temperature, Unit: "°C", Metadata: iot.Metadata{Firmware: firmware}},
		Time:   start.Add(time.Duration(second) * time.Second), Value: float64(second),
	}
}

func write(t *testing.T, s *sqlite.Store, readings ...archive.Reading) {
	t.Helper()
	if err := s.Write(t.Context(), &archive.Batch{Readings: readings}); err != nil {
		t.Fatal(err)
	}
}

// count returns how many readings of a device are stored.
func count(t *testing.T, s *sqlite.Store, device iot.DeviceID) int {
	t.Helper()
	points, err := s.Readings(t.Context(), api.ReadingsQuery{Device: device, From: start, To: start.Add(time.Hour), MaxPoints: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return len(points)
}

// raw opens the file beside the store.
func raw(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func TestADatabaseOfANewerVersionIsRefused(t *testing.T) {
	path := newPath(t)
	if err := open(t, path).Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := raw(t, path).Exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, 1)`); err != nil {
		t.Fatal(err)
	}
	_, err := sqlite.Open(t.Context(), sqlite.Options{Path: path})
	if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "version 99") {
		t.Errorf("got %v, want a refusal that names the file and the version", err)
	}
}

func TestAPathThatCannotBeADatabaseIsRefused(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("this is no database, but something that somebody may need"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{
		"below a file":  filepath.Join(file, "iotmon.db"),
		"a directory":   dir,
		"no database":   file,
		"not writable":  "/proc/iotmon.db",
		"not creatable": "/proc/iotmon/iotmon.db",
	} {
		_, err := sqlite.Open(t.Context(), sqlite.Options{Path: path})
		if err == nil || !strings.Contains(err.Error(), path) && !strings.Contains(err.Error(), filepath.Dir(path)) {
			t.Errorf("%s: got %v, want an error that names the path", name, err)
		}
	}
}

func TestAPathMayHaveAnyCharacter(t *testing.T) {
	for _, name := range []string{"a b.db", "50%41.db", "what?mode=memory.db", "#1.db", "数据.db", "a&b=c+d.db", "'quoted'.db"} {
		path := filepath.Join(t.TempDir(), name)
		open(t, path)
		if _, err := os.Stat(path); err != nil {
			t.Errorf("the database is not where it was asked for: %v", err)
		}
	}
}

func TestWhatWasWrittenIsThereAfterwards(t *testing.T) {
	path := newPath(t)
	for second := range 3 {
		s, err := sqlite.Open(t.Context(), sqlite.Options{Path: path, ReadingsTopic: storetest.Topic, SyncWrites: second == 1})
		if err != nil {
			t.Fatal(err)
		}
		write(t, s, reading("a", second, ""), reading("b", second, ""))
		if got := count(t, s, "a"); got != second+1 {
			t.Errorf("opened for the %d. time: got %d readings, want %d", second+1, got, second+1)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestReadingAndWritingDoNotWaitForEachOther(t *testing.T) {
	path := newPath(t)
	s := open(t, path)
	write(t, s, reading("a", 0, ""))
	db := raw(t, path)
	db.SetMaxOpenConns(1)
	for _, other := range []struct{ name, statements string }{
		{"a writer", `BEGIN IMMEDIATE; DELETE FROM readings`},
		{"a reader", `BEGIN; SELECT * FROM readings`},
	} {
		if _, err := db.Exec(other.statements); err != nil {
			t.Fatal(err)
		}
		before := count(t, s, "a")
		if before == 0 {
			t.Errorf("beside %s: got no readings, want what is committed", other.name)
		}
		if other.name == "a reader" {
			write(t, s, reading("a", 1, ""))
			if got := count(t, s, "a"); got != before+1 {
				t.Errorf("beside %s: got %d readings, want %d", other.name, got, before+1)
			}
		}
		if _, err := db.Exec(`ROLLBACK`); err != nil {
			t.Fatal(err)
		}
	}
}

// Two archivers that share a file each know the names that they have added themselves.
func TestTwoStoresShareAFile(t *testing.T) {
	path := newPath(t)
	first, second := open(t, path), open(t, path)
	write(t, first, reading("a", 0, "v1"))
	write(t, second, reading("a", 1, "v1"), reading("b", 1, "v1"))
	write(t, first, reading("b", 2, "v2"))
	for device, want := range map[iot.DeviceID]int{"a": 2, "b": 2} {
		if got := count(t, first, device); got != want {
			t.Errorf("%s: got %d readings, want %d", device, got, want)
		}
	}
}

func TestADeviceIsWhatItSaidLastByItsOwnClock(t *testing.T) {
	path := newPath(t)
	firmware := func() (stored string) {
		if err := raw(t, path).QueryRow(`SELECT firmware FROM devices`).Scan(&stored); err != nil {
			t.Fatal(err)
		}
		return stored
	}
	s := open(t, path)
	write(t, s, reading("a", 10, "v2"), reading("a", 5, "v1"))
	if got := firmware(); got != "v2" {
		t.Errorf("after a late reading: got %s, want v2", got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	write(t, s, reading("a", 6, "v1"))
	if got := firmware(); got != "v2" {
		t.Errorf("after a restart and a late reading: got %s, want v2", got)
	}
	write(t, s, reading("a", 11, "v3"))
	if got := firmware(); got != "v3" {
		t.Errorf("after a newer reading: got %s, want v3", got)
	}
}
