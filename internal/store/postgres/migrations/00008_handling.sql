-- +goose Up

-- Where the registry says that the device of an alert belongs, '' if it says nothing; and what people have done about the alert: who has
-- acknowledged it and when, why and until when nobody is notified of it, who has decided so and when, and the last comment. Times are
-- NULL, and texts '', for nothing.
ALTER TABLE alerts
    ADD COLUMN area             text NOT NULL DEFAULT '',
    ADD COLUMN acknowledged     timestamptz,
    ADD COLUMN acknowledged_by  text NOT NULL DEFAULT '',
    ADD COLUMN suppressed       text NOT NULL DEFAULT '',
    ADD COLUMN suppressed_until timestamptz,
    ADD COLUMN suppressed_by    text NOT NULL DEFAULT '',
    ADD COLUMN suppressed_at    timestamptz,
    ADD COLUMN comment          text NOT NULL DEFAULT '',
    ADD COLUMN commented_by     text NOT NULL DEFAULT '',
    ADD COLUMN commented_at     timestamptz;
