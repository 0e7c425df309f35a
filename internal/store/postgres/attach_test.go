package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"iotmon/internal/api"
	"iotmon/internal/store/postgres"
	"iotmon/internal/store/storetest"
)

// PostgreSQL's sessions learn of a new partition by messages, which they read whenever they lock a table. A session that is
// just listing the partitions of a table for itself may read the message that a partition was attached after it has read
// pg_inherits without it: then it keeps the old list, message and all, and finds no partition for a row until another
// message comes, which may be a day later; and it finds no rows in it either. The tests here bring that about.

// attaching is a session that has attached a partition for the next day, as a Store does, and not committed.
type attaching struct {
	t *testing.T
	*pgx.Conn
}

// The numbers of two system tables.
const pgClass, pgInherits = 1259, 2611

// waitingFor returns whether a session waits for a table, or for the lock of the attaching.
const waitingFor = `SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND (relation = $1 OR locktype = 'advisory')`

func attach(t *testing.T, url string) attaching {
	t.Helper()
	// After this every session has to read the list of partitions and the first day's entry from the catalog again.
	command(t, url, `ALTER TABLE readings_d20240130 SET (fillfactor = 90); ALTER TABLE readings ALTER value SET STATISTICS 99`)
	a := attaching{t, connect(t, url)}
	t.Cleanup(func() { a.Close(context.Background()) })
	a.exec(`BEGIN`)
	a.exec(`SELECT pg_advisory_xact_lock(29677418397527664)`)
	a.exec(`CREATE TABLE readings_d20240131 (LIKE readings INCLUDING DEFAULTS)`)
	a.exec(`ALTER TABLE readings ATTACH PARTITION readings_d20240131 FOR VALUES FROM ('2024-01-31 00:00+00') TO ('2024-02-01 00:00+00')`)
	return a
}

func (a attaching) exec(statement string) {
	a.t.Helper()
	if _, err := a.Conn.Exec(context.Background(), statement); err != nil {
		a.t.Fatalf("%s: %v", statement, err)
	}
}

// meanwhile runs do, which lists the partitions of the readings for itself, such that the attaching is committed in the
// middle of that: after do's session has read pg_inherits, and before it looks up the partitions in pg_class.
func (a attaching) meanwhile(url string, do func() error) {
	a.t.Helper()
	watch := connect(a.t, url)
	defer watch.Close(context.Background())
	await := func(table int) {
		a.t.Helper()
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
			var waiting bool
			err := watch.QueryRow(context.Background(), waitingFor, table).Scan(&waiting)
			if err != nil || waiting || table == 0 {
				if err != nil {
					a.t.Fatal(err)
				}
				return
			}
			if time.Now().After(deadline) {
				a.t.Fatalf("no session waits for table %d", table)
			}
		}
	}
	await(0) // From now on this session has cached what waitingFor needs of pg_class.
	inherits, class := attaching{a.t, connect(a.t, url)}, attaching{a.t, connect(a.t, url)}
	defer inherits.Close(context.Background())
	defer class.Close(context.Background())
	inherits.exec(`BEGIN; LOCK TABLE pg_inherits IN ACCESS EXCLUSIVE MODE`)
	done := make(chan error, 1)
	go func() { done <- do() }()
	await(pgInherits)
	class.exec(`BEGIN; LOCK TABLE pg_class IN ACCESS EXCLUSIVE MODE`)
	inherits.exec(`ROLLBACK`)
	await(pgClass)
	a.exec(`COMMIT`)
	class.exec(`ROLLBACK`)
	if err := <-done; err != nil {
		a.t.Fatal(err)
	}
}

func TestAWriterSeesAPartitionThatIsAttachedWhileItLists(t *testing.T) {
	url := newURL(t)
	open(t, url)
	s, err := postgres.Open(postgres.Options{URL: url, ReadingsTopic: storetest.Topic, Writers: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	f := &feed{}
	f.write(t, s, 0, reading("a", 0, 0, 1))
	attach(t, url).meanwhile(url, func() error {
		b := f.batch(1, reading("a", 0, 1, 1))
		err := s.Write(context.Background(), b)
		f.moved(b)
		return err
	})
	f.write(t, s, 0, reading("a", 0, 24*60*60, 1))
	if got := stored(t, url); got != 3 {
		t.Errorf("got %d readings, want 3", got)
	}
}

func TestAReaderSeesAPartitionThatIsAttachedWhileItLists(t *testing.T) {
	url := newURL(t)
	s := open(t, url)
	reader, err := postgres.Open(postgres.Options{URL: url, ReadingsTopic: storetest.Topic, Readers: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	f := &feed{}
	f.write(t, s, 0, reading("a", 0, 0, 1))
	count := 0
	ask := func() error {
		got, err := reader.Readings(context.Background(), api.ReadingsQuery{Device: "a", From: at(-1e6), To: at(1e6), MaxPoints: 100})
		count = len(got)
		return err
	}
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	attach(t, url).meanwhile(url, ask)
	f.write(t, s, 0, reading("a", 0, 24*60*60, 1))
	if err := ask(); err != nil || count != 2 {
		t.Errorf("got %d readings, %v, want 2", count, err)
	}
}
