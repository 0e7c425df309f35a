package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"iotmon/internal/archive"
)

// Corrections implements archive.Store.
func (s *Store) Corrections(ctx context.Context, limit int) ([]archive.Correction, error) {
	var corrections []archive.Correction
	err := s.readOnly(ctx, func(ctx context.Context, tx pgx.Tx) error {
		corrections = nil
		return each(ctx, tx, func(rows pgx.Rows) error {
			var c archive.Correction
			var err error
			c.Summary, err = scanSummary(rows, &c.ID)
			c.Summary.Corrected = true
			corrections = append(corrections, c)
			return err
		}, `SELECT window_start, device_type, partition, length_us, count, terms, min, max, devices, online, offline, alert_count,
				epoch, position, uncertain, bad, NULL, parts, id
			FROM (SELECT * FROM corrections ORDER BY id LIMIT $1) AS c JOIN summaries USING (window_start, device_type, length_us, partition)
			ORDER BY id`, limit)
	})
	if err != nil {
		return nil, fmt.Errorf("read corrections: %w", err)
	}
	return corrections, nil
}

// Published implements archive.Store. It skips a row that is being replaced concurrently, because that is a new correction.
func (s *Store) Published(ctx context.Context, corrections []archive.Correction) error {
	ids := make([]int64, len(corrections))
	for i := range corrections {
		ids[i] = corrections[i].ID
	}
	err := s.transact(ctx, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM corrections WHERE id IN (SELECT id FROM corrections WHERE id = ANY ($1) FOR UPDATE SKIP LOCKED)`, ids)
		return err
	})
	if err != nil {
		return fmt.Errorf("remove corrections that were published: %w", err)
	}
	return nil
}
