-- +goose Up

-- By which limits the readings from an offset on are admitted: the settings record, as it is in the log. Without a row those of the
-- configuration hold.
CREATE TABLE limits (
    topic     text NOT NULL,
    partition int  NOT NULL,
    settings  text NOT NULL,
    PRIMARY KEY (topic, partition)
);
