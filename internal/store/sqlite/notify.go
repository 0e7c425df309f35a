package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"iotmon/internal/api"
	"iotmon/internal/notify"
	"iotmon/internal/notify/deliver"
)

// Notify is a deliver.Store and an api.Notifications in the database of a Store. Its methods may be called concurrently.
type Notify struct {
	store *Store
	// renewed is when the lease was stored last.
	renewed time.Time
}

var (
	_ deliver.Store     = (*Notify)(nil)
	_ api.Notifications = (*Notify)(nil)
)

// Notify returns what is stored of notifications.
func (s *Store) Notify() *Notify { return &Notify{store: s} }

// renewEvery is how often a lease is stored that is only renewed: each time costs writes to the disk. The data directory is used by one process
// alone, so nobody waits for the end of a lease.
const renewEvery = time.Minute

// change runs do in a transaction.
func (n *Notify) change(ctx context.Context, do func(*sql.Tx) error) error {
	n.store.mu.Lock()
	defer n.store.mu.Unlock()
	tx, err := n.store.writer.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // After a commit it does nothing, before one the other error counts.
	if err := do(tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// Acquire implements deliver.Store. Nobody else can have the lease: see renewEvery.
func (n *Notify) Acquire(ctx context.Context, holder string, lasts time.Duration) (held bool, before time.Time, err error) {
	err = n.change(ctx, func(tx *sql.Tx) error {
		var until int64
		err := tx.QueryRowContext(ctx, `SELECT until FROM notify_state`).Scan(&until)
		if err == nil {
			before = fromMicros(until)
		} else if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		now := time.Now()
		n.renewed = now
		_, err = tx.ExecContext(ctx, `INSERT INTO notify_state (one, holder, until, configured) VALUES (1, ?1, ?2, '')
			ON CONFLICT (one) DO UPDATE SET holder = ?1, until = ?2`, holder, micros(now.Add(lasts)))
		return err
	})
	return err == nil, before, err
}

// Release implements deliver.Store.
func (n *Notify) Release(ctx context.Context, holder string) error {
	return n.change(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE notify_state SET holder = '', until = ? WHERE holder = ?`, micros(time.Now()), holder)
		return err
	})
}

const selectDelivery = `SELECT id, channel, recipient, state, created, due, done, attempts, outcome, asked, message FROM notify_deliveries`

func scanDelivery(row interface{ Scan(...any) error }) (d notify.Delivery, err error) {
	var id, message string
	var created, due int64
	var done, asked sql.NullInt64
	if err := row.Scan(&id, &d.Channel, &d.Recipient, &d.State, &created, &due, &done, &d.Attempts, &d.Outcome, &asked, &message); err != nil {
		return d, err
	}
	d.Created, d.Due = fromMicros(created), fromMicros(due)
	if done.Valid {
		d.Done = fromMicros(done.Int64)
	}
	if asked.Valid {
		d.Asked = fromMicros(asked.Int64)
	}
	if err := json.Unmarshal([]byte(message), &d.Message); err != nil {
		return d, fmt.Errorf("stored message %s: %w", id, err)
	}
	d.ID = id
	return d, nil
}

// deliveries returns the deliveries of a query.
func (n *Notify) deliveries(ctx context.Context, query string, args ...any) (found []notify.Delivery, err error) {
	err = each(ctx, n.store.reader, func(rows *sql.Rows) error {
		d, err := scanDelivery(rows)
		found = append(found, d)
		return err
	}, selectDelivery+query, args...)
	if err != nil {
		return nil, fmt.Errorf("read deliveries: %w", err)
	}
	return found, nil
}

// Load implements deliver.Store.
func (n *Notify) Load(ctx context.Context) (*deliver.Saved, error) {
	saved := &deliver.Saved{Offsets: make(map[int32]deliver.Offset)}
	err := each(ctx, n.store.reader, func(rows *sql.Rows) error {
		var partition int32
		var o deliver.Offset
		err := rows.Scan(&partition, &o.Log, &o.Next)
		saved.Offsets[partition] = o
		return err
	}, `SELECT partition, log, next FROM notify_offsets`)
	if err != nil {
		return nil, fmt.Errorf("read offsets: %w", err)
	}
	for table, into := range map[string]*[]notify.Row{"notify_groups": &saved.Groups, "notify_alerts": &saved.Alerts} {
		err := each(ctx, n.store.reader, func(rows *sql.Rows) error {
			var row notify.Row
			err := rows.Scan(&row.ID, &row.Body)
			*into = append(*into, row)
			return err
		}, `SELECT id, body FROM `+table)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", table, err)
		}
	}
	saved.Waiting, err = n.deliveries(ctx, ` WHERE state = 'pending'`)
	return saved, err
}

// Commit implements deliver.Store.
func (n *Notify) Commit(ctx context.Context, holder string, lasts time.Duration, c *deliver.Changes) error {
	renewal := len(c.Offsets)+len(c.Groups)+len(c.Alerts)+len(c.Deliveries)+len(c.Outcomes) == 0
	n.store.mu.Lock()
	since := time.Since(n.renewed)
	n.store.mu.Unlock()
	if renewal && since >= 0 && since < renewEvery {
		return nil
	}
	return n.change(ctx, func(tx *sql.Tx) error {
		now := time.Now()
		result, err := tx.ExecContext(ctx, `UPDATE notify_state SET until = ? WHERE holder = ?`, micros(now.Add(lasts)), holder)
		if err != nil {
			return err
		}
		if !changed(result) {
			return deliver.ErrLeaseLost
		}
		n.renewed = now
		return storeNotices(ctx, tx, c)
	})
}

func storeNotices(ctx context.Context, tx *sql.Tx, c *deliver.Changes) error {
	for partition, o := range c.Offsets {
		if _, err := tx.ExecContext(ctx, `INSERT INTO notify_offsets (partition, log, next) VALUES (?1, ?2, ?3)
			ON CONFLICT (partition) DO UPDATE SET log = ?2, next = ?3`, partition, o.Log, o.Next); err != nil {
			return fmt.Errorf("store offset: %w", err)
		}
	}
	for table, rows := range map[string][]notify.Row{"notify_groups": c.Groups, "notify_alerts": c.Alerts} {
		if err := storeRows(ctx, tx, table, rows); err != nil {
			return fmt.Errorf("store %s: %w", table, err)
		}
	}
	for i := range c.Deliveries {
		if err := storeDelivery(ctx, tx, &c.Deliveries[i]); err != nil {
			return err
		}
	}
	for i := range c.Outcomes {
		o := &c.Outcomes[i]
		if _, err := tx.ExecContext(ctx, `UPDATE notify_deliveries SET state = ?, attempts = ?, due = ?, done = ?, outcome = ? WHERE id = ?`,
			o.State, o.Attempts, micros(o.Due), microsOrNull(o.Done), o.Text, o.ID); err != nil {
			return fmt.Errorf("store outcome: %w", err)
		}
	}
	return nil
}

func storeRows(ctx context.Context, tx *sql.Tx, table string, rows []notify.Row) error {
	if len(rows) == 0 {
		return nil
	}
	upsert, err := tx.PrepareContext(ctx, `INSERT INTO `+table+` (id, body) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET body = ?2`)
	if err != nil {
		return err
	}
	defer upsert.Close() //nolint:errcheck // It ends with the transaction.
	for _, row := range rows {
		if row.Body == nil {
			_, err = tx.ExecContext(ctx, `DELETE FROM `+table+` WHERE id = ?`, row.ID)
		} else {
			_, err = upsert.ExecContext(ctx, row.ID, string(row.Body))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func storeDelivery(ctx context.Context, tx *sql.Tx, d *notify.Delivery) error {
	message, err := json.Marshal(&d.Message)
	if err != nil {
		return fmt.Errorf("encode message: %w", err)
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO notify_deliveries (id, channel, recipient, state, created, due, attempts, outcome, asked, message)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
		d.ID, d.Channel, d.Recipient, d.State, micros(d.Created), micros(d.Due), d.Attempts, d.Outcome, microsOrNull(d.Asked), string(message))
	if err != nil {
		return fmt.Errorf("store delivery: %w", err)
	}
	return nil
}

// Asked implements deliver.Store.
func (n *Notify) Asked(ctx context.Context, limit int) ([]notify.Delivery, error) {
	return n.deliveries(ctx, ` WHERE state = 'pending' AND asked IS NOT NULL ORDER BY asked LIMIT ?`, limit)
}

// Publish implements deliver.Store.
func (n *Notify) Publish(ctx context.Context, holder string, configured []byte) error {
	return n.change(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE notify_state SET configured = ? WHERE holder = ?`, string(configured), holder)
		return err
	})
}

