package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"iotmon/internal/api"
	"iotmon/internal/notify"
	"iotmon/internal/notify/deliver"
)

// Notify is a deliver.Store and an api.Notifications in the database of a Store. Its methods may be called concurrently.
type Notify struct{ store *Store }

var (
	_ deliver.Store     = (*Notify)(nil)
	_ api.Notifications = (*Notify)(nil)
)

// Notify returns what is stored of notifications. Its methods return errors until Migrate or Prepare has returned.
func (s *Store) Notify() *Notify { return &Notify{s} }

func (n *Notify) change(ctx context.Context, do func(ctx context.Context, tx pgx.Tx) error) error {
	return n.store.inTransaction(ctx, n.store.writer, pgx.TxOptions{}, n.store.bounded, do)
}

func (n *Notify) read(ctx context.Context, do func(ctx context.Context, tx pgx.Tx) error) error {
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	return n.store.inTransaction(ctx, n.store.reader, options, n.store.bounded, do)
}

// Acquire implements deliver.Store.
func (n *Notify) Acquire(ctx context.Context, holder string, lasts time.Duration) (held bool, before time.Time, err error) {
	err = n.change(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `INSERT INTO notify_state (one, holder, until, configured) VALUES (1, '', '-infinity', '') ON CONFLICT DO NOTHING`); err != nil {
			return err
		}
		var until *time.Time
		// A lease that lasts too long is of a server whose clock was set back.
		err := tx.QueryRow(ctx, `SELECT holder IN ('', $1) OR until < clock_timestamp() OR until > clock_timestamp() + $2::bigint * interval '2 microseconds',
			CASE WHEN isfinite(until) THEN until END FROM notify_state FOR UPDATE`, holder, lasts.Microseconds()).Scan(&held, &until)
		if err != nil || !held {
			return err
		}
		if until != nil {
			before = *until
		}
		_, err = tx.Exec(ctx, `UPDATE notify_state SET holder = $1, until = clock_timestamp() + $2::bigint * interval '1 microsecond'`, holder, lasts.Microseconds())
		return err
	})
	return held && err == nil, before, err
}

