package processor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/kafka"
	"iotmon/internal/process"
)

// maxPoll limits the records of one poll, and so the time during which the loop does nothing else.
const maxPoll = 20_000

// windowInterval is how often the windows in progress are published.
const windowInterval = time.Second

// A transaction costs the broker about twenty messages and as many small writes. So a transaction stays open for up to maxIntervals
// commit intervals while it would hold only the states of few readings, which the live view of this process has already got.
const (
	maxIntervals = 10
	// fewReadings are processed in a few milliseconds.
	fewReadings = 1000
)

// step reads and processes records until the deadline of the transaction, or until the inbox has work, and commits the outputs
// together with the offsets. After an error the session must be closed.
func (s *session) step(ctx context.Context) error {
	if err := s.writer.begin(); err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	started := time.Now()
	s.processed = 0
	for now := started; now.Before(s.deadline(started)); now = time.Now() {
		// Without records to come, states that have changed must not wait longer than their publication's pace demands.
		more, err := s.poll(ctx, s.pace.before(now.Add(s.CommitInterval)))
		if err != nil {
			return err
		}
		s.publish(time.Now())
		s.tickSilent(ctx)
		s.applyConfiguration(ctx, time.Now())
		s.applyRules(ctx, time.Now())
		if !more {
			break
		}
	}
	return s.commit(started)
}

// deadline returns when to commit the transaction that was begun at started. It depends on what the transaction holds so far.
func (s *session) deadline(started time.Time) time.Time {
	if s.LocalView != nil && s.processed < fewReadings && !s.writer.written() {
		return started.Add(maxIntervals * s.CommitInterval)
	}
	return started.Add(s.CommitInterval)
}

// poll polls once and processes the records. It returns false if the step must end now.
func (s *session) poll(ctx context.Context, deadline time.Time) (more bool, err error) {
	pollCtx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	if s.inbox.waiting(cancel) {
		return false, nil
	}
	fetches := s.consumer.PollRecords(pollCtx, maxPoll)
	if fetches.IsClientClosed() {
		return false, kafka.ErrClosed
	}
	for _, fe := range fetches.Errors() {
		if !errors.Is(fe.Err, context.DeadlineExceeded) && !errors.Is(fe.Err, context.Canceled) {
			return false, fmt.Errorf("fetch %s/%d: %w", fe.Topic, fe.Partition, fe.Err)
		}
	}
	if err := s.process(fetches); err != nil {
		return false, err
	}
	if s.writer.faulty() || s.unsupported() != nil {
		return false, nil // The error is returned by the commit, or after it.
	}
	kafka.Recycle(fetches)
	return ctx.Err() == nil, nil
}

// process has every partition process its records, and waits. A partition with many records gets a goroutine of its own.
func (s *session) process(fetches kgo.Fetches) error {
	var running sync.WaitGroup
	var failed error
	now := time.Now()
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		part := s.partitions[p.Partition]
		if part == nil || len(p.Records) == 0 {
			return
		}
		// A gap in the offsets is an aborted transaction, unless the log now begins after the gap.
		if first := p.Records[0].Offset; first > part.Next() && p.LogStartOffset > part.Next() {
			failed = fmt.Errorf("partition %d: offsets %d to %d are gone from the log", p.Partition, part.Next(), first)
			return
		}
		part.end, part.stable = p.HighWatermark, p.LastStableOffset
		part.batch = part.appendRecords(part.batch[:0], p.Records)
		s.processed += len(part.batch)
		if len(part.batch) > 0 {
			part.lastRecord = now
			s.pace.want()
		}
		next := p.Records[len(p.Records)-1].Offset + 1
		work := func() {
			s.guard(p.Partition, func() { part.unsupported = part.Process(part.batch, part.output) })
			clear(part.batch) // Later batches are shorter than that of a restart, whose records would keep megabytes of buffers.
			if part.unsupported == nil {
				part.Skip(next)
			}
			part.output.traces.endSpans()
		}
		if len(part.batch) < fewReadings { // Another goroutine would cost more than it saves.
			work()
			return
		}
		running.Go(work)
	})
	running.Wait()
	return failed
}

