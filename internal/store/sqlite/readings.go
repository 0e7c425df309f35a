package sqlite

import (
	"context"
	"database/sql"
	"slices"
	"strings"

	"iotmon/internal/archive"
	"iotmon/internal/iot"
)

// rowsPerInsert is how many readings one statement takes; more gains nothing.
const rowsPerInsert = 64

// readings inserts those that are new. Of two with the same identity the first wins, in the batch as in the table.
func (w *batchWriter) readings(ctx context.Context, readings []archive.Reading) error {
	if len(readings) == 0 {
		return nil
	}
	whole, err := w.tx.PrepareContext(ctx, insertReadings(rowsPerInsert))
	if err != nil {
		return err
	}
	defer whole.Close()
	args := make([]any, 0, 6*rowsPerInsert)
	for chunk := range slices.Chunk(readings, rowsPerInsert) {
		args = args[:0]
		for i := range chunk {
			if args, err = w.appendReading(ctx, args, &chunk[i]); err != nil {
				return err
			}
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

func (w *batchWriter) appendReading(ctx context.Context, args []any, r *archive.Reading) ([]any, error) {
	d, err := w.device(ctx, r)
	if err != nil {
		return nil, err
	}
	kind, err := w.typeID(ctx, r.Type)
	if err != nil {
		return nil, err
	}
	return append(args, d.id, micros(r.Time), r.Value, kind, r.Partition, flags(&r.Reading)), nil
}

// The bits of a reading's flags.
const (
	flagUncertain = 1 << iota
	flagBad
	flagOffline
	flagHistorical
)

func flags(r *iot.Reading) int64 {
	var bits int64
	switch r.Quality {
	case iot.Uncertain:
		bits |= flagUncertain
	case iot.Bad:
		bits |= flagBad
	}
	if r.Status == iot.Offline {
		bits |= flagOffline
	}
	if r.Historical {
		bits |= flagHistorical
	}
	return bits
}

func quality(bits int64) iot.Quality {
	switch {
	case bits&flagBad != 0:
		return iot.Bad
	case bits&flagUncertain != 0:
		return iot.Uncertain
	default:
		return iot.Good
	}
}

// device returns the row of a reading's device, adding or updating it where the reading says something new.
func (w *batchWriter) device(ctx context.Context, r *archive.Reading) (*device, error) {
	d := w.newDevices[r.ID]
	if d == nil {
		d = w.names.devices[r.ID]
	}
	said := r.Device
	// The battery drains with every reading: not worth a row each time.
	said.Metadata.BatteryLevel = nil
	switch {
	case d == nil:
		added, err := w.addDevice(ctx, &said)
		if err != nil {
			return nil, err
		}
		d = added
	case d.stored != said:
		if err := w.updateDevice(ctx, d.id, &said); err != nil {
			return nil, err
		}
		d = &device{id: d.id, stored: said, partitions: d.partitions}
		w.newDevices[r.ID] = d
	}
	if slices.Contains(d.partitions, r.Partition) {
		return d, nil
	}
	if _, err := w.tx.ExecContext(ctx, `INSERT OR IGNORE INTO device_partitions (partition, device) VALUES (?, ?)`, r.Partition, d.id); err != nil {
		return nil, err
	}
	d = &device{id: d.id, stored: d.stored, partitions: append(slices.Clone(d.partitions), r.Partition)}
	w.newDevices[r.ID] = d
	return d, nil
}

func (w *batchWriter) addDevice(ctx context.Context, d *iot.Device) (*device, error) {
	result, err := w.tx.ExecContext(ctx, `INSERT INTO devices (device_id, device_type, unit, building, floor, room, model, firmware)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		d.ID, d.Type, d.Unit, d.Location.Building, d.Location.Floor, d.Location.Room, d.Metadata.Model, d.Metadata.Firmware)
	if err != nil {
		return nil, err
	}
	id, err := result.LastInsertId()
	added := &device{id: id, stored: *d}
	w.newDevices[d.ID] = added
	return added, err
}

func (w *batchWriter) updateDevice(ctx context.Context, id int64, d *iot.Device) error {
	_, err := w.tx.ExecContext(ctx, `UPDATE devices SET device_type = ?, unit = ?, building = ?, floor = ?, room = ?, model = ?, firmware = ?
		WHERE id = ?`,
		d.Type, d.Unit, d.Location.Building, d.Location.Floor, d.Location.Room, d.Metadata.Model, d.Metadata.Firmware, id)
	return err
}

// recomputed adds up the stored readings of one partition's window.
func (w *batchWriter) recomputed(ctx context.Context, mark *mark) (iot.Summary, error) {
	var summary iot.Summary
	kind, err := w.typeID(ctx, mark.deviceType)
	if err != nil {
		return summary, err
	}
	devices := make(map[int64]bool)
	err = each(ctx, w.tx, func(rows *sql.Rows) error {
		var device int64
		var value float64
		if err := rows.Scan(&device, &value); err != nil {
			return err
		}
		devices[device] = true
		summary.Add(value)
		return nil
	}, `SELECT r.device, r.value FROM device_partitions p CROSS JOIN readings r
		WHERE p.partition = ?1 AND r.device = p.device AND r.time >= ?2 AND r.time < ?3 AND r.partition = ?1 AND r.type = ?4`,
		mark.partition, mark.start, mark.start+mark.length, kind)
	summary.Devices = int64(len(devices))
	return summary, err
}
