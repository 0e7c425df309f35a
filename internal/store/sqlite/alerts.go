package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"iotmon/internal/iot"
)

// alerts merges events into one row per alert.
func (w *batchWriter) alerts(ctx context.Context, alerts []iot.Alert) error {
	for i := range alerts {
		a := &alerts[i]
		if a.Historical {
			within, err := w.withinAlert(ctx, a)
			if err != nil {
				return err
			}
			if within {
				continue
			}
		}
		store := w.alert
		if a.Transition == iot.Noted {
			store = w.note
		}
		if err := w.skipRefused(store(ctx, a), "alert of %.64q by %.64q at %v", a.DeviceID, a.Rule, a.Time); err != nil {
			return err
		}
	}
	return nil
}

// alert stores an event unless a later one of the same alert is stored already.
func (w *batchWriter) alert(ctx context.Context, a *iot.Alert) error {
	raised := a.Onset
	if a.Transition == iot.Raised {
		raised = a.Time
	}
	var cleared any
	if !a.Open() {
		cleared = micros(a.Time)
	}
	var commentedBy string
	var commented any
	if a.Comment != "" {
		commentedBy, commented = a.Actor, micros(a.Time)
	}
	statement, err := w.prepared(ctx, `INSERT INTO alerts
			(id, rule, tenant, device_id, device_type, severity, state, message, value, threshold, below, unit, building, floor, room,
			 onset, time, raised, cleared, historical, partition, epoch, position,
			 area, acknowledged, acknowledged_by, suppressed, suppressed_until, suppressed_by, suppressed_at, comment, commented_by, commented_at,
			 message_en, procedure, latched, reason, announced, announced_suppressed, suppressed_reason, suppressed_actor)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET
			severity = excluded.severity, state = excluded.state, message = excluded.message, message_en = excluded.message_en, value = excluded.value,
			threshold = excluded.threshold, procedure = excluded.procedure,
			time = excluded.time, cleared = excluded.cleared, epoch = excluded.epoch, position = excluded.position,
			area = excluded.area, acknowledged = excluded.acknowledged, acknowledged_by = excluded.acknowledged_by,
			suppressed = excluded.suppressed, suppressed_until = excluded.suppressed_until, suppressed_by = excluded.suppressed_by,
			suppressed_at = excluded.suppressed_at, suppressed_reason = excluded.suppressed_reason, suppressed_actor = excluded.suppressed_actor,
			latched = excluded.latched, reason = excluded.reason,
			comment = CASE excluded.comment WHEN '' THEN comment ELSE excluded.comment END,
			commented_by = CASE excluded.comment WHEN '' THEN commented_by ELSE excluded.commented_by END,
			commented_at = coalesce(excluded.commented_at, commented_at),
			announced = CASE WHEN excluded.announced IS NOT NULL OR excluded.epoch > epoch THEN excluded.announced ELSE announced END,
			announced_suppressed = CASE WHEN excluded.announced IS NOT NULL OR excluded.epoch > epoch THEN excluded.announced_suppressed ELSE announced_suppressed END
		WHERE (excluded.epoch, excluded.position) > (epoch, position)`)
	if err != nil {
		return err
	}
	var announced any
	if a.Transition == iot.Raised && !a.Historical {
		announced = micros(a.Time)
	}
	result, err := statement.ExecContext(ctx, a.ID, a.Rule, a.Tenant, a.DeviceID, a.DeviceType, a.Severity, a.Transition, a.Message, a.Value, a.Threshold, a.Below, a.Unit,
		a.Location.Building, a.Location.Floor, a.Location.Room,
		micros(a.Onset), micros(a.Time), micros(raised), cleared, a.Historical, a.Partition, a.Epoch, a.Offset,
		a.Area, microsOrNull(a.AckedAt), a.AckedBy, a.Suppressed, microsOrNull(a.SuppressedUntil), a.SuppressedBy, microsOrNull(a.SuppressedAt),
		a.Comment, commentedBy, commented, a.MessageEN, a.Procedure, microsOrNull(a.Latched), a.Reason, announced, a.Suppressed != "",
		a.SuppressedReason, a.SuppressedActor)
	if err != nil {
		return err
	}
	if announced != nil && !changed(result) { // A later event came before it.
		err = w.exec(ctx, `UPDATE alerts SET announced = ?, announced_suppressed = ? WHERE id = ? AND epoch = ? AND announced IS NULL`,
			announced, a.Suppressed != "", a.ID, a.Epoch)
		if err != nil {
			return err
		}
	}
	return w.alertEvent(ctx, a)
}

