package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"iotmon/internal/api"
	"iotmon/internal/iot"
	"iotmon/internal/store"
)

// Readings implements api.History.
func (s *Store) Readings(ctx context.Context, q api.ReadingsQuery) ([]api.Point, error) {
	if q.MaxPoints < 1 || !q.From.Before(q.To) {
		return nil, nil
	}
	t := store.NewThinner(&q)
	var at, bits int64
	var value float64
	err := each(ctx, s.reader, func(rows *sql.Rows) error {
		if err := rows.Scan(&at, &value, &bits); err != nil {
			return err
		}
		t.Add(api.Point{Time: fromMicros(at), Value: value, Quality: store.Quality(bits)})
		return nil
	}, `SELECT time, value, flags FROM readings
		WHERE device = (SELECT id FROM devices WHERE tenant = ? AND device_id = ?) AND time >= ? AND time < ? ORDER BY time`,
		q.Tenant, q.Device, micros(q.From), micros(q.To))
	if err != nil {
		return nil, fmt.Errorf("read readings of %s: %w", q.Device, err)
	}
	return t.Points(), nil
}

// Summaries implements api.History.
func (s *Store) Summaries(ctx context.Context, q api.SummariesQuery) ([]iot.WindowSummary, error) {
	query, args := summariesQuery(&q)
	rows, err := s.reader.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read summaries: %w", err)
	}
	defer rows.Close()
	var merged []iot.WindowSummary
	for rows.Next() {
		part, err := scanSummary(rows)
		if err != nil {
			return nil, fmt.Errorf("read summaries: %w", err)
		}
		store.Narrow(&part, &q)
		if n := len(merged) - 1; n >= 0 && merged[n].Type == part.Type && merged[n].Window == part.Window {
			merged[n].Merge(part.Summary)
			continue
		}
		if len(merged) == q.Limit {
			break
		}
		merged = append(merged, part)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read summaries: %w", err)
	}
	return merged, nil
}

// summariesQuery selects the rows of every partition, in the order of the listing.
func summariesQuery(q *api.SummariesQuery) (query string, args []any) {
	query = `SELECT window_start, device_type, partition, length, count, uncertain, bad, sum, min, max, devices, online, offline, alert_count, epoch, position`
	parts := `CASE WHEN substr(parts, 1, 1) = x'03' THEN parts END`
	if q.Area != "" {
		parts = `parts`
	}
	if q.WithoutAlerts {
		query += `, NULL, ` + parts + ` FROM summaries`
	} else {
		query += `, alerts, ` + parts + ` FROM summaries LEFT JOIN summary_alerts USING (window_start, device_type, length, partition)`
	}
	from := micros(q.From)
	if !q.AfterStart.IsZero() {
		from = max(from, micros(q.AfterStart))
	}
	query += ` WHERE window_start >= ? AND window_start < ?`
	args = []any{from, micros(q.To)}
	if q.Type != "" {
		query += ` AND device_type = ?`
		args = append(args, q.Type)
	}
	if !q.AfterStart.IsZero() {
		query += ` AND (window_start, device_type, length) > (?, ?, ?)`
		args = append(args, micros(q.AfterStart), q.AfterType, q.After())
	}
	return query + ` ORDER BY window_start, device_type, length, partition`, args
}

// Alerts implements api.History.
func (s *Store) Alerts(ctx context.Context, q api.AlertsQuery) ([]api.ArchivedAlert, error) {
	query, args := selectAlerts(&q)
	var found []api.ArchivedAlert
	err := each(ctx, s.reader, func(rows *sql.Rows) error {
		var a api.ArchivedAlert
		a.Tenant = q.Tenant
		var onset, at, raised int64
		var cleared, acked, until, suppressed, commented, latched sql.NullInt64
		if err := rows.Scan(&a.ID, &a.Rule, &a.DeviceID, &a.DeviceType, &a.Severity, &a.Transition, &a.Message, &a.Value, &a.Threshold, &a.Below,
			&a.Unit, &a.Location.Building, &a.Location.Floor, &a.Location.Room,
			&onset, &at, &raised, &cleared, &a.Historical, &a.Partition, &a.Epoch, &a.Offset,
			&a.Area, &acked, &a.AckedBy, &a.Suppressed, &until, &a.SuppressedBy, &suppressed, &a.SuppressedReason, &a.SuppressedActor, &a.Comment, &a.Actor, &commented,
			&a.MessageEN, &a.Procedure, &latched, &a.Reason); err != nil {
			return err
		}
		a.Onset, a.Time, a.Raised = fromMicros(onset), fromMicros(at), fromMicros(raised)
		for _, moment := range []struct {
			from *sql.NullInt64
			to   *time.Time
		}{
			{&cleared, &a.ClearedAt}, {&acked, &a.AckedAt}, {&until, &a.SuppressedUntil}, {&suppressed, &a.SuppressedAt},
			{&commented, &a.CommentedAt}, {&latched, &a.Latched},
		} {
			if moment.from.Valid {
				*moment.to = fromMicros(moment.from.Int64)
			}
		}
		found = append(found, a)
		return nil
	}, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read alerts: %w", err)
	}
	return found, nil
}