// Release implements deliver.Store.
func (n *Notify) Release(ctx context.Context, holder string) error {
	return n.change(ctx, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE notify_state SET holder = '', until = clock_timestamp() WHERE holder = $1`, holder)
		return err
	})
}

const selectDelivery = `SELECT id, channel, recipient, state, created, due, done, attempts, outcome, asked, message FROM notify_deliveries`

func scanDelivery(rows pgx.Rows) (d notify.Delivery, err error) {
	var id, message string
	var done, asked *time.Time
	if err := rows.Scan(&id, &d.Channel, &d.Recipient, (*string)(&d.State), &d.Created, &d.Due, &done, &d.Attempts, &d.Outcome, &asked, &message); err != nil {
		return d, err
	}
	if done != nil {
		d.Done = *done
	}
	if asked != nil {
		d.Asked = *asked
	}
	if err := json.Unmarshal([]byte(message), &d.Message); err != nil {
		return d, fmt.Errorf("stored message %s: %w", id, err)
	}
	d.ID = id
	return d, nil
}

// deliveries returns the deliveries of a query.
func deliveries(ctx context.Context, tx pgx.Tx, query string, args ...any) (found []notify.Delivery, err error) {
	err = each(ctx, tx, func(rows pgx.Rows) error {
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
	var saved *deliver.Saved
	err := n.read(ctx, func(ctx context.Context, tx pgx.Tx) (err error) {
		saved = &deliver.Saved{Offsets: make(map[int32]deliver.Offset)}
		err = each(ctx, tx, func(rows pgx.Rows) error {
			var partition int32
			var o deliver.Offset
			err := rows.Scan(&partition, &o.Log, &o.Next)
			saved.Offsets[partition] = o
			return err
		}, `SELECT partition, log, next FROM notify_offsets`)
		if err != nil {
			return fmt.Errorf("read offsets: %w", err)
		}
		for table, into := range map[string]*[]notify.Row{"notify_groups": &saved.Groups, "notify_alerts": &saved.Alerts} {
			err := each(ctx, tx, func(rows pgx.Rows) error {
				var id, body string
				err := rows.Scan(&id, &body)
				*into = append(*into, notify.Row{ID: id, Body: []byte(body)})
				return err
			}, `SELECT id, body FROM `+table)
			if err != nil {
				return fmt.Errorf("read %s: %w", table, err)
			}
		}
		saved.Waiting, err = deliveries(ctx, tx, ` WHERE state = 'pending'`)
		return err
	})
	return saved, err
}

// Commit implements deliver.Store.
func (n *Notify) Commit(ctx context.Context, holder string, lasts time.Duration, c *deliver.Changes) error {
	return n.change(ctx, func(ctx context.Context, tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `UPDATE notify_state SET until = clock_timestamp() + $2::bigint * interval '1 microsecond' WHERE holder = $1`, holder, lasts.Microseconds())
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return deliver.ErrLeaseLost
		}
		batch := new(pgx.Batch)
		if err := queueNotices(batch, c); err != nil {
			return err
		}
		return tx.SendBatch(ctx, batch).Close()
	})
}

// queueNotices adds statements that store changes.
func queueNotices(batch *pgx.Batch, c *deliver.Changes) error {
	for partition, o := range c.Offsets {
		batch.Queue(`INSERT INTO notify_offsets (partition, log, next) VALUES ($1, $2, $3)
			ON CONFLICT (partition) DO UPDATE SET log = excluded.log, next = excluded.next`, partition, o.Log, o.Next)
	}
	for table, rows := range map[string][]notify.Row{"notify_groups": c.Groups, "notify_alerts": c.Alerts} {
		queueRows(batch, table, rows)
	}
	for i := range c.Deliveries {
		if err := queueDelivery(batch, &c.Deliveries[i]); err != nil {
			return err
		}
	}
	for i := range c.Outcomes {
		o := &c.Outcomes[i]
		batch.Queue(`UPDATE notify_deliveries SET state = $1, attempts = $2, due = $3, done = $4, outcome = $5 WHERE id = $6`,
			string(o.State), o.Attempts, o.Due, known(o.Done), text(o.Text), o.ID)
	}
	return nil
}

// queueRows adds one statement for the rows that are stored, and one for those that are removed.
func queueRows(batch *pgx.Batch, table string, rows []notify.Row) {
	var ids, bodies, gone []string
	for _, row := range rows {
		if row.Body == nil {
			gone = append(gone, row.ID)
		} else {
			ids, bodies = append(ids, row.ID), append(bodies, string(row.Body))
		}
	}
	if len(ids) > 0 {
		batch.Queue(`INSERT INTO `+table+` (id, body) SELECT * FROM unnest($1::text[], $2::text[])
			ON CONFLICT (id) DO UPDATE SET body = excluded.body`, ids, bodies)
	}
	if len(gone) > 0 {
		batch.Queue(`DELETE FROM `+table+` WHERE id = ANY($1)`, gone)
	}
}

func queueDelivery(batch *pgx.Batch, d *notify.Delivery) error {
	message, err := json.Marshal(&d.Message)
	if err != nil {
		return fmt.Errorf("encode message: %w", err)
	}
	batch.Queue(`INSERT INTO notify_deliveries (id, channel, recipient, state, created, due, attempts, outcome, asked, message)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (id) DO NOTHING`,
		d.ID, text(d.Channel), text(d.Recipient), string(d.State), d.Created, d.Due, d.Attempts, text(d.Outcome), known(d.Asked), string(message))
	return nil
}

// Asked implements deliver.Store.
func (n *Notify) Asked(ctx context.Context, limit int) (found []notify.Delivery, err error) {
	return n.list(ctx, ` WHERE state = 'pending' AND asked IS NOT NULL ORDER BY asked LIMIT $1`, limit)
}

func (n *Notify) list(ctx context.Context, query string, args ...any) (found []notify.Delivery, err error) {
	err = n.read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		found, err = deliveries(ctx, tx, query, args...)
		return err
	})
	return found, err
}

// Publish implements deliver.Store.
func (n *Notify) Publish(ctx context.Context, holder string, configured []byte) error {
	return n.change(ctx, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE notify_state SET configured = $1 WHERE holder = $2`, string(configured), holder)
		return err
	})
}

