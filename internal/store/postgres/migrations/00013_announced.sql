-- +goose Up

-- When an alert was raised, by its event in this epoch of the log, NULL if that is not known, and whether it was suppressed then. So the key
-- figures of alarm management are read from one index, in the order of time.
ALTER TABLE alerts
    ADD COLUMN announced            timestamptz,
    ADD COLUMN announced_suppressed boolean NOT NULL DEFAULT false;

UPDATE alerts a SET announced = e.time, announced_suppressed = e.suppressed <> ''
    FROM alert_events e WHERE e.id = a.id AND e.epoch = a.epoch AND e.state = 'raised';

CREATE INDEX alerts_by_announcement ON alerts (tenant, announced) WHERE announced IS NOT NULL;

-- Every question names a tenant. A page of the alerts of one rule had to read those of all rules.
DROP INDEX alerts_by_onset;
DROP INDEX alerts_open;
CREATE INDEX alerts_by_onset ON alerts (tenant, onset DESC, id);
CREATE INDEX alerts_open ON alerts (tenant, onset DESC, id) WHERE cleared IS NULL;
CREATE INDEX alerts_of_rule ON alerts (tenant, rule, onset DESC, id);
CREATE INDEX alerts_returned ON alerts (tenant, onset DESC, id) WHERE cleared IS NOT NULL AND acknowledged IS NULL AND NOT historical;

-- Of a hundred thousand deliveries, those of one channel are listed, and those that failed are counted, without reading their messages.
CREATE INDEX notify_deliveries_by_channel ON notify_deliveries (channel, created, id);
CREATE INDEX notify_deliveries_by_state_and_channel ON notify_deliveries (state, channel, created, id);
