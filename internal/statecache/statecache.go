// Package statecache copies the latest state of every device from the log into a cache: web instances start from there, and
// other systems read it. Nothing depends on the copy; whoever does not find it reads the log.
package statecache

import (
	"context"

	"iotmon/internal/iot"
)

// Partition is one partition of the topic of device states.
type Partition struct {
	// Topic is the topic's id rather than its name: a topic that was deleted and made anew is another one.
	Topic string
	ID    int32
}

// State is the newest state of a device in a batch.
type State struct {
	Device iot.DeviceID
	// State and the JSON that it was decoded from; both are nil for a device that was deleted.
	State *iot.DeviceState
	Value []byte
	// Deleted is the position at which a device was deleted; its Offset is 0 if another program than a processor has done it.
	Deleted iot.Position
}

// position is that of the state, or of the deletion.
func (s *State) position() iot.Position {
	if s.State != nil {
		return s.State.Position
	}
	return s.Deleted
}

// Batch is what a stretch of a partition's log says of its devices, each once.
type Batch struct {
	Partition
	// From and Next are the offsets that the stretch reaches from, and to, Next excluded.
	From, Next int64
	// First means that the log holds nothing before From: whatever is cached of the partition is to be forgotten.
	First  bool
	States []State
}

// Cache keeps the states. Of each partition it knows up to which offset it is complete. Its methods may be called
// concurrently; an error means that the cache could not be reached, and that the call may be repeated.
type Cache interface {
	// Next returns the offset up to which, excluded, the partition is complete; false if it is not cached.
	Next(ctx context.Context, p Partition) (next int64, cached bool, err error)
	// Apply takes in a batch that begins where the partition is complete to, or that is the First. Otherwise it changes
	// nothing that Load returns, and applied is false: another filler was faster, or the cache has lost what it had.
	Apply(ctx context.Context, batch *Batch) (applied bool, err error)
	// Load calls visit with the JSON of every state of the partition, in any order, one at a time, and returns the offset up
	// to which it is complete; some states may be newer. False if the partition is not cached, or changed so much meanwhile
	// that what was visited is worth nothing.
	Load(ctx context.Context, p Partition, visit func(value []byte)) (next int64, cached bool, err error)
}

// Extent is what the log holds of a partition: offsets from Start to End, End excluded.
type Extent struct{ Start, End int64 }

// Holds reports whether a cache that is complete up to next can be continued from the log. The extent must be younger than
// that: the log goes on, and so may the cache.
func (e Extent) Holds(next int64) bool { return e.Start <= next && next <= e.End }

// Record is one record of the log.
type Record struct {
	Partition
	Offset     int64
	Key, Value []byte
	// Deleted is the position of a record without a value, the zero Position if it has none.
	Deleted iot.Position
}

// Resume says from which offsets to read. The log calls it for the partitions that it has been given, before it hands over
// a record of them; an error means that they cannot be read yet, and the log asks again. Extents tells what the log holds of
// every partition when it is called.
type Resume func(ctx context.Context, given []Partition, extents func(context.Context) (map[Partition]Extent, error)) (map[Partition]int64, error)

// Log hands over the device states, read committed.
type Log interface {
	// Poll blocks until there are records or ctx ends, and returns them in the order of each partition. They are the log's
	// again at the next Poll. An error means that this Log is of no further use.
	Poll(ctx context.Context) ([]Record, error)
	// Close gives the partitions up.
	Close()
}

// Opener opens a Log whose partitions are shared by all fillers. Released is told which it reads here no more; it may be
// called until Close has returned.
type Opener func(resume Resume, released func(Partition)) (Log, error)
