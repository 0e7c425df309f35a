// Package processor runs process over Kafka: it reads the readings of the partitions that a group gives to it, and writes what
// follows from them in transactions, together with how far it has read.
package processor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel/trace"

	"iotmon/internal/kafka"
	"iotmon/internal/process"
	"iotmon/internal/retry"
	"iotmon/internal/view"
)

// Ticker appends ticks to silent partitions. Tick returns when the tick is in the log or will not be; it may block.
type Ticker interface {
	Tick(ctx context.Context, partition int32) error
}

// Metrics is told what the processor does. Its methods are called concurrently and must not block.
type Metrics interface {
	// Processed reports one partition's counts since the last report and how many records it still has to read.
	Processed(partition int32, counts process.Counts, lag int64)
	// Step reports a finished transaction and how long it was open.
	Step(committed bool, took time.Duration)
	// Failed reports that a partition has failed, Stopped that it has done so too often, with the last reason, and is
	// processed again only after a restart. Stopped is repeated whenever the partition is given to this member.
	Failed(partition int32)
	Stopped(partition int32, reason string)
	// Lost reports readings that had left the log before they were processed.
	Lost(messages int64)
	// Released reports that the partition is processed here no more.
	Released(partition int32)
	// Ready reports whether the processor is a member of its group and has restored what it was given.
	Ready(ready bool)
}

// Options configure a Processor. Every field but Handover, TornCommits, Early and Tracer is required.
type Options struct {
	Dial   kafka.Dial
	Topics kafka.Topics
	// Group is the consumer group whose members share the partitions.
	Group   string
	Process *process.Options
	// CommitInterval is how long a transaction collects outputs, at most a second; with Early, and while it would hold nothing but
	// states of few readings, up to ten times as long. Live readers do not wait for it; it is what a restart repeats at most.
	CommitInterval time.Duration
	Ticker         Ticker
	Metrics        Metrics
	// Handover is given the device states that the processor restores; nil for nobody.
	Handover *Handover
	// TornCommits means that a broker that is killed may have committed some of a transaction, and not its offsets: the embedded
	// one. What was written is then written again, the same. On a cluster an offset that is older than a state has been
	// restored or set back.
	TornCommits bool
	// Early is given states without alerts, and windows in progress, as soon as there are any: for a live view in this process,
	// whose tail is then to be told so. It must not block for long, and when it returns, the slices are the processor's again.
	// With nil the live view reads them from the log.
	Early  func(view.Batch)
	Logger *slog.Logger
	// Tracer makes spans for readings that belong to a sampled trace; nil for none.
	Tracer trace.Tracer
}

// maxProcessorBytes bounds one fetch of readings.
const maxProcessorBytes = 4 << 20

// Processor runs a process.Partition for every partition that the group assigns to it.
//
// It works in sessions: one membership in the group with one transactional producer. Any failed transaction ends the
// session, and the next one takes everything, assignment, offsets and device states, from the broker again. So there is
// one way to come into a state, the same after a crash as after a fault.
type Processor struct {
	Options
	isolation *isolation
	idleAfter time.Duration
}

// New returns a processor; Run does the work.
func New(options Options) *Processor {
	options.Tracer = kafka.OrNoTracer(options.Tracer)
	return &Processor{options, newIsolation(), idleCommit}
}

// firstPause and longestPause bound the pause between two sessions that fail.
const firstPause, longestPause = 100 * time.Millisecond, 5 * time.Second

// Run processes until ctx ends, then commits what is open and leaves the group. It retries for ever; an error is returned
// only for options that no retry can help.
func (p *Processor) Run(ctx context.Context) error {
	backoff := retry.NewBackoff(firstPause, longestPause)
	for ctx.Err() == nil {
		started := time.Now()
		s, err := p.newSession()
		if err != nil {
			return fmt.Errorf("start processor: %w", err)
		}
		err = s.run(ctx)
		s.close()
		if err == nil || ctx.Err() != nil || errors.Is(err, errRetry) || p.isolate(err, time.Now()) {
			continue
		}
		if time.Since(started) > time.Minute {
			backoff.Reset()
		}
		pause := backoff.Next()
		p.Logger.Warn("processor starts over from the broker's state", "reason", err, "after", pause)
		_ = retry.Wait(ctx, pause) // The loop looks at ctx.
	}
	return nil
}

// session is one membership in the group. Its loop goroutine owns partitions and writer; the group's callbacks, which
// come on the client's goroutines, hand it work through do.
type session struct {
	*Processor
	consumer   *kgo.Client
	writer     *writer
	partitions map[int32]*owned
	inbox      *inbox
	lastWindow time.Time
	// taken is how many records have been processed since the transaction began.
	taken int
	// retry is when partitions are to be tried again that are held back, zero for never.
	retry    time.Time
	pace     pace
	ticks    ticks
	settings settings
	idle     idle
}

