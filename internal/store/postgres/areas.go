package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"iotmon/internal/iot"
	"iotmon/internal/store"
	"iotmon/internal/wire"
)

const storeAreas = `INSERT INTO device_areas AS a (partition, tenant, device_id, areas, epoch, position)
	VALUES ($1, $2, $3, $4, $5, $6)
	ON CONFLICT (partition, tenant, device_id) DO UPDATE SET areas = excluded.areas, epoch = excluded.epoch, position = excluded.position
	WHERE (excluded.epoch, excluded.position) > (a.epoch, a.position)`

// areas stores the areas of devices, unless the stored ones have a higher position. An announcement has the last areas of a device only;
// earlier ones are kept. Only the archiver that reads the partition of
// the aggregates locks these rows.
func (in *intake) areas(ctx context.Context, areas []iot.DeviceAreas) error {
	batch := new(pgx.Batch)
	for i := range areas {
		d := areas[i]
		if len(d.Areas) == iot.MaxAreaHistory { // It may lack some of the stored ones, which may come from this batch.
			if err := in.tx.SendBatch(ctx, batch).Close(); err != nil {
				return err
			}
			batch = new(pgx.Batch)
			earlier, err := in.storedAreas(ctx, &d)
			if err != nil {
				return err
			}
			d.Areas = d.Areas.After(earlier)
		}
		batch.Queue(storeAreas, d.Partition, text(string(d.Tenant)), text(string(d.ID)), string(wire.AppendDeviceAreas(nil, &d)), d.Epoch, d.Offset)
	}
	return in.tx.SendBatch(ctx, batch).Close()
}

// storedAreas returns the stored areas of a device, none if there are none.
func (in *intake) storedAreas(ctx context.Context, d *iot.DeviceAreas) (iot.Areas, error) {
	var stored string
	err := in.tx.QueryRow(ctx, `SELECT areas FROM device_areas WHERE (partition, tenant, device_id) = ($1, $2, $3)`,
		d.Partition, text(string(d.Tenant)), text(string(d.ID))).Scan(&stored)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	announced, _ := wire.DecodeDeviceAreas([]byte(stored)) // What another program has written there is replaced.
	return announced.Areas, nil
}

// corrector recomputes windows in a transaction.
type corrector struct {
	tx pgx.Tx
	// names are the names of areas, byPartition what is known of those of a partition's devices. Both are loaded when they are needed.
	names       map[int64]iot.Area
	byPartition map[int32]store.Areas
}

func newCorrector(tx pgx.Tx) *corrector {
	return &corrector{tx: tx, byPartition: make(map[int32]store.Areas)}
}

// areasOf returns what is known of areas in a partition.
func (c *corrector) areasOf(ctx context.Context, partition int32) (store.Areas, error) {
	if known, ok := c.byPartition[partition]; ok {
		return known, nil
	}
	areas := store.NewAreas()
	if c.names == nil {
		err := each(ctx, c.tx, func(rows pgx.Rows) error {
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
	err := each(ctx, c.tx, func(rows pgx.Rows) error {
		var device int64
		var tenant iot.Tenant
		err := rows.Scan(&device, &tenant)
		areas.Tenants[device] = tenant
		return err
	}, `SELECT d.id, d.tenant FROM device_partitions p JOIN devices d ON d.id = p.device WHERE p.partition = $1 AND d.tenant <> ''`, partition)
	if err != nil {
		return areas, err
	}
	return areas, each(ctx, c.tx, func(rows pgx.Rows) error {
		var device int64
		var text []byte
		if err := rows.Scan(&device, &text); err != nil {
			return err
		}
		announced, err := wire.DecodeDeviceAreas(text)
		areas.Registered[device] = announced.Areas
		return err
	}, `SELECT d.id, a.areas FROM device_areas a JOIN devices d USING (tenant, device_id) WHERE a.partition = $1`, partition)
}
