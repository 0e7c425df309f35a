// Package processor runs package process over Kafka. It reads the readings of the partitions that its consumer group assigns to it,
// and writes windows, alerts, states and dead letters in transactions, together with the offsets that they follow from.
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

// Ticker appends ticks to silent partitions. Tick returns when the tick is in the log, or an error if it will not be. It may block.
type Ticker interface {
	Tick(ctx context.Context, partition int32) error
}

// Metrics gets the figures of a processor. Its methods are called concurrently and must not block.
type Metrics interface {
	// Processed reports one partition's counts since the last report and how many records it still has to read.
	Processed(partition int32, counts process.Counts, lag int64)
	// Step reports a finished transaction and how long it was open.
	Step(committed bool, took time.Duration)
	// Failed reports a failure of a partition. Stopped reports that a partition has failed too often, with the last reason, and is
	// processed again only after a restart. Stopped is repeated whenever the partition is assigned to this member.
	Failed(partition int32)
	Stopped(partition int32, reason string)
	// Unsupported reports that the processor has left the group, because of a record in the partition that only a newer version
	// of the program knows.
	Unsupported(partition int32, reason string)
	// Lost reports readings that had left the log before they were processed.
	Lost(messages int64)
	// Released reports that the partition is no longer processed by this member.
	Released(partition int32)
	// Ready reports whether the processor is a member of its group and has restored its partitions.
	Ready(ready bool)
}

// Options configure a Processor. Every field but Handover, TornCommits, LocalView and Tracer is required.
type Options struct {
	Dial   kafka.Dial
	Topics kafka.Topics
	// Group is the consumer group whose members share the partitions.
	Group   string
	Process *process.Options
	// CommitInterval is the time after which a transaction is committed, at most a second. With LocalView, a transaction that would
	// hold only the states of few readings stays open for up to ten intervals. After a crash, at most the readings of one
	// transaction are processed again. Live views do not wait for the commit.
	CommitInterval time.Duration
	Ticker         Ticker
	Metrics        Metrics
	// Handover gets the device states that the processor restores; nil for none.
	Handover *Handover
	// TornCommits is for the embedded broker: if it is killed, it may have committed the outputs of a transaction but not the
	// offsets. The processor then processes the same readings again and writes the same outputs. On a Kafka cluster, in contrast,
	// a committed offset that is older than a state was restored from a backup or set back.
	TornCommits bool
	// LocalView gets states and windows in progress as soon as they change, for a live view in this process. The tail of that view
	// must have feed.TailOptions.LocalProcessor set. LocalView must not block for long, and must not keep the slices of the batch.
	// If it is nil, the live view reads everything from the log.
	LocalView func(view.Batch)
	Logger    *slog.Logger
	// Tracer creates spans for readings that belong to a sampled trace; nil for none.
	Tracer trace.Tracer
}

// maxProcessorBytes limits one fetch of readings.
const maxProcessorBytes = 4 << 20

// Processor runs a process.Partition for every partition that the group assigns to it.
//
// It works in sessions. A session is one membership in the group with one transactional producer. Any failed transaction ends the
// session, and the next session restores assignment, offsets and device states from the broker. So the state in memory is always
// built in the same way, after a crash as well as after an error.
type Processor struct {
	Options
	isolation *isolation
	idleAfter time.Duration
	// timeout is the transaction timeout of the next session, defaultTimeout unless a step has taken longer.
	timeout, defaultTimeout time.Duration
	// settingsAppended and rulesAppended outlast sessions: one that fails soon must not append each time.
	settingsAppended, rulesAppended appended
}

// New returns a processor. It does nothing before Run.
func New(options Options) *Processor {
	options.Tracer = kafka.OrNoTracer(options.Tracer)
	return &Processor{
		Options: options, isolation: newIsolation(), idleAfter: idleCommit,
		timeout: kafka.TransactionTimeout, defaultTimeout: kafka.TransactionTimeout,
	}
}

// firstPause and longestPause limit the pause after a session that has failed.
const firstPause, longestPause = 100 * time.Millisecond, 5 * time.Second

