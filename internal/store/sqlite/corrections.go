package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"iotmon/internal/archive"
)

// noteCorrection stores the recomputed window of a mark as a correction to be published.
func noteCorrection(ctx context.Context, tx *sql.Tx, m *mark) error {
	_, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO corrections (window_start, device_type, length, partition) VALUES (?, ?, ?, ?)`,
		m.start, m.deviceType, m.length, m.partition)
	return err
}

// Corrections implements archive.Store.
func (s *Store) Corrections(ctx context.Context, limit int) ([]archive.Correction, error) {
	var corrections []archive.Correction
	err := each(ctx, s.reader, func(rows *sql.Rows) error {
		var c archive.Correction
		var err error
		c.Summary, err = scanSummary(rows, &c.ID)
		c.Summary.Corrected = true
		corrections = append(corrections, c)
		return err
	}, `SELECT window_start, device_type, partition, length, count, uncertain, bad, sum, min, max, devices, online, offline, alert_count, epoch, position,
			NULL, parts, id
		FROM (SELECT * FROM corrections ORDER BY id LIMIT ?) CROSS JOIN summaries USING (window_start, device_type, length, partition) ORDER BY id`, limit)
	if err != nil {
		return nil, fmt.Errorf("read corrections: %w", err)
	}
	return corrections, nil
}

// Published implements archive.Store.
func (s *Store) Published(ctx context.Context, corrections []archive.Correction) error {
	ids := make([]int64, len(corrections))
	for i := range corrections {
		ids[i] = corrections[i].ID
	}
	list, err := json.Marshal(ids)
	if err != nil {
		return err
	}
	if _, err := s.exec(ctx, `DELETE FROM corrections WHERE id IN (SELECT value FROM json_each(?))`, string(list)); err != nil {
		return fmt.Errorf("remove corrections that were published: %w", err)
	}
	return nil
}
