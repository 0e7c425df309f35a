package postgres

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"iotmon/internal/api"
	"iotmon/internal/iot"
	"iotmon/internal/store"
)

// Summaries implements api.History.
func (s *Store) Summaries(ctx context.Context, q api.SummariesQuery) ([]iot.WindowSummary, error) {
	query, args := summariesQuery(&q)
	var merged []iot.WindowSummary
	err := s.readOnly(ctx, func(ctx context.Context, tx pgx.Tx) error {
		return each(ctx, tx, func(rows pgx.Rows) error {
			part, err := scanSummary(rows)
			if err != nil {
				return err
			}
			store.Narrow(&part, &q)
			if n := len(merged) - 1; n >= 0 && merged[n].Type == part.Type && merged[n].Window == part.Window {
				merged[n].Merge(part.Summary)
			} else {
				merged = append(merged, part)
			}
			return nil
		}, query, args...)
	})
	if err != nil {
		return nil, fmt.Errorf("read summaries: %w", err)
	}
	return merged, nil
}

// selection collects the conditions and arguments of a query.
type selection struct {
	conditions []string
	args       []any
}

// where adds a condition, in which each ? stands for the next of the values.
func (s *selection) where(condition string, values ...any) {
	for _, value := range values {
		switch name := value.(type) {
		case string:
			value = text(name)
		case iot.DeviceType:
			value = text(string(name))
		}
		s.args = append(s.args, value)
		condition = strings.Replace(condition, "?", fmt.Sprintf("$%d", len(s.args)), 1)
	}
	s.conditions = append(s.conditions, condition)
}

// text returns the WHERE clause, empty without conditions.
func (s *selection) text() string {
	if len(s.conditions) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(s.conditions, " AND ")
}

// summariesQuery selects the rows of every partition, in the order of the listing. The limit counts windows of a type, not
// the rows of their partitions.
func summariesQuery(q *api.SummariesQuery) (query string, args []any) {
	var s selection
	s.where(`window_start >= ? AND window_start < ?`, q.From, q.To)
	if q.Type != "" {
		s.where(`device_type = ?`, q.Type)
	}
	if !q.AfterStart.IsZero() {
		s.where(`window_start >= ?`, q.AfterStart)
		s.where(`(window_start, device_type, length_us) > (?, ?, ?)`, q.AfterStart, q.AfterType, q.After())
	}
	alerts, beside := `NULL`, ``
	if !q.WithoutAlerts {
		alerts, beside = `alerts::text`, ` LEFT JOIN summary_alerts USING (window_start, device_type, length_us, partition)`
	}
	parts := `CASE WHEN substring(parts FROM 1 FOR 1) = '\x03'::bytea THEN parts END`
	if q.Area != "" {
		parts = `parts`
	}
	return fmt.Sprintf(`SELECT window_start, device_type, partition, length_us, count, terms, min, max, devices, online, offline, alert_count,
			epoch, position, uncertain, bad, %s, %s
		FROM (SELECT DISTINCT window_start, device_type, length_us FROM summaries%s ORDER BY window_start, device_type, length_us LIMIT %d) AS page
		JOIN summaries USING (window_start, device_type, length_us)%s ORDER BY window_start, device_type, length_us, partition`,
		alerts, parts, s.text(), q.Limit, beside), s.args
}

// Alerts implements api.History.
func (s *Store) Alerts(ctx context.Context, q api.AlertsQuery) ([]api.ArchivedAlert, error) {
	where := alertConditions(&q)
	query := fmt.Sprintf(`SELECT id, rule, device_id, device_type, severity, state, message, value, threshold, below, unit, building, floor, room,
		onset, time, raised, cleared, historical, partition, epoch, position,
		area, acknowledged, acknowledged_by, suppressed, suppressed_until, suppressed_by, suppressed_at, suppressed_reason, suppressed_actor,
		comment, commented_by, commented_at,
		message_en, procedure, latched, reason FROM alerts%s ORDER BY onset DESC, id LIMIT %d`, where.text(), q.Limit)
	var found []api.ArchivedAlert
	err := s.readOnly(ctx, func(ctx context.Context, tx pgx.Tx) error {
		return each(ctx, tx, func(rows pgx.Rows) error {
			var a api.ArchivedAlert
			a.Tenant = q.Tenant
			var cleared, acked, until, suppressed, commented, latched *time.Time
			if err := rows.Scan(&a.ID, &a.Rule, &a.DeviceID, &a.DeviceType, &a.Severity, &a.Transition, &a.Message, &a.Value, &a.Threshold, &a.Below,
				&a.Unit, &a.Location.Building, &a.Location.Floor, &a.Location.Room,
				&a.Onset, &a.Time, &a.Raised, &cleared, &a.Historical, &a.Partition, &a.Epoch, &a.Offset,
				&a.Area, &acked, &a.AckedBy, &a.Suppressed, &until, &a.SuppressedBy, &suppressed, &a.SuppressedReason, &a.SuppressedActor, &a.Comment, &a.Actor, &commented,
				&a.MessageEN, &a.Procedure, &latched, &a.Reason); err != nil {
				return err
			}
			for to, from := range map[*time.Time]*time.Time{
				&a.ClearedAt: cleared, &a.AckedAt: acked, &a.SuppressedUntil: until, &a.SuppressedAt: suppressed, &a.CommentedAt: commented,
				&a.Latched: latched,
			} {
				if from != nil {
					*to = from.UTC()
				}
			}
			found = append(found, a)
			return nil
		}, query, where.args...)
	})
	if err != nil {
		return nil, fmt.Errorf("read alerts: %w", err)
	}
	return found, nil
}

