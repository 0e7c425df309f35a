package operations

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"iotmon/tests/testenv"
)

// alone runs the test again in a network namespace of its own, so that all ports of the loopback interface are free. It returns
// true if it has done so; the caller then returns. Where namespaces are not allowed, the test runs without one.
func alone(t *testing.T) bool {
	t.Helper()
	const marker = "OPERATIONS_TEST_IS_ALONE"
	unshare := []string{"--net"}
	if os.Geteuid() != 0 {
		unshare = []string{"--net", "--user", "--map-current-user", "--keep-caps"}
	}
	const up = `ip link set lo up && exec "$0" "$@"`
	if os.Getenv(marker) != "" || exec.Command("unshare", append(unshare, "sh", "-c", up, "true")...).Run() != nil {
		return false
	}
	itself, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	again := exec.CommandContext(t.Context(), "unshare", append(unshare, "sh", "-c", up, itself, "-test.run=^"+t.Name()+"$", "-test.v")...)
	again.Env = append(os.Environ(), marker+"=yes")
	output, err := again.CombinedOutput()
	t.Logf("alone:\n%s", output)
	if err != nil || !strings.Contains(string(output), "--- PASS: "+t.Name()) {
		t.Errorf("alone: %v", err)
	}
	return true
}

// engine replaces Docker: see testdata/docker. Kafka, PostgreSQL, Redis and Prometheus are real.
type engine struct {
	t       *testing.T
	dir     string
	servers *testenv.Environment
	// forwarded are the documented ports of middleware and where they lead.
	forwarded map[string]string
}