// Run processes readings until ctx ends. It then commits the open transaction, leaves the group and returns nil. It retries after
// every failure of the broker or the network, without a limit, and returns an error only if the options are invalid. Before a record
// that only a newer version of the program knows how to process, it commits, leaves the group, and waits for the end of ctx.
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
		if unsupported, ok := errors.AsType[*unsupportedError](err); ok {
			p.awaitUpgrade(ctx, unsupported)
			return nil
		}
		if err == nil || ctx.Err() != nil || errors.Is(err, errRetry) || p.isolate(err, time.Now()) {
			continue
		}
		if time.Since(started) > time.Minute {
			backoff.Reset()
		}
		pause := backoff.Next()
		p.Logger.Warn("processor starts over from the broker's state", "reason", err, "after", pause)
		_ = retry.Wait(ctx, pause) // The loop checks ctx.
	}
	return nil
}

// session is one membership in the group. The goroutine of run owns partitions and writer. The group's callbacks, which the client
// calls on its own goroutines, pass their work to it through the inbox.
type session struct {
	*Processor
	// timeout is the transaction timeout of the writer.
	timeout    time.Duration
	consumer   *kgo.Client
	writer     *writer
	partitions map[int32]*owned
	inbox      *inbox
	lastWindow time.Time
	// processed is the number of records that were processed since the transaction began.
	processed int
	// retry is when partitions are to be tried again that are held back, zero for never.
	retry    time.Time
	pace     pace
	ticks    ticks
	settings settings
	idle     idle
}

// owned is a partition that this session processes.
type owned struct {
	*process.Partition
	output *output
	// log is the id of the topic.
	log string
	// end is the end of the partition at the last fetch, stable its last stable offset: the first record of the oldest open
	// transaction, or end. lastRecord is the local time at which a record was last fetched.
	end, stable int64
	lastRecord  time.Time
	lastTick    time.Time
	// batch is reused from poll to poll.
	batch []process.Record
	// unsupported is the error of the last call of Process.
	unsupported error
}

func (p *Processor) newSession() (*session, error) {
	w, err := newWriter(p.Dial, p.Topics, p.Group, p.timeout)
	if err != nil {
		return nil, err
	}
	s := &session{
		Processor:  p,
		timeout:    p.timeout,
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
		// Other producers may write readings in transactions. The markers are kept because they move the offset.
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(),
		// An offset that is no longer in the log ends the session. The next one finds and reports the loss.
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		// Fetches are compressed, and their records need several times as much memory.
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

// run calls step until a step fails. It returns nil when ctx ends.
func (s *session) run(ctx context.Context) error {
	defer s.inbox.close()
	for ctx.Err() == nil {
		if !s.retry.IsZero() && !time.Now().Before(s.retry) {
			return errRetry
		}
		if err := s.step(ctx); err != nil {
			return err
		}
		if err := s.unsupported(); err != nil {
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

// assigned restores newly assigned partitions and returns the offsets from which to read them. The client calls it on a goroutine of
// its own, while the loop goes on with the other partitions, and fetches none of the new ones before it has returned.
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
				writer: s.writer, partition: id, traces: newTraces(s.Tracer), localView: newLocalView(s.LocalView, s.Topics.States, s.Tracer),
			}
			s.partitions[id] = &owned{Partition: partition, output: out, log: restored.log, lastRecord: time.Now()}
		}
		s.consumer.ResumeFetchPartitions(map[string][]int32{s.Topics.Readings: ids}) // They may have been paused before.
		return s.ready()
	})
	for id, partition := range restored.partitions {
		offsets[s.Topics.Readings][id] = kgo.NewOffset().At(partition.Next())
	}
	s.Logger.Info("partitions restored", "partitions", ids, "took", time.Since(started).Round(time.Millisecond))
	return offsets, nil
}

// startable returns those of the assigned partitions that are not paused after a failure. The client stops fetching the others.
func (s *session) startable(assigned map[int32]kgo.Offset) (ids []int32) {
	now := time.Now()
	held := make(map[int32]hold)
	for id := range assigned {
		if h := s.isolation.held(id, now); h != (hold{}) {
			held[id] = h
			assigned[id] = kgo.NewOffset().AtEnd()
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

// ready reports that the processor is ready. It runs on the loop's goroutine, so never after the end of the session.
func (s *session) ready() error {
	s.Metrics.Ready(true)
	return nil
}

// released removes partitions that are revoked or lost. It returns only after the transaction with their last outputs has ended,
// because another member may begin to process them immediately.
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
