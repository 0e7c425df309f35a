package postgres

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"
	"time"

	"iotmon/internal/archive"
	"iotmon/internal/store"
)

// sorter sorts a batch's readings in the order of the index and removes duplicates. It reuses its buffers.
type sorter struct {
	rows   []row
	buffer []byte
}

// row is a reading to be inserted.
type row struct {
	device, at int64
	// index is the reading's index in the batch, kind the row id of its type, area that of its area.
	index int32
	kind  int16
	area  int16
}

// sort returns the sorted rows of readings. Of several with the same identity it keeps the first.
func (s *sorter) sort(readings []archive.Reading, n *naming) []row {
	s.rows = s.rows[:0]
	for i := range readings {
		r := &readings[i]
		s.rows = append(s.rows, row{n.device(r.Device).id, r.Time.UnixMicro(), int32(i), n.typeID(r.Type), n.areaID(areaOf(r))})
	}
	slices.SortFunc(s.rows, func(a, b row) int {
		return cmp.Or(cmp.Compare(a.device, b.device), cmp.Compare(a.at, b.at), cmp.Compare(a.index, b.index))
	})
	s.rows = slices.CompactFunc(s.rows, func(a, b row) bool { return a.device == b.device && a.at == b.at })
	return s.rows
}

// postgresEpoch is PostgreSQL's own zero, 2000-01-01, in Unix microseconds.
var postgresEpoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()

// copyReadings lists the columns in the order in which encode writes them.
const copyReadings = ` (time, value, device, partition, type, flags) FROM STDIN BINARY`

// encode returns the rows in COPY's binary format. It takes a tenth of the time of pgx's general encoder, which looks up
// how to encode each value.
func (s *sorter) encode(readings []archive.Reading) []byte {
	b := append(s.buffer[:0], "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"...)
	for i := range s.rows {
		row := &s.rows[i]
		r := &readings[row.index]
		b = append(b, 0, 6)
		b = binary.BigEndian.AppendUint64(append(b, 0, 0, 0, 8), uint64(row.at-postgresEpoch))
		b = binary.BigEndian.AppendUint64(append(b, 0, 0, 0, 8), math.Float64bits(r.Value))
		b = binary.BigEndian.AppendUint64(append(b, 0, 0, 0, 8), uint64(row.device))
		b = binary.BigEndian.AppendUint32(append(b, 0, 0, 0, 4), uint32(r.Partition))
		b = binary.BigEndian.AppendUint16(append(b, 0, 0, 0, 2), uint16(row.kind))
		b = binary.BigEndian.AppendUint16(append(b, 0, 0, 0, 2), uint16(store.Flags(r, int64(row.area))))
	}
	s.buffer = append(b, 0xff, 0xff)
	return s.buffer
}
