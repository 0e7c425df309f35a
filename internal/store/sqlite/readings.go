package sqlite

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"iotmon/internal/archive"
	"iotmon/internal/iot"
	"iotmon/internal/store"
)

// rowsPerInsert is how many readings one statement inserts; more are not faster.
const rowsPerInsert = 64

// row is a row of the table readings.
type row struct {
	device, time int64
	value        float64
	kind         int64
	partition    int32
	flags        int64
}

// readings inserts the new readings of a batch. Of readings with the same device and time the first wins, in the batch as
// in the table.
func (w *batchWriter) readings(ctx context.Context, readings []archive.Reading) error {
	if len(readings) == 0 {
		return nil
	}
	rows := make([]row, len(readings))
	for i := range readings {
		var err error
		if rows[i], err = w.row(ctx, &readings[i]); err != nil {
			return err
		}
	}
	// The table is ordered by device and time. In this order each page is changed once, even with a small cache.
	slices.SortStableFunc(rows, func(a, b row) int {
		return cmp.Or(cmp.Compare(a.device, b.device), cmp.Compare(a.time, b.time))
	})
	return w.insert(ctx, rows)
}

// insert inserts rows in the order given.
func (w *batchWriter) insert(ctx context.Context, rows []row) error {
	whole, err := w.tx.PrepareContext(ctx, insertReadings(rowsPerInsert)) //nolint:sqlclosecheck // It is, two lines below.
	if err != nil {
		return err
	}
	defer whole.Close()
	args := make([]any, 0, 6*rowsPerInsert)
	for chunk := range slices.Chunk(rows, rowsPerInsert) {
		args = args[:0]
		for _, r := range chunk {
			args = append(args, r.device, r.time, r.value, r.kind, r.partition, r.flags)
		}
		if len(chunk) == rowsPerInsert {
			_, err = whole.ExecContext(ctx, args...)
		} else {
			_, err = w.tx.ExecContext(ctx, insertReadings(len(chunk)), args...)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func insertReadings(rows int) string {
	return `INSERT OR IGNORE INTO readings (device, time, value, type, partition, flags) VALUES ` +
		strings.Repeat("(?,?,?,?,?,?),", rows-1) + "(?,?,?,?,?,?)"
}

func (w *batchWriter) row(ctx context.Context, r *archive.Reading) (row, error) {
	d, err := w.device(ctx, r)
	if err != nil {
		return row{}, err
	}
	kind, err := w.typeID(ctx, r.Type)
	if err != nil {
		return row{}, err
	}
	area, err := w.areaID(ctx, r.Location.FirstArea())
	return row{d.id, micros(r.Time), r.Value, kind, r.Partition, store.Flags(r, area)}, err
}

// device returns the row of a reading's device. It adds or updates the row if the reading has new metadata.
func (w *batchWriter) device(ctx context.Context, r *archive.Reading) (*device, error) {
	d := w.newDevices.Get(r.Tenant, r.ID)
	if d == nil {
		d = w.names.devices.Get(r.Tenant, r.ID)
	}
	at := micros(r.Time)
	if d == nil || at >= d.newest {
		if d == nil || d.stored != *r.Device {
			var err error
			if d, err = w.storeDevice(ctx, d, r.Device, at); err != nil {
				return nil, err
			}
		}
		// Setting it before the commit does no harm: a batch that fails is written again or read again.
		d.newest = at
	}
	if slices.Contains(d.partitions, r.Partition) {
		return d, nil
	}
	if err := w.exec(ctx, `INSERT OR IGNORE INTO device_partitions (partition, device) VALUES (?, ?)`, r.Partition, d.id); err != nil {
		return nil, err
	}
	moved := *d
	moved.partitions = append(slices.Clone(d.partitions), r.Partition)
	w.newDevices.Set(r.Identity(), &moved)
	return &moved, nil
}

// storeDevice stores the metadata that a device sent at the given time. d is the known row, nil for none.
func (w *batchWriter) storeDevice(ctx context.Context, d *device, sent *iot.Device, at int64) (*device, error) {
	renewed := device{stored: *sent}
	if d != nil {
		renewed.partitions = d.partitions
	}
	statement, err := w.prepared(ctx, `INSERT INTO devices (tenant, device_id, device_type, unit, building, floor, room, model, firmware, said)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (tenant, device_id) DO UPDATE SET
			device_type = excluded.device_type, unit = excluded.unit, building = excluded.building, floor = excluded.floor,
			room = excluded.room, model = excluded.model, firmware = excluded.firmware, said = excluded.said
		RETURNING id`)
	if err != nil {
		return nil, err
	}
	err = statement.QueryRowContext(ctx, sent.Tenant, sent.ID, sent.Type, sent.Unit, sent.Location.Building, sent.Location.Floor, sent.Location.Room,
		sent.Metadata.Model, sent.Metadata.Firmware, at).Scan(&renewed.id)
	w.newDevices.Set(sent.Identity(), &renewed)
	return &renewed, err
}
