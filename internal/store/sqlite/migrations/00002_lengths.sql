-- +goose Up

-- The length of windows may be changed: it belongs to what names a summary, so that one never replaces or meets another of
-- another length. uncertain counts the readings of that quality among count, bad those of quality bad, which are beside it.
CREATE TABLE new_summaries (
    window_start INTEGER NOT NULL,
    device_type  TEXT NOT NULL,
    length       INTEGER NOT NULL,
    partition    INTEGER NOT NULL,
    count        INTEGER NOT NULL,
    uncertain    INTEGER NOT NULL,
    bad          INTEGER NOT NULL,
    sum          BLOB NOT NULL,
    min          REAL NOT NULL,
    max          REAL NOT NULL,
    devices      INTEGER NOT NULL,
    online       INTEGER NOT NULL,
    offline      INTEGER NOT NULL,
    alert_count  INTEGER NOT NULL,
    epoch        INTEGER NOT NULL,
    position     INTEGER NOT NULL,
    PRIMARY KEY (window_start, device_type, length, partition)
) WITHOUT ROWID;
INSERT INTO new_summaries
    SELECT window_start, device_type, length, partition, count, 0, 0, sum, min, max, devices, online, offline, alert_count, epoch, position
    FROM summaries;

CREATE TABLE new_summary_alerts (
    window_start INTEGER NOT NULL,
    device_type  TEXT NOT NULL,
    length       INTEGER NOT NULL,
    partition    INTEGER NOT NULL,
    alerts       TEXT NOT NULL,
    PRIMARY KEY (window_start, device_type, length, partition)
) WITHOUT ROWID;
INSERT INTO new_summary_alerts
    SELECT window_start, device_type, length, partition, alerts FROM summary_alerts JOIN summaries USING (window_start, device_type, partition);

DROP TABLE summaries;
DROP TABLE summary_alerts;
ALTER TABLE new_summaries RENAME TO summaries;
ALTER TABLE new_summary_alerts RENAME TO summary_alerts;

CREATE TABLE new_dirty_windows (
    partition    INTEGER NOT NULL,
    device_type  TEXT NOT NULL,
    window_start INTEGER NOT NULL,
    length       INTEGER NOT NULL,
    epoch        INTEGER NOT NULL,
    position     INTEGER NOT NULL,
    PRIMARY KEY (partition, device_type, window_start, length)
) WITHOUT ROWID;
INSERT INTO new_dirty_windows SELECT partition, device_type, window_start, length, epoch, position FROM dirty_windows;
DROP TABLE dirty_windows;
ALTER TABLE new_dirty_windows RENAME TO dirty_windows;

-- What is kept for a time is measured against retained: like appended, but a clock that jumps by more than a day counts only
-- once it has gone on for a day, since ahead, and one that is set back counts at once. So a clock that is wrong removes
-- nothing early. 0 is none.
ALTER TABLE offsets ADD COLUMN retained INTEGER NOT NULL DEFAULT 0;
ALTER TABLE offsets ADD COLUMN ahead INTEGER NOT NULL DEFAULT 0;
UPDATE offsets SET retained = appended;
