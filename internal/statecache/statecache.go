// Package statecache copies the latest state of every device from the log into a cache. Web instances read their first states
// from there, which is faster than the log, and other systems may read it. The copy may be lost: then web instances read the log.
package statecache

import (
	"context"

	"iotmon/internal/iot"
)

// Partition is one partition of the topic of device states.
type Partition struct {
	// Topic is the topic's id rather than its name, since a topic that was deleted and created again is a different one.
	Topic string
	ID    int32
}

// State is the newest state of a device in a batch, or its deletion.
type State struct {
	// Key is the key of the device; see wire.AppendDeviceKey.
	Key string
	// State is the decoded state and Value the JSON that it was decoded from. Both are nil for a deletion.
	State *iot.DeviceState
	Value []byte
	// Deleted is the position of a deletion. Its Offset is 0 if a program other than the processor has deleted the state.
	Deleted iot.Position
}

// position returns the position of the state, or of the deletion.
func (s *State) position() iot.Position {
	if s.State != nil {
		return s.State.Position
	}
	return s.Deleted
}

// Batch holds the newest state of each device in a range of a partition's offsets.
type Batch struct {
	Partition
	// From and Next are the bounds of the range; Next is excluded.
	From, Next int64
	// First means that the log holds nothing before From. What the cache has of the partition is replaced by the batch.
	First  bool
	States []State
}

// Cache holds the states and, for each partition, the offset up to which it is complete. Its methods may be called
// concurrently. An error means that the cache could not be reached; the call may be repeated.
type Cache interface {
	// Next returns the offset up to which, excluded, the partition is complete; false if it is not cached.
	Next(ctx context.Context, p Partition) (next int64, cached bool, err error)
	// Apply writes a batch if the batch has First set, or if the partition is complete up to exactly batch.From. Otherwise it
	// changes nothing that Load returns, and applied is false: another filler was faster, or the cache has lost its content.
	Apply(ctx context.Context, batch *Batch) (applied bool, err error)
	// Load calls visit with the JSON of every state of the partition, one at a time and in any order. It returns the offset up
	// to which the states are complete; some states may be newer. It returns false if the partition is not cached, or if it
	// changed so much meanwhile that the visited states cannot be used.
	Load(ctx context.Context, p Partition, visit func(value []byte)) (next int64, cached bool, err error)
}

// Extent is the range of offsets that the log holds of a partition; End is excluded.
type Extent struct{ Start, End int64 }

// Holds reports whether a cache that is complete up to next can be continued from the log. Ask for the extent after next: log
// and cache both go on, so a next that is read later may be past an older End.
func (e Extent) Holds(next int64) bool { return e.Start <= next && next <= e.End }

// Record is one record of the log.
type Record struct {
	Partition
	Offset     int64
	Key, Value []byte
	// Deleted is the position in a record without a value, the zero Position if it contains none.
	Deleted iot.Position
}

// Resume returns the offsets from which to read. The log calls it with the partitions that it has been assigned, before it
// returns a record of them. An error means that they cannot be read yet; the log calls again. The function extents asks the
// broker for the extent of every partition.
type Resume func(ctx context.Context, given []Partition, extents func(context.Context) (map[Partition]Extent, error)) (map[Partition]int64, error)

// Log reads the committed records of the topic of device states.
type Log interface {
	// Poll blocks until there are records or ctx ends, and returns them in the order of each partition. They are valid until
	// the next Poll. An error means that this Log cannot be used any more.
	Poll(ctx context.Context) ([]Record, error)
	// Close releases the partitions.
	Close()
}

// Opener opens a Log. All fillers share the partitions: each partition is read by one of them. The log calls released when it
// no longer reads a partition; it may do so until Close has returned.
type Opener func(resume Resume, released func(Partition)) (Log, error)
