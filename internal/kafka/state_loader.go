package kafka

import (
	"context"

	"iotmon/internal/statecache"
)

// StateLoader is a source of device states other than the log, which is slower to read.
type StateLoader interface {
	// Load calls visit with the JSON of every state of the partition, in any order, one at a time. Next is the offset up to which
	// the states are complete, that record excluded; some states may be newer. If cached is false, there is nothing to load, or
	// the visited states must be discarded. Load may block until ctx ends.
	Load(ctx context.Context, p statecache.Partition, visit func(value []byte)) (next int64, cached bool, err error)
}
