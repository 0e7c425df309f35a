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
	// backupPages is how many pages are copied at a time, some 4 MB; backupPause is the pause in between, in which others
	// can use the disk.
	backupPages = 1024
	backupPause = time.Millisecond
)

// Backup copies the database at path, which may be in use and is not changed or migrated, to a file that must not exist.
// The copy is the state of the database before pinned was called, without what is written while pinned runs or later.
func Backup(ctx context.Context, path, to string, pinned func() error) error {
	db, err := open(path, 1, "query_only(1)")
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }() // The connection is read-only.
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

// pin begins a transaction that sees the database as it is now.
func pin(ctx context.Context, conn *sql.Conn) error {
	if _, err := conn.ExecContext(ctx, "BEGIN DEFERRED"); err != nil {
		return err
	}
	var tables int // A deferred transaction begins with its first read.
	return conn.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&tables)
}

// copyTo copies the database as the connection's transaction sees it.
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
