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

// findings are what is wrong with partitions of the readings' log, as one part of the service's readiness: it goes on with the
// others.
type findings struct {
	part *observe.Part

	mu         sync.Mutex
	partitions map[int32]string
}

func newFindings(part *observe.Part) *findings {
	part.Ready()
	return &findings{part: part, partitions: make(map[int32]string)}
}

// set notes what is wrong with a partition, "" for nothing.
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

// watchTransactions reports transactions of other programs that keep readings from being processed.
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

// endTransactions writes the markers of processors' transactions that Kafka has failed to write. The embedded broker has no such
// fault.
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
