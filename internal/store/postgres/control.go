package postgres

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"iotmon/internal/control"
	"iotmon/internal/store"
)

// controlLock is held by the transaction that changes what people have decided, so that revisions are committed in their order.
const controlLock = 0x636f6e74726f6c

// lockWait is how long a change waits on the server for those of other processes.
const lockWait = store.MaxQueueWait

// Control is the control.Store in the database of a Store. It shares the Store's connections for writes, which are free where
// nothing is archived. Its methods may be called concurrently.
type Control struct {
	store *Store
	// queue keeps a change that waits for others of this process from holding a connection.
	queue *store.Queue
}

var _ control.Store = (*Control)(nil)

// Control returns what people have decided. Its methods return errors until Migrate or Prepare has returned.
func (s *Store) Control() *Control { return &Control{s, store.NewQueue()} }

// locking is bounded plus controlLock.
func (c *Control) locking() *pgx.Batch {
	batch := c.store.bounded()
	batch.Queue(`SELECT set_config('lock_timeout', $1, true)`, strconv.FormatInt(lockWait.Milliseconds(), 10))
	batch.Queue(`SELECT pg_advisory_xact_lock($1)`, controlLock)
	return batch
}

// change runs do in a transaction that holds controlLock.
func (c *Control) change(ctx context.Context, do func(ctx context.Context, tx pgx.Tx) error) error {
	done, err := c.queue.Wait(ctx)
	if err != nil {
		return err
	}
	defer done()
	err = c.store.inTransaction(ctx, c.store.writer, pgx.TxOptions{}, c.locking, do)
	if code(err) == lockNotAvailable {
		return fmt.Errorf("%w in another process: %w", control.ErrBusy, err)
	}
	return err
}

// Change implements control.Store.
func (c *Control) Change(ctx context.Context, refs []control.Ref, decide func([]control.Object) ([]control.Change, error)) error {
	var decided error
	err := c.change(ctx, func(ctx context.Context, tx pgx.Tx) error {
		current, err := selectObjects(ctx, tx, refs)
		if err != nil {
			return err
		}
		var changes []control.Change
		if changes, decided = decide(current); decided != nil || len(changes) == 0 {
			return decided
		}
		return storeChanges(ctx, tx, refs, changes)
	})
	if decided != nil {
		return decided
	}
	return err
}

// storeChanges writes changes and their audit entries. Two statements for all of them: an import may have 100,000.
func storeChanges(ctx context.Context, tx pgx.Tx, refs []control.Ref, changes []control.Change) error {
	locked := make(map[control.Ref]bool, len(refs))
	for _, ref := range refs {
		locked[ref] = true
	}
	n := len(changes)
	kinds, tenants, ids, bodies := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	actors, actions, reasons, times := make([]string, n), make([]string, n), make([]string, n), make([]time.Time, n)
	versions, deleted := make([]int64, n), make([]bool, n)
	for i := range changes {
		ch := &changes[i]
		if !locked[ch.Ref] {
			return fmt.Errorf("change of %s %q, which is not locked", ch.Kind, ch.ID)
		}
		kinds[i], tenants[i], ids[i], bodies[i] = string(ch.Kind), string(ch.Tenant), ch.ID, string(ch.Body)
		actors[i], actions[i], reasons[i], times[i] = ch.Actor, ch.Action, ch.Reason, ch.Time
		versions[i], deleted[i] = ch.Version, ch.Deleted
	}
	// The rows are numbered in their order, so that an object and its audit entry get the same revision.
	tag, err := tx.Exec(ctx, `WITH given AS MATERIALIZED (
			SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::boolean[], $6::text[], $7::timestamptz[], $8::text[], $9::text[],
				$10::text[])
				WITH ORDINALITY AS given (kind, tenant, id, version, deleted, body, time, actor, action, reason, position)
		), audit AS (
			INSERT INTO control_audit (time, actor, action, kind, tenant, id, version, body_before, body_after, reason)
			SELECT g.time, g.actor, g.action, g.kind, g.tenant, g.id, g.version, o.body, g.body, g.reason
			FROM given g LEFT JOIN control_objects o ON (o.kind, o.tenant, o.id) = (g.kind, g.tenant, g.id) ORDER BY g.position
			RETURNING revision, kind, tenant, id, version
		)
		INSERT INTO control_objects AS o (kind, tenant, id, version, deleted, body, revision)
		SELECT g.kind, g.tenant, g.id, g.version, g.deleted, g.body, a.revision
		FROM given g JOIN audit a ON (a.kind, a.tenant, a.id, a.version) = (g.kind, g.tenant, g.id, g.version)
		ON CONFLICT (kind, tenant, id) DO UPDATE SET version = excluded.version, deleted = excluded.deleted, body = excluded.body,
			revision = excluded.revision, confirmed = false WHERE o.version < excluded.version`,
		kinds, tenants, ids, versions, deleted, bodies, times, actors, actions, reasons)
	if err != nil {
		return fmt.Errorf("write objects: %w", err)
	}
	if tag.RowsAffected() != int64(n) {
		return fmt.Errorf("%d of %d changes have no version above the stored one", int64(n)-tag.RowsAffected(), n)
	}
	return nil
}

