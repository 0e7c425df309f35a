package postgres

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"iotmon/internal/retry"
)

//go:embed migrations/*.sql control/*.sql
var migrations embed.FS

// schemas are the parts of the schema. Each has its own directory of migrations, and its own table of their versions.
var schemas = []struct{ dir, table string }{
	{"migrations", goose.DefaultTablename},
	{"control", "control_db_version"},
}

// ErrUnfit means that this program cannot use the database; retrying does not help.
var ErrUnfit = errors.New("the database does not fit")

const (
	// oldestVersion is the oldest supported version of PostgreSQL.
	oldestVersion = 13
	// migrationsLock keeps instances that start together from migrating at once.
	migrationsLock = 0x696f746d6f6e
	// firstPause and longestPause are the limits of the pause between attempts to reach the server.
	firstPause   = 250 * time.Millisecond
	longestPause = 5 * time.Second
)

// Prepare migrates the schema and waits for the server as long as necessary. It logs why the server cannot be used, once
// for each reason, and when it can be used. It returns when ctx ends, or with ErrUnfit.
func (s *Store) Prepare(ctx context.Context, logger *slog.Logger) error {
	pauses, logged := retry.NewBackoff(firstPause, longestPause), ""
	for {
		err := s.Migrate(ctx)
		switch {
		case err == nil:
			if logged != "" {
				logger.Info("PostgreSQL can be used again")
			}
			return nil
		case errors.Is(err, ErrUnfit) || ctx.Err() != nil:
			return err
		}
		reason := "PostgreSQL unreachable, retrying"
		if !Transient(err) {
			reason = "PostgreSQL refuses, retrying"
		}
		if reason != logged {
			logger.Warn(reason, "error", err)
			logged = reason
		}
		if err := pauses.Wait(ctx); err != nil {
			return err
		}
	}
}

// Migrate migrates the schema. Several instances may call it concurrently: one migrates and the others wait.
func (s *Store) Migrate(ctx context.Context) error {
	if err := s.check(ctx); err != nil {
		return err
	}
	db := stdlib.OpenDBFromPool(s.writer)
	// db uses connections of the pool, which stays open.
	defer db.Close() //nolint:errcheck // See above.
	for _, schema := range schemas {
		if err := migrate(ctx, db, schema.dir, schema.table); err != nil {
			return fmt.Errorf("migrate: %w", err)
		}
	}
	return nil
}

// migrate applies the migrations of one part of the schema that are missing.
func migrate(ctx context.Context, db *sql.DB, dir, table string) error {
	files, err := fs.Sub(migrations, dir)
	if err != nil {
		return err
	}
	// Tried every second, for at most ten minutes.
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockID(migrationsLock), lock.WithLockTimeout(1, 600))
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files,
		goose.WithSessionLocker(locker), goose.WithDisableGlobalRegistry(true), goose.WithTableName(table))
	if err != nil {
		return err
	}
	if _, err := provider.Up(ctx); err != nil {
		return err
	}
	current, target, err := provider.GetVersions(ctx)
	if err != nil {
		return err
	}
	if current > target {
		return fmt.Errorf("%w: its schema has version %d, this program supports up to %d: use the program that wrote it, or a newer one",
			ErrUnfit, current, target)
	}
	return nil
}

// check checks the version of the server and the encoding of the database.
func (s *Store) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	var version int
	var encoding string
	err := s.writer.QueryRow(ctx, `SELECT current_setting('server_version_num')::int / 10000, current_setting('server_encoding')`).Scan(&version, &encoding)
	if err != nil {
		return err
	}
	if version < oldestVersion {
		return fmt.Errorf("%w: PostgreSQL %d or newer is needed (got %d)", ErrUnfit, oldestVersion, version)
	}
	if encoding != "UTF8" {
		return fmt.Errorf("%w: its encoding must be UTF8 (got %s)", ErrUnfit, encoding)
	}
	return nil
}
