package kafka

import (
	"context"

	"iotmon/internal/statecache"
)

// StateLoader has device states from somewhere else than the log.
type StateLoader interface {
	// Load calls visit with the JSON of every state of the partition, in any order, one at a time, and returns the offset up
	// to which it is complete; some states may be newer. False if it has nothing, or nothing that is worth having visited. It
	// may block until ctx ends.
	Load(ctx context.Context, p statecache.Partition, visit func(value []byte)) (next int64, cached bool, err error)
}
