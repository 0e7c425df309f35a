package postgres

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"iotmon/internal/api"
	"iotmon/internal/archive"
)

// Options say where the database is and how it is used.
type Options struct {
	// URL is a connection string as pgx and libpq know it: a URL or key=value pairs, with several hosts, TLS and
	// target_session_attrs as wanted. Its password is in no error and no log line.
	URL string
	// Password wins over one in the connection string, which would have to encode some characters.
	Password string
	// ReadingsTopic names the topic whose offsets tell which readings are stored.
	ReadingsTopic string
	// Writers and Readers bound the connections that write and those that answer questions about history, so that no number
	// of questions delays the archive; 0 is 3 and 4. A writer and the pruning beside it need one connection each.
	Writers, Readers int32
	// Timeout bounds each transaction, on the server and here: one that a dead network has left hanging releases its locks
	// after it. 0 is 30 s.
	Timeout time.Duration
	// Refused is told of each row that a written batch lacks because the server refuses what it holds, with the reason; nil
	// tells nobody. It must not block.
	Refused func(err error)
}

const (
	defaultWriters = 3
	defaultReaders = 4
	defaultTimeout = 30 * time.Second
	// connectTimeout bounds a connection attempt to one host, unless the connection string says otherwise.
	connectTimeout = 5 * time.Second
	// keepAlive is how often an idle connection is probed: nine unanswered probes end it.
	keepAlive = 15 * time.Second
	// rollbackTimeout bounds the end of a transaction that has failed already.
	rollbackTimeout = 5 * time.Second
)

// Store is an archive.Store and an api.History. Its methods may be called concurrently; writes of one Store wait for each
// other.
type Store struct {
	writer, reader *pgxpool.Pool
	readingsTopic  string
	timeout        time.Duration
	refused        func(err error)

	// mu serializes writes and guards what they know and reuse.
	mu     sync.Mutex
	names  names
	ranges ranges
	sorter sorter
	// hyper means that TimescaleDB cuts the readings, and ranges stays empty.
	hyper bool
	// staged is how many batches are still to go through the staging table.
	staged int
}

var (
	_ archive.Store = (*Store)(nil)
	_ api.History   = (*Store)(nil)
)

// Open returns a store for the database that options name. It checks the options and connects to nothing: connections are
// made when they are needed, and made again when they are lost. The schema must have been brought up to date by Migrate
// or Prepare before anything is written; until then, and while the server is away, every method returns an error.
func Open(options Options) (*Store, error) {
	s := &Store{readingsTopic: options.ReadingsTopic, timeout: options.Timeout, refused: options.Refused, names: newNames()}
	if s.refused == nil {
		s.refused = func(error) {}
	}
	if s.timeout <= 0 {
		s.timeout = defaultTimeout
	}
	var err error
	if s.writer, err = newPool(&options, options.Writers, defaultWriters); err != nil {
		return nil, err
	}
	if s.reader, err = newPool(&options, options.Readers, defaultReaders); err != nil {
		s.writer.Close()
		return nil, err
	}
	return s, nil
}

func newPool(options *Options, size, defaultSize int32) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(options.URL)
	if err != nil {
		return nil, fmt.Errorf("connection string of the database: %s", reason(options.URL, err))
	}
	if options.Password != "" {
		config.ConnConfig.Password = options.Password
	}
	if size <= 0 {
		size = defaultSize
	}
	config.MaxConns = size
	config.MinConns = 0
	// A connection that was opened to a server which has since become a replica is found out in minutes.
	config.MaxConnLifetime = 10 * time.Minute
	config.MaxConnLifetimeJitter = time.Minute
	config.PingTimeout = connectTimeout
	if _, ok := config.ConnConfig.RuntimeParams["application_name"]; !ok {
		config.ConnConfig.RuntimeParams["application_name"] = "iotmon"
	}
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = connectTimeout
	}
	config.ConnConfig.DialFunc = (&net.Dialer{KeepAlive: keepAlive}).DialContext
	config.AfterConnect = prepareConnection
	// The context bounds only the making of a first connection, and there is none yet.
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		return nil, fmt.Errorf("open a pool of connections: %w", err)
	}
	return pool, nil
}

// reason returns what is wrong with a connection string without repeating it. pgx repeats it with the password blotted out,
// but does not find every password in a string that it cannot read, and net/url takes half a password for a port.
func reason(connection string, err error) string {
	if strings.Contains(connection, "://") {
		if _, err := url.Parse(connection); err != nil {
			return "not a URL; special characters in a password must be percent-encoded"
		}
	}
	text := err.Error()
	if i := strings.LastIndex(text, "`: "); i >= 0 {
		return text[i+len("`: "):]
	}
	return "cannot be read"
}

