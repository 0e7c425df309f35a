package integration

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"iotmon/internal/wire"
	"iotmon/tests/testenv"
)

// long reports whether the faults last as long as in the field, as in make test-chaos.
func long() bool { return os.Getenv("TEST_CHAOS") == "long" }

// briefly returns one of two values, depending on how long a test may take.
func briefly[T any](short, full T) T {
	if long() {
		return full
	}
	return short
}

// deployment is the product as separate services, with Kafka, PostgreSQL and Redis servers that no other test uses.
type deployment struct {
	// t is the test with which the services end.
	t       *testing.T
	servers *testenv.Environment
	// kafka and postgres are the network between the services and these servers.
	kafka, postgres *proxy
	topics          cluster
	config          string
	viewer          *viewer
	// strange are readings that a fault has sent, besides those of the posters.
	strange  []sample
	services []*server
}

// deploy prepares services that reach Kafka and PostgreSQL through proxies.
func deploy(t *testing.T, servers *testenv.Environment) *deployment {
	t.Helper()
	behind, advertised := servers.KafkaBehind()
	d := &deployment{t: t, servers: servers, kafka: startProxy(t, advertised, behind)}
	database, err := url.Parse(servers.PostgresURL())
	if err != nil {
		t.Fatal(err)
	}
	d.postgres = startProxy(t, "127.0.0.1:0", database.Host)
	database.Host = d.postgres.addr()
	d.topics = cluster{t: t, brokers: []string{d.kafka.addr()}, prefix: "test-" + uuid.NewString()[:8] + "-"}
	d.config = d.topics.config("readings") + fmt.Sprintf(`
postgres: {url: %q}
redis: {url: %q}
`, database, servers.RedisURL()) + killConfig
	return d
}

// add starts a service and returns when it is ready.
func (d *deployment) add(name string, args ...string) *server {
	d.t.Helper()
	s := newProgram(d.t, name, d.config, args...)
	s.start()
	d.services = append(d.services, s)
	return s
}

// remove stops a service in good order.
func (d *deployment) remove(s *server) {
	d.t.Helper()
	s.stop()
	d.services = slices.DeleteFunc(d.services, func(other *server) bool { return other == s })
}

// verifyDeployment waits until all acknowledged readings have been archived, and compares them with every window and alert of the
// web instance and every reading in the database.
func verifyDeployment(t *testing.T, web *server, database string, samples []sample) {
	t.Helper()
	windows, alerts := summarize(samples, 2*time.Second), episodes(samples, killRule)
	everything := url.Values{"from": {"2020-01-01T00:00:00Z"}, "to": {"2100-01-01T00:00:00Z"}, "limit": {"500"}}
	latest, last := lastWindows(windows)
	var wrong []string
	complete := eventually(patience, func() bool {
		// As long as the last windows are not closed, which takes seconds, the others are not looked at.
		if wrong = compareSummaries(list[wire.Aggregate](t, web.base(), "/api/v1/summaries", clone(latest)), last); len(wrong) > 0 {
			return false
		}
		wrong = compareSummaries(list[wire.Aggregate](t, web.base(), "/api/v1/summaries", clone(everything)), windows)
		if len(wrong) > 0 {
			return false
		}
		ofKillRule := clone(everything)
		ofKillRule.Set("rule", killRule.Name)
		wrong = compareAlerts(list[archivedAlert](t, web.base(), "/api/v1/alerts", ofKillRule), alerts)
		if len(wrong) > 0 {
			return false
		}
		wrong = compareRows(t, database, samples)
		return len(wrong) == 0
	})
	if !complete {
		t.Errorf("%d of %d windows, %d alerts and %d readings are wrong; the first: %q",
			len(wrong), len(windows), len(alerts), len(samples), wrong[:min(5, len(wrong))])
		return
	}
	t.Logf("%d windows, %d alerts and every row of %d readings equal the truth", len(windows), len(alerts), len(samples))
}

// lastWindows returns the last windows of any type, and the query for them.
func lastWindows(windows map[windowKey]*stat) (url.Values, map[windowKey]*stat) {
	start := int64(0)
	for key := range windows {
		start = max(start, key.start)
	}
	last := make(map[windowKey]*stat)
	for key, truth := range windows {
		if key.start == start {
			last[key] = truth
		}
	}
	at := time.UnixMicro(start).UTC()
	return url.Values{"from": {at.Format(time.RFC3339Nano)}, "to": {at.Add(time.Hour).Format(time.RFC3339Nano)}, "limit": {"500"}}, last
}

// compareRows compares every archived reading with the truth.
func compareRows(t *testing.T, database string, samples []sample) []string {
	t.Helper()
	type identity struct {
		device string
		at     int64
	}
	want := make(map[identity]float64)
	for _, s := range samples {
		want[identity{s.device, s.at.UnixMicro()}] = s.value
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, database)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, `SELECT d.device_id, r.time, r.value FROM readings r JOIN devices d ON d.id = r.device`)
	if err != nil {
		t.Fatal(err)
	}
	var wrong []string
	for rows.Next() {
		var device string
		var at time.Time
		var value float64
		if err := rows.Scan(&device, &at, &value); err != nil {
			t.Fatal(err)
		}
		id := identity{device, at.UnixMicro()}
		if truth, ok := want[id]; !ok || truth != value {
			wrong = append(wrong, fmt.Sprintf("%s at %v: got %v, want %v (sent: %v)", device, at, value, truth, ok))
		}
		delete(want, id)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	for id := range want {
		wrong = append(wrong, fmt.Sprintf("%s at %v: missing", id.device, time.UnixMicro(id.at).UTC()))
	}
	return wrong
}
