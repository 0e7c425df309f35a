-- +goose Up

-- Why a person has decided that nobody is to be notified of an alert, and who has decided about the maintenance that suppressed_by names. The events have
-- what suppresses the alert as well: who has shelved it, or the maintenance, or the parent. Of what was stored before it is not known.
ALTER TABLE alerts
    ADD COLUMN suppressed_reason text NOT NULL DEFAULT '',
    ADD COLUMN suppressed_actor  text NOT NULL DEFAULT '';
ALTER TABLE alert_events
    ADD COLUMN suppressed_by     text NOT NULL DEFAULT '',
    ADD COLUMN suppressed_reason text NOT NULL DEFAULT '',
    ADD COLUMN suppressed_actor  text NOT NULL DEFAULT '';
