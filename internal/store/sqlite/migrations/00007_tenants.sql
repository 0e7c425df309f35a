-- +goose Up

-- A device is identified by its tenant and its id. The tenant '' is the only one where none are configured.
CREATE TABLE new_devices (
    id          INTEGER PRIMARY KEY,
    tenant      TEXT NOT NULL,
    device_id   TEXT NOT NULL,
    device_type TEXT NOT NULL,
    unit        TEXT NOT NULL,
    building    TEXT NOT NULL,
    floor       INTEGER NOT NULL,
    room        TEXT NOT NULL,
    model       TEXT NOT NULL,
    firmware    TEXT NOT NULL,
    said        INTEGER NOT NULL,
    UNIQUE (tenant, device_id)
);
INSERT INTO new_devices SELECT id, '', device_id, device_type, unit, building, floor, room, model, firmware, said FROM devices;
DROP TABLE devices;
ALTER TABLE new_devices RENAME TO devices;

ALTER TABLE alerts ADD COLUMN tenant TEXT NOT NULL DEFAULT '';
DROP INDEX alerts_by_rule;
DROP INDEX alerts_by_device;
CREATE INDEX alerts_by_rule ON alerts (tenant, device_id, rule, onset) WHERE historical = 0;
CREATE INDEX alerts_by_device ON alerts (tenant, device_id, onset DESC, id);