// note adds what was said of an alert after it was over, and why nobody has to acknowledge it, if nobody has. The archive alone knows whether there is
// such an alert.
func (w *batchWriter) note(ctx context.Context, n *iot.Alert) error {
	for _, statement := range []string{`INSERT INTO alert_events
			(id, epoch, position, state, life, time, value, reason, suppressed, suppressed_until, actor, comment)
		SELECT a.id, a.epoch,
			CASE a.epoch WHEN @epoch THEN @position ELSE coalesce((SELECT max(position) + 1 FROM alert_events WHERE id = a.id AND epoch = a.epoch), 0) END,
			@state, CASE WHEN waits THEN @normal ELSE coalesce((SELECT life FROM alert_events WHERE id = a.id AND epoch = a.epoch ORDER BY position DESC LIMIT 1), @normal) END,
			@time, a.value, CASE WHEN waits THEN @reason ELSE '' END, '', NULL, @actor, @comment
		FROM (SELECT *, @reason <> '' AND cleared IS NOT NULL AND acknowledged IS NULL AND reason NOT IN (@waived, @forgotten) AS waits FROM alerts) a
		WHERE a.id = @id AND a.tenant = @tenant AND a.device_id = @device AND a.historical = 0 AND (waits OR @comment <> '')
			AND NOT EXISTS (SELECT 1 FROM alert_events e WHERE e.id = a.id AND e.epoch = a.epoch AND e.state = @state AND e.time = @time
				AND e.actor = @actor AND e.comment = @comment)
		ON CONFLICT DO NOTHING`,
		`UPDATE alerts SET reason = @reason WHERE id = @id AND tenant = @tenant AND device_id = @device AND historical = 0 AND @reason <> ''
			AND cleared IS NOT NULL AND acknowledged IS NULL AND reason NOT IN (@waived, @forgotten)`,
		`UPDATE alerts SET comment = @comment, commented_by = @actor, commented_at = @time
			WHERE id = @id AND tenant = @tenant AND device_id = @device AND historical = 0 AND @comment <> '' AND (commented_at IS NULL OR commented_at <= @time)`,
	} {
		if err := w.exec(ctx, statement,
			sql.Named("id", n.ID), sql.Named("tenant", n.Tenant), sql.Named("device", n.DeviceID), sql.Named("epoch", n.Epoch), sql.Named("position", n.Offset),
			sql.Named("state", n.Transition), sql.Named("normal", iot.NormalState), sql.Named("time", micros(n.Time)), sql.Named("reason", n.Reason),
			sql.Named("waived", iot.Waived), sql.Named("forgotten", iot.WaivedForgotten), sql.Named("actor", n.Actor), sql.Named("comment", n.Comment)); err != nil {
			return err
		}
	}
	return nil
}

// alertEvent keeps an event for the story of its alert.
func (w *batchWriter) alertEvent(ctx context.Context, a *iot.Alert) error {
	if a.Historical {
		return nil
	}
	return w.exec(ctx, `INSERT INTO alert_events
			(id, epoch, position, state, life, time, value, reason, suppressed, suppressed_until, suppressed_by, suppressed_reason, suppressed_actor, actor, comment)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		a.ID, a.Epoch, a.Offset, a.Transition, a.LifeState(), micros(a.Time), a.Value, a.Reason, a.Suppressed, microsOrNull(a.SuppressedUntil),
		a.SuppressedBy, a.SuppressedReason, a.SuppressedActor, a.Actor, a.Comment)
}

// withinAlert reports whether a historical event lies within a stored alert: then it comes from a repeated reading of that
// alert that came too late for the processor to recognize. Alerts of one rule and device do not overlap, so only the last
// one before the event can contain it.
func (w *batchWriter) withinAlert(ctx context.Context, a *iot.Alert) (bool, error) {
	statement, err := w.prepared(ctx, `SELECT cleared IS NULL OR cleared >= ?3 FROM alerts
		WHERE tenant = ?4 AND device_id = ?1 AND rule = ?2 AND onset <= ?3 AND historical = 0 ORDER BY onset DESC LIMIT 1`)
	if err != nil {
		return false, err
	}
	var within bool
	err = statement.QueryRowContext(ctx, a.DeviceID, a.Rule, micros(a.Onset), a.Tenant).Scan(&within)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return within, err
}