// appendRecords converts fetched records and appends them to batch. It leaves out records before the next offset, and markers.
func (o *owned) appendRecords(batch []process.Record, records []*kgo.Record) []process.Record {
	next := o.Next()
	for _, r := range records {
		if r.Offset < next || r.Attrs.IsControl() {
			continue
		}
		if len(r.Headers) > 0 {
			o.output.traces.add(r)
		}
		batch = append(batch, process.Record{
			Offset:     r.Offset,
			Appended:   r.Timestamp,
			Key:        r.Key,
			Value:      r.Value,
			RecordKind: kafka.KindOf(r),
		})
	}
	return batch
}

// publish outputs the states that have changed, as often as the pace allows, and the windows in progress once a second.
func (s *session) publish(now time.Time) {
	if s.pace.ready(now) {
		s.publishStates()
		s.pace.ran(now, time.Since(now), s.share())
	}
	if now.Sub(s.lastWindow) >= windowInterval {
		s.lastWindow = now
		for id, part := range s.partitions {
			s.guard(id, func() { part.PublishWindows(part.output) })
			part.output.publishLocal()
		}
	}
}

// share returns one part in how many of the time the publication of states may use.
func (s *session) share() int {
	for _, part := range s.partitions {
		if part.Next() < part.stable {
			return shareWhileBehind
		}
	}
	return shareOtherwise
}

func (s *session) publishStates() {
	for id, part := range s.partitions {
		s.guard(id, func() {
			part.PublishStates(part.output)
			part.output.flush()
		})
		part.output.publishLocal()
		part.output.traces.reset()
	}
}

// longestTimeout is less than the 15 minutes that Kafka allows by default.
const longestTimeout = 10 * time.Minute

// nextTimeout returns the transaction timeout of the next session, after a step of this duration. A step cannot be divided: for
// example, all devices of a plant fall silent at once, on a slow machine. If its transaction timed out, the same step would time out
// again for ever, so it gets more time. After any other failure the timeout is the default again, because the broker may not allow a
// longer one.
func (s *session) nextTimeout(committed bool, took time.Duration) time.Duration {
	if committed || took < s.timeout {
		return s.defaultTimeout
	}
	return max(s.timeout, min(2*took, longestTimeout))
}

// commit writes the remaining states and commits outputs and offsets in one transaction. It commits an offset for every owned
// partition, even if nothing was read of it, so that the broker checks that all of them still belong to this member.
func (s *session) commit(started time.Time) error {
	s.publishStates()
	for id, part := range s.partitions {
		s.guard(id, part.output.writeUnwritten)
	}
	commits := make(map[int32]commit, len(s.partitions))
	for id, part := range s.partitions {
		checkpoint := part.Checkpoint()
		commits[id] = commit{checkpoint.Offset, withLog(checkpoint.Metadata(), part.log)}
	}
	member, generation := s.consumer.GroupMetadata()
	wrote, err := s.writer.commit(commits, member, generation)
	took := time.Since(started)
	s.Metrics.Step(err == nil, took)
	s.Processor.timeout = s.nextTimeout(err == nil, took)
	if err != nil {
		return fmt.Errorf("commit step: %w", err)
	}
	s.commitIdle(wrote, commits, member, generation)
	for id, part := range s.partitions {
		counts := part.ResetCounts()
		if counts.SetBack > 0 {
			s.Logger.Error("the log's clock had run ahead and was set back; the windows concerned are recomputed from the archive",
				"partition", id, "by", counts.SetBack)
		}
		if counts.Readmits {
			s.Logger.Warn("an older version has accepted readings by other limits than those in force: those that are not archived yet may be left out",
				"partition", id)
		}
		if failed := counts.BeganToFail; counts.Failing > 0 {
			s.Logger.Error("a rule cannot judge the values of a device; it is tried again with each of its readings",
				"partition", id, "failing", counts.Failing, "device", failed.Device, "rule", failed.Rule, "error", failed.Reason)
		}
		if counts.Ended > 0 {
			s.Logger.Warn("medians have ended, and none has followed: values are not compared with those of other devices until a web service with control.enabled appends one, from five devices that are online",
				"partition", id, "medians", counts.Ended)
		}
		s.Metrics.Processed(id, counts, max(part.end-part.Next(), 0))
	}
	return nil
}