// selectObjects returns the objects with the given names, in their order.
func selectObjects(ctx context.Context, tx pgx.Tx, refs []control.Ref) ([]control.Object, error) {
	found := make([]control.Object, len(refs))
	kinds, tenants, ids := make([]string, len(refs)), make([]string, len(refs)), make([]string, len(refs))
	for i, ref := range refs {
		found[i].Ref = ref
		kinds[i], tenants[i], ids[i] = string(ref.Kind), string(ref.Tenant), ref.ID
	}
	err := each(ctx, tx, func(rows pgx.Rows) error {
		var position int64
		var o control.Object
		if err := rows.Scan(&position, &o.Version, &o.Deleted, &o.Body, &o.Revision, &o.Confirmed); err != nil {
			return err
		}
		o.Ref = refs[position-1]
		found[position-1] = o
		return nil
	}, `SELECT w.position, o.version, o.deleted, o.body, o.revision, o.confirmed
		FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS w (kind, tenant, id, position)
		JOIN control_objects o ON (o.kind, o.tenant, o.id) = (w.kind, w.tenant, w.id)`, kinds, tenants, ids)
	if err != nil {
		return nil, fmt.Errorf("read objects: %w", err)
	}
	return found, nil
}

// reading runs do in a read-only transaction.
func (c *Control) reading(ctx context.Context, do func(ctx context.Context, tx pgx.Tx) error) error {
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	return c.store.inTransaction(ctx, c.store.writer, options, c.store.bounded, do)
}

// Objects implements control.Store.
func (c *Control) Objects(ctx context.Context, refs []control.Ref) (found []control.Object, err error) {
	err = c.reading(ctx, func(ctx context.Context, tx pgx.Tx) error {
		found, err = selectObjects(ctx, tx, refs)
		return err
	})
	return found, err
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
	err := c.reading(ctx, func(ctx context.Context, tx pgx.Tx) error {
		return each(ctx, tx, func(rows pgx.Rows) error {
			var o control.Object
			if err := rows.Scan(&o.Kind, &o.Tenant, &o.ID, &o.Version, &o.Deleted, &o.Body, &o.Revision, &o.Confirmed); err != nil {
				return err
			}
			found = append(found, o)
			return nil
		}, `SELECT kind, tenant, id, version, deleted, `+body+`, revision, confirmed FROM control_objects WHERE revision > $1 ORDER BY revision LIMIT $2`, revision, limit)
	})
	if err != nil {
		return nil, fmt.Errorf("read objects since %d: %w", revision, err)
	}
	return found, nil
}

// Confirm implements control.Store.
func (c *Control) Confirm(ctx context.Context, objects []control.Object) error {
	kinds, tenants, ids := make([]string, len(objects)), make([]string, len(objects)), make([]string, len(objects))
	versions := make([]int64, len(objects))
	for i := range objects {
		o := &objects[i]
		kinds[i], tenants[i], ids[i], versions[i] = string(o.Kind), string(o.Tenant), o.ID, o.Version
	}
	err := c.change(ctx, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE control_objects o SET confirmed = true
			FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) AS g (kind, tenant, id, version)
			WHERE (o.kind, o.tenant, o.id, o.version) = (g.kind, g.tenant, g.id, g.version)`, kinds, tenants, ids, versions)
		return err
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
		where = " AND (kind, tenant, id) = ($3::text, $4::text, $5::text)"
		args = append(args, string(q.Of.Kind), string(q.Of.Tenant), q.Of.ID)
	} else if q.Kind != "" {
		where = " AND kind = $3::text"
		args = append(args, string(q.Kind))
	}
	err := c.reading(ctx, func(ctx context.Context, tx pgx.Tx) error {
		return each(ctx, tx, func(rows pgx.Rows) error {
			var a control.Audit
			if err := rows.Scan(&a.Revision, &a.Time, &a.Actor, &a.Action, &a.Kind, &a.Tenant, &a.ID, &a.Version, &a.Before, &a.After, &a.Reason); err != nil {
				return err
			}
			found = append(found, a)
			return nil
		}, `SELECT revision, time, actor, action, kind, tenant, id, version, body_before, body_after, reason FROM control_audit
			WHERE ($1::bigint = 0 OR revision < $1)`+where+` ORDER BY revision DESC LIMIT $2`, args...)
	})
	if err != nil {
		return nil, fmt.Errorf("read audit: %w", err)
	}
	return found, nil
}

// PruneAudit implements control.Store.
func (c *Control) PruneAudit(ctx context.Context, before time.Time, limit int) (removed int, err error) {
	err = c.store.inTransaction(ctx, c.store.writer, pgx.TxOptions{}, c.store.bounded, func(ctx context.Context, tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `DELETE FROM control_audit WHERE revision IN (
			SELECT revision FROM control_audit a WHERE time < $1 AND NOT EXISTS (SELECT 1 FROM control_objects o WHERE o.revision = a.revision)
			ORDER BY time LIMIT $2)`, before, limit)
		removed = int(tag.RowsAffected())
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("remove old audit entries: %w", err)
	}
	return removed, nil
}
