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

// Options configure a Store.
type Options struct {
	// URL is a connection string of pgx and libpq: a URL or key=value pairs, which may have several hosts, TLS and
	// target_session_attrs. Its password does not appear in errors and logs.
	URL string
	// Password overrides one in the connection string, where some characters have to be encoded.
	Password string
	// ReadingsTopic names the topic whose offsets determine which readings are stored.
	ReadingsTopic string
	// Writers and Readers are the maximum numbers of connections for writes and for queries, which are separate so that
	// queries cannot delay the archive; 0 means 3 and 4. A write and a concurrent pruning need one connection each.
	Writers, Readers int32
	// Timeout limits each transaction, on the server and here: a transaction whose connection is dead releases its locks
	// after it. 0 means 30 s.
	Timeout time.Duration
	// Refused is called, if not nil, with the reason for each row that was left out of a batch because the server refuses
	// its content. It must not block.
	Refused func(err error)
}

const (
	defaultWriters = 3
	defaultReaders = 4
	defaultTimeout = 30 * time.Second
	// connectTimeout limits a connection attempt to one host, unless the connection string has another timeout.
	connectTimeout = 5 * time.Second
	// keepAlive is how often an idle connection is probed: nine unanswered probes end it.
	keepAlive = 15 * time.Second
	// rollbackTimeout limits the rollback of a failed transaction.
	rollbackTimeout = 5 * time.Second
)

// Store is an archive.Store and an api.History. Its methods may be called concurrently; writes of one Store wait for each
// other.
type Store struct {
	writer, reader *pgxpool.Pool
	readingsTopic  string
	timeout        time.Duration
	refused        func(err error)

	// mu serializes writes and guards their caches and buffers.
	mu     sync.Mutex
	names  names
	ranges ranges
	sorter sorter
	// hyper means that readings is a hypertable of TimescaleDB; ranges stays empty then.
	hyper bool
	// staged is how many of the next batches go through the staging table.
	staged int
}

var (
	_ archive.Store = (*Store)(nil)
	_ api.History   = (*Store)(nil)
)

// Open returns a store for the database in options. It checks the options but does not connect: connections are made on
// demand and renewed after they are lost. Call Migrate or Prepare before the first write; until then, and while the server
// is unreachable, every method returns an error.
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
	// A connection to a server that has become a replica is closed within minutes.
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
	// The context applies only to the first connection, which is not made here.
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		return nil, fmt.Errorf("open a pool of connections: %w", err)
	}
	return pool, nil
}

// reason returns what is wrong with a connection string without quoting it. pgx quotes it with the password masked, but
// does not find every password in a malformed string; net/url may report part of a password as a port.
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

// prepareConnection makes the connection return times in UTC.
func prepareConnection(_ context.Context, conn *pgx.Conn) error {
	conn.TypeMap().RegisterType(&pgtype.Type{
		Name: "timestamptz", OID: pgtype.TimestamptzOID, Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC},
	})
	return nil
}

// Close waits for running calls and closes every connection.
func (s *Store) Close() error {
	s.writer.Close()
	s.reader.Close()
	return nil
}

// bounded returns a batch that begins with the server's limits for this transaction. They are set per transaction and not
// per connection, because a connection pooler may be in between. It also turns off JIT and parallel query, which cost more
// than the queries here take.
func (s *Store) bounded() *pgx.Batch {
	batch := new(pgx.Batch)
	limit := strconv.FormatInt(s.timeout.Milliseconds(), 10)
	batch.Queue(`SELECT set_config('statement_timeout', $1, true), set_config('idle_in_transaction_session_timeout', $1, true),
		set_config('jit', 'off', true), set_config('max_parallel_workers_per_gather', '0', true)`, limit)
	return batch
}

// sharing is bounded plus a shared partitionsLock: during the transaction no partition is attached or dropped.
func (s *Store) sharing() *pgx.Batch {
	batch := s.bounded()
	batch.Queue(`SELECT pg_advisory_xact_lock_shared($1)`, partitionsLock)
	return batch
}

// transact runs do in a transaction on a writing connection, within the timeout.
func (s *Store) transact(ctx context.Context, do func(ctx context.Context, tx pgx.Tx) error) error {
	return s.inTransaction(ctx, s.writer, pgx.TxOptions{}, s.sharing, do)
}

// readOnly runs do in a read-only transaction on one snapshot of the database.
func (s *Store) readOnly(ctx context.Context, do func(ctx context.Context, tx pgx.Tx) error) error {
	return s.inTransaction(ctx, s.reader, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, s.sharing, do)
}

// inTransaction runs the statements of first and then do, in one transaction that may take the store's timeout at most. It
// commits if do returns nil, and rolls back otherwise. If a connection is found lost when the transaction begins, it uses another
// one.
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

// begin begins a transaction. Pooled connections may have been lost since their last use, which shows only now. Nothing has
// been executed yet, so it tries another connection; each attempt discards one.
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

// rollBack rolls back a transaction unless it was committed, even if ctx has ended, so that its locks are released. It
// ignores errors: the caller returns the error that came before.
func rollBack(ctx context.Context, tx pgx.Tx) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
	defer cancel()
	_ = tx.Rollback(ctx)
}

// oneByOne ends a subquery that should be an index lookup for every outer row. It limits nothing, but it is an optimization
// fence: with few statistics of a new table the planner would otherwise join with all rows of a device.
const oneByOne = `OFFSET 0`

// scanByTime makes the rest of a transaction use the index on the time of readings. Without it the planner reads all of the
// current day, for which it has too few statistics.
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
