-- +goose Up

-- The id of the topic that an offset is of, '' if unknown: one that was deleted and made anew has another.
ALTER TABLE offsets ADD COLUMN log text NOT NULL DEFAULT '';
