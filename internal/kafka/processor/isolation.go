package processor

import (
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// If the outputs of a partition cannot be written, or its processing panics, only that partition is paused, and retried after a
// while. A partition that fails too often stops until the service is started again. No record is skipped: it was admitted, and
// skipping it would lose a reading.
const (
	// maxFailures is how often a partition may fail within failureSpan and still be retried.
	maxFailures = 10
	failureSpan = time.Hour
	// firstHold is the pause of a partition after its first failure. It doubles with each failure, up to longestHold.
	firstHold   = time.Second
	longestHold = 2 * time.Minute
)

// partitionErrors are the errors of single partitions of the readings' topic, by partition.
type partitionErrors map[int32]error

func (e partitionErrors) Error() string {
	var texts []string
	for _, id := range slices.Sorted(maps.Keys(e)) {
		texts = append(texts, fmt.Sprintf("partition %d: %v", id, e[id]))
	}
	return strings.Join(texts, "; ")
}

// refusesRecord reports whether the broker or the client has refused the record itself, so that a retry would fail in the same way.
func refusesRecord(err error) bool {
	return errors.Is(err, kerr.MessageTooLarge) || errors.Is(err, kerr.RecordListTooLarge) ||
		errors.Is(err, kerr.InvalidRecord) || errors.Is(err, kerr.InvalidTimestamp)
}

// isolation counts the failures of partitions. It outlives sessions. Its methods may be called concurrently.
type isolation struct {
	first, longest time.Duration

	mu       sync.Mutex
	failures map[int32]*failureCount
}

// failureCount has the failures of one partition within failureSpan, and the end of its pause.
type failureCount struct {
	times   []time.Time
	until   time.Time
	stopped bool
	reason  string
}

func newIsolation() *isolation {
	return &isolation{first: firstHold, longest: longestHold, failures: make(map[int32]*failureCount)}
}

// record counts a failure at now. It returns how long to pause the partition, and whether the partition has stopped.
func (i *isolation) record(id int32, now time.Time, err error) (hold time.Duration, stopped bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	f := i.failures[id]
	if f == nil {
		f = new(failureCount)
		i.failures[id] = f
	}
	f.times = slices.DeleteFunc(f.times, func(at time.Time) bool { return now.Sub(at) >= failureSpan })
	f.times = append(f.times, now)
	f.reason, _, _ = strings.Cut(err.Error(), "\n") // The stack of a panic is in the service log.
	f.stopped = f.stopped || len(f.times) > maxFailures
	hold = min(i.first<<min(len(f.times)-1, maxFailures), i.longest)
	f.until = now.Add(hold)
	return hold, f.stopped
}

// hold is the pause of a partition. It is zero for a partition that is not paused.
type hold struct {
	until time.Time
	// stopped means that the partition is not retried.
	stopped bool
	reason  string
}

// held returns the pause of a partition at now.
func (i *isolation) held(id int32, now time.Time) hold {
	i.mu.Lock()
	defer i.mu.Unlock()
	f := i.failures[id]
	if f == nil || !f.stopped && !now.Before(f.until) {
		return hold{}
	}
	return hold{f.until, f.stopped, f.reason}
}

// isolate records the failures of partitions that have ended a session. It returns false if err is not about partitions.
func (p *Processor) isolate(err error, now time.Time) bool {
	var failed partitionErrors
	if !errors.As(err, &failed) {
		return false
	}
	for _, id := range slices.Sorted(maps.Keys(failed)) {
		hold, stopped := p.isolation.record(id, now, failed[id])
		p.Metrics.Failed(id)
		if stopped {
			p.Logger.Error("partition stopped: it failed too often within an hour; the others go on, and a restart of the service tries again",
				"partition", id, "failures", maxFailures+1, "error", failed[id])
			continue
		}
		p.Logger.Error("partition failed; it is restored and tried again", "partition", id, "after", hold, "error", failed[id])
	}
	return true
}

// guard calls f, which processes something of a partition. A panic in f becomes a failure of that partition.
func (s *session) guard(id int32, f func()) {
	defer func() {
		if reason := recover(); reason != nil {
			s.writer.failPartition(id, fmt.Errorf("panic: %v\n%s", reason, debug.Stack()))
		}
	}()
	f()
}

// hold pauses a partition that has failed. The partition stays assigned to this member, but no commit includes it.
func (s *session) hold(id int32, h hold) {
	s.consumer.PauseFetchPartitions(map[string][]int32{s.Topics.Readings: {id}})
	switch {
	case h.stopped:
		s.Metrics.Stopped(id, h.reason)
	case s.retry.IsZero() || h.until.Before(s.retry):
		s.retry = h.until
	}
}

// errRetry ends a session because the pause of a partition is over: the next session restores the partition and tries it again.
var errRetry = errors.New("partitions that have failed are tried again")
