-- +goose Up

-- What people have decided last about each device and rule. Body is the JSON of the entry, revision that of its last change.
-- Confirmed means that the version has been in force.
-- Names are compared byte by byte, whatever the database's collation.
CREATE TABLE control_objects (
    kind     text COLLATE "C" NOT NULL,
    tenant   text COLLATE "C" NOT NULL,
    id       text COLLATE "C" NOT NULL,
    version  bigint NOT NULL,
    deleted  boolean NOT NULL,
    body     text NOT NULL,
    revision bigint NOT NULL UNIQUE,
    confirmed  boolean NOT NULL DEFAULT false,
    PRIMARY KEY (kind, tenant, id)
);

-- Who has decided what. body_before is null for the first version.
CREATE TABLE control_audit (
    revision    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    time        timestamptz NOT NULL,
    actor       text NOT NULL,
    action      text NOT NULL,
    kind        text COLLATE "C" NOT NULL,
    tenant      text COLLATE "C" NOT NULL,
    id          text COLLATE "C" NOT NULL,
    version     bigint NOT NULL,
    body_before text,
    body_after  text NOT NULL
);

CREATE INDEX control_audit_object ON control_audit (kind, tenant, id, revision);
