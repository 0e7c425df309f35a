-- +goose Up

-- How a summary is divided by tenant and area: see store.EncodeGroups. NULL if everything belongs to the group without either.
ALTER TABLE summaries ADD COLUMN parts BLOB;

-- The first levels of the areas that readings come from. A reading's flags hold the id of its area.
CREATE TABLE areas (
    id     INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    area   TEXT NOT NULL,
    UNIQUE (tenant, area)
);
