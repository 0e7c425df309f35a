package feed

import (
	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// outdated holds the records of a fetch that the same fetch has newer versions of. A tail that begins has half a minute's worth
// of every window in its way, and whatever states have not been compacted; decoding is what takes the time.
type outdated map[*kgo.Record]bool

// findSummaries finds those of windows in progress, each of which is published every second.
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

// findStates finds those that a device has left. Of two at the same position the first stands, as it does in the view.
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