// Prune implements deliver.Store.
func (n *Notify) Prune(ctx context.Context, before time.Time, keep, limit int) (removed int, err error) {
	err = n.change(ctx, func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, `DELETE FROM notify_deliveries WHERE id IN (
			SELECT id FROM notify_deliveries WHERE state <> 'pending' AND (created < ?1 OR created <=
				coalesce((SELECT created FROM notify_deliveries ORDER BY created DESC, id DESC LIMIT 1 OFFSET ?2), -1))
			ORDER BY created LIMIT ?3)`, micros(before), keep, limit)
		if err != nil {
			return err
		}
		count, err := result.RowsAffected()
		removed = int(count)
		return err
	})
	return removed, err
}

// Deliveries implements api.Notifications.
func (n *Notify) Deliveries(ctx context.Context, q api.DeliveriesQuery) ([]notify.Delivery, error) {
	// What does not narrow is left out: an index by state serves a query that names one.
	where, args := ` WHERE true`, []any{}
	if q.Channel != "" {
		where, args = where+` AND channel = ?`, append(args, q.Channel)
	}
	if q.State != "" {
		where, args = where+` AND state = ?`, append(args, q.State)
	}
	if q.Before.ID != "" {
		where, args = where+` AND (created, id) < (?, ?)`, append(args, micros(q.Before.Created), q.Before.ID)
	}
	return n.deliveries(ctx, where+` ORDER BY created DESC, id DESC LIMIT ?`, append(args, q.Limit)...)
}

