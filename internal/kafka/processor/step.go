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

// maxPoll bounds the records of one poll, and so the time for which nothing else happens.
const maxPoll = 20_000

// windowInterval is how often the windows in progress are published.
const windowInterval = time.Second

// A transaction costs its broker about twenty messages, and as many small writes. One that so far would hold nothing but states
// that the live view of this process has been shown, of few readings, waits for more: up to patientSteps commit intervals.
const (
	patientSteps = 10
	// fewReadings take a few milliseconds.
	fewReadings = 1000
)

// step reads and processes for the commit interval, or longer where nothing waits for the commit, or until the inbox has work,
// and commits the outputs together with the offsets. After an error the session is of no further use.
func (s *session) step(ctx context.Context) error {
	if err := s.writer.begin(); err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	started := time.Now()
	s.taken = 0
	for now := started; now.Before(s.deadline(started)); now = time.Now() {
		more, err := s.poll(ctx, now.Add(s.CommitInterval))
		if err != nil {
			return err
		}
		s.publish(time.Now())
		s.tickSilent(ctx)
		s.applyConfiguration(ctx, time.Now())
		if !more {
			break
		}
	}
	return s.commit(started)
}

// deadline returns when the transaction that was started then is to be committed, by what it holds so far.
func (s *session) deadline(started time.Time) time.Time {
	if s.Early != nil && s.taken < fewReadings && !s.writer.written() {
		return started.Add(patientSteps * s.CommitInterval)
	}
	return started.Add(s.CommitInterval)
}

// poll processes one poll's records. It returns false when the step should end early.
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
	if s.writer.faulty() {
		return false, nil // The commit tells.
	}
	kafka.Recycle(fetches)
	return ctx.Err() == nil, nil
}

// process gives every partition its records, each partition with many of them to a goroutine of its own, and waits for them.
func (s *session) process(fetches kgo.Fetches) error {
	var running sync.WaitGroup
	var failed error
	now := time.Now()
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		part := s.partitions[p.Partition]
		if part == nil || len(p.Records) == 0 {
			return
		}
		// Offsets without a record belong to aborted transactions, unless the log begins behind them.
		if first := p.Records[0].Offset; first > part.Next() && p.LogStartOffset > part.Next() {
			failed = fmt.Errorf("partition %d: offsets %d to %d are gone from the log", p.Partition, part.Next(), first)
			return
		}
		part.end, part.stable = p.HighWatermark, p.LastStableOffset
		part.batch = part.appendRecords(part.batch[:0], p.Records)
		s.taken += len(part.batch)
		if len(part.batch) > 0 {
			part.lastRecord = now
		}
		next := p.Records[len(p.Records)-1].Offset + 1
		work := func() {
			s.guard(p.Partition, func() { part.Process(part.batch, part.output) })
			part.Skip(next)
			part.output.followed.processed()
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

// appendRecords converts fetched records from the next offset on. The markers of transactions are none.
func (o *owned) appendRecords(batch []process.Record, records []*kgo.Record) []process.Record {
	next := o.Next()
	for _, r := range records {
		if r.Offset < next || r.Attrs.IsControl() {
			continue
		}
		if len(r.Headers) > 0 {
			o.output.followed.take(r)
		}
		batch = append(batch, process.Record{
			Offset:   r.Offset,
			Appended: r.Timestamp,
			Key:      r.Key,
			Value:    r.Value,
			Tick:     kafka.IsTick(r),
			Settings: kafka.IsSettings(r),
		})
	}
	return batch
}

// publish sends the states that have changed, as often as the pace allows, and the windows in progress once a second.
func (s *session) publish(now time.Time) {
	if s.pace.ready(now) {
		s.publishStates()
		s.pace.spent(now, time.Since(now), s.part())
	}
	if now.Sub(s.lastWindow) >= windowInterval {
		s.lastWindow = now
		for id, part := range s.partitions {
			s.guard(id, func() { part.PublishWindows(part.output) })
			part.output.show()
		}
	}
}

// part says how much of the time the states may take.
func (s *session) part() int {
	for _, part := range s.partitions {
		if part.Next() < part.stable {
			return partWhileBehind
		}
	}
	return partOtherwise
}

func (s *session) publishStates() {
	for id, part := range s.partitions {
		s.guard(id, func() {
			part.PublishStates(part.output)
			part.output.flush()
		})
		part.output.show()
		part.output.followed.forget()
	}
}

// commit ends the step: the remaining states, then outputs and offsets in one transaction. Every owned partition has an
// entry, read or not: that is what makes the broker check that they are all still ours.
func (s *session) commit(started time.Time) error {
	s.publishStates()
	for id, part := range s.partitions {
		s.guard(id, part.output.save)
	}
	commits := make(map[int32]commit, len(s.partitions))
	for id, part := range s.partitions {
		checkpoint := part.Checkpoint()
		commits[id] = commit{checkpoint.Offset, withLog(checkpoint.Metadata(), part.log)}
	}
	member, generation := s.consumer.GroupMetadata()
	wrote, err := s.writer.commit(commits, member, generation)
	s.Metrics.Step(err == nil, time.Since(started))
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
		s.Metrics.Processed(id, counts, max(part.end-part.Next(), 0))
	}
	return nil
}
