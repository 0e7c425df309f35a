-- +goose Up

-- Why it was decided, empty if no reason was given.
ALTER TABLE control_audit ADD COLUMN reason text NOT NULL DEFAULT '';
