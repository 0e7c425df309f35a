package kafka

import (
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Skipped logs records that a reader skips because it cannot decode them: another program has written them. It logs once a minute,
// because there may be many. It is not safe for concurrent use.
type Skipped struct {
	// count is how many there were since logged, when the last log line was written.
	count  int
	logged time.Time
}

// Add counts a record, and logs it with the message unless the last log line is less than a minute old.
func (s *Skipped) Add(logger *slog.Logger, message string, r *kgo.Record, err error) {
	s.count++
	if now := time.Now(); now.Sub(s.logged) >= time.Minute {
		logger.Error(message, "count", s.count, "topic", r.Topic, "partition", r.Partition, "offset", r.Offset, "error", err)
		s.logged, s.count = now, 0
	}
}
