-- +goose Up

-- What people have decided last about each device and rule. Body is the JSON of the entry, revision that of its last change.
-- Confirmed means that the version has been in force.
CREATE TABLE control_objects (
    kind     TEXT NOT NULL,
    tenant   TEXT NOT NULL,
    id       TEXT NOT NULL,
    version  INTEGER NOT NULL,
    deleted  INTEGER NOT NULL,
    body     TEXT NOT NULL,
    revision INTEGER NOT NULL UNIQUE,
    confirmed  INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (kind, tenant, id)
) WITHOUT ROWID;

-- Who has decided what. Time is in Unix microseconds in UTC; body_before is null for the first version.
CREATE TABLE control_audit (
    revision    INTEGER PRIMARY KEY AUTOINCREMENT,
    time        INTEGER NOT NULL,
    actor       TEXT NOT NULL,
    action      TEXT NOT NULL,
    kind        TEXT NOT NULL,
    tenant      TEXT NOT NULL,
    id          TEXT NOT NULL,
    version     INTEGER NOT NULL,
    body_before TEXT,
    body_after  TEXT NOT NULL
);

CREATE INDEX control_audit_object ON control_audit (kind, tenant, id, revision);
