-- +goose Up

-- The rest of what an alert says: its rule's own English text and procedure, since when its condition has returned to normal while the rule
-- keeps it open, NULL if it does not, and why it has cleared.
ALTER TABLE alerts ADD COLUMN message_en TEXT NOT NULL DEFAULT '';
ALTER TABLE alerts ADD COLUMN procedure TEXT NOT NULL DEFAULT '';
ALTER TABLE alerts ADD COLUMN latched INTEGER;
ALTER TABLE alerts ADD COLUMN reason TEXT NOT NULL DEFAULT '';

-- Every event of an alert, never changed: what became of it, when, and by whom. life is the state after the event. Historical alerts have none.
CREATE TABLE alert_events (
    id               TEXT NOT NULL,
    epoch            INTEGER NOT NULL,
    position         INTEGER NOT NULL,
    state            TEXT NOT NULL,
    life             TEXT NOT NULL,
    time             INTEGER NOT NULL,
    value            REAL NOT NULL,
    reason           TEXT NOT NULL,
    suppressed       TEXT NOT NULL,
    suppressed_until INTEGER,
    actor            TEXT NOT NULL,
    comment          TEXT NOT NULL,
    PRIMARY KEY (id, epoch, position)
) STRICT, WITHOUT ROWID;

CREATE INDEX alert_events_by_time ON alert_events (time);
