-- +goose Up

-- Times are Unix microseconds in UTC. Names that come back with every reading are stored once.

CREATE TABLE device_types (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);

-- said is when the device said what its row says, by its own clock: what it said earlier does not count, however late it
-- comes.
CREATE TABLE devices (
    id          INTEGER PRIMARY KEY,
    device_id   TEXT NOT NULL UNIQUE,
    device_type TEXT NOT NULL,
    unit        TEXT NOT NULL,
    building    TEXT NOT NULL,
    floor       INTEGER NOT NULL,
    room        TEXT NOT NULL,
    model       TEXT NOT NULL,
    firmware    TEXT NOT NULL,
    said        INTEGER NOT NULL
);

-- Which devices a partition has had: how the readings of one partition's window are found without an index of their own.
CREATE TABLE device_partitions (
    partition INTEGER NOT NULL,
    device    INTEGER NOT NULL REFERENCES devices (id),
    PRIMARY KEY (partition, device)
) WITHOUT ROWID;

-- The identity of a reading is its primary key, and the order in which a device's history is read.
CREATE TABLE readings (
    device    INTEGER NOT NULL,
    time      INTEGER NOT NULL,
    value     REAL NOT NULL,
    type      INTEGER NOT NULL,
    partition INTEGER NOT NULL,
    flags     INTEGER NOT NULL,
    PRIMARY KEY (device, time)
) WITHOUT ROWID;

-- One row for each partition's summary of a window. The sum is the exact one: its terms as little-endian float64.
CREATE TABLE summaries (
    window_start INTEGER NOT NULL,
    device_type  TEXT NOT NULL,
    partition    INTEGER NOT NULL,
    length       INTEGER NOT NULL,
    count        INTEGER NOT NULL,
    sum          BLOB NOT NULL,
    min          REAL NOT NULL,
    max          REAL NOT NULL,
    devices      INTEGER NOT NULL,
    online       INTEGER NOT NULL,
    offline      INTEGER NOT NULL,
    alert_count  INTEGER NOT NULL,
    epoch        INTEGER NOT NULL,
    position     INTEGER NOT NULL,
    PRIMARY KEY (window_start, device_type, partition)
) WITHOUT ROWID;

-- The alerts of a window lie beside it: most windows have none, and a chart reads days of windows without them.
CREATE TABLE summary_alerts (
    window_start INTEGER NOT NULL,
    device_type  TEXT NOT NULL,
    partition    INTEGER NOT NULL,
    alerts       TEXT NOT NULL,
    PRIMARY KEY (window_start, device_type, partition)
) WITHOUT ROWID;

-- Windows to be recomputed once the readings of their partition are stored up to the position.
CREATE TABLE dirty_windows (
    partition    INTEGER NOT NULL,
    device_type  TEXT NOT NULL,
    window_start INTEGER NOT NULL,
    length       INTEGER NOT NULL,
    epoch        INTEGER NOT NULL,
    position     INTEGER NOT NULL,
    PRIMARY KEY (partition, device_type, window_start)
) WITHOUT ROWID;

-- One row for each alert, its events folded together. raised and cleared are event times; cleared is NULL while open.
CREATE TABLE alerts (
    id          TEXT PRIMARY KEY,
    rule        TEXT NOT NULL,
    device_id   TEXT NOT NULL,
    device_type TEXT NOT NULL,
    severity    TEXT NOT NULL,
    state       TEXT NOT NULL,
    message     TEXT NOT NULL,
    value       REAL NOT NULL,
    threshold   REAL NOT NULL,
    below       INTEGER NOT NULL,
    unit        TEXT NOT NULL,
    building    TEXT NOT NULL,
    floor       INTEGER NOT NULL,
    room        TEXT NOT NULL,
    onset       INTEGER NOT NULL,
    time        INTEGER NOT NULL,
    raised      INTEGER NOT NULL,
    cleared     INTEGER,
    historical  INTEGER NOT NULL,
    partition   INTEGER NOT NULL,
    epoch       INTEGER NOT NULL,
    position    INTEGER NOT NULL
) WITHOUT ROWID;

-- One index for each question: what was last, which alert of a rule spans a moment, what has a device had, what is open,
-- what has cleared long ago.
CREATE INDEX alerts_by_onset ON alerts (onset DESC, id);
CREATE INDEX alerts_by_rule ON alerts (device_id, rule, onset) WHERE historical = 0;
CREATE INDEX alerts_by_device ON alerts (device_id, onset DESC, id);
CREATE INDEX alerts_open ON alerts (onset DESC, id) WHERE cleared IS NULL;
CREATE INDEX alerts_by_clearing ON alerts (cleared) WHERE cleared IS NOT NULL;

-- How far each partition of each topic has been taken in, and the append time of the newest record.
CREATE TABLE offsets (
    topic     TEXT NOT NULL,
    partition INTEGER NOT NULL,
    epoch     INTEGER NOT NULL,
    next      INTEGER NOT NULL,
    appended  INTEGER NOT NULL,
    PRIMARY KEY (topic, partition)
) WITHOUT ROWID;
