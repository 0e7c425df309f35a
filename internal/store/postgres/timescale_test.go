package postgres_test

import (
	"testing"
	"time"

	"iotmon/internal/archive"
)

// TimescaleDB is missing in most places where these tests run. Functions with the names and arguments that the store uses take
// its place, so only the calls are tested.
const standIn = `
	CREATE TABLE called (what text);
	CREATE FUNCTION create_hypertable(relation regclass, time_column_name name, chunk_time_interval interval, create_default_indexes boolean)
	RETURNS void LANGUAGE sql AS $$
		INSERT INTO called VALUES (format('create_hypertable %s %s %s %s', relation, time_column_name, chunk_time_interval, create_default_indexes))
	$$;
	CREATE FUNCTION drop_chunks(relation regclass, older_than timestamptz, newer_than timestamptz)
	RETURNS void LANGUAGE plpgsql AS $$ BEGIN
		DELETE FROM readings WHERE time >= newer_than AND time < older_than;
		INSERT INTO called VALUES (format('drop_chunks %s %s %s', relation, older_than AT TIME ZONE 'UTC', newer_than AT TIME ZONE 'UTC'));
	END $$`

func TestTimescaleCutsTheReadingsWhereItIsThere(t *testing.T) {
	url := newURL(t)
	command(t, url, standIn)
	s := open(t, url)
	if kind := ask[string](t, url, `SELECT relkind::text FROM pg_class WHERE oid = 'readings'::regclass`); kind != "r" {
		t.Errorf("readings are of kind %s, want a plain table", kind)
	}
	f := &feed{}
	const days = 3 * 24 * 60 * 60
	f.write(t, s, 0, reading("a", 0, 0, 1), reading("a", 0, 0, 2))
	f.pass(t, s, days)
	f.write(t, s, days, reading("a", 0, 0, 3), reading("a", 0, days, 4))
	removed, err := s.Prune(t.Context(), archive.Retention{Readings: time.Hour})
	if err != nil || removed != 1 {
		t.Errorf("removed %d, %v, want the reading of the first day", removed, err)
	}
	if got := stored(t, url); got != 1 {
		t.Errorf("got %d readings, want that of the last day", got)
	}
	for i, want := range []string{
		"create_hypertable readings time 1 day f",
		"drop_chunks readings 2024-01-31 00:00:00 2024-01-30 00:00:00",
	} {
		if got := ask[string](t, url, `SELECT what FROM called OFFSET $1 LIMIT 1`, i); got != want {
			t.Errorf("call %d: got %s, want %s", i, got, want)
		}
	}
	audit(t, url)
}
