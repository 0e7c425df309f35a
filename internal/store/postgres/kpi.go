package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"iotmon/internal/iot"
	"iotmon/internal/kpi"
)

// ofArea selects the alerts a of the area in $1, all if it is empty.
const ofArea = `($1 = '' OR a.area = $1 OR starts_with(a.area, $1 || '/') OR a.area = '' AND a.building = $1)`

// RaisedAlerts implements api.History.
func (s *Store) RaisedAlerts(ctx context.Context, q kpi.Query, visit func(*kpi.Raised) bool) error {
	err := s.readOnly(ctx, func(ctx context.Context, tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `SELECT a.rule, a.device_id, a.severity, a.announced, a.acknowledged, a.cleared, a.announced_suppressed
			FROM alerts a
			WHERE a.announced >= $2 AND a.announced < $3 AND a.tenant = $4 AND `+ofArea+` ORDER BY a.announced`,
			text(string(q.Area)), q.From, q.To, text(string(q.Tenant)))
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var r kpi.Raised
			var acked, cleared *time.Time
			if err := rows.Scan(&r.Rule, &r.Device, &r.Severity, &r.Time, &acked, &cleared, &r.Suppressed); err != nil {
				return err
			}
			if acked != nil {
				r.Acknowledged = *acked
			}
			if cleared != nil {
				r.Cleared = *cleared
			}
			if !visit(&r) {
				return nil
			}
		}
		return rows.Err()
	})
	if err != nil {
		return fmt.Errorf("read raised alerts: %w", err)
	}
	return nil
}

// StaleAlerts implements api.History.
func (s *Store) StaleAlerts(ctx context.Context, q kpi.Query, limit int) (count int64, err error) {
	const open = ` a.raised <= $2 AND a.tenant = $3 AND NOT a.historical AND a.rule <> $4 AND ` + ofArea
	err = s.readOnly(ctx, func(ctx context.Context, tx pgx.Tx) error {
		return tx.QueryRow(ctx, `SELECT count(*) FROM (
				SELECT 1 FROM alerts a WHERE a.cleared IS NULL AND`+open+`
				UNION ALL SELECT 1 FROM alerts a WHERE a.cleared IS NOT NULL AND a.cleared > $5 AND`+open+` LIMIT $6) AS stale`,
			text(string(q.Area)), q.To.Add(-iot.StaleSpan), text(string(q.Tenant)), iot.RuleClock, q.To, limit).Scan(&count)
	})
	if err != nil {
		return 0, fmt.Errorf("count stale alerts: %w", err)
	}
	return count, nil
}
