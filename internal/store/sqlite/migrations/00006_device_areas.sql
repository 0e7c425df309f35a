-- +goose Up

-- The areas to which the registry says that a device has belonged, as on the topic of aggregates. The readings of a device that has
-- none belong to the areas in their flags.
CREATE TABLE device_areas (
    partition INTEGER NOT NULL,
    tenant    TEXT NOT NULL,
    device_id TEXT NOT NULL,
    areas     TEXT NOT NULL,
    epoch     INTEGER NOT NULL,
    position  INTEGER NOT NULL,
    PRIMARY KEY (partition, tenant, device_id)
) WITHOUT ROWID;
