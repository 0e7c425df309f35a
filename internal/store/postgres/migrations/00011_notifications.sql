-- +goose Up

-- Who sends the notifications, and until when; what is configured, as JSON, for those who ask. There is one row at most.
CREATE TABLE notify_state (
    one        integer PRIMARY KEY CHECK (one = 1),
    holder     text NOT NULL,
    until      timestamptz NOT NULL,
    configured text NOT NULL
);

-- How far the alerts have been read.
CREATE TABLE notify_offsets (
    partition integer PRIMARY KEY,
    log       text NOT NULL,
    next      bigint NOT NULL
);

-- The groups of alerts and the alerts that stand, as JSON.
CREATE TABLE notify_groups (id text COLLATE "C" PRIMARY KEY, body text NOT NULL);
CREATE TABLE notify_alerts (id text COLLATE "C" PRIMARY KEY, body text NOT NULL);

-- What is to be sent, and what has become of it. asked is when somebody has asked for it to be sent again, message is JSON.
CREATE TABLE notify_deliveries (
    id        text COLLATE "C" PRIMARY KEY,
    channel   text NOT NULL,
    recipient text NOT NULL,
    state     text NOT NULL,
    created   timestamptz NOT NULL,
    due       timestamptz NOT NULL,
    done      timestamptz,
    attempts  integer NOT NULL,
    outcome   text NOT NULL,
    asked     timestamptz,
    message   text NOT NULL
);

CREATE INDEX notify_deliveries_by_time ON notify_deliveries (created, id);
CREATE INDEX notify_deliveries_pending ON notify_deliveries (id) WHERE state = 'pending';
