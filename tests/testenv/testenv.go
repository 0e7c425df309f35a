// Package testenv gives tests the real servers that the product talks to: Apache Kafka, PostgreSQL, Redis and nginx. It runs
// scripts/test-env.sh, which installs missing servers and prints their addresses.
//
// A test shares the checkout's environment with all others (Kafka, Postgres), or has servers of its own that it may stop and kill
// (Own, Redis, Nginx). In short mode everything here skips the test. Otherwise a server that cannot be started fails it.
package testenv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The servers of an environment.
const (
	KafkaServer    = "kafka"
	PostgresServer = "postgres"
	RedisServer    = "redis"
)

// patience bounds one run of the script. The first one on a machine installs packages and downloads Kafka.
const patience = 9 * time.Minute

// SASL is how to reach Kafka's listener that wants TLS and a user, by PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.
type SASL struct {
	Brokers        []string
	CAFile         string
	User, Password string
}

// Kafka returns the addresses of the shared Kafka. Its topics are everybody's: give yours names of their own.
func Kafka(t testing.TB) []string {
	t.Helper()
	return shared(t, KafkaServer).Brokers()
}

// KafkaSASL returns how to reach the shared Kafka by TLS, as a user.
func KafkaSASL(t testing.TB) SASL {
	t.Helper()
	return shared(t, KafkaServer).KafkaSASL()
}

// Postgres returns the URL of an empty database on the shared server. The database is dropped when the test ends, even if clients
// are still connected to it.
func Postgres(t testing.TB) string {
	t.Helper()
	return shared(t, PostgresServer).NewDatabase(t)
}

// sharing has the servers of the shared environment that this process uses.
var sharing struct {
	sync.Mutex
	// users is locked for as long as the process lives, so that no other user of the environment removes it.
	users *os.File
	vars  map[string]map[string]string
}

// shared returns the checkout's environment with the server running.
func shared(t testing.TB, server string) *Environment {
	t.Helper()
	skip(t)
	sharing.Lock()
	defer sharing.Unlock()
	vars, ok := sharing.vars[server]
	if !ok {
		var err error
		if vars, err = share(server); err != nil {
			t.Fatal(err)
		}
		if sharing.vars == nil {
			sharing.vars = make(map[string]map[string]string)
		}
		sharing.vars[server] = vars
	}
	return &Environment{t: t, vars: vars}
}

func share(server string) (map[string]string, error) {
	dir, err := script("", nil, "directory")
	if err != nil {
		return nil, err
	}
	if sharing.users == nil {
		if sharing.users, err = use(strings.TrimSpace(dir) + ".users"); err != nil {
			return nil, err
		}
	}
	return bringUp("", nil, server)
}

// use locks the file that all users of an environment lock. Its last user removes the environment with the file. A process that
// waited for the lock until then has locked a file that no longer exists, and must try again.
func use(name string) (*os.File, error) {
	for {
		file, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return nil, err
		}
		if err := syscall.Flock(int(file.Fd()), syscall.LOCK_SH); err != nil {
			return nil, errors.Join(err, file.Close())
		}
		locked, err1 := file.Stat()
		named, err2 := os.Stat(name)
		if err1 == nil && err2 == nil && os.SameFile(locked, named) {
			return file, nil
		}
		if err := file.Close(); err != nil {
			return nil, err
		}
	}
}

func skip(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("needs real servers; make test brings them")
	}
}

// bringUp starts servers, with more variables for the script, and returns the variables by which they are reached.
func bringUp(dir string, variables []string, servers ...string) (map[string]string, error) {
	if _, err := script(dir, variables, append([]string{"up"}, servers...)...); err != nil {
		return nil, err
	}
	output, err := script(dir, nil, "env")
	if err != nil {
		return nil, err
	}
	vars := make(map[string]string)
	for line := range strings.Lines(output) {
		name, value, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "=")
		if !ok {
			return nil, fmt.Errorf("scripts/test-env.sh env: not a variable: %q", line)
		}
		vars[name] = strings.Trim(value, "'")
	}
	return vars, nil
}

// script runs scripts/test-env.sh for the environment in a directory, or the shared one if dir is empty, with additional
// variables. It returns the output.
func script(dir string, variables []string, args ...string) (string, error) {
	root, err := checkout()
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var stdout, stderr bytes.Buffer
	command := exec.CommandContext(ctx, filepath.Join(root, "scripts", "test-env.sh"), args...)
	command.Env = append(os.Environ(), variables...)
	if dir != "" {
		// The environment ends with this process, should the test not come to end it.
		command.Env = append(command.Env, "TESTENV_DIR="+dir, fmt.Sprintf("TESTENV_OWNER=%d", os.Getpid()))
	}
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("scripts/test-env.sh %s: %w; run it by hand to see what is missing\n%s", strings.Join(args, " "), err, &stderr)
	}
	return stdout.String(), nil
}

// checkout finds the root of the source tree, in or below which every test runs.
func checkout() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for start := dir; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "scripts", "test-env.sh")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no scripts/test-env.sh in or above %s", start)
		}
	}
}