// AlertEvents implements api.History.
func (s *Store) AlertEvents(ctx context.Context, tenant iot.Tenant, id string) ([]api.AlertEvent, error) {
	var found []api.AlertEvent
	err := each(ctx, s.reader, func(rows *sql.Rows) error {
		var e api.AlertEvent
		var at int64
		var until sql.NullInt64
		if err := rows.Scan(&e.Transition, &e.State, &at, &e.Value, &e.Reason, &e.Suppressed, &until, &e.SuppressedBy,
			&e.SuppressedReason, &e.SuppressedActor, &e.Actor, &e.Comment); err != nil {
			return err
		}
		e.Time = fromMicros(at)
		if until.Valid {
			e.SuppressedUntil = fromMicros(until.Int64)
		}
		found = append(found, e)
		return nil
	}, `SELECT e.state, e.life, e.time, e.value, e.reason, e.suppressed, e.suppressed_until,
			e.suppressed_by, e.suppressed_reason, e.suppressed_actor, e.actor, e.comment
		FROM alerts a JOIN alert_events e ON e.id = a.id AND e.epoch = a.epoch
		WHERE a.id = ? AND a.tenant = ? ORDER BY e.position LIMIT ?`, id, tenant, api.MaxAlertEvents+1)
	if err != nil {
		return nil, fmt.Errorf("read events of an alert: %w", err)
	}
	return found, nil
}

// selectAlerts returns the query of a page of alerts.
func selectAlerts(q *api.AlertsQuery) (query string, args []any) {
	where, args := alertConditions(q)
	return `SELECT id, rule, device_id, device_type, severity, state, message, value, threshold, below, unit, building, floor, room,
		onset, time, raised, cleared, historical, partition, epoch, position,
		area, acknowledged, acknowledged_by, suppressed, suppressed_until, suppressed_by, suppressed_at, suppressed_reason, suppressed_actor, comment, commented_by, commented_at,
		message_en, procedure, latched, reason FROM alerts` + alertsIndex(q) + where + ` ORDER BY onset DESC, id LIMIT ?`, append(args, q.Limit)
}

// alertsIndex names the index from which the alerts of a query come in their order, and of which the fewest have to be looked at. SQLite does not know how
// many alerts a rule has, and how many are open.
func alertsIndex(q *api.AlertsQuery) string {
	switch {
	case q.ID != "":
		return ""
	case q.Device != "":
		return " INDEXED BY alerts_by_device"
	case q.Open != nil && *q.Open:
		return " INDEXED BY alerts_open"
	case q.Rule != "":
		return " INDEXED BY alerts_of_rule"
	case q.Returned:
		return " INDEXED BY alerts_returned"
	default:
		return " INDEXED BY alerts_by_onset"
	}
}

func alertConditions(q *api.AlertsQuery) (where string, args []any) {
	conditions := []string{"tenant = ?"}
	args = []any{q.Tenant}
	add := func(condition string, values ...any) {
		conditions = append(conditions, condition)
		args = append(args, values...)
	}
	for _, equal := range []struct{ column, value string }{
		{"id", q.ID}, {"device_id", string(q.Device)}, {"device_type", string(q.Type)}, {"rule", q.Rule}, {"severity", string(q.Severity)},
	} {
		if equal.value != "" {
			add(equal.column+" = ?", equal.value)
		}
	}
	if q.Open != nil {
		if *q.Open {
			add("cleared IS NULL")
		} else {
			add("cleared IS NOT NULL")
		}
	}
	if q.Returned { // The clock of a device is set back once, and over then.
		add("cleared IS NOT NULL AND acknowledged IS NULL AND historical = 0 AND rule <> ? AND reason NOT IN (?, ?)", iot.RuleClock, iot.Waived, iot.WaivedForgotten)
	}
	if area := string(q.Area); area != "" {
		add("(area = ? OR substr(area, 1, length(?)) = ? OR area = '' AND building = ?)", area, area+"/", area+"/", area)
	}
	if q.Text != "" {
		add("(instr(lower(device_id), lower(?)) OR instr(lower(rule), lower(?)) OR instr(lower(message), lower(?)) OR instr(lower(message_en), lower(?)))",
			q.Text, q.Text, q.Text, q.Text)
	}
	for _, bound := range []struct {
		condition string
		at        time.Time
	}{{"onset >= ?", q.From}, {"onset < ?", q.To}} {
		if !bound.at.IsZero() {
			add(bound.condition, micros(bound.at))
		}
	}
	if !q.BeforeOnset.IsZero() {
		add("onset <= ? AND (onset < ? OR id > ?)", micros(q.BeforeOnset), micros(q.BeforeOnset), q.AfterID)
	}
	return " WHERE " + strings.Join(conditions, " AND "), args
}