// prepareConnection makes times come back in UTC, as they are everywhere in the program.
func prepareConnection(_ context.Context, conn *pgx.Conn) error {
	conn.TypeMap().RegisterType(&pgtype.Type{
		Name: "timestamptz", OID: pgtype.TimestamptzOID, Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC},
	})
	return nil
}

// Close waits for what is running and closes every connection.
func (s *Store) Close() error {
	s.writer.Close()
	s.reader.Close()
	return nil
}

// bounded begins a batch of statements with the server's own limits on this transaction. They are set with every
// transaction rather than with the connection, for a pooler may stand in between. Compiling a query and spreading it over
// processes costs more than any query here takes.
func (s *Store) bounded() *pgx.Batch {
	batch := new(pgx.Batch)
	limit := strconv.FormatInt(s.timeout.Milliseconds(), 10)
	batch.Queue(`SELECT set_config('statement_timeout', $1, true), set_config('idle_in_transaction_session_timeout', $1, true),
		set_config('jit', 'off', true), set_config('max_parallel_workers_per_gather', '0', true)`, limit)
	return batch
}

// sharing begins a batch of statements for a transaction during which no partition is attached or dropped; see partitionsLock.
func (s *Store) sharing() *pgx.Batch {
	batch := s.bounded()
	batch.Queue(`SELECT pg_advisory_xact_lock_shared($1)`, partitionsLock)
	return batch
}

// transact runs do in a transaction of the writing connections. The whole must end within the timeout.
func (s *Store) transact(ctx context.Context, do func(ctx context.Context, tx pgx.Tx) error) error {
	return s.inTransaction(ctx, s.writer, pgx.TxOptions{}, s.sharing, do)
}

// readOnly runs do in a transaction that sees one moment of the database and changes nothing.
func (s *Store) readOnly(ctx context.Context, do func(ctx context.Context, tx pgx.Tx) error) error {
	return s.inTransaction(ctx, s.reader, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, s.sharing, do)
}

// inTransaction runs do in a transaction that begins with the statements of first.
func (s *Store) inTransaction(ctx context.Context, pool *pgxpool.Pool, options pgx.TxOptions, first func() *pgx.Batch, do func(ctx context.Context, tx pgx.Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	tx, err := s.begin(ctx, pool, options, first)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer rollBack(ctx, tx)
	if err := do(ctx, tx); err != nil {
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// begin begins a transaction. The connections of a pool may have been lost since they were last used, to a server's restart or
// on the network, which shows only now; as nothing has been asked yet, another one will do. Each attempt uses one up.
func (s *Store) begin(ctx context.Context, pool *pgxpool.Pool, options pgx.TxOptions, first func() *pgx.Batch) (tx pgx.Tx, err error) {
	for range pool.Stat().MaxConns() + 1 {
		if tx, err = s.beginOnce(ctx, pool, options, first()); err == nil || !lost(err) || ctx.Err() != nil {
			break
		}
	}
	return tx, err
}

func (s *Store) beginOnce(ctx context.Context, pool *pgxpool.Pool, options pgx.TxOptions, first *pgx.Batch) (pgx.Tx, error) {
	tx, err := pool.BeginTx(ctx, options)
	if err != nil {
		return nil, err
	}
	if err := tx.SendBatch(ctx, first).Close(); err != nil {
		rollBack(ctx, tx)
		return nil, err
	}
	return tx, nil
}

// rollBack ends a transaction that has not been committed; a cancelled context must not keep its locks. After a commit it
// does nothing. What fails here has failed before, and that error counts.
func rollBack(ctx context.Context, tx pgx.Tx) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
	defer cancel()
	_ = tx.Rollback(ctx)
}

// oneByOne ends a subquery that is looked up in an index for every row before it. It limits nothing, but keeps the planner
// from joining the other way round, with all rows of a device, as it does where it knows little of a new table.
const oneByOne = `OFFSET 0`

// scanByTime makes the rest of a transaction find readings by the index on their time. Of a day that is being written the
// planner knows too little, and reads all of it.
const scanByTime = `SELECT set_config('enable_seqscan', 'off', true), set_config('enable_indexscan', 'off', true),
	set_config('enable_indexonlyscan', 'off', true)`

// each runs a query and calls scan for every row.
func each(ctx context.Context, tx pgx.Tx, scan func(pgx.Rows) error, query string, args ...any) error {
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
