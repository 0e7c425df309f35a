package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"iotmon/internal/iot"
	"iotmon/internal/store"
	"iotmon/internal/wire"
)

// areas stores the areas of devices, unless the stored ones have a higher position. An announcement has the last areas of a device only;
// earlier ones are kept.
func (w *batchWriter) areas(ctx context.Context, areas []iot.DeviceAreas) error {
	for i := range areas {
		d := areas[i]
		earlier, err := w.earlierAreas(ctx, &d)
		if err != nil {
			return err
		}
		d.Areas = d.Areas.After(earlier)
		_, err = w.tx.ExecContext(ctx, `INSERT INTO device_areas (partition, tenant, device_id, areas, epoch, position)
			VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET areas = excluded.areas, epoch = excluded.epoch, position = excluded.position
			WHERE (excluded.epoch, excluded.position) > (epoch, position)`,
			d.Partition, d.Tenant, d.ID, string(wire.AppendDeviceAreas(nil, &d)), d.Epoch, d.Offset)
		if err := w.skipRefused(err, "areas of %.64q", d.ID); err != nil {
			return err
		}
	}
	return nil
}

// earlierAreas returns the stored areas of a device if an announcement may lack some of them.
func (w *batchWriter) earlierAreas(ctx context.Context, d *iot.DeviceAreas) (iot.Areas, error) {
	if len(d.Areas) < iot.MaxAreaHistory {
		return nil, nil
	}
	var text []byte
	err := w.tx.QueryRowContext(ctx, `SELECT areas FROM device_areas WHERE (partition, tenant, device_id) = (?, ?, ?)`,
		d.Partition, d.Tenant, d.ID).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	stored, _ := wire.DecodeDeviceAreas(text) // What another program has written there is replaced.
	return stored.Areas, nil
}

// corrector recomputes windows in a transaction.
type corrector struct {
	tx *sql.Tx
	// names are the names of areas, byPartition what is known of those of a partition's devices. Both are loaded when they are needed.
	names       map[int64]iot.Area
	byPartition map[int32]store.Areas
}

func newCorrector(tx *sql.Tx) *corrector {
	return &corrector{tx: tx, byPartition: make(map[int32]store.Areas)}
}

// areasOf returns what is known of areas in a partition.
func (c *corrector) areasOf(ctx context.Context, partition int32) (store.Areas, error) {
	if known, ok := c.byPartition[partition]; ok {
		return known, nil
	}
	areas := store.NewAreas()
	if c.names == nil {
		err := each(ctx, c.tx, func(rows *sql.Rows) error {
			var id int64
			var area iot.Area
			err := rows.Scan(&id, &area)
			areas.Names[id] = area
			return err
		}, `SELECT id, area FROM areas`)
		if err != nil {
			return areas, err
		}
		c.names = areas.Names
	}
	areas.Names = c.names
	c.byPartition[partition] = areas
	err := each(ctx, c.tx, func(rows *sql.Rows) error {
		var device int64
		var tenant iot.Tenant
		err := rows.Scan(&device, &tenant)
		areas.Tenants[device] = tenant
		return err
	}, `SELECT d.id, d.tenant FROM device_partitions p JOIN devices d ON d.id = p.device WHERE p.partition = ? AND d.tenant <> ''`, partition)
	if err != nil {
		return areas, err
	}
	return areas, each(ctx, c.tx, func(rows *sql.Rows) error {
		var device int64
		var text sql.RawBytes
		if err := rows.Scan(&device, &text); err != nil {
			return err
		}
		announced, err := wire.DecodeDeviceAreas(text)
		areas.Registered[device] = announced.Areas
		return err
	}, `SELECT d.id, a.areas FROM device_areas a JOIN devices d USING (tenant, device_id) WHERE a.partition = ?`, partition)
}