// Prune implements deliver.Store.
func (n *Notify) Prune(ctx context.Context, before time.Time, keep, limit int) (removed int, err error) {
	err = n.change(ctx, func(ctx context.Context, tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `DELETE FROM notify_deliveries WHERE id IN (
			SELECT id FROM notify_deliveries WHERE state <> 'pending' AND (created < $1 OR created <=
				coalesce((SELECT created FROM notify_deliveries ORDER BY created DESC, id DESC LIMIT 1 OFFSET $2), '-infinity'))
			ORDER BY created LIMIT $3)`, before, keep, limit)
		removed = int(tag.RowsAffected())
		return err
	})
	return removed, err
}

// Deliveries implements api.Notifications.
func (n *Notify) Deliveries(ctx context.Context, q api.DeliveriesQuery) ([]notify.Delivery, error) {
	// What does not narrow is left out: an index by state serves a query that names one.
	where, args := ` WHERE true`, []any{q.Limit}
	narrow := func(condition string, values ...any) {
		for _, value := range values {
			args = append(args, value)
			condition = strings.Replace(condition, "?", "$"+strconv.Itoa(len(args)), 1)
		}
		where += ` AND ` + condition
	}
	if q.Channel != "" {
		narrow(`channel = ?`, text(q.Channel))
	}
	if q.State != "" {
		narrow(`state = ?`, string(q.State))
	}
	if q.Before.ID != "" {
		narrow(`(created, id) < (?::timestamptz, ?::text)`, q.Before.Created, text(q.Before.ID))
	}
	return n.list(ctx, where+` ORDER BY created DESC, id DESC LIMIT $1`, args...)
}

// Counts implements api.Notifications.
func (n *Notify) Counts(ctx context.Context) (counts []api.DeliveryCount, err error) {
	err = n.read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		return each(ctx, tx, func(rows pgx.Rows) error {
			var count api.DeliveryCount
			err := rows.Scan(&count.Channel, &count.State, &count.Count)
			counts = append(counts, count)
			return err
		}, `SELECT channel, state, count(*) FROM notify_deliveries WHERE state IN ('pending', 'failed', 'refused') GROUP BY channel, state ORDER BY channel, state`)
	})
	return counts, err
}

// Delivery implements api.Notifications.
func (n *Notify) Delivery(ctx context.Context, id string) (d notify.Delivery, found bool, err error) {
	list, err := n.list(ctx, ` WHERE id = $1`, text(id))
	if err != nil || len(list) == 0 {
		return d, false, err
	}
	return list[0], true, nil
}

// Resend implements api.Notifications.
func (n *Notify) Resend(ctx context.Context, id string, now time.Time) (found bool, err error) {
	err = n.change(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if err := tooManyAsked(ctx, tx); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, `UPDATE notify_deliveries SET state = 'pending', asked = $1, due = $1, done = NULL WHERE id = $2`, now, text(id))
		found = tag.RowsAffected() > 0
		return err
	})
	return found && err == nil, err
}

func tooManyAsked(ctx context.Context, tx pgx.Tx) error {
	var asked int
	err := tx.QueryRow(ctx, `SELECT count(*) FROM notify_deliveries WHERE state = 'pending' AND asked IS NOT NULL`).Scan(&asked)
	if err == nil && asked >= api.MaxAsked {
		err = api.ErrTooManyAsked
	}
	return err
}

// Ask implements api.Notifications.
func (n *Notify) Ask(ctx context.Context, d *notify.Delivery) error {
	return n.change(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if err := tooManyAsked(ctx, tx); err != nil {
			return err
		}
		batch := new(pgx.Batch)
		if err := queueDelivery(batch, d); err != nil {
			return err
		}
		return tx.SendBatch(ctx, batch).Close()
	})
}

// Configured implements api.Notifications.
func (n *Notify) Configured(ctx context.Context) (configured []byte, err error) {
	err = n.read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		return each(ctx, tx, func(rows pgx.Rows) error {
			var text string
			err := rows.Scan(&text)
			configured = []byte(text)
			return err
		}, `SELECT configured FROM notify_state WHERE configured <> ''`)
	})
	return configured, err
}
