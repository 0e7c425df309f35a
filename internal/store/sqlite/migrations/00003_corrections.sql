-- +goose Up

-- Windows that were recomputed, until that has been published on the log. A window that is recomputed again gets a new id.
CREATE TABLE corrections (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    window_start INTEGER NOT NULL,
    device_type  TEXT NOT NULL,
    length       INTEGER NOT NULL,
    partition    INTEGER NOT NULL,
    UNIQUE (window_start, device_type, length, partition)
);