// Counts implements api.Notifications.
func (n *Notify) Counts(ctx context.Context) (counts []api.DeliveryCount, err error) {
	err = each(ctx, n.store.reader, func(rows *sql.Rows) error {
		var count api.DeliveryCount
		err := rows.Scan(&count.Channel, &count.State, &count.Count)
		counts = append(counts, count)
		return err
	}, `SELECT channel, state, count(*) FROM notify_deliveries WHERE state IN ('pending', 'failed', 'refused') GROUP BY channel, state ORDER BY channel, state`)
	return counts, err
}

// Delivery implements api.Notifications.
func (n *Notify) Delivery(ctx context.Context, id string) (d notify.Delivery, found bool, err error) {
	list, err := n.deliveries(ctx, ` WHERE id = ?`, id)
	if err != nil || len(list) == 0 {
		return d, false, err
	}
	return list[0], true, nil
}

// Resend implements api.Notifications.
func (n *Notify) Resend(ctx context.Context, id string, now time.Time) (found bool, err error) {
	err = n.change(ctx, func(tx *sql.Tx) error {
		if err := tooManyAsked(ctx, tx); err != nil {
			return err
		}
		result, err := tx.ExecContext(ctx, `UPDATE notify_deliveries SET state = 'pending', asked = ?1, due = ?1, done = NULL WHERE id = ?2`, micros(now), id)
		found = err == nil && changed(result)
		return err
	})
	return found, err
}

func tooManyAsked(ctx context.Context, tx *sql.Tx) error {
	var asked int
	err := tx.QueryRowContext(ctx, `SELECT count(*) FROM notify_deliveries WHERE state = 'pending' AND asked IS NOT NULL`).Scan(&asked)
	if err == nil && asked >= api.MaxAsked {
		err = api.ErrTooManyAsked
	}
	return err
}

// Ask implements api.Notifications.
func (n *Notify) Ask(ctx context.Context, d *notify.Delivery) error {
	return n.change(ctx, func(tx *sql.Tx) error {
		if err := tooManyAsked(ctx, tx); err != nil {
			return err
		}
		return storeDelivery(ctx, tx, d)
	})
}

// Configured implements api.Notifications.
func (n *Notify) Configured(ctx context.Context) (configured []byte, err error) {
	err = n.store.reader.QueryRowContext(ctx, `SELECT configured FROM notify_state WHERE configured <> ''`).Scan(&configured)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return configured, err
}