// startEngine prepares the servers. They are not reachable at the documented ports before docker compose up.
func startEngine(t *testing.T) *engine {
	t.Helper()
	servers := testenv.Own(t, testenv.KafkaServer, testenv.PostgresServer, testenv.RedisServer)
	database, cache := servers.PostgresURL(), servers.RedisURL()
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, statement := range []string{"CREATE ROLE iot_user LOGIN SUPERUSER", "CREATE DATABASE iot_monitoring OWNER iot_user"} {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	e := &engine{t: t, dir: t.TempDir(), servers: servers, forwarded: map[string]string{
		"127.0.0.1:9092": servers.Brokers()[0], "127.0.0.1:5432": hostOf(t, database), "127.0.0.1:6379": hostOf(t, cache),
	}}
	program, err := os.ReadFile(filepath.Join("testdata", "docker"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(e.dir, "docker"), program, 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { e.run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return e
}

func hostOf(t *testing.T, server string) string {
	t.Helper()
	parsed, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	return parsed.Host
}

// environment returns the variables with which the scripts find this engine.
func (e *engine) environment() []string {
	e.t.Helper()
	repository, err := filepath.Abs(root)
	if err != nil {
		e.t.Fatal(err)
	}
	// The programs have been built already, so no Go compiler is needed.
	return []string{"PATH=" + e.dir + ":" + os.Getenv("PATH"), "ENGINE=" + e.dir, "REPOSITORY=" + repository, "GO=no-such-go"}
}

// run has the documented ports lead to the servers as long as they are up.
func (e *engine) run(ctx context.Context) {
	for {
		e.await(ctx, func(err error) bool { return err == nil })
		if ctx.Err() != nil {
			return
		}
		up, stop := context.WithCancel(ctx)
		var parts sync.WaitGroup
		for from, to := range e.forwarded {
			parts.Go(func() { forward(up, e.t, from, to) })
		}
		parts.Go(func() { e.scrape(up) })
		e.await(ctx, func(err error) bool { return errors.Is(err, os.ErrNotExist) })
		stop()
		parts.Wait()
	}
}

// await waits until fits returns true for the error of a look for the file that exists while the services are up.
func (e *engine) await(ctx context.Context, fits func(error) bool) {
	for ctx.Err() == nil {
		if _, err := os.Stat(filepath.Join(e.dir, "up")); fits(err) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// scrape runs a Prometheus with the project's own configuration.
func (e *engine) scrape(ctx context.Context) {
	data, err := os.MkdirTemp(e.dir, "prometheus-")
	if err != nil {
		e.t.Error(err)
		return
	}
	command := exec.CommandContext(ctx, "prometheus", "--config.file="+filepath.Join(root, "monitoring/prometheus/prometheus.yml"),
		"--web.listen-address=127.0.0.1:9090", "--storage.tsdb.path="+data, "--log.level=warn")
	if output, err := command.CombinedOutput(); ctx.Err() == nil {
		e.t.Errorf("Prometheus: %v\n%s", err, output)
	}
}

// forward passes connections on until ctx ends.
func forward(ctx context.Context, t *testing.T, from, to string) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", from)
	if err != nil {
		t.Error(err)
		return
	}
	var open sync.WaitGroup
	defer open.Wait()
	defer context.AfterFunc(ctx, func() { listener.Close() })()
	for {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		open.Go(func() { splice(ctx, client, to) })
	}
}

// splice forwards a connection in both directions, until one side closes it or ctx ends.
func splice(ctx context.Context, client net.Conn, to string) {
	defer client.Close()
	server, err := new(net.Dialer).DialContext(ctx, "tcp", to)
	if err != nil {
		return
	}
	defer server.Close()
	defer context.AfterFunc(ctx, func() { client.Close(); server.Close() })()
	var directions sync.WaitGroup
	for _, pair := range [][2]net.Conn{{client, server}, {server, client}} {
		directions.Go(func() {
			_, _ = io.Copy(pair[0], pair[1])
			pair[0].Close()
			pair[1].Close()
		})
	}
	directions.Wait()
}

// TestOneCommandDeploysEverything runs the command of the README, with real servers and services at the documented ports, and a
// replacement for Docker itself.
func TestOneCommandDeploysEverything(t *testing.T) {
	if testing.Short() {
		t.Skip("needs real servers; make test brings them")
	}
	t.Parallel()
	if alone(t) {
		return
	}
	e := startEngine(t)
	h := newHost(t, "")
	deploy := func(want int, argument string, mentions ...string) {
		t.Helper()
		begun := time.Now()
		status, output := h.runWith(e.environment(), "scripts/full_deployment.sh", argument)
		if status != want {
			t.Fatalf("%s: got status %d, want %d:\n%s", argument, status, want, output)
		}
		mention(t, argument, output, mentions...)
		t.Logf("%s took %v", argument, time.Since(begun).Round(time.Second/10))
	}
	arrives := []string{"was posted and has come over the WebSocket", "and is in PostgreSQL", "Prometheus scrapes the three services"}
	deploy(0, "recommended", append(arrives, "deployed in")...)
	for _, name := range []string{"POSTGRES_PASSWORD", "POSTGRES_READER_PASSWORD", "GRAFANA_ADMIN_PASSWORD"} {
		mention(t, ".env", "\n"+h.read(".env"), "\n"+name+"=")
	}
	first, dotenv := h.pid("web"), h.read(".env")
	deploy(0, "--check", arrives...)
	deploy(0, "recommended", append(arrives, "deployed in")...)
	if h.pid("web") == first || h.read(".env") != dotenv {
		t.Errorf("deployed again: the services are the old ones, or .env has changed: %q", h.read(".env"))
	}

	mention(t, "stop", h.must("scripts/stop-services.sh", "web"), "web: stopped")
	deploy(1, "--check", "web is not ready")
	mention(t, "start", h.must("scripts/start-services.sh"), "web: ready")
	e.servers.Stop(testenv.PostgresServer)
	deploy(1, "--check") // Whichever part notices first says so.
	e.servers.Start(testenv.PostgresServer)
	if !eventually(patience, func() bool { return answers("http://127.0.0.1:8081/ready") }) {
		t.Error("the consumer has not come back in time")
	}
	deploy(0, "--check", arrives...)

	deploy(0, "--down", "producer: stopped", "consumer: stopped", "web: stopped", "the middleware is stopped; its data is kept")
	deploy(0, "--down")
	deploy(1, "--check", "web is not ready")
	if entries, err := filepath.Glob(h.path("run/*.pid")); err != nil || len(entries) > 0 {
		t.Errorf("pid files are left: %v", entries)
	}
	deploy(0, "recommended", append(arrives, "deployed in")...)
	deploy(0, "--down")
}
