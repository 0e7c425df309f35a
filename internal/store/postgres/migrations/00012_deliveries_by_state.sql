-- +goose Up

-- Those that failed and those that wait are listed and counted among many that were sent.
CREATE INDEX notify_deliveries_by_state ON notify_deliveries (state, created, id);
