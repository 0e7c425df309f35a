package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"modernc.org/sqlite"

	"iotmon/internal/retry"
)

const (
	// backupPages is how many pages are copied at a time, some 4 MB, and backupPause how long the disk is left to others in
	// between.
	backupPages = 1024
	backupPause = time.Millisecond
)

// Backup copies the database at path, which may be in use and which is left as it is, its schema's version included, to a
// file that is not there yet. The copy has the database as it was before pinned was called: what is written while pinned
// runs, or later, is not in it.
func Backup(ctx context.Context, path, to string, pinned func() error) error {
	db, err := open(path, 1, "query_only(1)")
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }() // It is only read, as the connection is.
	conn, err := db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("open database %s: %w", path, err)
	}
	defer func() { _ = conn.Close() }()
	if err := pin(ctx, conn); err != nil {
		return fmt.Errorf("read database %s: %w", path, err)
	}
	if err := pinned(); err != nil {
		return err
	}
	if err := conn.Raw(func(driver any) error { return copyTo(ctx, driver, to) }); err != nil {
		return fmt.Errorf("copy database %s: %w", path, err)
	}
	return nil
}

// pin begins a transaction that goes on seeing the database as it is now.
func pin(ctx context.Context, conn *sql.Conn) error {
	if _, err := conn.ExecContext(ctx, "BEGIN DEFERRED"); err != nil {
		return err
	}
	var tables int // A deferred transaction begins with its first look.
	return conn.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&tables)
}

// copyTo copies what the connection sees.
func copyTo(ctx context.Context, driver any, to string) error {
	source, ok := driver.(interface {
		NewBackup(to string) (*sqlite.Backup, error)
	})
	if !ok {
		return errors.New("the driver cannot copy a database")
	}
	backup, err := source.NewBackup(to)
	if err != nil {
		return err
	}
	for more := true; more && err == nil; {
		if more, err = backup.Step(backupPages); err == nil && more {
			err = retry.Wait(ctx, backupPause)
		}
	}
	return errors.Join(err, backup.Finish())
}
