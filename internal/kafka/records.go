package kafka

import (
	"strconv"

	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// KindOf returns the kind of a record of the readings' topic.
func KindOf(r *kgo.Record) iot.RecordKind {
	var headers wire.KindHeaders
	for i := range r.Headers {
		headers.Add(r.Headers[i].Key, r.Headers[i].Value)
	}
	return headers.Of(r.Key, r.Value)
}

// LevelOf returns the level of a record of a compacted topic, which a header says if the programs that know only lower levels must not go
// on from it; otherwise 0.
func LevelOf(r *kgo.Record) uint8 {
	var headers wire.KindHeaders
	for i := range r.Headers {
		headers.Add(r.Headers[i].Key, r.Headers[i].Value)
	}
	return headers.Level()
}

// LevelHeader returns the header that LevelOf reads.
func LevelHeader(level uint8) kgo.RecordHeader {
	return kgo.RecordHeader{Key: wire.LevelHeader, Value: strconv.AppendUint(nil, uint64(level), 10)}
}

// KindHeaders returns the headers of a record of a kind; see wire.AppendKindHeaders.
func KindHeaders(kind iot.Kind, level uint8) []kgo.RecordHeader {
	var headers []kgo.RecordHeader
	for _, h := range wire.AppendKindHeaders(nil, kind, level) {
		headers = append(headers, kgo.RecordHeader(h))
	}
	return headers
}
