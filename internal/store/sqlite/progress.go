package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"iotmon/internal/archive"
)

// Progress implements archive.ProgressReader.
func (s *Store) Progress(ctx context.Context, topic string) (map[int32]archive.Progress, error) {
	progress := make(map[int32]archive.Progress)
	err := each(ctx, s.reader, func(rows *sql.Rows) error {
		var partition int32
		var next, appended int64
		if err := rows.Scan(&partition, &next, &appended); err != nil {
			return err
		}
		p := archive.Progress{Next: next}
		if appended != 0 {
			p.Appended = fromMicros(appended)
		}
		progress[partition] = p
		return nil
	}, `SELECT partition, next, appended FROM offsets WHERE topic = ?`, topic)
	if err != nil {
		return nil, fmt.Errorf("read the progress of %s: %w", topic, err)
	}
	return progress, nil
}
