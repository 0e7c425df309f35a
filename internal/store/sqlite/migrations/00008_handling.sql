-- +goose Up

-- Where the registry says that the device of an alert belongs, '' if it says nothing; and what people have done about the alert: who has
-- acknowledged it and when, why and until when nobody is notified of it, who has decided so and when, and the last comment. Times are
-- NULL, and texts '', for nothing.
ALTER TABLE alerts ADD COLUMN area TEXT NOT NULL DEFAULT '';
ALTER TABLE alerts ADD COLUMN acknowledged INTEGER;
ALTER TABLE alerts ADD COLUMN acknowledged_by TEXT NOT NULL DEFAULT '';
ALTER TABLE alerts ADD COLUMN suppressed TEXT NOT NULL DEFAULT '';
ALTER TABLE alerts ADD COLUMN suppressed_until INTEGER;
ALTER TABLE alerts ADD COLUMN suppressed_by TEXT NOT NULL DEFAULT '';
ALTER TABLE alerts ADD COLUMN suppressed_at INTEGER;
ALTER TABLE alerts ADD COLUMN comment TEXT NOT NULL DEFAULT '';
ALTER TABLE alerts ADD COLUMN commented_by TEXT NOT NULL DEFAULT '';
ALTER TABLE alerts ADD COLUMN commented_at INTEGER;
