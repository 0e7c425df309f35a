package embedded

import (
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// readers watches the fetch requests of the broker for those that read before the cuts. Its methods may be called concurrently.
type readers struct {
	cuts map[string]map[int32]int64
	// names has the names of topics by their ids, which newer clients send.
	names   map[[16]byte]string
	found   atomic.Bool
	stopped atomic.Bool
}

// watchReaders begins to watch for fetches before the cuts, until stop is called.
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
			r.found.Store(true)
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

// seen reports whether there was a fetch before the cuts since the last call.
func (r *readers) seen() bool { return r.found.Swap(false) }

// stop ends the watch.
func (r *readers) stop() { r.stopped.Store(true) }