// owned is a partition and what the session knows of its log.
type owned struct {
	*process.Partition
	output *output
	// log is the id of the topic.
	log string
	// end is the end of the log when it was last heard of, stable how far it could be read then: up to the first transaction
	// that is open. lastRecord is when a record last came, by the local clock.
	end, stable int64
	lastRecord  time.Time
	lastTick    time.Time
	// batch is reused from poll to poll.
	batch []process.Record
}

func (p *Processor) newSession() (*session, error) {
	w, err := newWriter(p.Dial, p.Topics, p.Group)
	if err != nil {
		return nil, err
	}
	s := &session{
		Processor:  p,
		writer:     w,
		partitions: make(map[int32]*owned),
		inbox:      newInbox(),
		lastWindow: time.Now(),
	}
	s.consumer, err = kgo.NewClient(p.Dial.Options(append(p.Dial.Group(p.Group),
		kgo.ConsumeTopics(p.Topics.Readings),
		kgo.AdjustFetchOffsetsFn(func(ctx context.Context, offsets map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
			return s.assigned(ctx, offsets)
		}),
		kgo.OnPartitionsRevoked(s.released),
		kgo.OnPartitionsLost(s.released),
		// Others may write readings in transactions. Their markers tell how far has been read.
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(),
		// Offsets that have left the log end the session: the next one finds out what is lost.
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		// What is fetched is compressed and grows to several times its size when a processor has to catch up.
		kgo.FetchMaxBytes(maxProcessorBytes),
		kgo.FetchMaxPartitionBytes(maxProcessorBytes/4),
		kafka.PooledFetches(),
	)...)...)
	if err != nil {
		w.close()
		return nil, err
	}
	return s, nil
}

// run steps until ctx ends, which is no error, or a step fails.
func (s *session) run(ctx context.Context) error {
	defer s.inbox.close()
	for ctx.Err() == nil {
		if !s.retry.IsZero() && !time.Now().Before(s.retry) {
			return errRetry
		}
		if err := s.step(ctx); err != nil {
			return err
		}
		if err := s.inbox.run(); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) close() {
	s.writer.abort()
	s.consumer.Close()
	s.writer.close()
	s.ticks.wait()
	s.settings.running.Wait()
	s.Metrics.Ready(false)
	for id := range s.partitions {
		s.Metrics.Released(id)
	}
}

// assigned restores the partitions that the group has given to this member and returns where to read them from. The
// group's goroutine runs it while the loop goes on with the other partitions; the client fetches none of the new ones
// before it has returned.
func (s *session) assigned(ctx context.Context, offsets map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	ids := s.startable(offsets[s.Topics.Readings])
	if len(ids) == 0 { // There may be more processors than partitions.
		s.inbox.do(s.ready)
		return offsets, nil
	}
	started := time.Now()
	restored, err := s.restore(ctx, ids)
	if err != nil {
		if ctx.Err() == nil {
			s.inbox.do(func() error { return fmt.Errorf("restore partitions %v: %w", ids, err) })
		}
		return nil, err
	}
	s.inbox.do(func() error {
		for id, partition := range restored.partitions {
			out := &output{
				writer: s.writer, partition: id, followed: newFollowed(s.Tracer), early: newEarly(s.Early, s.Topics.States, s.Tracer),
			}
			s.partitions[id] = &owned{Partition: partition, output: out, log: restored.log, lastRecord: time.Now()}
		}
		s.consumer.ResumeFetchPartitions(map[string][]int32{s.Topics.Readings: ids}) // They may have been held before.
		return s.ready()
	})
	for id, partition := range restored.partitions {
		offsets[s.Topics.Readings][id] = kgo.NewOffset().At(partition.Next())
	}
	s.Logger.Info("partitions restored", "partitions", ids, "took", time.Since(started).Round(time.Millisecond))
	return offsets, nil
}

// startable returns the partitions among those given that are not held back because they have failed, and holds the others.
func (s *session) startable(given map[int32]kgo.Offset) (ids []int32) {
	now := time.Now()
	held := make(map[int32]hold)
	for id := range given {
		if h := s.isolation.held(id, now); h != (hold{}) {
			held[id] = h
			given[id] = kgo.NewOffset().AtEnd()
			continue
		}
		ids = append(ids, id)
	}
	if len(held) > 0 {
		s.inbox.do(func() error {
			for id, h := range held {
				s.hold(id, h)
			}
			return nil
		})
	}
	return ids
}

// ready tells that the processor works. Like all that changes the session it is done by the loop: after its end nothing is ready.
func (s *session) ready() error {
	s.Metrics.Ready(true)
	return nil
}

// released gives partitions up. It returns once the transaction that holds their last outputs has ended, for a successor
// may begin at once.
func (s *session) released(_ context.Context, _ *kgo.Client, lost map[string][]int32) {
	ids := lost[s.Topics.Readings]
	if len(ids) == 0 {
		return
	}
	s.inbox.do(func() error {
		for _, id := range ids {
			delete(s.partitions, id)
			s.Metrics.Released(id)
		}
		return nil
	})
}
