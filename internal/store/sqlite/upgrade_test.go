package sqlite_test

import (
	"os"
	"testing"
	"time"

	"github.com/pressly/goose/v3"

	"iotmon/internal/api"
	"iotmon/internal/archive"
	"iotmon/internal/iot"
	"iotmon/internal/store/sqlite"
)

// A database of before windows had their length in their name goes on with all that it holds.
func TestAnOldDatabaseGoesOn(t *testing.T) {
	path := newPath(t)
	db := raw(t, path)
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, os.DirFS("migrations"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.UpTo(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	_, err = db.Exec(`INSERT INTO summaries VALUES (?1, 'temperature_sensor', 2, 30000000, 1, x'000000000000f03f', 1, 1, 1, 1, 0, 0, 0, 5);
		INSERT INTO summary_alerts VALUES (?1, 'temperature_sensor', 2, '[]'), (7, 'nothing beside it', 2, '[]');
		INSERT INTO dirty_windows VALUES (2, 'temperature_sensor', ?1, 30000000, 0, 8);
		INSERT INTO offsets VALUES ('device-data', 2, 0, 5, ?1)`, start.UnixMicro())
	if err != nil {
		t.Fatal(err)
	}
	s, err := sqlite.Open(t.Context(), sqlite.Options{Path: path, ReadingsTopic: "device-data"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	q := api.SummariesQuery{From: start, To: start.Add(time.Hour), Limit: 10}
	got, err := s.Summaries(t.Context(), q)
	if err != nil || len(got) != 1 || got[0].Count != 1 || got[0].Sum.Float64() != 1 || got[0].Window.Length != 30*time.Second || got[0].Partition != 2 {
		t.Fatalf("got %+v, %v, want the window", got, err)
	}
	late := []archive.Reading{reading("a", 1, "1"), reading("b", 2, "1"), reading("c", 3, "1")}
	for i := range late {
		late[i].Partition = 2
	}
	source := archive.Source{Topic: "device-data", Partition: 2}
	err = s.Write(t.Context(), &archive.Batch{Readings: late, Moves: []archive.Move{
		{Source: source, Old: archive.Offset{Next: 5}, New: archive.Offset{Next: 8}, Appended: start.Add(time.Minute)},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if got, err = s.Summaries(t.Context(), q); err != nil || len(got) != 1 || got[0].Count != 3 || got[0].Type != iot.Temperature {
		t.Errorf("got %+v, %v, want the window recomputed by the mark that was there", got, err)
	}
}
