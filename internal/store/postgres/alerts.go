package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"iotmon/internal/iot"
)

// The last two conditions apply to historical events: an event within a stored alert comes from a repeated reading of that
// alert that came too late for the processor to recognize. Alerts of one rule and device do not overlap, so only the last
// one before the event can contain it.
const storeAlert = `INSERT INTO alerts AS a
		(id, rule, device_id, device_type, severity, state, message, value, threshold, below, unit, building, floor, room,
		 onset, time, raised, cleared, historical, partition, epoch, position,
		 area, acknowledged, acknowledged_by, suppressed, suppressed_until, suppressed_by, suppressed_at, comment, commented_by, commented_at, tenant,
		 message_en, procedure, latched, reason, announced, announced_suppressed, suppressed_reason, suppressed_actor)
	SELECT $1, $2::text, $3::text, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15::timestamptz, $16, $17, $18, $19::boolean, $20, $21, $22,
		$23, $24::timestamptz, $25, $26::text, $27::timestamptz, $28, $29::timestamptz, $30, $31, $32::timestamptz, $33::text, $34, $35, $36::timestamptz, $37,
		$38::timestamptz, $26 <> '', $39, $40
	WHERE NOT $19 OR NOT coalesce((SELECT cleared IS NULL OR cleared >= $15 FROM alerts
		WHERE tenant = $33 AND device_id = $3 AND rule = $2 AND onset <= $15 AND NOT historical ORDER BY onset DESC LIMIT 1), false)
	ON CONFLICT (id) DO UPDATE SET
		severity = excluded.severity, state = excluded.state, message = excluded.message, message_en = excluded.message_en, value = excluded.value,
		threshold = excluded.threshold, procedure = excluded.procedure,
		time = excluded.time, cleared = excluded.cleared, epoch = excluded.epoch, position = excluded.position,
		area = excluded.area, acknowledged = excluded.acknowledged, acknowledged_by = excluded.acknowledged_by,
		suppressed = excluded.suppressed, suppressed_until = excluded.suppressed_until, suppressed_by = excluded.suppressed_by,
		suppressed_at = excluded.suppressed_at, suppressed_reason = excluded.suppressed_reason, suppressed_actor = excluded.suppressed_actor,
		latched = excluded.latched, reason = excluded.reason,
		comment = CASE excluded.comment WHEN '' THEN a.comment ELSE excluded.comment END,
		commented_by = CASE excluded.comment WHEN '' THEN a.commented_by ELSE excluded.commented_by END,
		commented_at = coalesce(excluded.commented_at, a.commented_at),
		announced = CASE WHEN excluded.announced IS NOT NULL OR excluded.epoch > a.epoch THEN excluded.announced ELSE a.announced END,
		announced_suppressed = CASE WHEN excluded.announced IS NOT NULL OR excluded.epoch > a.epoch THEN excluded.announced_suppressed ELSE a.announced_suppressed END
	WHERE (excluded.epoch, excluded.position) > (a.epoch, a.position)`

// announceAlert keeps when an alert was raised if a later event of it came before.
const announceAlert = `UPDATE alerts SET announced = $3, announced_suppressed = $4 WHERE id = $1 AND epoch = $2 AND announced IS NULL`

// storeAlertEvent keeps an event for the story of its alert.
const storeAlertEvent = `INSERT INTO alert_events
		(id, epoch, position, state, life, time, value, reason, suppressed, suppressed_until, suppressed_by, suppressed_reason, suppressed_actor, actor, comment)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) ON CONFLICT DO NOTHING`

