package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"iotmon/internal/iot"
	"iotmon/internal/kpi"
)

// RaisedAlerts implements api.History.
func (s *Store) RaisedAlerts(ctx context.Context, q kpi.Query, visit func(*kpi.Raised) bool) error {
	where, args := ofArea(q.Area)
	rows, err := s.reader.QueryContext(ctx, `SELECT a.rule, a.device_id, a.severity, a.announced, a.acknowledged, a.cleared, a.announced_suppressed
		FROM alerts a INDEXED BY alerts_by_announcement
		WHERE a.tenant = ? AND a.announced >= ? AND a.announced < ?`+where+` ORDER BY a.announced`,
		append([]any{q.Tenant, micros(q.From), micros(q.To)}, args...)...)
	if err != nil {
		return fmt.Errorf("read raised alerts: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var r kpi.Raised
		var at int64
		var acked, cleared sql.NullInt64
		if err := rows.Scan(&r.Rule, &r.Device, &r.Severity, &at, &acked, &cleared, &r.Suppressed); err != nil {
			return fmt.Errorf("read raised alerts: %w", err)
		}
		r.Time = fromMicros(at)
		if acked.Valid {
			r.Acknowledged = fromMicros(acked.Int64)
		}
		if cleared.Valid {
			r.Cleared = fromMicros(cleared.Int64)
		}
		if !visit(&r) {
			return nil
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read raised alerts: %w", err)
	}
	return nil
}

// StaleAlerts implements api.History.
func (s *Store) StaleAlerts(ctx context.Context, q kpi.Query, limit int) (count int64, err error) {
	where, args := ofArea(q.Area)
	before := micros(q.To.Add(-iot.StaleSpan))
	open := ` a.raised <= ? AND a.tenant = ? AND a.historical = 0 AND a.rule <> ?` + where
	args = append([]any{before, q.Tenant, iot.RuleClock}, args...)
	all := append(append(append([]any{}, args...), micros(q.To)), args...)
	// Without the names of the indexes, SQLite reads all alerts of the tenant.
	err = s.reader.QueryRowContext(ctx, `SELECT count(*) FROM (
			SELECT 1 FROM alerts a INDEXED BY alerts_open WHERE a.cleared IS NULL AND`+open+`
			UNION ALL SELECT 1 FROM alerts a INDEXED BY alerts_by_clearing WHERE a.cleared IS NOT NULL AND a.cleared > ? AND`+open+` LIMIT ?)`, append(all, limit)...).Scan(&count)
	if err != nil {
		return 0, fmt.Errorf("count stale alerts: %w", err)
	}
	return count, nil
}

// ofArea selects the alerts a of an area.
func ofArea(area iot.Area) (condition string, args []any) {
	if area == "" {
		return "", nil
	}
	below := string(area) + "/"
	return ` AND (a.area = ? OR substr(a.area, 1, length(?)) = ? OR a.area = '' AND a.building = ?)`, []any{area, below, below, area}
}
