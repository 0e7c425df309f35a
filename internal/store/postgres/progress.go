package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"iotmon/internal/archive"
)

// Progress implements archive.ProgressReader. Where queries go to a replica, it is the progress of the replica.
func (s *Store) Progress(ctx context.Context, topic string) (map[int32]archive.Progress, error) {
	progress := make(map[int32]archive.Progress)
	err := s.readOnly(ctx, func(ctx context.Context, tx pgx.Tx) error {
		return each(ctx, tx, func(rows pgx.Rows) error {
			var partition int32
			var p archive.Progress
			var appended *time.Time
			if err := rows.Scan(&partition, &p.Next, &appended); err != nil {
				return err
			}
			if appended != nil {
				p.Appended = appended.UTC()
			}
			progress[partition] = p
			return nil
		}, `SELECT partition, next, appended FROM offsets WHERE topic = $1`, topic)
	})
	if err != nil {
		return nil, fmt.Errorf("read the progress of %s: %w", topic, err)
	}
	return progress, nil
}
