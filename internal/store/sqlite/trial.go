package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/store"
	"iotmon/internal/trial"
)

// DevicesOf implements trial.Archive.
func (s *Store) DevicesOf(ctx context.Context, tenant iot.Tenant, t iot.DeviceType, limit int) ([]iot.Device, error) {
	var found []iot.Device
	err := each(ctx, s.reader, func(rows *sql.Rows) error {
		d := iot.Device{Tenant: tenant}
		err := rows.Scan(&d.ID, &d.Type, &d.Unit, &d.Location.Building, &d.Location.Floor, &d.Location.Room, &d.Metadata.Model, &d.Metadata.Firmware)
		found = append(found, d)
		return err
	}, `SELECT device_id, device_type, unit, building, floor, room, model, firmware FROM devices
		WHERE tenant = ?1 AND (?2 = '' OR device_type = ?2) ORDER BY device_id LIMIT ?3`, tenant, t, limit)
	if err != nil {
		return nil, fmt.Errorf("read devices: %w", err)
	}
	return found, nil
}

// EachReading implements trial.Archive. It uses the driver's own rows: those of database/sql take half as much time again, and there may be
// millions.
func (s *Store) EachReading(ctx context.Context, devices []iot.Device, from, to time.Time, visit func(int, trial.Reading) bool) error {
	conn, err := s.reader.Conn(ctx)
	if err != nil {
		return fmt.Errorf("read readings: %w", err)
	}
	defer conn.Close()
	err = conn.Raw(func(driverConn any) error {
		querier, ok := driverConn.(driver.QueryerContext)
		if !ok {
			return fmt.Errorf("%T cannot query", driverConn)
		}
		for i := range devices {
			more, err := eachOf(ctx, querier, &devices[i], from, to, func(r trial.Reading) bool { return visit(i, r) })
			if err != nil || !more {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read readings: %w", err)
	}
	return nil
}

// eachOf calls visit for each reading of a device, until visit returns false, which it returns as more. The quality, in the lowest bits of the
// flags, comes in the column of the time: each column takes a tenth of the whole.
func eachOf(ctx context.Context, querier driver.QueryerContext, d *iot.Device, from, to time.Time, visit func(trial.Reading) bool) (more bool, err error) {
	args := []any{micros(from), int64(store.QualityBits), string(d.Tenant), string(d.ID), micros(from), micros(to), string(d.Type)}
	named := make([]driver.NamedValue, len(args))
	for i := range args {
		named[i] = driver.NamedValue{Ordinal: i + 1, Value: args[i]}
	}
	rows, err := querier.QueryContext(ctx, `SELECT (time - ?) * 4 + (flags & ?), value FROM readings
		WHERE device = (SELECT id FROM devices WHERE tenant = ? AND device_id = ?) AND time >= ? AND time < ?
			AND type = (SELECT id FROM device_types WHERE name = ?) ORDER BY time`, named)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	row := make([]driver.Value, 2)
	for {
		if err := rows.Next(row); err == io.EOF {
			return true, nil
		} else if err != nil {
			return false, err
		}
		at, _ := row[0].(int64) // The affinity of each column, and NOT NULL, leave no other type.
		value, _ := row[1].(float64)
		if !visit(trial.Reading{Time: fromMicros(micros(from) + at/4), Value: value, Quality: store.Quality(at % 4)}) {
			return false, nil
		}
	}
}
