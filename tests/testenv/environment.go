package testenv

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unicode"
)

// Environment is a set of servers.
type Environment struct {
	t testing.TB
	// dir is empty for the shared environment.
	dir  string
	vars map[string]string
}

// Own starts servers for this test alone, which may stop and kill them: all of them unless some are named. They are
// removed with all their data when the test ends.
func Own(t testing.TB, servers ...string) *Environment {
	t.Helper()
	return own(t, nil, servers...)
}

// OwnKafka starts a Kafka for this test alone, as Own does, of a version: 3, 4 or an exact one.
func OwnKafka(t testing.TB, version string) *Environment {
	t.Helper()
	return own(t, []string{"TESTENV_KAFKA_VERSION=" + version}, KafkaServer)
}

// own starts servers with more variables for the script.
func own(t testing.TB, variables []string, servers ...string) *Environment {
	t.Helper()
	skip(t)
	dir, err := os.MkdirTemp("", "iotmon-test-own-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := script(dir, nil, "down"); err != nil {
			t.Error(err)
		}
	})
	vars, err := bringUp(dir, variables, servers...)
	if err != nil {
		t.Fatal(err)
	}
	return &Environment{t: t, dir: dir, vars: vars}
}

// Stop stops a server properly. It returns when the process has ended. Port and data stay reserved for Start.
func (e *Environment) Stop(server string) { e.t.Helper(); e.command("stop", server) }

// Kill kills a server and its children with SIGKILL.
func (e *Environment) Kill(server string) { e.t.Helper(); e.command("stop", server, "-9") }

// Start starts a server again where it was, with its data. It returns when the server answers.
func (e *Environment) Start(server string) { e.t.Helper(); e.command("start", server) }

// Pause stops the process of a server: its connections stay and nothing answers. Resume lets it go on.
func (e *Environment) Pause(server string) { e.t.Helper(); e.signal(server, syscall.SIGSTOP) }

// Resume lets a paused server go on.
func (e *Environment) Resume(server string) { e.t.Helper(); e.signal(server, syscall.SIGCONT) }

func (e *Environment) signal(server string, signal syscall.Signal) {
	e.t.Helper()
	var process int
	text, err := os.ReadFile(filepath.Join(e.dir, server+".pid"))
	if err == nil {
		_, err = fmt.Sscan(string(text), &process)
	}
	if err == nil {
		err = syscall.Kill(process, signal)
	}
	if err != nil {
		e.t.Fatalf("signal %s to %s: %v", signal, server, err)
	}
}

// Files returns the directory with the files of a server: its data, and its certificates.
func (e *Environment) Files(server string) string { return filepath.Join(e.dir, server) }

func (e *Environment) command(args ...string) {
	e.t.Helper()
	if e.dir == "" {
		e.t.Fatalf("%s: not with the shared servers; use testenv.Own", strings.Join(args, " "))
	}
	if _, err := script(e.dir, nil, args...); err != nil {
		e.t.Fatal(err)
	}
}

// Brokers returns Kafka's addresses.
func (e *Environment) Brokers() []string {
	e.t.Helper()
	return strings.Split(e.variable("TESTENV_KAFKA"), ",")
}

// KafkaBehind returns the address of a listener of Kafka, and the address proxy to which that listener directs its clients. A
// test may run a proxy there.
func (e *Environment) KafkaBehind() (behind, proxy string) {
	e.t.Helper()
	return e.variable("TESTENV_KAFKA_BEHIND"), e.variable("TESTENV_KAFKA_PROXY")
}

// KafkaSASL returns how to reach Kafka by TLS, as a user.
func (e *Environment) KafkaSASL() SASL {
	e.t.Helper()
	return SASL{
		Brokers:  strings.Split(e.variable("TESTENV_KAFKA_SASL"), ","),
		CAFile:   e.variable("TESTENV_KAFKA_CA"),
		User:     e.variable("TESTENV_KAFKA_USER"),
		Password: e.variable("TESTENV_KAFKA_PASSWORD"),
	}
}

// PostgresURL returns the URL of PostgreSQL's first database, as a superuser.
func (e *Environment) PostgresURL() string { e.t.Helper(); return e.variable("TESTENV_POSTGRES") }

// RedisURL returns the URL of Redis.
func (e *Environment) RedisURL() string { e.t.Helper(); return e.variable("TESTENV_REDIS") }

func (e *Environment) variable(name string) string {
	e.t.Helper()
	value := e.vars[name]
	if value == "" {
		e.t.Fatalf("the environment has no %s: its server was not asked for", name)
	}
	return value
}

// NewDatabase makes an empty database in PostgreSQL, which is dropped when the test ends, and returns its URL.
func (e *Environment) NewDatabase(t testing.TB) string {
	t.Helper()
	// At most 63 bytes of a name count.
	name := fmt.Sprintf("%.40s_%s", strings.Map(plain, t.Name()), strings.ToLower(rand.Text()[:8]))
	server := e.PostgresURL()
	if err := psql(server, "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := psql(server, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)"); err != nil {
			t.Logf("the database stays until the environment ends: %v", err)
		}
	})
	address, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	address.Path = "/" + name
	return address.String()
}

// plain keeps the characters that a name in SQL may have without quotes.
func plain(r rune) rune {
	if r < unicode.MaxASCII && unicode.IsLetter(r) {
		return unicode.ToLower(r)
	}
	return '_'
}

// psql runs a statement by PostgreSQL's own client.
func psql(server, statement string) error {
	var stderr bytes.Buffer
	command := exec.Command("psql", "-q", "-X", "-w", "-v", "ON_ERROR_STOP=1", "-d", server, "-c", statement)
	command.Stderr = &stderr
	if err := command.Run(); err != nil {
		return fmt.Errorf("psql: %s: %w\n%s", statement, err, &stderr)
	}
	return nil
}
