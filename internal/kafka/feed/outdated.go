package feed

import (
	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// outdated is the set of records of a fetch that need not be decoded, because the same fetch has a newer version of them. Decoding is
// most of the work when a tail starts: each window has been published about thirty times, once a second, and of each device there
// are all states that are not compacted yet.
type outdated map[*kgo.Record]bool

// findSummaries adds the outdated summaries. A window in progress is published every second.
func (o outdated) findSummaries(topic kgo.FetchTopic) {
	type version struct {
		wire.SummaryVersion
		record *kgo.Record
	}
	newest := make(map[string]version)
	topic.EachRecord(func(r *kgo.Record) {
		v, ok := wire.PeekSummary(r.Value)
		if !ok {
			return
		}
		before, known := newest[string(v.Window)]
		switch {
		case !known:
			newest[string(v.Window)] = version{v, r}
		case v.Newer(before.SummaryVersion):
			newest[string(v.Window)] = version{v, r}
			o[before.record] = true
		default:
			o[r] = true
		}
	})
}

// findStates adds the outdated states. Of two states at the same position the second is outdated, as it is for the live view.
func (o outdated) findStates(topic kgo.FetchTopic) {
	type version struct {
		iot.Position
		record *kgo.Record
	}
	topic.EachPartition(func(p kgo.FetchPartition) {
		newest := make(map[string]version)
		p.EachRecord(func(r *kgo.Record) {
			position, ok := wire.StatePosition(r.Value)
			if !ok {
				return
			}
			before, known := newest[string(r.Key)]
			switch {
			case !known:
				newest[string(r.Key)] = version{position, r}
			case position.Compare(before.Position) > 0:
				newest[string(r.Key)] = version{position, r}
				o[before.record] = true
			default:
				o[r] = true
			}
		})
	})
}
