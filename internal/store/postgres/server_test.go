package postgres_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"
)

// server is a PostgreSQL of the tests' own, on a free port of the loopback, which they may kill.
type server struct {
	bin, dir string
	port     int
	as       *syscall.Credential
	settings []string
}

// programs finds the directory of PostgreSQL's own programs, which Debian keeps out of the path.
func programs() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path), nil
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		return "", errors.New("initdb not found: install PostgreSQL, such as by apt-get install postgresql")
	}
	slices.Sort(found)
	return filepath.Dir(found[len(found)-1]), nil
}

// newServer makes and starts a server with settings such as fsync=off. It refuses to run as root, so then it runs as the
// user postgres.
func newServer(settings ...string) (*server, error) {
	bin, err := programs()
	if err != nil {
		return nil, err
	}
	s := &server{bin: bin, settings: settings}
	if s.dir, err = os.MkdirTemp("", "iotmon-postgres"); err != nil {
		return nil, err
	}
	if os.Geteuid() == 0 {
		if err := s.lower(); err != nil {
			return nil, err
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s.port = listener.Addr().(*net.TCPAddr).Port
	listener.Close()
	if err := s.run("initdb", "-D", filepath.Join(s.dir, "data"), "-U", "iotmon", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C"); err != nil {
		return nil, err
	}
	return s, s.start()
}

// lower makes the server run as the user postgres.
func (s *server) lower() error {
	account, err := user.Lookup("postgres")
	if err != nil {
		return err
	}
	uid, _ := strconv.Atoi(account.Uid)
	gid, _ := strconv.Atoi(account.Gid)
	s.as = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return os.Chown(s.dir, uid, gid)
}

func (s *server) run(program string, args ...string) error {
	var output bytes.Buffer
	command := exec.Command(filepath.Join(s.bin, program), args...)
	command.Dir = s.dir
	command.Stdout, command.Stderr = &output, &output
	command.SysProcAttr = &syscall.SysProcAttr{Credential: s.as}
	if err := command.Run(); err != nil {
		return fmt.Errorf("%s: %w\n%s", program, err, &output)
	}
	return nil
}

func (s *server) start() error {
	options := fmt.Sprintf("-p %d -c listen_addresses=127.0.0.1 -c unix_socket_directories=%s -c max_connections=60", s.port, s.dir)
	for _, setting := range s.settings {
		options += " -c " + setting
	}
	return s.run("pg_ctl", "start", "-w", "-D", filepath.Join(s.dir, "data"), "-l", filepath.Join(s.dir, "log"), "-o", options)
}

// stop stops it: smart, fast or immediate, which is a crash.
func (s *server) stop(mode string) error {
	return s.run("pg_ctl", "stop", "-w", "-D", filepath.Join(s.dir, "data"), "-m", mode)
}

// remove stops it for good.
func (s *server) remove() {
	if err := s.stop("immediate"); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	if err := os.RemoveAll(s.dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintln(os.Stderr, err)
	}
}

func (s *server) url(database string) string {
	return fmt.Sprintf("postgres://iotmon@127.0.0.1:%d/%s", s.port, database)
}

// shared is the server of all tests that do not kill it.
var shared *server

func TestMain(m *testing.M) {
	code := 1
	var err error
	if shared, err = newServer("fsync=off"); err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else if code = m.Run(); code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	if shared != nil {
		shared.remove()
	}
	os.Exit(code)
}

// newURL returns the URL of an empty database on the shared server.
func newURL(t testing.TB) string {
	t.Helper()
	return newDatabase(t, shared)
}

func newDatabase(t testing.TB, s *server) string {
	t.Helper()
	name := strings.ToLower(strings.Map(func(r rune) rune {
		if r < 'A' || r > 'z' || r > 'Z' && r < 'a' {
			return '_'
		}
		return r
	}, t.Name()))
	name = fmt.Sprintf("%.40s_%d", name, time.Now().UnixNano())
	command(t, s.url("postgres"), "CREATE DATABASE "+name)
	t.Cleanup(func() { command(t, s.url("postgres"), "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)") })
	return s.url(name)
}

// command runs a statement on a connection of its own, as an independent client would.
func command(t testing.TB, url, statement string) {
	t.Helper()
	conn := connect(t, url)
	defer conn.Close(context.Background())
	if _, err := conn.Exec(context.Background(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// ask returns the only value of a query's answer.
func ask[T any](t testing.TB, url, query string, args ...any) (answer T) {
	t.Helper()
	conn := connect(t, url)
	defer conn.Close(context.Background())
	if err := conn.QueryRow(context.Background(), query, args...).Scan(&answer); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return answer
}
