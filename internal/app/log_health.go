package app

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"iotmon/internal/kafka"
	"iotmon/internal/observe"
)

// findings reports what is wrong with single partitions of the readings as one part of the service's readiness. The other
// partitions go on. It is safe for concurrent use.
type findings struct {
	part *observe.Part

	mu         sync.Mutex
	partitions map[int32]string // guarded by mu: the reason of each partition with a finding
}

func newFindings(part *observe.Part) *findings {
	part.Ready()
	return &findings{part: part, partitions: make(map[int32]string)}
}

// set replaces the finding of a partition; an empty reason removes it.
func (f *findings) set(partition int32, reason string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if reason == "" {
		delete(f.partitions, partition)
	} else {
		f.partitions[partition] = reason
	}
	var reasons []string
	for _, id := range slices.Sorted(maps.Keys(f.partitions)) {
		reasons = append(reasons, fmt.Sprintf("partition %d: %s", id, f.partitions[id]))
	}
	f.part.NotReady(strings.Join(reasons, "; "))
}

// reasons returns the reason of each partition with a finding; of nil findings there are none.
func (f *findings) reasons() map[int32]string {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.partitions)
}

// watchTransactions adds a watch that reports transactions of other programs that stay open: readings behind them cannot be
// processed.
func (s *Service) watchTransactions() {
	open := newFindings(s.readiness.Mention("open transactions"))
	watch := kafka.NewStallWatch(kafka.StallOptions{
		Dial:   s.dial,
		Topics: s.topics,
		Stalled: func(partition int32, lasted time.Duration, reason string) {
			s.metrics.LogHealth.OpenTransaction(partition, lasted)
			open.set(partition, reason)
		},
		Logger: s.Logger,
	})
	s.add("transaction watch", after(watch.Run, s.kafka))
}

// endTransactions adds a watch that ends transactions of processors that Kafka has noted as complete and yet left open in some
// partition, after a broker was killed. The embedded broker does not have this fault.
func (s *Service) endTransactions() {
	if s.broker != nil {
		return
	}
	part := s.readiness.Mention("transaction ends")
	part.Ready()
	watch := kafka.NewMarkerWatch(kafka.MarkerOptions{
		Dial: s.dial, Topics: s.topics, Group: s.cfg.Kafka.GroupID, Stalled: part.NotReady, Logger: s.Logger,
	})
	s.add("transaction ends", after(watch.Run, s.kafka))
}
