-- +goose Up

-- By which limits the readings from an offset on are admitted: the settings record, as it is in the log. Without a row those of the
-- configuration hold.
CREATE TABLE limits (
    topic     TEXT NOT NULL,
    partition INTEGER NOT NULL,
    settings  TEXT NOT NULL,
    PRIMARY KEY (topic, partition)
) STRICT, WITHOUT ROWID;
