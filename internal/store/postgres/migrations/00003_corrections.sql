-- +goose Up

-- Windows that were recomputed, until that has been published on the log. A window that is recomputed again gets a new id.
CREATE TABLE corrections (
    id           bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    window_start timestamptz NOT NULL,
    device_type  text COLLATE "C" NOT NULL,
    length_us    bigint NOT NULL,
    partition    integer NOT NULL,
    PRIMARY KEY (window_start, device_type, length_us, partition)
);
