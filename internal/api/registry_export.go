package api

import (
	"cmp"
	"context"
	"encoding/csv"
	"io"
	"maps"
	"slices"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"iotmon/internal/iot"
)

const (
	// maxOwnColumns is the maximum number of labels, and of limits, that have columns of their own in an export. With a column for each name
	// a table would grow with the product of devices and names.
	maxOwnColumns = 32
	// maxCounted is the maximum number of names of which it is counted how many devices have them. Further ones get no columns.
	maxCounted = 10_000
)

func (s *server) exportRegistry(ctx context.Context, _ *struct{}) (*huma.StreamResponse, error) {
	release, err := s.admitScan(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	all := s.neverSent()
	s.o.Fleet.Scan("", false, func(state *iot.DeviceState) bool {
		d := s.listed(state)
		all = append(all, exported{d.id, cmp.Or(d.entry, new(iot.DeviceEntry))})
		return true
	})
	slices.SortFunc(all, func(a, b exported) int { return cmp.Compare(a.id, b.id) })
	// The table is not made in memory: it may be much larger than the entries.
	return &huma.StreamResponse{Body: func(c huma.Context) {
		c.SetHeader("Content-Type", csvMediaType+"; charset=utf-8")
		c.SetHeader("Content-Disposition", `attachment; filename="devices.csv"`)
		_ = writeTable(c.BodyWriter(), all) // It fails only if the client is gone.
	}}, nil
}

// layout says which labels and limits have columns of their own.
type layout struct {
	labels, limits         []string
	moreLabels, moreLimits bool
}

func layoutOf(rows []exported) layout {
	labels, limits := make(map[string]int), make(map[string]int)
	for i := range rows {
		countNames(labels, rows[i].entry.Labels)
		countNames(limits, rows[i].entry.Limits)
	}
	var l layout
	l.labels, l.moreLabels = mostFrequent(labels)
	l.limits, l.moreLimits = mostFrequent(limits)
	return l
}

// countNames counts each name of an entry, as long as there are not too many of them.
func countNames[V any](counts map[string]int, values map[string]V) {
	for name := range values {
		if counts[name] > 0 || len(counts) < maxCounted {
			counts[name]++
		}
	}
}

// mostFrequent returns the names that most devices have, in order, and whether there are more than those.
func mostFrequent(counts map[string]int) (names []string, more bool) {
	names = slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	more = len(names) > maxOwnColumns
	names = names[:min(len(names), maxOwnColumns)]
	slices.Sort(names)
	return names, more
}

func (l *layout) header() []string {
	header := slices.Clone(fixedColumns)
	for _, name := range l.labels {
		header = append(header, prefixLabel+name)
	}
	if l.moreLabels {
		header = append(header, columnLabels)
	}
	for _, name := range l.limits {
		header = append(header, prefixLimit+name)
	}
	if l.moreLimits {
		header = append(header, columnLimits)
	}
	return header
}

// writeTable writes entries as CSV. The error is that of out.
func writeTable(out io.Writer, rows []exported) error {
	l := layoutOf(rows)
	if _, err := io.WriteString(out, byteOrderMark); err != nil {
		return err
	}
	table := csv.NewWriter(out)
	table.UseCRLF = true
	if err := table.Write(l.header()); err != nil {
		return err
	}
	var cells []string
	for i := range rows {
		cells = l.appendCells(cells[:0], &rows[i])
		if err := table.Write(cells); err != nil {
			return err
		}
	}
	table.Flush()
	return table.Error()
}

func (l *layout) appendCells(cells []string, r *exported) []string {
	e := r.entry
	cells = append(cells, guard(string(r.id)), guard(e.Name), guard(string(e.Area)), guard(e.Unit), "", "", guard(string(e.Parent)), "")
	if e.Interval != 0 {
		cells[4] = formatNumber(e.Interval.Seconds())
	}
	if e.Retired {
		cells[5] = "true"
	}
	if e.Version != 0 {
		cells[7] = strconv.FormatInt(e.Version, 10)
	}
	cells = appendValues(cells, l.labels, l.moreLabels, e.Labels, func(label string) string { return cmp.Or(guard(label), emptyLabel) }, func(label string) string { return label })
	return appendValues(cells, l.limits, l.moreLimits, e.Limits, formatNumber, formatNumber)
}

// appendValues appends the cells of labels or limits: those with the given names, each by ownCell, and, if there are more, that of all
// others, with each value by inList.
func appendValues[V any](cells, names []string, more bool, values map[string]V, ownCell, inList func(V) string) []string {
	own := 0
	for _, name := range names {
		cell := ""
		if value, has := values[name]; has {
			cell = ownCell(value)
			own++
		}
		cells = append(cells, cell)
	}
	if !more {
		return cells
	}
	others := make(map[string]string, len(values)-own)
	for name, value := range values {
		if _, has := slices.BinarySearch(names, name); !has {
			others[name] = inList(value)
		}
	}
	return append(cells, guard(formatList(others)))
}
