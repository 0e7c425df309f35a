package kafka

import (
	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/wire"
)

// IsTick reports whether a record of the readings' log is a tick. One with a value is a reading, whatever its headers say.
func IsTick(r *kgo.Record) bool { return r.Value == nil && hasHeader(r, wire.TickHeader) }

// IsSettings reports whether a record of the readings' log has settings.
func IsSettings(r *kgo.Record) bool { return hasHeader(r, wire.SettingsHeader) }

func hasHeader(r *kgo.Record, key string) bool {
	for i := range r.Headers {
		if r.Headers[i].Key == key {
			return true
		}
	}
	return false
}
