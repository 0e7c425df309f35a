package postgres_test

import (
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"iotmon/internal/api"
	"iotmon/internal/archive"
	"iotmon/internal/iot"
)

// oldDatabase makes the schema of before windows had their length in their name.
func oldDatabase(t *testing.T, url string) {
	t.Helper()
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	db := stdlib.OpenDB(*config)
	defer db.Close()
	provider, err := goose.NewProvider(goose.DialectPostgres, db, os.DirFS("migrations"), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.UpTo(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
}

// The old database holds a window with its mark, and a minute among whose readings a bad one was.
func TestAnOldDatabaseGoesOn(t *testing.T) {
	url := newURL(t)
	oldDatabase(t, url)
	command(t, url, `
		INSERT INTO device_types VALUES (1000, 'temperature_sensor');
		INSERT INTO devices VALUES (1000, 'a', 'temperature_sensor', '°C', '', 0, '', '', '', '2024-01-30 22:00+00');
		INSERT INTO device_partitions VALUES (1000, 2);
		CREATE TABLE readings_d20240130 PARTITION OF readings FOR VALUES FROM ('2024-01-30 00:00+00') TO ('2024-01-31 00:00+00');
		INSERT INTO readings VALUES ('2024-01-30 22:00:01+00', 20, 1000, 2, 1000, 0), ('2024-01-30 22:00:02+00', 85, 1000, 2, 1000, 2);
		INSERT INTO reading_counts VALUES ('d20240130', 2, 2);
		CREATE TABLE minutes_m202401 PARTITION OF minutes FOR VALUES FROM ('2024-01-01 00:00+00') TO ('2024-02-01 00:00+00');
		INSERT INTO minutes SELECT '2024-01-30 22:00+00', 1000, 2, 105, '\x0000000000405a40', '2024-01-30 22:00:01+00', 20, 0,
			'2024-01-30 22:00:01+00', 20, 0, '2024-01-30 22:00:02+00', 85, 2, '2024-01-30 22:00:02+00', 85, 2;
		INSERT INTO hours SELECT * FROM minutes;
		INSERT INTO rolled VALUES (2, '2024-01-30 23:00+00');
		INSERT INTO summaries VALUES ('2024-01-30 22:00+00', 'temperature_sensor', 2, 30000000, 1, 1, '\x000000000000f03f', 1, 1, 1, 1, 0, 0, 0, 5);
		INSERT INTO summary_alerts VALUES ('2024-01-30 22:00+00', 'temperature_sensor', 2, '[]'), ('2024-01-30 23:00+00', 'nothing beside it', 2, '[]');
		INSERT INTO dirty_windows VALUES (2, 'temperature_sensor', '2024-01-30 22:00+00', 30000000, 0, 8);
		INSERT INTO offsets VALUES ('device-data', 2, 0, 7, '2024-01-30 23:01+00', '2024-01-30 23:00+00')`)
	s := open(t, url)
	q := api.SummariesQuery{From: start, To: at(3600), Limit: 10}
	got, err := s.Summaries(t.Context(), q)
	if err != nil || len(got) != 1 || got[0].Count != 1 || got[0].Sum.Float64() != 1 || got[0].Window.Length != 30*time.Second || got[0].Partition != 2 {
		t.Fatalf("got %+v, %v, want the window", got, err)
	}
	f := &feed{partition: 2}
	f.next.Next = 7
	f.write(t, s, 3700, reading("b", 2, 3, 30))
	if got, err = s.Summaries(t.Context(), q); err != nil || len(got) != 1 || got[0].Count != 2 || got[0].Bad != 1 || got[0].Type != iot.Temperature {
		t.Errorf("got %+v, %v, want the window recomputed by the mark that was there, without the bad reading", got, err)
	}
	if _, err := s.Prune(t.Context(), archive.Retention{}); err != nil {
		t.Fatal(err)
	}
	audit(t, url)
	if n := ask[int64](t, url, `SELECT count(*) FROM minutes WHERE max = 20 AND count = 1 AND bad = 1`); n != 1 {
		t.Errorf("got %d minutes without the bad reading, want 1", n)
	}
}
