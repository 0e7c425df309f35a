package embedded

import (
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// readers notices who asks for records before the cuts. The broker calls it with every fetch while it is watched; its methods
// may be called concurrently.
type readers struct {
	cuts map[string]map[int32]int64
	// names has the names of the topics: newer clients ask by id.
	names   map[[16]byte]string
	some    atomic.Bool
	stopped atomic.Bool
}

// watchReaders begins to notice who reads before the cuts, until forget is called.
func watchReaders(cluster *kfake.Cluster, cuts kadm.Offsets) *readers {
	r := &readers{cuts: make(map[string]map[int32]int64), names: make(map[[16]byte]string)}
	cuts.Each(func(cut kadm.Offset) {
		if r.cuts[cut.Topic] == nil {
			r.cuts[cut.Topic] = make(map[int32]int64)
			if info := cluster.TopicInfo(cut.Topic); info != nil {
				r.names[info.TopicID] = cut.Topic
			}
		}
		r.cuts[cut.Topic][cut.Partition] = cut.At
	})
	cluster.ControlKey(int16(kmsg.Fetch), func(request kmsg.Request) (kmsg.Response, error, bool) {
		if r.stopped.Load() {
			cluster.DropControl()
		} else if r.asks(request.(*kmsg.FetchRequest)) {
			r.some.Store(true)
		}
		return nil, nil, false
	})
	return r
}

// asks reports whether a request is for records before the cuts.
func (r *readers) asks(request *kmsg.FetchRequest) bool {
	for _, topic := range request.Topics {
		cuts := r.cuts[topic.Topic]
		if cuts == nil {
			cuts = r.cuts[r.names[topic.TopicID]]
		}
		for _, partition := range topic.Partitions {
			if partition.FetchOffset < cuts[partition.Partition] {
				return true
			}
		}
	}
	return false
}

// came reports whether somebody has read there since the last call.
func (r *readers) came() bool { return r.some.Swap(false) }

// forget ends the watch.
func (r *readers) forget() { r.stopped.Store(true) }
