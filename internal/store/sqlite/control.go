package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"iotmon/internal/control"
	"iotmon/internal/store"
)

//go:embed control/*.sql
var controlMigrations embed.FS

// Control is a control.Store in a SQLite file of its own, so that the archive's writes make no person wait. A committed change
// survives a power failure. Its methods may be called concurrently.
type Control struct {
	// writer has one connection.
	writer, reader *sql.DB
	queue          *store.Queue
}

var _ control.Store = (*Control)(nil)

// OpenControl opens or creates the file and migrates its schema. It returns an error if the schema is of a newer version.
func OpenControl(ctx context.Context, path string) (*Control, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("create the database's directory: %w", err)
	}
	writer, err := open(path, 1, "synchronous(FULL)")
	if err != nil {
		return nil, err
	}
	files, err := fs.Sub(controlMigrations, "control")
	if err == nil {
		err = migrate(ctx, writer, files)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("prepare database %s: %w", path, err), writer.Close())
	}
	reader, err := open(path, readers, "query_only(1)")
	if err != nil {
		return nil, errors.Join(err, writer.Close())
	}
	reader.SetConnMaxIdleTime(readerIdle)
	return &Control{writer: writer, reader: reader, queue: store.NewQueue()}, nil
}

// change runs do in a transaction, and commits it if do returns true.
func (c *Control) change(ctx context.Context, do func(*sql.Tx) (commit bool, err error)) error {
	done, err := c.queue.Wait(ctx)
	if err != nil {
		return err
	}
	defer done()
	tx, err := c.writer.BeginTx(ctx, nil) // It locks the file at once; see open.
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // After a commit it does nothing, before one the other error counts.
	if commit, err := do(tx); err != nil || !commit {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// Close waits for running calls and closes the file.
func (c *Control) Close() error { return errors.Join(c.reader.Close(), c.writer.Close()) }

const (
	selectObject = `SELECT version, deleted, body, revision, confirmed FROM control_objects WHERE kind = ? AND tenant = ? AND id = ?`
	insertAudit  = `INSERT INTO control_audit (time, actor, action, kind, tenant, id, version, body_before, body_after, reason)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, (SELECT body FROM control_objects WHERE kind = ?4 AND tenant = ?5 AND id = ?6), ?8, ?9)`
	upsertObject = `INSERT INTO control_objects (kind, tenant, id, version, deleted, body, revision) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
		ON CONFLICT DO UPDATE SET version = ?4, deleted = ?5, body = ?6, revision = ?7, confirmed = 0 WHERE version < ?4`
)

// Change implements control.Store.
func (c *Control) Change(ctx context.Context, refs []control.Ref, decide func([]control.Object) ([]control.Change, error)) error {
	return c.change(ctx, func(tx *sql.Tx) (bool, error) {
		current, err := objects(ctx, tx, refs)
		if err != nil {
			return false, err
		}
		changes, err := decide(current)
		if err != nil || len(changes) == 0 {
			return false, err
		}
		return true, storeChanges(ctx, tx, refs, changes)
	})
}

func storeChanges(ctx context.Context, tx *sql.Tx, refs []control.Ref, changes []control.Change) error {
	audit, err := tx.PrepareContext(ctx, insertAudit)
	if err != nil {
		return fmt.Errorf("write audit: %w", err)
	}
	defer audit.Close() //nolint:errcheck // It ends with the transaction.
	upsert, err := tx.PrepareContext(ctx, upsertObject)
	if err != nil {
		return fmt.Errorf("write objects: %w", err)
	}
	defer upsert.Close() //nolint:errcheck // It ends with the transaction.
	locked := make(map[control.Ref]bool, len(refs))
	for _, ref := range refs {
		locked[ref] = true
	}
	for i := range changes {
		ch := &changes[i]
		if !locked[ch.Ref] {
			return fmt.Errorf("change of %s %q, which is not locked", ch.Kind, ch.ID)
		}
		result, err := audit.ExecContext(ctx, micros(ch.Time), ch.Actor, ch.Action, ch.Kind, ch.Tenant, ch.ID, ch.Version, string(ch.Body), ch.Reason)
		if err != nil {
			return fmt.Errorf("write audit: %w", err)
		}
		revision, err := result.LastInsertId()
		if err != nil {
			return fmt.Errorf("write audit: %w", err)
		}
		result, err = upsert.ExecContext(ctx, ch.Kind, ch.Tenant, ch.ID, ch.Version, ch.Deleted, string(ch.Body), revision)
		if err != nil {
			return fmt.Errorf("write objects: %w", err)
		}
		if !changed(result) {
			return fmt.Errorf("version %d of %s %q is not above the stored one", ch.Version, ch.Kind, ch.ID)
		}
	}
	return nil
}

// preparer is a database or a transaction of it.
type preparer interface {
	PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
}

func objects(ctx context.Context, db preparer, refs []control.Ref) ([]control.Object, error) {
	statement, err := db.PrepareContext(ctx, selectObject)
	if err != nil {
		return nil, fmt.Errorf("read objects: %w", err)
	}
	defer statement.Close() //nolint:errcheck // It was only read.
	found := make([]control.Object, len(refs))
	for i, ref := range refs {
		o := &found[i]
		o.Ref = ref
		err := statement.QueryRowContext(ctx, ref.Kind, ref.Tenant, ref.ID).Scan(&o.Version, &o.Deleted, &o.Body, &o.Revision, &o.Confirmed)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return nil, fmt.Errorf("read objects: %w", err)
		}
	}
	return found, nil
}

// Objects implements control.Store.
func (c *Control) Objects(ctx context.Context, refs []control.Ref) ([]control.Object, error) {
	tx, err := c.reader.BeginTx(ctx, &sql.TxOptions{ReadOnly: true}) // So that they are all of one moment.
	if err != nil {
		return nil, fmt.Errorf("read objects: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // It was only read.
	return objects(ctx, tx, refs)
}

// Since implements control.Store.
func (c *Control) Since(ctx context.Context, revision int64, limit int) ([]control.Object, error) {
	return c.since(ctx, "body", revision, limit)
}

// Versions implements control.Store.
func (c *Control) Versions(ctx context.Context, revision int64, limit int) ([]control.Object, error) {
	return c.since(ctx, "NULL", revision, limit)
}

// since returns the objects of Since, with a column or constant as their bodies.
func (c *Control) since(ctx context.Context, body string, revision int64, limit int) ([]control.Object, error) {
	var found []control.Object
	err := each(ctx, c.reader, func(rows *sql.Rows) error {
		var o control.Object
		if err := rows.Scan(&o.Kind, &o.Tenant, &o.ID, &o.Version, &o.Deleted, &o.Body, &o.Revision, &o.Confirmed); err != nil {
			return err
		}
		found = append(found, o)
		return nil
	}, `SELECT kind, tenant, id, version, deleted, `+body+`, revision, confirmed FROM control_objects WHERE revision > ? ORDER BY revision LIMIT ?`, revision, limit)
	if err != nil {
		return nil, fmt.Errorf("read objects since %d: %w", revision, err)
	}
	return found, nil
}

// Confirm implements control.Store.
func (c *Control) Confirm(ctx context.Context, objects []control.Object) error {
	err := c.change(ctx, func(tx *sql.Tx) (bool, error) {
		for i := range objects {
			o := &objects[i]
			if _, err := tx.ExecContext(ctx, `UPDATE control_objects SET confirmed = 1 WHERE kind = ? AND tenant = ? AND id = ? AND version = ?`,
				o.Kind, o.Tenant, o.ID, o.Version); err != nil {
				return false, err
			}
		}
		return true, nil
	})
	if err != nil {
		return fmt.Errorf("confirm: %w", err)
	}
	return nil
}

// Audit implements control.Store.
func (c *Control) Audit(ctx context.Context, q control.AuditQuery) ([]control.Audit, error) {
	var found []control.Audit
	where, args := "", []any{q.Before, q.Limit}
	if (q.Of != control.Ref{}) { // A condition of its own, so that the index of the object is used.
		where = " AND kind = ?3 AND tenant = ?4 AND id = ?5"
		args = append(args, q.Of.Kind, q.Of.Tenant, q.Of.ID)
	} else if q.Kind != "" {
		// The index alone says which they are: of a million decisions about devices, the bodies are not read to find the newest.
		where = " AND revision IN (SELECT revision FROM control_audit WHERE kind = ?3 AND (?1 = 0 OR revision < ?1) ORDER BY revision DESC LIMIT ?2)"
		args = append(args, q.Kind)
	}
	err := each(ctx, c.reader, func(rows *sql.Rows) error {
		var a control.Audit
		var us int64
		err := rows.Scan(&a.Revision, &us, &a.Actor, &a.Action, &a.Kind, &a.Tenant, &a.ID, &a.Version, &a.Before, &a.After, &a.Reason)
		a.Time = fromMicros(us)
		found = append(found, a)
		return err
	}, `SELECT revision, time, actor, action, kind, tenant, id, version, body_before, body_after, reason FROM control_audit
		WHERE (?1 = 0 OR revision < ?1)`+where+` ORDER BY revision DESC LIMIT ?2`, args...)
	if err != nil {
		return nil, fmt.Errorf("read audit: %w", err)
	}
	return slices.Clip(found), nil
}

// PruneAudit implements control.Store.
func (c *Control) PruneAudit(ctx context.Context, before time.Time, limit int) (removed int, err error) {
	err = c.change(ctx, func(tx *sql.Tx) (bool, error) {
		result, err := tx.ExecContext(ctx, `DELETE FROM control_audit WHERE revision IN (
			SELECT revision FROM control_audit a WHERE time < ? AND NOT EXISTS (SELECT 1 FROM control_objects o WHERE o.revision = a.revision)
			ORDER BY time LIMIT ?)`, micros(before), limit)
		if err != nil {
			return false, err
		}
		n, err := result.RowsAffected()
		removed = int(n)
		return true, err
	})
	if err != nil {
		return 0, fmt.Errorf("remove old audit entries: %w", err)
	}
	return removed, nil
}
