package kafka

import (
	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// A tombstone is a record of device-state without a value: the device with its key is forgotten. A processor's tombstone has, like
// its states, a header with the position at which the device was forgotten. Readers of states compare positions, because a
// processor that has lost its partition may still be writing: a tombstone deletes no state of a higher position, and a state of a
// lower position does not bring the device back. A tombstone of another program has no position. It deletes the states before it in
// the log, as compaction does.

// IsTombstone reports whether a record of device-state deletes a device. Restores and compactions append records without a value
// too, to mark the end of the log; their keys begin with a zero byte, which no device id has.
func IsTombstone(r *kgo.Record) bool {
	return r.Value == nil && len(r.Key) > 0 && r.Key[0] != 0
}

// TombstonePosition returns the position of a tombstone; false if it was not written by a processor.
func TombstonePosition(r *kgo.Record) (iot.Position, bool) {
	for _, h := range r.Headers {
		if h.Key != wire.PositionHeader {
			continue
		}
		p, err := wire.DecodePosition(h.Value)
		return p, err == nil
	}
	return iot.Position{}, false
}
