package sqlite_test

import (
	"database/sql"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pressly/goose/v3"

	"iotmon/internal/api"
	"iotmon/internal/archive"
	"iotmon/internal/iot"
	"iotmon/internal/store/sqlite"
)

func migrate(t *testing.T, db *sql.DB, version int64) {
	t.Helper()
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, os.DirFS("migrations"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.UpTo(t.Context(), version); err != nil {
		t.Fatal(err)
	}
}

// A database of before areas: its windows belong to none, and what is recomputed of them has the old readings in the unknown area.
func TestADatabaseWithoutAreasGoesOn(t *testing.T) {
	path := newPath(t)
	db := raw(t, path)
	migrate(t, db, 4)
	_, err := db.Exec(`INSERT INTO device_types VALUES (1, 'temperature_sensor');
		INSERT INTO devices VALUES (1, 'old', 'temperature_sensor', '°C', 'A', 0, '', '', '', ?1);
		INSERT INTO device_partitions VALUES (2, 1);
		INSERT INTO readings VALUES (1, ?1 + 1, 5, 1, 2, 4);
		INSERT INTO summaries VALUES (?1, 'temperature_sensor', 30000000, 2, 1, 0, 0, x'0000000000001440', 5, 5, 1, 1, 2, 0, 0, 1);
		INSERT INTO offsets VALUES ('device-data', 2, 0, 1, ?1, ?1, 0, '')`, start.UnixMicro())
	if err != nil {
		t.Fatal(err)
	}
	s, err := sqlite.Open(t.Context(), sqlite.Options{Path: path, ReadingsTopic: "device-data"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	numbers := func(area iot.Area) string {
		got, err := s.Summaries(t.Context(), api.SummariesQuery{From: start, To: start.Add(time.Hour), Limit: 10, Area: area})
		if err != nil || len(got) != 1 {
			t.Fatalf("got %+v, %v, want one window", got, err)
		}
		return fmt.Sprintf("%d %g %d/%d", got[0].Count, got[0].Sum.Float64(), got[0].Online, got[0].Offline)
	}
	if got := numbers("") + ", " + numbers("A"); got != "1 5 1/2, 0 0 0/0" {
		t.Errorf("got %s, want the old window, in no area", got)
	}
	late := reading("new", 2, "7")
	late.Partition, late.Location = 2, iot.Location{Building: "A"}
	err = s.Write(t.Context(), &archive.Batch{
		Readings: []archive.Reading{late},
		Moves: []archive.Move{
			{Source: archive.Source{Topic: "device-data", Partition: 2}, Old: archive.Offset{Next: 1}, New: archive.Offset{Next: 2}, Appended: start.Add(time.Minute)},
		},
		Summaries: []iot.WindowSummary{{
			Type: iot.Temperature, Window: iot.Window{Start: start, Length: 30 * time.Second}, Position: iot.Position{Partition: 2, Offset: 2}, Late: true,
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := numbers("") + ", " + numbers("A"); !strings.HasPrefix(got, "2 ") || !strings.HasSuffix(got, "1/2, 1 "+fmt.Sprint(late.Value)+" 0/0") {
		t.Errorf("got %s, want both readings, and the new one in its area", got)
	}
}

// A database of before windows had their length in their name goes on with all that it holds.
func TestAnOldDatabaseGoesOn(t *testing.T) {
	path := newPath(t)
	db := raw(t, path)
	migrate(t, db, 1)
	_, err := db.Exec(`INSERT INTO summaries VALUES (?1, 'temperature_sensor', 2, 30000000, 1, x'000000000000f03f', 1, 1, 1, 1, 0, 0, 0, 5);
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

// A database of before the events said what suppresses an alert: of the old ones it is not known, and an archiver of before goes on writing.
func TestADatabaseWithoutWhatSuppressesGoesOn(t *testing.T) {
	path := newPath(t)
	db := raw(t, path)
	migrate(t, db, 13)
	const event = `INSERT INTO alert_events (id, epoch, position, state, life, time, value, reason, suppressed, suppressed_until, actor, comment)
		VALUES ('x', 0, ?2, 'updated', 'unacknowledged', ?1, 1, '', 'by_design', ?1 + 5, '', '')`
	if _, err := db.Exec(`INSERT INTO alerts (id, tenant, rule, device_id, device_type, severity, state, message, value, threshold, below, unit, building, floor, room,
			onset, time, raised, historical, partition, epoch, position, suppressed, suppressed_by)
			VALUES ('x', '', 'hot', 'a', 'temperature_sensor', 'warning', 'updated', '', 1, 2, 0, '', '', 0, '', ?1, ?1, ?1, 0, 2, 0, 2, 'by_design', 'belt')`, start.UnixMicro()); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(event, start.UnixMicro(), 1); err != nil {
		t.Fatal(err)
	}
	s, err := sqlite.Open(t.Context(), sqlite.Options{Path: path, ReadingsTopic: "device-data"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := raw(t, path).Exec(event, start.UnixMicro(), 2); err != nil {
		t.Fatal(err)
	}
	events, err := s.AlertEvents(t.Context(), "", "x")
	if err != nil || len(events) != 2 || events[0].Suppressed != iot.ByDesign || events[0] != events[1] || events[0].SuppressedBy+events[0].SuppressedReason+events[0].SuppressedActor != "" {
		t.Errorf("got %+v, %v, want both events, without what is not known", events, err)
	}
	alerts, err := s.Alerts(t.Context(), api.AlertsQuery{Limit: 10})
	if err != nil || len(alerts) != 1 || alerts[0].SuppressedBy != "belt" || alerts[0].SuppressedReason+alerts[0].SuppressedActor != "" {
		t.Errorf("got %+v, %v, want the alert", alerts, err)
	}
}

// A database of before tenants: its devices and alerts are of the tenant without a name. Another tenant may use the same ids.
func TestADatabaseWithoutTenantsGoesOn(t *testing.T) {
	path := newPath(t)
	db := raw(t, path)
	migrate(t, db, 6)
	_, err := db.Exec(`INSERT INTO device_types VALUES (1, 'temperature_sensor');
		INSERT INTO devices VALUES (1, 'old', 'temperature_sensor', '°C', 'A', 0, '', '', '', ?1);
		INSERT INTO device_partitions VALUES (2, 1);
		INSERT INTO readings VALUES (1, ?1 + 1, 5, 1, 2, 0);
		INSERT INTO alerts VALUES ('x', 'hot', 'old', 'temperature_sensor', 'warning', 'raised', '', 1, 2, 0, '', '', 0, '', ?1, ?1, ?1, NULL, 0, 2, 0, 1)`,
		start.UnixMicro())
	if err != nil {
		t.Fatal(err)
	}
	s, err := sqlite.Open(t.Context(), sqlite.Options{Path: path, ReadingsTopic: "device-data"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	// Another connection: that of before still knows the old columns.
	if _, err := raw(t, path).Exec(`INSERT INTO devices VALUES (2, 'acme', 'old', 'temperature_sensor', '°C', '', 0, '', '', '', 0);
		INSERT INTO readings VALUES (2, ?1 + 2, 6, 1, 2, 0);
		INSERT INTO alerts (id, tenant, rule, device_id, device_type, severity, state, message, value, threshold, below, unit, building, floor, room,
			onset, time, raised, historical, partition, epoch, position)
			SELECT 'y', 'acme', rule, device_id, device_type, severity, state, message, value, threshold, below, unit, building, floor, room,
				onset, time, raised, historical, partition, epoch, position FROM alerts`, start.UnixMicro()); err != nil {
		t.Fatal(err)
	}
	late := reading("old", 2, "7")
	late.Partition = 2
	if err := s.Write(t.Context(), &archive.Batch{Readings: []archive.Reading{late}}); err != nil {
		t.Fatal(err)
	}
	readings, err := s.Readings(t.Context(), api.ReadingsQuery{Device: "old", From: start, To: start.Add(time.Hour), MaxPoints: 10})
	if err != nil || len(readings) != 2 || readings[0].Value != 5 {
		t.Errorf("got readings %+v, %v, want the old and the late one, and not the other tenant's", readings, err)
	}
	alerts, err := s.Alerts(t.Context(), api.AlertsQuery{Device: "old", Limit: 10})
	if err != nil || len(alerts) != 1 || alerts[0].ID != "x" {
		t.Errorf("got alerts %+v, %v, want the one of before", alerts, err)
	}
}
