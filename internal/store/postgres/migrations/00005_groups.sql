-- +goose Up

-- How a summary is divided by tenant and area: see store.EncodeGroups. NULL if everything belongs to the group without either.
ALTER TABLE summaries ADD COLUMN parts bytea;

-- The first levels of the areas that readings come from. A reading's flags hold the id of its area. Names sort by their bytes.
CREATE TABLE areas (
    id     smallint PRIMARY KEY,
    tenant text COLLATE "C" NOT NULL,
    area   text COLLATE "C" NOT NULL,
    UNIQUE (tenant, area)
);