// AlertEvents implements api.History.
func (s *Store) AlertEvents(ctx context.Context, tenant iot.Tenant, id string) ([]api.AlertEvent, error) {
	var found []api.AlertEvent
	err := s.readOnly(ctx, func(ctx context.Context, tx pgx.Tx) error {
		return each(ctx, tx, func(rows pgx.Rows) error {
			var e api.AlertEvent
			var until *time.Time
			if err := rows.Scan(&e.Transition, &e.State, &e.Time, &e.Value, &e.Reason, &e.Suppressed, &until, &e.SuppressedBy,
				&e.SuppressedReason, &e.SuppressedActor, &e.Actor, &e.Comment); err != nil {
				return err
			}
			e.Time = e.Time.UTC()
			if until != nil {
				e.SuppressedUntil = until.UTC()
			}
			found = append(found, e)
			return nil
		}, `SELECT e.state, e.life, e.time, e.value, e.reason, e.suppressed, e.suppressed_until,
			e.suppressed_by, e.suppressed_reason, e.suppressed_actor, e.actor, e.comment
			FROM alerts a JOIN alert_events e ON e.id = a.id AND e.epoch = a.epoch
			WHERE a.id = $1 AND a.tenant = $2 ORDER BY e.position LIMIT $3`, id, string(tenant), api.MaxAlertEvents+1)
	})
	if err != nil {
		return nil, fmt.Errorf("read events of an alert: %w", err)
	}
	return found, nil
}

func alertConditions(q *api.AlertsQuery) *selection {
	var s selection
	s.where(`tenant = ?`, string(q.Tenant))
	for _, equal := range []struct{ column, value string }{
		{"id", q.ID}, {"device_id", string(q.Device)}, {"device_type", string(q.Type)}, {"rule", q.Rule}, {"severity", string(q.Severity)},
	} {
		if equal.value != "" {
			s.where(equal.column+" = ?", equal.value)
		}
	}
	if q.Open != nil {
		if *q.Open {
			s.where("cleared IS NULL")
		} else {
			s.where("cleared IS NOT NULL")
		}
	}
	if q.Returned { // The clock of a device is set back once, and over then.
		s.where("cleared IS NOT NULL AND acknowledged IS NULL AND NOT historical AND rule <> ? AND reason NOT IN (?, ?)",
			iot.RuleClock, string(iot.Waived), string(iot.WaivedForgotten))
	}
	if area := string(q.Area); area != "" {
		s.where("(area = ? OR starts_with(area, ?) OR area = '' AND building = ?)", area, area+"/", area)
	}
	if q.Text != "" {
		s.where("(strpos(lower(device_id), lower(?)) > 0 OR strpos(lower(rule), lower(?)) > 0 OR strpos(lower(message), lower(?)) > 0 OR strpos(lower(message_en), lower(?)) > 0)",
			q.Text, q.Text, q.Text, q.Text)
	}
	for _, bound := range []struct {
		condition string
		at        time.Time
	}{{"onset >= ?", q.From}, {"onset < ?", q.To}} {
		if !bound.at.IsZero() {
			s.where(bound.condition, bound.at)
		}
	}
	if !q.BeforeOnset.IsZero() {
		s.where("onset <= ? AND (onset < ? OR id > ?)", q.BeforeOnset, q.BeforeOnset, q.AfterID)
	}
	return &s
}
