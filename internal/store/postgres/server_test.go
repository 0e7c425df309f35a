package postgres_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"iotmon/tests/testenv"
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

// allowPasswords has it ask for a password, but for its owner.
func (s *server) allowPasswords() error {
	rules := "host all iotmon 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
	if err := os.WriteFile(filepath.Join(s.dir, "data", "pg_hba.conf"), []byte(rules), 0o600); err != nil {
		return err
	}
	return errors.Join(s.stop("fast"), s.start())
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

// ownServer starts a server that the test may stop, with settings such as fsync=off.
func ownServer(t testing.TB, settings ...string) *server {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a real server")
	}
	s, err := newServer(settings...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.remove)
	return s
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newURL returns the URL of an empty database on a server that tests share.
func newURL(t testing.TB) string {
	t.Helper()
	return testenv.Postgres(t)
}

// with returns a URL that differs in some parts.
func with(t testing.TB, address string, change func(*url.URL)) string {
	t.Helper()
	changed, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	change(changed)
	return changed.String()
}

// database returns the URL of another database of the same server.
func database(t testing.TB, address, name string) string {
	t.Helper()
	return with(t, address, func(u *url.URL) { u.Path = "/" + name })
}

// parts returns the host, user and database of a URL.
func parts(t testing.TB, address string) (host, user, name string) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host, u.User.Username(), strings.TrimPrefix(u.Path, "/")
}

// command runs a statement on a connection of its own, as another client would.
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
