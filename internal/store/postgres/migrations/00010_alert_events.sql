-- +goose Up

-- The rest of what an alert says: its rule's own English text and procedure, since when its condition has returned to normal while the rule
-- keeps it open, NULL if it does not, and why it has cleared.
ALTER TABLE alerts
    ADD COLUMN message_en text NOT NULL DEFAULT '',
    ADD COLUMN procedure  text NOT NULL DEFAULT '',
    ADD COLUMN latched    timestamptz,
    ADD COLUMN reason     text NOT NULL DEFAULT '';

-- Every event of an alert, never changed: what became of it, when, and by whom. life is the state after the event. Historical alerts have none.
CREATE TABLE alert_events (
    id               text COLLATE "C" NOT NULL,
    epoch            integer NOT NULL,
    position         bigint NOT NULL,
    state            text NOT NULL,
    life             text NOT NULL,
    time             timestamptz NOT NULL,
    value            double precision NOT NULL,
    reason           text NOT NULL,
    suppressed       text NOT NULL,
    suppressed_until timestamptz,
    actor            text NOT NULL,
    comment          text NOT NULL,
    PRIMARY KEY (id, epoch, position)
);

CREATE INDEX alert_events_by_time ON alert_events (time);
