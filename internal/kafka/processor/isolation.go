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

// A failure of what one partition has to say is no reason to stop the others, and no record's fault: the record was admitted.
// The partition is left alone for a while and tried again; one that fails too often stops until the service is started again.
const (
	// mostFailures is how often a partition may fail within failureSpan and be tried again.
	mostFailures = 10
	failureSpan  = time.Hour
	// firstHold is for how long a partition is left alone after its first failure; it doubles with each, up to longestHold.
	firstHold   = time.Second
	longestHold = 2 * time.Minute
)

// partitionErrors are failures that belong to partitions of the readings' log.
type partitionErrors map[int32]error

func (e partitionErrors) Error() string {
	var texts []string
	for _, id := range slices.Sorted(maps.Keys(e)) {
		texts = append(texts, fmt.Sprintf("partition %d: %v", id, e[id]))
	}
	return strings.Join(texts, "; ")
}

// refusesRecord reports whether an error of the broker or the client is about the record itself: to repeat it is of no use.
func refusesRecord(err error) bool {
	return errors.Is(err, kerr.MessageTooLarge) || errors.Is(err, kerr.RecordListTooLarge) ||
		errors.Is(err, kerr.InvalidRecord) || errors.Is(err, kerr.InvalidTimestamp)
}

// isolation counts the failures of partitions, from session to session.
type isolation struct {
	first, longest time.Duration

	mu       sync.Mutex
	failures map[int32]*failureCount
}

// failureCount is about one partition.
type failureCount struct {
	times   []time.Time
	until   time.Time
	stopped bool
	reason  string
}

func newIsolation() *isolation {
	return &isolation{first: firstHold, longest: longestHold, failures: make(map[int32]*failureCount)}
}

// note counts a failure at now. It returns how long the partition is to be left alone, and whether it has stopped.
func (i *isolation) note(id int32, now time.Time, err error) (hold time.Duration, stopped bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	f := i.failures[id]
	if f == nil {
		f = new(failureCount)
		i.failures[id] = f
	}
	f.times = slices.DeleteFunc(f.times, func(at time.Time) bool { return now.Sub(at) >= failureSpan })
	f.times = append(f.times, now)
	f.reason, _, _ = strings.Cut(err.Error(), "\n") // The rest of a panic is in the log.
	f.stopped = f.stopped || len(f.times) > mostFailures
	hold = min(i.first<<min(len(f.times)-1, mostFailures), i.longest)
	f.until = now.Add(hold)
	return hold, f.stopped
}

// hold is for how long a partition is left alone, and why. It is zero for one that is not.
type hold struct {
	until time.Time
	// stopped means for good.
	stopped bool
	reason  string
}

// held returns how a partition is to be left alone at now.
func (i *isolation) held(id int32, now time.Time) hold {
	i.mu.Lock()
	defer i.mu.Unlock()
	f := i.failures[id]
	if f == nil || !f.stopped && !now.Before(f.until) {
		return hold{}
	}
	return hold{f.until, f.stopped, f.reason}
}

// isolate notes the partitions that a session has failed for, if it was for partitions.
func (p *Processor) isolate(err error, now time.Time) bool {
	var failed partitionErrors
	if !errors.As(err, &failed) {
		return false
	}
	for _, id := range slices.Sorted(maps.Keys(failed)) {
		hold, stopped := p.isolation.note(id, now, failed[id])
		p.Metrics.Failed(id)
		if stopped {
			p.Logger.Error("partition stopped: it failed too often within an hour; the others go on, and a restart of the service tries again",
				"partition", id, "failures", mostFailures+1, "error", failed[id])
			continue
		}
		p.Logger.Error("partition failed; it is tried again from the broker's state", "partition", id, "after", hold, "error", failed[id])
	}
	return true
}

// guard calls f, which says or decides something for a partition, and makes a panic in it the partition's failure.
func (s *session) guard(id int32, f func()) {
	defer func() {
		if reason := recover(); reason != nil {
			s.writer.failPartition(id, fmt.Errorf("panic: %v\n%s", reason, debug.Stack()))
		}
	}()
	f()
}

// hold leaves a partition alone that has failed. It stays this member's, and is in no commit.
func (s *session) hold(id int32, h hold) {
	s.consumer.PauseFetchPartitions(map[string][]int32{s.Topics.Readings: {id}})
	switch {
	case h.stopped:
		s.Metrics.Stopped(id, h.reason)
	case s.retry.IsZero() || h.until.Before(s.retry):
		s.retry = h.until
	}
}

// errRetry ends a session so that the next one tries partitions again that were left alone.
var errRetry = errors.New("partitions that have failed are tried again")
