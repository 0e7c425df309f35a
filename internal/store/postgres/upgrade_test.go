package postgres_test

import (
	"fmt"
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

// oldDatabase makes the schema of an old version.
func oldDatabase(t *testing.T, url string, version int64) {
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
	if _, err := provider.UpTo(t.Context(), version); err != nil {
		t.Fatal(err)
	}
}

// The old database holds a window with its mark, and a minute among whose readings a bad one was.
func TestAnOldDatabaseGoesOn(t *testing.T) {
	url := newURL(t)
	oldDatabase(t, url, 1)
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

// storeWithoutGroups is how the version before groups stores a final summary.
const storeWithoutGroups = `INSERT INTO summaries AS s
		(window_start, device_type, partition, length_us, count, sum, terms, min, max, devices, online, offline, alert_count, epoch, position, uncertain, bad)
	VALUES ('2024-01-30 22:00+00', 'temperature_sensor', 2, 30000000, 1, 5, '\x0000000000001440', 5, 5, 1, 1, 2, 0, 0, %d, 0, 0)
	ON CONFLICT (window_start, device_type, length_us, partition) DO UPDATE SET
		count = excluded.count, uncertain = excluded.uncertain, bad = excluded.bad, sum = excluded.sum, terms = excluded.terms,
		min = excluded.min, max = excluded.max,
		devices = excluded.devices, online = excluded.online, offline = excluded.offline,
		alert_count = excluded.alert_count, epoch = excluded.epoch, position = excluded.position
	WHERE (excluded.epoch, excluded.position) > (s.epoch, s.position)`

// Windows of before areas belong to none, and what is recomputed of them has the old readings in the unknown area. An archiver of the
// version before may go on beside this one: the numbers that it stores belong to no area.
func TestADatabaseWithoutAreasGoesOn(t *testing.T) {
	url := newURL(t)
	oldDatabase(t, url, 4)
	command(t, url, `
		INSERT INTO device_types VALUES (1000, 'temperature_sensor');
		INSERT INTO devices VALUES (1000, 'old', 'temperature_sensor', '°C', 'A', 0, '', '', '', '2024-01-30 22:00+00');
		INSERT INTO device_partitions VALUES (1000, 2);
		CREATE TABLE readings_d20240130 PARTITION OF readings FOR VALUES FROM ('2024-01-30 00:00+00') TO ('2024-01-31 00:00+00');
		INSERT INTO readings VALUES ('2024-01-30 22:00:01+00', 5, 1000, 2, 1000, 4);
		INSERT INTO reading_counts VALUES ('d20240130', 2, 1);
		INSERT INTO rolled VALUES (2, '2024-01-30 22:00+00');
		INSERT INTO offsets (topic, partition, epoch, next, appended, rolling, retained) VALUES
			('device-data', 2, 0, 1, '2024-01-30 22:01+00', '2024-01-30 22:00+00', '2024-01-30 22:01+00')`)
	command(t, url, fmt.Sprintf(storeWithoutGroups, 1))
	s := open(t, url)
	numbers := func(area iot.Area) string {
		got, err := s.Summaries(t.Context(), api.SummariesQuery{From: start, To: at(3600), Limit: 10, Area: area})
		if err != nil || len(got) != 1 {
			t.Fatalf("got %+v, %v, want one window", got, err)
		}
		return fmt.Sprintf("%d %g %d/%d", got[0].Count, got[0].Sum.Float64(), got[0].Online, got[0].Offline)
	}
	if got := numbers("") + ", " + numbers("A"); got != "1 5 1/2, 0 0 0/0" {
		t.Errorf("got %s, want the old window, in no area", got)
	}
	late := reading("new", 2, 2, 7)
	late.Location.Building = "A"
	f := &feed{partition: 2}
	f.next.Next = 1
	f.write(t, s, 120, late)
	mark := iot.WindowSummary{
		Type: iot.Temperature, Window: iot.Window{Start: start, Length: 30 * time.Second}, Position: iot.Position{Partition: 2, Offset: 2}, Late: true,
	}
	if err := s.Write(t.Context(), &archive.Batch{Summaries: []iot.WindowSummary{mark}}); err != nil {
		t.Fatal(err)
	}
	if got := numbers("") + ", " + numbers("A"); got != "2 12 1/2, 1 7 0/0" {
		t.Errorf("got %s, want both readings, and the new one in its area", got)
	}
	command(t, url, fmt.Sprintf(storeWithoutGroups, 9))
	if got := numbers("") + ", " + numbers("A"); got != "1 5 1/2, 0 0 0/0" {
		t.Errorf("got %s, want what the older archiver has stored, in no area", got)
	}
}

// A database of before tenants: its devices and alerts are of the tenant without a name. Another tenant may use the same ids.
func TestADatabaseWithoutTenantsGoesOn(t *testing.T) {
	url := newURL(t)
	oldDatabase(t, url, 6)
	command(t, url, `
		INSERT INTO device_types VALUES (1000, 'temperature_sensor');
		INSERT INTO devices VALUES (1000, 'old', 'temperature_sensor', '°C', 'A', 0, '', '', '', '2024-01-30 22:00+00');
		INSERT INTO device_partitions VALUES (1000, 2);
		CREATE TABLE readings_d20240130 PARTITION OF readings FOR VALUES FROM ('2024-01-30 00:00+00') TO ('2024-01-31 00:00+00');
		INSERT INTO readings VALUES ('2024-01-30 22:00:01+00', 5, 1000, 2, 1000, 0);
		INSERT INTO reading_counts VALUES ('d20240130', 2, 1);
		INSERT INTO rolled VALUES (2, '2024-01-30 22:00+00');
		INSERT INTO offsets (topic, partition, epoch, next, appended, rolling, retained) VALUES
			('device-data', 2, 0, 1, '2024-01-30 22:01+00', '2024-01-30 22:00+00', '2024-01-30 22:01+00');
		INSERT INTO alerts VALUES ('x', 'hot', 'old', 'temperature_sensor', 'warning', 'raised', '', 1, 2, false, '', '', 0, '',
			'2024-01-30 22:00+00', '2024-01-30 22:00+00', '2024-01-30 22:00+00', NULL, false, 2, 0, 1)`)
	s := open(t, url)
	command(t, url, `
		INSERT INTO devices (id, tenant, device_id, device_type, unit, building, floor, room, model, firmware, said)
			SELECT 1001, 'acme', device_id, device_type, unit, building, floor, room, model, firmware, said FROM devices;
		INSERT INTO readings VALUES ('2024-01-30 22:00:02+00', 6, 1001, 2, 1000, 0);
		INSERT INTO alerts (id, tenant, rule, device_id, device_type, severity, state, message, value, threshold, below, unit, building, floor, room,
			onset, time, raised, historical, partition, epoch, position)
			SELECT 'y', 'acme', rule, device_id, device_type, severity, state, message, value, threshold, below, unit, building, floor, room,
				onset, time, raised, historical, partition, epoch, position FROM alerts`)
	f := &feed{partition: 2}
	f.next.Next = 1
	f.write(t, s, 120, reading("old", 2, 3, 7))
	readings, err := s.Readings(t.Context(), api.ReadingsQuery{Device: "old", From: start, To: at(3600), MaxPoints: 10})
	if err != nil || len(readings) != 2 || readings[0].Value != 5 {
		t.Errorf("got readings %+v, %v, want the old and the new one, and not the other tenant's", readings, err)
	}
	alerts, err := s.Alerts(t.Context(), api.AlertsQuery{Device: "old", Limit: 10})
	if err != nil || len(alerts) != 1 || alerts[0].ID != "x" {
		t.Errorf("got alerts %+v, %v, want the one of before", alerts, err)
	}
}

// A database of before the events said what suppresses an alert: of the old ones it is not known, and an archiver of before goes on writing.
func TestADatabaseWithoutWhatSuppressesGoesOn(t *testing.T) {
	url := newURL(t)
	oldDatabase(t, url, 13)
	const event = `INSERT INTO alert_events (id, epoch, position, state, life, time, value, reason, suppressed, suppressed_until, actor, comment)
		VALUES ('x', 0, %d, 'updated', 'unacknowledged', '2024-01-30 22:00+00', 1, '', 'by_design', '2024-01-30 23:00+00', '', '')`
	command(t, url, `INSERT INTO alerts (id, tenant, rule, device_id, device_type, severity, state, message, value, threshold, below, unit, building, floor, room,
			onset, time, raised, historical, partition, epoch, position, suppressed, suppressed_by)
		VALUES ('x', '', 'hot', 'a', 'temperature_sensor', 'warning', 'updated', '', 1, 2, false, '', '', 0, '', '2024-01-30 22:00+00', '2024-01-30 22:00+00',
			'2024-01-30 22:00+00', false, 2, 0, 2, 'by_design', 'belt')`)
	command(t, url, fmt.Sprintf(event, 1))
	s := open(t, url)
	command(t, url, fmt.Sprintf(event, 2))
	events, err := s.AlertEvents(t.Context(), "", "x")
	if err != nil || len(events) != 2 || events[0].Suppressed != iot.ByDesign || events[0] != events[1] || events[0].SuppressedBy+events[0].SuppressedReason+events[0].SuppressedActor != "" {
		t.Errorf("got %+v, %v, want both events, without what is not known", events, err)
	}
	alerts, err := s.Alerts(t.Context(), api.AlertsQuery{Limit: 10})
	if err != nil || len(alerts) != 1 || alerts[0].SuppressedBy != "belt" || alerts[0].SuppressedReason+alerts[0].SuppressedActor != "" {
		t.Errorf("got %+v, %v, want the alert", alerts, err)
	}
}
