-- +goose Up

-- A device is identified by its tenant and its id. The tenant '' is the only one where none are configured; an archiver of an earlier
-- version, which may go on beside this one, knows no other.
ALTER TABLE devices ADD COLUMN tenant text COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE devices DROP CONSTRAINT devices_device_id_key;
ALTER TABLE devices ADD CONSTRAINT devices_identity UNIQUE (tenant, device_id);

ALTER TABLE alerts ADD COLUMN tenant text COLLATE "C" NOT NULL DEFAULT '';
DROP INDEX alerts_by_rule;
DROP INDEX alerts_by_device;
CREATE INDEX alerts_by_rule ON alerts (tenant, device_id, rule, onset) WHERE NOT historical;
CREATE INDEX alerts_by_device ON alerts (tenant, device_id, onset DESC, id);
