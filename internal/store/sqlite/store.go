// Package sqlite keeps the archive in one SQLite file: for a laptop, an edge gateway, and the tests.
package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // The driver.

	"iotmon/internal/api"
	"iotmon/internal/archive"
	"iotmon/internal/iot"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Options configure a Store.
type Options struct {
	// Path is the database file; its directory is created if it is missing.
	Path string
	// ReadingsTopic names the topic whose offsets determine which readings are stored.
	ReadingsTopic string
	// SyncWrites makes a committed batch survive a power failure; without it, a batch survives only a crash of the process.
	SyncWrites bool
	// Refused is called, if not nil, with the reason for each row that was left out of a batch because SQLite refuses its
	// content. It must not block.
	Refused func(err error)
}

// readers is the maximum number of concurrent queries. Each has its own page cache, which is freed after readerIdle without
// use.
const (
	readers    = 3
	readerIdle = time.Minute
)

// The writer's cache should hold the last page of each device's readings. A larger cache fills with pages that are never
// written again: 8 MiB after some hours with a hundred devices.
const (
	leastCache     = 1024 // KiB
	mostCache      = 8192
	cachePerDevice = 6
)

// checkpointAt is the size of the write-ahead log, in pages, at which its pages are copied to the database: each page once, however
// often it was written meanwhile. walLimit truncates the log after a large transaction.
const (
	checkpointAt = "wal_autocheckpoint(8000)"
	walLimit     = "journal_size_limit(67108864)"
)

// Store is an archive.Store and an api.History. One connection writes and a few read; readers never wait for the writer
// (WAL). Its methods may be called concurrently.
type Store struct {
	writer, reader *sql.DB
	readingsTopic  string
	refused        func(err error)

	// mu serializes writers and guards names and cacheSize, the size of the writer's cache in KiB.
	mu    sync.Mutex
	names names
	cache int
}

var (
	_ archive.Store = (*Store)(nil)
	_ api.History   = (*Store)(nil)
)

// Open opens or creates the database and migrates its schema. It returns an error if the schema is of a newer version.
func Open(ctx context.Context, options Options) (*Store, error) {
	if err := os.MkdirAll(filepath.Dir(options.Path), 0o755); err != nil {
		return nil, fmt.Errorf("create the database's directory: %w", err)
	}
	s := &Store{readingsTopic: options.ReadingsTopic, refused: options.Refused}
	if s.refused == nil {
		s.refused = func(error) {}
	}
	synchronous := "NORMAL"
	if options.SyncWrites {
		synchronous = "FULL"
	}
	writer, err := open(options.Path, 1, "synchronous("+synchronous+")", fmt.Sprintf("cache_size(-%d)", leastCache))
	if err != nil {
		return nil, err
	}
	s.writer = writer
	files, err := fs.Sub(migrations, "migrations")
	if err == nil {
		err = migrate(ctx, writer, files)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("prepare database %s: %w", options.Path, err), writer.Close())
	}
	if s.reader, err = open(options.Path, readers, "query_only(1)", "cache_size(-4096)"); err != nil {
		return nil, errors.Join(err, writer.Close())
	}
	if s.names, err = loadNames(ctx, s.writer); err != nil {
		return nil, errors.Join(fmt.Errorf("read database %s: %w", options.Path, err), s.Close())
	}
	s.reader.SetConnMaxIdleTime(readerIdle)
	return s, nil
}

// fitCache sizes the writer's cache for the number of devices. The caller holds mu.
func (s *Store) fitCache(ctx context.Context) error {
	size := min(leastCache+cachePerDevice*s.names.devices.Len(), mostCache)
	if size < s.cache+leastCache/4 && size < mostCache || size == s.cache {
		return nil // Not worth a statement for every new device.
	}
	if _, err := s.writer.ExecContext(ctx, fmt.Sprintf("PRAGMA cache_size = -%d", size)); err != nil {
		return fmt.Errorf("set the size of the cache: %w", err)
	}
	s.cache = size
	return nil
}

func open(path string, connections int, pragmas ...string) (*sql.DB, error) {
	query := url.Values{"_txlock": {"immediate"}}
	for _, pragma := range append([]string{"journal_mode(WAL)", "busy_timeout(10000)", "temp_store(MEMORY)", checkpointAt, walLimit}, pragmas...) {
		query.Add("_pragma", pragma)
	}
	address := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: query.Encode()}
	db, err := sql.Open("sqlite", address.String())
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db, nil
}

// migrate applies the migrations in files that are missing.
func migrate(ctx context.Context, db *sql.DB, files fs.FS) error {
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, files)
	if err != nil {
		return err
	}
	current, target, err := provider.GetVersions(ctx)
	if err != nil {
		return err
	}
	if current > target {
		return fmt.Errorf("its schema has version %d, this program supports up to %d: use the program that wrote it, or a newer one", current, target)
	}
	_, err = provider.Up(ctx)
	return err
}

// Close waits for running calls and closes the database.
func (s *Store) Close() error {
	var err error
	if s.reader != nil {
		err = s.reader.Close()
	}
	return errors.Join(err, s.writer.Close())
}

// names caches the committed rows of device types, areas and devices.
type names struct {
	types   map[iot.DeviceType]int64
	areas   map[iot.Area]int64
	devices iot.ByDevice[*device]
}

// device is a row of devices. stored is its content, newest the time of the device's newest reading since, and partitions
// are those under which the device is listed.
type device struct {
	id         int64
	stored     iot.Device
	newest     int64
	partitions []int32
}

func loadNames(ctx context.Context, db *sql.DB) (names, error) {
	n := names{types: make(map[iot.DeviceType]int64), areas: make(map[iot.Area]int64)}
	err := each(ctx, db, func(rows *sql.Rows) error {
		var id int64
		var name iot.DeviceType
		if err := rows.Scan(&id, &name); err != nil {
			return err
		}
		n.types[name] = id
		return nil
	}, `SELECT id, name FROM device_types`)
	if err != nil {
		return names{}, err
	}
	err = each(ctx, db, func(rows *sql.Rows) error {
		var id int64
		var area iot.Area
		err := rows.Scan(&id, &area)
		n.areas[area] = id
		return err
	}, `SELECT id, area FROM areas WHERE tenant = ''`)
	if err != nil {
		return names{}, err
	}
	byRow := make(map[int64]*device)
	err = each(ctx, db, func(rows *sql.Rows) error {
		d := new(device)
		s := &d.stored
		if err := rows.Scan(&d.id, &s.Tenant, &s.ID, &s.Type, &s.Unit, &s.Location.Building, &s.Location.Floor, &s.Location.Room,
			&s.Metadata.Model, &s.Metadata.Firmware, &d.newest); err != nil {
			return err
		}
		n.devices.Set(s.Identity(), d)
		byRow[d.id] = d
		return nil
	}, `SELECT id, tenant, device_id, device_type, unit, building, floor, room, model, firmware, said FROM devices`)
	if err != nil {
		return names{}, err
	}
	return n, each(ctx, db, func(rows *sql.Rows) error {
		var partition int32
		var id int64
		if err := rows.Scan(&partition, &id); err != nil {
			return err
		}
		byRow[id].partitions = append(byRow[id].partitions, partition)
		return nil
	}, `SELECT partition, device FROM device_partitions`)
}

// querier is a database or a transaction of it.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// each runs a query and calls scan for every row.
func each(ctx context.Context, db querier, scan func(*sql.Rows) error, query string, args ...any) error {
	rows, err := db.QueryContext(ctx, query, args...)
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
