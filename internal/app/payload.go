package app

import (
	"iotmon/internal/config"
	"iotmon/internal/mapping"
	"iotmon/internal/mapping/payload"
	"iotmon/internal/source"
)

// decodePayload returns the decoder of the payloads of a source. Only the source's own pipeline may call it.
func decodePayload(configured *config.Source) source.Decode {
	decoder := payload.NewDecoder(payload.Format(configured.Payload))
	return func(m *source.Message, points []mapping.Point) ([]mapping.Point, error) {
		return decoder.Decode(m.Payload, points)
	}
}
