package postgres

import (
	"context"
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

//go:embed migrations/*.sql
var migrations embed.FS

// ErrUnfit means that the database cannot be used by this program, however often it is tried.
var ErrUnfit = errors.New("the database does not fit")

const (
	// oldestVersion is the oldest PostgreSQL that has all that is used here.
	oldestVersion = 13
	// migrationsLock keeps instances that start together from migrating at once.
	migrationsLock = 0x696f746d6f6e
	// firstPause and longestPause bound the pause between attempts to reach the server.
	firstPause   = 250 * time.Millisecond
	longestPause = 5 * time.Second
)

// Prepare brings the schema up to date and waits for the server as long as that takes: it tells the logger once that the
// server cannot be used, again when the reason changes, and when it can be used. It ends when ctx does, or with ErrUnfit.
func (s *Store) Prepare(ctx context.Context, logger *slog.Logger) error {
	pauses, told := retry.NewBackoff(firstPause, longestPause), ""
	for {
		err := s.Migrate(ctx)
		switch {
		case err == nil:
			if told != "" {
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
		if reason != told {
			logger.Warn(reason, "error", err)
			told = reason
		}
		if err := pauses.Wait(ctx); err != nil {
			return err
		}
	}
}

// Migrate brings the schema up to date. Any number of instances may call it at once: one migrates and the others wait.
func (s *Store) Migrate(ctx context.Context) error {
	if err := s.check(ctx); err != nil {
		return err
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	// Asked every second, for ten minutes at most.
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockID(migrationsLock), lock.WithLockTimeout(1, 600))
	if err != nil {
		return err
	}
	db := stdlib.OpenDBFromPool(s.writer)
	// It lends connections of the pool, which stays open.
	defer db.Close() //nolint:errcheck // See above.
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithSessionLocker(locker), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	current, target, err := provider.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if current > target {
		return fmt.Errorf("%w: its schema has version %d and this program knows %d at most: use the program that wrote it, or a newer one",
			ErrUnfit, current, target)
	}
	return nil
}

// check finds out whether the server and the database can hold what they are given.
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
