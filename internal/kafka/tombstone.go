package kafka

import (
	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// A tombstone is a record of device-state without a value: the device of its key was deleted. The processor's tombstones carry
// the position at which it has forgotten the device, as its states do. Everybody who reads states goes by the position, since
// a processor that has lost its partition may still be writing: an older tombstone deletes no newer state, and an older state
// brings no device back. A tombstone that another program has written, without a position, deletes what lies before it in the
// log, as compaction will.

// IsTombstone reports whether a record of device-state deletes a device. The marks of restores and compactions have keys that no
// device can have.
func IsTombstone(r *kgo.Record) bool {
	return r.Value == nil && len(r.Key) > 0 && r.Key[0] != 0
}

// TombstonePosition returns the position of a tombstone; false if it is none of the processor's.
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
