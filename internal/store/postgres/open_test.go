package postgres_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"iotmon/internal/api"
	"iotmon/internal/archive"
	"iotmon/internal/store/postgres"
	"iotmon/internal/store/storetest"
)

func lazily(t testing.TB, url string) *postgres.Store {
	t.Helper()
	s, err := postgres.Open(postgres.Options{URL: url, ReadingsTopic: storetest.Topic})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestAnyNumberOfInstancesMayMigrateAtOnce(t *testing.T) {
	url := newURL(t)
	var all sync.WaitGroup
	for range 6 {
		s := lazily(t, url)
		all.Go(func() {
			if err := s.Migrate(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := ask[int64](t, url, `SELECT count(*) FROM goose_db_version WHERE version_id = 1`); n != 1 {
		t.Errorf("the first migration ran %d times", n)
	}
}

func TestADatabaseThatDoesNotFitIsRefused(t *testing.T) {
	url := newURL(t)
	open(t, url)
	command(t, url, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, true)`)
	err := lazily(t, url).Prepare(t.Context(), slog.New(slog.DiscardHandler))
	if !errors.Is(err, postgres.ErrUnfit) || !strings.Contains(err.Error(), "version 99") {
		t.Errorf("got %v, want a refusal that names the version", err)
	}
	_, _, name := parts(t, url)
	latin := name + "_latin"
	command(t, url, `CREATE DATABASE `+latin+` ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0`)
	t.Cleanup(func() { command(t, url, `DROP DATABASE `+latin+` WITH (FORCE)`) })
	err = lazily(t, database(t, url, latin)).Prepare(t.Context(), slog.New(slog.DiscardHandler))
	if !errors.Is(err, postgres.ErrUnfit) || !strings.Contains(err.Error(), "UTF8") {
		t.Errorf("got %v, want a refusal that names the encoding", err)
	}
}

// closedPort returns a port of the loopback interface on which no server listens.
func closedPort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

// logLines collects log lines.
type logLines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logLines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func TestAStoreWaitsForItsServer(t *testing.T) {
	s := ownServer(t, "fsync=off")
	if err := s.stop("fast"); err != nil {
		t.Fatal(err)
	}
	store := lazily(t, strings.Replace(s.url("postgres"), "iotmon@", "iotmon:s3cret@", 1))
	if err := store.Write(t.Context(), &archive.Batch{}); err == nil || !postgres.Transient(err) {
		t.Errorf("got %v, want an error that is worth a retry", err)
	}
	log := new(logLines)
	prepared := make(chan error)
	go func() { prepared <- store.Prepare(context.Background(), slog.New(slog.NewTextHandler(log, nil))) }()
	for !strings.Contains(log.String(), "unreachable") {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(time.Second) // It goes on trying, and says nothing more.
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
	if err := <-prepared; err != nil {
		t.Fatal(err)
	}
	text := log.String()
	if n := strings.Count(text, "PostgreSQL unreachable, retrying"); n != 1 || !strings.Contains(text, "can be used again") || strings.Contains(text, "s3cret") {
		t.Errorf("got %s, want one line when it is away and one when it is there, without the password", text)
	}
	if err := store.Write(t.Context(), &archive.Batch{}); err != nil {
		t.Error(err)
	}
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	store := lazily(t, fmt.Sprintf("postgres://iotmon@127.0.0.1:%d/iotmon", closedPort(t)))
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := store.Prepare(ctx, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("got no error, want that of the context")
	}
}

func TestNoErrorContainsThePassword(t *testing.T) {
	base := newURL(t)
	for _, address := range []string{
		"postgres://iotmon:s3cret@127.0.0.1:notaport/iotmon",
		"postgres://iotmon:s3cret@127.0.0.1/iotmon?sslmode=sometimes",
		"postgres://iotmon:s3cret@[::1/iotmon",
		"postgres://iotmon:s3cret/and@more@127.0.0.1/iotmon",
		"postgres://iotmon:s3cret%zz@127.0.0.1/iotmon",
		"host=127.0.0.1 user=iotmon password=s3cret sslmode=sometimes",
		"host=127.0.0.1 password='s3cret port=x",
		"user=iotmon password = s3cret port=x",
		fmt.Sprintf("postgres://iotmon:s3cret@127.0.0.1:%d/iotmon", closedPort(t)),
		fmt.Sprintf("host=127.0.0.1 port=%d user=iotmon password=s3cret", closedPort(t)),
		with(t, base, func(u *url.URL) { u.User, u.Path = url.UserPassword(u.User.Username(), "s3cret"), "/nowhere" }),
		with(t, base, func(u *url.URL) { u.User = url.UserPassword("nobody", "s3cret") }),
	} {
		s, err := postgres.Open(postgres.Options{URL: address})
		if err == nil {
			err = s.Migrate(t.Context())
			s.Close()
		}
		if err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("got %v, want an error without the password", err)
		}
	}
}

func TestTheWritableOfSeveralHostsIsFound(t *testing.T) {
	url := newURL(t)
	host, user, name := parts(t, url)
	_, port, _ := net.SplitHostPort(host)
	for i, several := range []string{
		strings.Replace(url, "@"+host, fmt.Sprintf("@127.0.0.1:%d,%s", closedPort(t), host), 1),
		fmt.Sprintf("host=127.0.0.1,127.0.0.1 port=%d,%s user=%s dbname=%s", closedPort(t), port, user, name),
	} {
		if strings.Contains(several, "?") {
			several += "&target_session_attrs=read-write"
		} else if strings.Contains(several, "://") {
			several += "?target_session_attrs=read-write"
		} else {
			several += " target_session_attrs=primary"
		}
		f := &feed{partition: int32(10 + i)}
		f.write(t, open(t, several), 0, reading("a", f.partition, float64(i), 1))
	}
	// A server that has become read-only is an error that is worth a retry, and not kept.
	s := open(t, url)
	f := &feed{partition: 1}
	f.write(t, s, 0)
	command(t, url, `ALTER DATABASE `+name+` SET default_transaction_read_only = on`)
	command(t, url, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`)
	if err := s.Write(t.Context(), f.batch(1, reading("b", 1, 0, 1))); err == nil || !postgres.Transient(err) {
		t.Errorf("got %v, want an error that is worth a retry", err)
	}
	command(t, database(t, url, "postgres"), `ALTER DATABASE `+name+` RESET default_transaction_read_only`)
	f.write(t, s, 1, reading("b", 1, 0, 1))
}

func TestWhatIsWorthARetry(t *testing.T) {
	url := newURL(t)
	s := open(t, url)
	command(t, url, `ALTER TABLE alerts RENAME TO elsewhere`)
	f := &feed{}
	b := f.batch(0)
	b.Alerts = append(b.Alerts, everything(f, 1).Alerts...)
	if err := s.Write(t.Context(), b); err == nil || postgres.Transient(err) {
		t.Errorf("got %v, want an error that somebody has to put right", err)
	}
	if postgres.Transient(nil) {
		t.Error("nil is no error")
	}
	// An operator ends every connection: the next write makes new ones.
	command(t, url, `ALTER TABLE elsewhere RENAME TO alerts`)
	command(t, url, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`)
	for try := 0; ; try++ {
		err := s.Write(t.Context(), b)
		if err == nil {
			break
		}
		if !postgres.Transient(err) || try > 5 {
			t.Fatal(err)
		}
	}
}

func TestTLS(t *testing.T) {
	s := ownServer(t, "fsync=off")
	authority := certify(t, s)
	if err := s.stop("fast"); err != nil {
		t.Fatal(err)
	}
	s.settings = append(s.settings, "ssl=on")
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
	url := s.url("postgres") + "?sslmode=verify-full&sslrootcert=" + authority
	f := &feed{}
	f.write(t, open(t, url), 0, reading("a", 0, 0, 1))
	if err := lazily(t, s.url("postgres")+"?sslmode=verify-full").Migrate(t.Context()); err == nil {
		t.Error("a certificate of nobody's is trusted")
	}
}

// certify gives the server a certificate and returns the file that vouches for it.
func certify(t *testing.T, s *server) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "iotmon"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"server.crt": {Type: "CERTIFICATE", Bytes: certificate}, "server.key": {Type: "PRIVATE KEY", Bytes: private},
	} {
		path := filepath.Join(s.dir, "data", name)
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		if s.as != nil {
			if err := os.Chown(path, int(s.as.Uid), int(s.as.Gid)); err != nil {
				t.Fatal(err)
			}
		}
	}
	authority := filepath.Join(t.TempDir(), "authority.pem")
	if err := os.WriteFile(authority, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}), 0o600); err != nil {
		t.Fatal(err)
	}
	return authority
}

// Idle connections that are lost, because the server was restarted or the network was cut, are replaced without an error to the
// caller.
func TestLostConnectionsAreReplaced(t *testing.T) {
	address := newURL(t)
	_, _, name := parts(t, address)
	store := open(t, address)
	everything := api.SummariesQuery{From: time.Unix(0, 0), To: time.Now(), Limit: 1}
	for range 20 {
		var all sync.WaitGroup
		for range 4 { // As many as there are connections for questions.
			all.Go(func() {
				if _, err := store.Summaries(t.Context(), everything); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		command(t, address, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'iotmon' AND datname = '`+name+`'`)
		if _, err := store.Summaries(t.Context(), everything); err != nil {
			t.Errorf("a question after the connections were lost: %v", err)
		}
		if err := store.Write(t.Context(), &archive.Batch{}); err != nil {
			t.Errorf("a batch after the connections were lost: %v", err)
		}
	}
}
