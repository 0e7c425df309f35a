-- +goose Up

-- Who sends the notifications, and until when; what is configured, as JSON, for those who ask. There is one row at most.
CREATE TABLE notify_state (
    one        INTEGER PRIMARY KEY CHECK (one = 1),
    holder     TEXT NOT NULL,
    until      INTEGER NOT NULL,
    configured TEXT NOT NULL
) STRICT;

-- How far the alerts have been read.
CREATE TABLE notify_offsets (
    partition INTEGER PRIMARY KEY,
    log       TEXT NOT NULL,
    next      INTEGER NOT NULL
) STRICT;

-- The groups of alerts and the alerts that stand, as JSON.
CREATE TABLE notify_groups (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE notify_alerts (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT, WITHOUT ROWID;

-- What is to be sent, and what has become of it. asked is when somebody has asked for it to be sent again, message is JSON.
CREATE TABLE notify_deliveries (
    id        TEXT PRIMARY KEY,
    channel   TEXT NOT NULL,
    recipient TEXT NOT NULL,
    state     TEXT NOT NULL,
    created   INTEGER NOT NULL,
    due       INTEGER NOT NULL,
    done      INTEGER,
    attempts  INTEGER NOT NULL,
    outcome   TEXT NOT NULL,
    asked     INTEGER,
    message   TEXT NOT NULL
) STRICT;

CREATE INDEX notify_deliveries_by_time ON notify_deliveries (created, id);
CREATE INDEX notify_deliveries_pending ON notify_deliveries (id) WHERE state = 'pending';
