-- +goose Up

-- The alerts of a window lie beside it: most windows have none, and a chart reads days of windows without them. The lists
-- so far are dropped; the alerts themselves are in their own table.
CREATE TABLE summary_alerts (
    window_start INTEGER NOT NULL,
    device_type  TEXT NOT NULL,
    partition    INTEGER NOT NULL,
    alerts       TEXT NOT NULL,
    PRIMARY KEY (window_start, device_type, partition)
) WITHOUT ROWID;
ALTER TABLE summaries DROP COLUMN alerts;

-- When a device said what its row says, by its own clock: what it said earlier does not count, however late it comes.
ALTER TABLE devices ADD COLUMN said INTEGER NOT NULL DEFAULT 0;

-- One index for each question: which alert of a rule spans a moment, what has a device had, what has cleared long ago.
DROP INDEX alerts_by_device;
CREATE INDEX alerts_by_rule ON alerts (device_id, rule, onset) WHERE historical = 0;
CREATE INDEX alerts_by_device ON alerts (device_id, onset DESC, id);
CREATE INDEX alerts_by_clearing ON alerts (cleared) WHERE cleared IS NOT NULL;
