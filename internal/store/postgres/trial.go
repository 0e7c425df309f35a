package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"iotmon/internal/iot"
	"iotmon/internal/store"
	"iotmon/internal/trial"
)

// DevicesOf implements trial.Archive.
func (s *Store) DevicesOf(ctx context.Context, tenant iot.Tenant, t iot.DeviceType, limit int) ([]iot.Device, error) {
	var found []iot.Device
	err := s.readOnly(ctx, func(ctx context.Context, tx pgx.Tx) error {
		return each(ctx, tx, func(rows pgx.Rows) error {
			d := iot.Device{Tenant: tenant}
			err := rows.Scan(&d.ID, &d.Type, &d.Unit, &d.Location.Building, &d.Location.Floor, &d.Location.Room, &d.Metadata.Model, &d.Metadata.Firmware)
			found = append(found, d)
			return err
		}, `SELECT device_id, device_type, unit, building, floor, room, model, firmware FROM devices
			WHERE tenant = $1 AND ($2 = '' OR device_type = $2) ORDER BY device_id LIMIT $3`, text(string(tenant)), text(string(t)), limit)
	})
	if err != nil {
		return nil, fmt.Errorf("read devices: %w", err)
	}
	return found, nil
}

// EachReading implements trial.Archive.
func (s *Store) EachReading(ctx context.Context, devices []iot.Device, from, to time.Time, visit func(int, trial.Reading) bool) error {
	err := s.readOnly(ctx, func(ctx context.Context, tx pgx.Tx) error {
		for i := range devices {
			more, err := eachOf(ctx, tx, &devices[i], from, to, func(r trial.Reading) bool { return visit(i, r) })
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

// eachOf calls visit for each reading of a device, until visit returns false, which it returns as more.
func eachOf(ctx context.Context, tx pgx.Tx, d *iot.Device, from, to time.Time, visit func(trial.Reading) bool) (more bool, err error) {
	rows, err := tx.Query(ctx, `SELECT time, value, flags FROM readings
		WHERE device = (SELECT id FROM devices WHERE tenant = $1 AND device_id = $2) AND time >= $3 AND time < $4
			AND type = (SELECT id FROM device_types WHERE name = $5) ORDER BY time`,
		text(string(d.Tenant)), text(string(d.ID)), from, to, text(string(d.Type)))
	if err != nil {
		return false, err
	}
	defer rows.Close()
	var r trial.Reading
	var flags int64
	for rows.Next() {
		if err := rows.Scan(&r.Time, &r.Value, &flags); err != nil {
			return false, err
		}
		r.Quality = store.Quality(flags)
		if !visit(r) {
			return false, nil
		}
	}
	return true, rows.Err()
}
