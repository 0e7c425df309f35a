package postgres

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"iotmon/internal/archive"
)

// stagedAfterDuplicate is how many batches go through the staging table after one that contained a stored reading. More
// duplicates often follow: a log is read again, or a recording is replayed.
const stagedAfterDuplicate = 64

// ensurePartitions creates missing partitions for the readings.
func (s *Store) ensurePartitions(ctx context.Context, batch []archive.Reading) error {
	if s.hyper {
		return nil
	}
	var missing []int64
	for i := range batch {
		at := batch[i].Time.UnixMicro()
		if _, ok := s.ranges.find(at); !ok {
			missing = append(missing, day.at(at).begins)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	err := s.transact(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var err error
		s.hyper, err = hyper(ctx, tx)
		return err
	})
	if err != nil || s.hyper {
		return err
	}
	slices.Sort(missing)
	s.ranges, err = s.makePartitions(ctx, readings, slices.Compact(missing))
	return err
}

// readings inserts the new readings of a batch, counts them, and marks hours that the roll-up may have missed. Of readings
// with the same device and time the first wins, in the batch as in the table.
func (in *intake) readings(ctx context.Context, batch []archive.Reading) error {
	if len(batch) == 0 {
		return nil
	}
	if err := in.names.resolve(ctx, batch); err != nil {
		return err
	}
	rows := in.sorter.sort(batch, in.names)
	if err := in.markHours(ctx, batch, rows); err != nil {
		return err
	}
	text := in.sorter.encode(batch)
	if in.Store.staged == 0 {
		fresh, err := in.copy(ctx, text)
		if err != nil {
			return err
		}
		if fresh {
			return in.count(ctx, in.tally(batch, rows))
		}
		in.Store.staged = stagedAfterDuplicate
	}
	in.Store.staged--
	return in.stage(ctx, text)
}

// copy copies rows directly into the table, twice as fast as any method that handles duplicates. It reports whether it has:
// if one of them is already stored, it inserts none.
func (in *intake) copy(ctx context.Context, text []byte) (bool, error) {
	inner, err := in.tx.Begin(ctx)
	if err != nil {
		return false, err
	}
	_, err = inner.Conn().PgConn().CopyFrom(ctx, bytes.NewReader(text), `COPY readings`+copyReadings)
	if code(err) == uniqueViolation {
		return false, inner.Rollback(ctx)
	}
	if err != nil {
		return false, err
	}
	return true, inner.Commit(ctx)
}

// stage copies rows into a temporary table and inserts the new ones.
func (in *intake) stage(ctx context.Context, text []byte) error {
	_, err := in.tx.Exec(ctx, `CREATE TEMPORARY TABLE IF NOT EXISTS staged_readings (LIKE readings) ON COMMIT DELETE ROWS`)
	if err != nil {
		return err
	}
	_, err = in.tx.Conn().PgConn().CopyFrom(ctx, bytes.NewReader(text), `COPY staged_readings`+copyReadings)
	if err != nil {
		return err
	}
	counts := make(map[rangeCount]int64)
	var at, n int64
	var partition int32
	err = each(ctx, in.tx, func(rows pgx.Rows) error {
		if err := rows.Scan(&at, &partition, &n); err != nil {
			return err
		}
		counts[in.rangeOf(at, partition)] += n
		return nil
	}, `WITH added AS (
			INSERT INTO readings SELECT * FROM staged_readings ORDER BY device, time ON CONFLICT DO NOTHING RETURNING time, partition
		)
		SELECT (extract(epoch FROM date_trunc('day', time AT TIME ZONE 'UTC')) * 1000000)::bigint, partition, count(*) FROM added GROUP BY 1, 2`)
	if err != nil {
		return err
	}
	return in.count(ctx, counts)
}

// markHours marks the hours of readings that the roll-up may have missed: those before the announced time, and those of
// partitions whose offset this batch does not lock. It also locks existing marks, so that they are not processed before
// this batch is visible.
func (in *intake) markHours(ctx context.Context, batch []archive.Reading, rows []row) error {
	marked := make(map[period]bool)
	for i := range rows {
		r := &rows[i]
		if rolling, ok := in.rolling[batch[r.index].Partition]; !ok || r.at < rolling {
			marked[period{r.device, floor(r.at, hourLength)}] = true
		}
	}
	if len(marked) == 0 {
		return nil
	}
	var hours []time.Time
	var devices []int64
	for _, p := range slices.SortedFunc(maps.Keys(marked), func(a, b period) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.device, b.device))
	}) {
		hours, devices = append(hours, time.UnixMicro(p.start)), append(devices, p.device)
	}
	_, err := in.tx.Exec(ctx, `INSERT INTO dirty_hours (hour, device) SELECT * FROM unnest($1::timestamptz[], $2::bigint[])
		ON CONFLICT (hour, device) DO UPDATE SET hour = excluded.hour WHERE false`, hours, devices)
	return err
}

// rangeCount is the key of a count: the readings of one Kafka partition in one range.
type rangeCount struct {
	name      string
	partition int32
}

func (in *intake) rangeOf(at int64, partition int32) rangeCount {
	return rangeCount{in.spanOf(at).name, partition}
}

// spanOf returns the range of the time.
func (s *Store) spanOf(at int64) span {
	if s.hyper {
		return day.at(at)
	}
	held, _ := s.ranges.find(at)
	return held
}

// tally counts the rows by range and partition.
func (in *intake) tally(batch []archive.Reading, rows []row) map[rangeCount]int64 {
	counts := make(map[rangeCount]int64)
	var last span
	for i := range rows {
		if at := rows[i].at; !last.holds(at) {
			last = in.spanOf(at)
		}
		counts[rangeCount{last.name, batch[rows[i].index].Partition}]++
	}
	return counts
}

// count adds to the counts of readings.
func (in *intake) count(ctx context.Context, counts map[rangeCount]int64) error {
	if len(counts) == 0 {
		return nil
	}
	var names []string
	var partitions []int32
	var added []int64
	for c := range maps.Keys(counts) {
		names, partitions, added = append(names, c.name), append(partitions, c.partition), append(added, counts[c])
	}
	_, err := in.tx.Exec(ctx, `INSERT INTO reading_counts AS c (range, partition, count)
		SELECT * FROM unnest($1::text[], $2::integer[], $3::bigint[]) AS added (range, partition, count) ORDER BY 1, 2
		ON CONFLICT (range, partition) DO UPDATE SET count = c.count + excluded.count`, names, partitions, added)
	return err
}