// noteAlert are the statements that add what was said of an alert after it was over, and why nobody has to acknowledge it, if nobody has. The archive
// alone knows whether there is such an alert.
var noteAlert = [...]string{`INSERT INTO alert_events
		(id, epoch, position, state, life, time, value, reason, suppressed, suppressed_until, actor, comment)
	SELECT a.id, a.epoch,
		CASE WHEN a.epoch = @epoch THEN @position ELSE coalesce((SELECT max(position) + 1 FROM alert_events WHERE id = a.id AND epoch = a.epoch), 0) END,
		@state, CASE WHEN waits THEN @normal ELSE coalesce((SELECT life FROM alert_events WHERE id = a.id AND epoch = a.epoch ORDER BY position DESC LIMIT 1), @normal) END,
		@time, a.value, CASE WHEN waits THEN @reason ELSE '' END, '', NULL, @actor, @comment
	FROM (SELECT *, @reason::text <> '' AND cleared IS NOT NULL AND acknowledged IS NULL AND reason NOT IN (@waived, @forgotten) AS waits FROM alerts) a
	WHERE a.id = @id AND a.tenant = @tenant AND a.device_id = @device AND NOT a.historical AND (waits OR @comment::text <> '')
		AND NOT EXISTS (SELECT 1 FROM alert_events e WHERE e.id = a.id AND e.epoch = a.epoch AND e.state = @state AND e.time = @time
			AND e.actor = @actor AND e.comment = @comment)
	ON CONFLICT DO NOTHING`,
	`UPDATE alerts SET reason = @reason WHERE id = @id AND tenant = @tenant AND device_id = @device AND NOT historical AND @reason::text <> ''
		AND cleared IS NOT NULL AND acknowledged IS NULL AND reason NOT IN (@waived, @forgotten)`,
	`UPDATE alerts SET comment = @comment, commented_by = @actor, commented_at = @time
		WHERE id = @id AND tenant = @tenant AND device_id = @device AND NOT historical AND @comment::text <> '' AND (commented_at IS NULL OR commented_at <= @time)`,
}

// queueNote adds the statements that store a note to a batch.
func queueNote(batch *pgx.Batch, n *iot.Alert) {
	for _, statement := range noteAlert {
		batch.Queue(statement, pgx.NamedArgs{
			"id": n.ID, "tenant": text(string(n.Tenant)), "device": text(string(n.DeviceID)), "epoch": n.Epoch, "position": n.Offset,
			"state": string(n.Transition), "normal": string(iot.NormalState), "time": n.Time, "reason": string(n.Reason),
			"waived": string(iot.Waived), "forgotten": string(iot.WaivedForgotten), "actor": text(n.Actor), "comment": text(n.Comment),
		})
	}
}

// alerts merges events into one row per alert, unless a later event of the same alert is already stored. It keeps their
// order, because an event may depend on earlier ones.
func (in *intake) alerts(ctx context.Context, alerts []iot.Alert) error {
	batch := new(pgx.Batch)
	for i := range alerts {
		a := &alerts[i]
		if a.Transition == iot.Noted {
			queueNote(batch, a)
			continue
		}
		raised := a.Onset
		if a.Transition == iot.Raised {
			raised = a.Time
		}
		var announced *time.Time
		if a.Transition == iot.Raised && !a.Historical {
			announced = &a.Time
		}
		cleared := &a.Time
		if a.Open() {
			cleared = nil
		}
		var commentedBy string
		var commented *time.Time
		if a.Comment != "" {
			commentedBy, commented = a.Actor, &a.Time
		}
		batch.Queue(storeAlert, a.ID, text(a.Rule), text(string(a.DeviceID)), text(string(a.DeviceType)), string(a.Severity), string(a.Transition),
			text(a.Message), a.Value, a.Threshold, a.Below, text(a.Unit), text(a.Location.Building), int64(a.Location.Floor), text(a.Location.Room),
			a.Onset, a.Time, raised, cleared, a.Historical, a.Partition, a.Epoch, a.Offset,
			text(string(a.Area)), known(a.AckedAt), text(a.AckedBy), string(a.Suppressed), known(a.SuppressedUntil), text(a.SuppressedBy),
			known(a.SuppressedAt), text(a.Comment), text(commentedBy), commented, text(string(a.Tenant)),
			text(a.MessageEN), text(a.Procedure), known(a.Latched), string(a.Reason), announced,
			text(a.SuppressedReason), text(a.SuppressedActor))
		if announced != nil {
			batch.Queue(announceAlert, a.ID, a.Epoch, a.Time, a.Suppressed != "")
		}
		if !a.Historical {
			batch.Queue(storeAlertEvent, a.ID, a.Epoch, a.Offset, string(a.Transition), string(a.LifeState()), a.Time, a.Value, string(a.Reason),
				string(a.Suppressed), known(a.SuppressedUntil), text(a.SuppressedBy), text(a.SuppressedReason), text(a.SuppressedActor),
				text(a.Actor), text(a.Comment))
		}
	}
	return in.tx.SendBatch(ctx, batch).Close()
}
