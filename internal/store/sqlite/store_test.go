package sqlite_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"iotmon/internal/archive"
	"iotmon/internal/iot"
	"iotmon/internal/store/sqlite"
	"iotmon/internal/store/storetest"
)

func open(t testing.TB, path string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(context.Background(), sqlite.Options{Path: path, ReadingsTopic: storetest.Topic})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Store { return open(t, filepath.Join(t.TempDir(), "iotmon.db")) })
}

func TestADatabaseOfANewerVersionIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "iotmon.db")
	if err := open(t, path).Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, 1)`); err != nil {
		t.Fatal(err)
	}
	_, err = sqlite.Open(t.Context(), sqlite.Options{Path: path})
	if err == nil || !strings.Contains(err.Error(), "version 99") {
		t.Errorf("got %v, want a refusal that names the version", err)
	}
}

func TestAPathThatCannotBeADatabaseIsTold(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(file, "iotmon.db")}); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("got %v, want an error that names the path", err)
	}
}

func BenchmarkWrite(b *testing.B) {
	const rows, devices = 20_000, 1000
	store := open(b, filepath.Join(b.TempDir(), "iotmon.db"))
	at := time.Date(2024, 1, 30, 10, 30, 0, 0, time.UTC)
	readings := make([]archive.Reading, rows)
	var offset archive.Offset
	b.ReportAllocs()
	for b.Loop() {
		for i := range readings {
			if i%devices == 0 {
				at = at.Add(5 * time.Second)
			}
			readings[i] = archive.Reading{Partition: int32(i % 10), Reading: iot.Reading{
				Device: iot.Device{ID: iot.DeviceID(fmt.Sprintf("device_%03d", i%devices)), Type: iot.Temperature, Unit: "°C"},
				Time:   at, Value: 20 + float64(i%100)/10,
			}}
		}
		next := archive.Offset{Next: offset.Next + rows}
		err := store.Write(b.Context(), &archive.Batch{Readings: readings, Moves: []archive.Move{
			{Source: archive.Source{Topic: storetest.Topic}, Old: offset, New: next, Appended: at},
		}})
		if err != nil {
			b.Fatal(err)
		}
		offset = next
	}
	b.ReportMetric(rows*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
