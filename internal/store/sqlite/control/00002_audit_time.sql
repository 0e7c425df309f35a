-- +goose Up

-- For removing old entries.
CREATE INDEX control_audit_time ON control_audit (time);
