-- +goose Up

-- When an alert was raised, by its event in this epoch of the log, NULL if that is not known, and whether it was suppressed then. So the key
-- figures of alarm management are read from one index, in the order of time.
ALTER TABLE alerts ADD COLUMN announced INTEGER;
ALTER TABLE alerts ADD COLUMN announced_suppressed INTEGER NOT NULL DEFAULT 0;

UPDATE alerts SET announced = e.time, announced_suppressed = e.suppressed <> ''
    FROM alert_events e WHERE e.id = alerts.id AND e.epoch = alerts.epoch AND e.state = 'raised';

CREATE INDEX alerts_by_announcement
    ON alerts (tenant, announced, rule, device_id, severity, acknowledged, cleared, announced_suppressed, area, building)
    WHERE announced IS NOT NULL;

-- Every question names a tenant. Without it in these indexes, SQLite chose the one by device, and sorted all alerts for a page of them.
DROP INDEX alerts_by_onset;
DROP INDEX alerts_open;
CREATE INDEX alerts_by_onset ON alerts (tenant, onset DESC, id);
CREATE INDEX alerts_open ON alerts (tenant, onset DESC, id) WHERE cleared IS NULL;
CREATE INDEX alerts_of_rule ON alerts (tenant, rule, onset DESC, id);
CREATE INDEX alerts_returned ON alerts (tenant, onset DESC, id) WHERE cleared IS NOT NULL AND acknowledged IS NULL AND historical = 0;

-- Of a hundred thousand deliveries, those of one channel are listed, and those that failed are counted, without reading their messages.
CREATE INDEX notify_deliveries_by_channel ON notify_deliveries (channel, created, id);
CREATE INDEX notify_deliveries_by_state_and_channel ON notify_deliveries (state, channel, created, id);
