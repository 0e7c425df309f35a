package kafka

import (
	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/wire"
)

// IsTick reports whether a record of the readings' topic is a tick. A record with a value is a reading even if it has the header of a
// tick.
func IsTick(r *kgo.Record) bool { return r.Value == nil && hasHeader(r, wire.TickHeader) }

// IsSettings reports whether a record of the readings' topic is a settings record.
func IsSettings(r *kgo.Record) bool { return hasHeader(r, wire.SettingsHeader) }

func hasHeader(r *kgo.Record, key string) bool {
	for i := range r.Headers {
		if r.Headers[i].Key == key {
			return true
		}
	}
	return false
}
