package postgres

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"iotmon/internal/store"
)

// rollupColumns are the columns of minutes and hours, in the order in which they are written and read.
var rollupColumns = []struct{ name, kind string }{
	{"device", "bigint"}, {"time", "timestamptz"}, {"count", "bigint"}, {"sum", "double precision"}, {"terms", "bytea"},
	{"first_at", "timestamptz"}, {"first", "double precision"}, {"first_flags", "smallint"},
	{"min_at", "timestamptz"}, {"min", "double precision"}, {"min_flags", "smallint"},
	{"max_at", "timestamptz"}, {"max", "double precision"}, {"max_flags", "smallint"},
	{"last_at", "timestamptz"}, {"last", "double precision"}, {"last_flags", "smallint"}, {"bad", "bigint"},
}

// columnList lists the columns, given selects them from the query's arguments, and replaced sets them to the new values.
var columnList, given, replaced = func() (string, string, string) {
	var names, kinds, sets []string
	for i, c := range rollupColumns {
		names = append(names, c.name)
		kinds = append(kinds, fmt.Sprintf("$%d::%s[]", i+1, c.kind))
		sets = append(sets, c.name+" = excluded."+c.name)
	}
	list := strings.Join(names, ", ")
	return list, "unnest(" + strings.Join(kinds, ", ") + ") AS given (" + list + ")", strings.Join(sets, ", ")
}()

// addRollups returns a statement that adds rollups. An existing rollup means that the device has moved to another
// partition: then its hour is marked and rebuilt from all its readings.
func addRollups(table string) string {
	return `WITH given AS (SELECT ` + columnList + ` FROM ` + given + `), added AS (
			INSERT INTO ` + table + ` (` + columnList + `) SELECT ` + columnList + ` FROM given ORDER BY device, time
			ON CONFLICT (device, time) DO NOTHING RETURNING device, time
		)
		INSERT INTO dirty_hours (hour, device)
		SELECT DISTINCT date_trunc('hour', time, 'UTC'), device FROM given
			WHERE NOT EXISTS (SELECT FROM added WHERE added.device = given.device AND added.time = given.time)
		ON CONFLICT DO NOTHING`
}

// replaceRollups returns a statement that replaces rollups. A rollup with fewer readings than the stored one does not
// replace it, because some readings have been pruned.
func replaceRollups(table string) string {
	return `INSERT INTO ` + table + ` AS old (` + columnList + `) SELECT ` + columnList + ` FROM ` + given + ` ORDER BY device, time
		ON CONFLICT (device, time) DO UPDATE SET ` + replaced + ` WHERE excluded.count + excluded.bad >= old.count + old.bad`
}

// rollupArgs returns the rollups as columns, in the order of their keys.
func rollupArgs(m rollups) []any {
	periods := slices.SortedFunc(maps.Keys(m), func(a, b period) int {
		return cmp.Or(cmp.Compare(a.device, b.device), cmp.Compare(a.start, b.start))
	})
	var devices, counts, bad []int64
	var starts []time.Time
	var sums []float64
	var terms [][]byte
	var at [4][]time.Time
	var values [4][]float64
	var flags [4][]int16
	for _, p := range periods {
		r := m[p]
		devices, starts, counts = append(devices, p.device), append(starts, time.UnixMicro(p.start)), append(counts, r.count)
		bad = append(bad, r.bad)
		sums, terms = append(sums, r.sum.Float64()), append(terms, store.EncodeSum(r.sum))
		for i, s := range [4]sample{r.first, r.smallest, r.largest, r.last} {
			at[i], values[i], flags[i] = append(at[i], time.UnixMicro(s.at)), append(values[i], s.value), append(flags[i], s.flags)
		}
	}
	args := []any{devices, starts, counts, sums, terms}
	for i := range at {
		args = append(args, at[i], values[i], flags[i])
	}
	return append(args, bad)
}

// scanRollup reads one row of minutes or hours.
func scanRollup(rows pgx.Rows) (period, *rollup, error) {
	var p period
	var r rollup
	var start time.Time
	var sum float64
	var terms []byte
	var at [4]time.Time
	all := [4]*sample{&r.first, &r.smallest, &r.largest, &r.last}
	targets := []any{&p.device, &start, &r.count, &sum, &terms}
	for i, s := range all {
		targets = append(targets, &at[i], &s.value, &s.flags)
	}
	if err := rows.Scan(append(targets, &r.bad)...); err != nil {
		return p, nil, err
	}
	for i, s := range all {
		s.at = at[i].UnixMicro()
	}
	p.start, r.sum = start.UnixMicro(), store.DecodeSum(terms)
	return p, &r, nil
}

// readRollups calls add for every rollup that a query selects, in its order; from is the query from FROM on.
func readRollups(ctx context.Context, tx pgx.Tx, add func(period, *rollup), from string, args ...any) error {
	return each(ctx, tx, func(rows pgx.Rows) error {
		p, r, err := scanRollup(rows)
		if err == nil {
			add(p, r)
		}
		return err
	}, `SELECT `+columnList+` FROM `+from, args...)
}
