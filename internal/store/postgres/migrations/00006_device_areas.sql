-- +goose Up

-- The areas to which the registry says that a device has belonged, as on the topic of aggregates. The readings of a device that has
-- none belong to the areas in their flags.
CREATE TABLE device_areas (
    partition integer NOT NULL,
    tenant    text COLLATE "C" NOT NULL,
    device_id text COLLATE "C" NOT NULL,
    areas     text NOT NULL,
    epoch     integer NOT NULL,
    position  bigint NOT NULL,
    PRIMARY KEY (partition, tenant, device_id)
);
