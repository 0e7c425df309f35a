-- +goose Up

-- The length of windows may be changed: it belongs to what names a summary, so that one never replaces or meets another of
-- another length. uncertain counts the readings of that quality among count, bad those of quality bad, which are beside it.
ALTER TABLE summaries
    ADD COLUMN uncertain bigint NOT NULL DEFAULT 0,
    ADD COLUMN bad       bigint NOT NULL DEFAULT 0,
    DROP CONSTRAINT summaries_pkey,
    ADD PRIMARY KEY (window_start, device_type, length_us, partition);

ALTER TABLE summary_alerts ADD COLUMN length_us bigint;
UPDATE summary_alerts a SET length_us = s.length_us FROM summaries s
    WHERE (s.window_start, s.device_type, s.partition) = (a.window_start, a.device_type, a.partition);
DELETE FROM summary_alerts WHERE length_us IS NULL;
ALTER TABLE summary_alerts
    DROP CONSTRAINT summary_alerts_pkey,
    ADD PRIMARY KEY (window_start, device_type, length_us, partition);

ALTER TABLE dirty_windows
    DROP CONSTRAINT dirty_windows_pkey,
    ADD PRIMARY KEY (partition, device_type, window_start, length_us);

-- bad counts readings of quality bad, which are beside count and sum; the other columns are of bad ones only where there is
-- nothing else.
ALTER TABLE minutes ADD COLUMN bad bigint NOT NULL DEFAULT 0;
ALTER TABLE hours ADD COLUMN bad bigint NOT NULL DEFAULT 0;

-- Until now bad readings were among the others. Where they show, the hour is made anew, if its readings are still there.
INSERT INTO dirty_hours (hour, device)
    SELECT DISTINCT date_trunc('hour', time, 'UTC'), device FROM minutes
        WHERE (first_flags | min_flags | max_flags | last_flags) & 2 <> 0 AND time >= (SELECT readings FROM horizons)
    ON CONFLICT DO NOTHING;

-- What is kept for a time is measured against retained: like appended, but a clock that jumps by more than a day counts only
-- once it has gone on for a day, since ahead. One that is set back by more than an hour counts at once in both. So a clock that
-- is wrong removes nothing early.
ALTER TABLE offsets ADD COLUMN retained timestamptz, ADD COLUMN ahead timestamptz;
UPDATE offsets SET retained = appended;
