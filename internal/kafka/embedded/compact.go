package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"iotmon/internal/iot"
	"iotmon/internal/retry"
	"iotmon/internal/wire"
)

const (
	// compactMinSize is the size of the compacted topics, in bytes, below which no pass begins. A pass begins when they have
	// compactFactor times the size of the current records of the last pass.
	compactMinSize = 32 << 20
	compactFactor  = 4
	// The pauses between the stages of a pass are counted in steps of the upkeep, not by the clock: while a process is suspended, its
	// readers do not read either. stepsAtStart is before the first pass, so that processors can repair a commit that a crash has torn.
	// stepsToMove is before records are moved, so that most of them are superseded by then. stepsToTrim is how long nobody must have
	// read before the cuts.
	stepsAtStart      = int(time.Minute / upkeepInterval)
	stepsToMove       = 1
	stepsToTrim       = 2
	stepsAfterFailure = stepsAtStart
	// readTimeout is how long a read of the compacted topics may bring nothing. holdTimeout limits for how long no transaction may begin,
	// until records are appended; those are at most movedBytes, and may take appendTimeout.
	readTimeout   = time.Minute
	holdTimeout   = 5 * time.Second
	movedBytes    = 4 << 20
	appendTimeout = time.Minute
	// Transactions run between two holds, for holdPause, or failurePause after a hold that has failed. After holdAttempts failures in a row
	// the pass has failed.
	holdPause    = 200 * time.Millisecond
	failurePause = 2 * holdTimeout
	holdAttempts = 3
)

// compactMark is the key of the records that the cleaner reads up to. No device can have this id.
const compactMark = "\x00compact"

// cleaner compacts the topics with cleanup.policy=compact. The goroutine of the broker's upkeep owns it.
//
// kfake has a compaction, but it is not safe. It lets a record of an open transaction supersede the committed record: if the
// transaction is then aborted, by a kill for example, both are lost. It deletes a partition's files before it writes the new ones, so a
// kill between loses all records. And it keeps the transaction markers of every producer that is still known.
//
// A pass of the cleaner has three stages, as in a log-structured store:
//
//  1. It records the ends of the partitions, the cuts.
//  2. A while later it appends the current records before the cuts, which no later record has superseded, once more at the end, some at a
//     time.
//  3. When nobody has read before the cuts for a while, it deletes everything before them.
//
// The delay protects a reader that reads from the beginning to the end of the log as it was when the reader began: it would miss a
// current record that moves from the part that it has not read to behind that end. At every moment each key has its last record in the
// log, so a kill loses nothing. A record that the cleaner appends must not follow a newer record of its key. So while it appends, no
// transaction may begin in these topics: the client has to try again.
type cleaner struct {
	cluster *kfake.Cluster
	// partitions is the directory with one entry for each partition that was ever written to.
	partitions string
	// connect has the options with which a client connects to the broker.
	connect []kgo.Opt
	minSize int64
	logger  *slog.Logger

	// gate has the topics in which no transaction may begin now; nil for none.
	gate atomic.Pointer[kadm.TopicsSet]

	// lastSize is the size of the current records in the last pass, in bytes of the log, as they were compressed there. Records that were
	// written during the pass do not count: at a high rate they would delay the next pass, and a restart has to read all of them.
	lastSize int64
	// cuts are the ends of the partitions when the pass began; nil between two passes. readers watches for readers before the cuts,
	// once the current records have been moved. wait is the number of steps until the next stage.
	cuts    kadm.Offsets
	readers *readers
	wait    int
}

// attach makes the broker check the gate whenever a transaction begins in a partition.
func (c *cleaner) attach(ctx context.Context) error {
	c.cluster.ControlKey(int16(kmsg.AddPartitionsToTxn), func(request kmsg.Request) (kmsg.Response, error, bool) {
		add, closed := request.(*kmsg.AddPartitionsToTxnRequest), c.gate.Load()
		if closed == nil || !addsTo(add, *closed) {
			return nil, nil, false
		}
		c.cluster.KeepControl()
		return tryAgain(add), nil, true
	})
	return c.announceBegins(ctx)
}

// announceBegins lowers the transaction version of the broker to 1, so that a client sends a request when its transaction begins in a
// partition. With version 2, which kfake offers, a client produces without that request.
func (c *cleaner) announceBegins(ctx context.Context) error {
	client, err := kgo.NewClient(c.connect...)
	if err != nil {
		return err
	}
	defer client.Close()
	version := kadm.FeatureUpdate{Feature: "transaction.version", MaxVersionLevel: 1, UpgradeType: 2}
	updated, err := kadm.NewClient(client).UpdateFeatures(ctx, false, version)
	if err == nil {
		err = updated.Error()
	}
	if err != nil {
		return fmt.Errorf("lower the transaction version: %w", err)
	}
	return nil
}

func addsTo(add *kmsg.AddPartitionsToTxnRequest, closed kadm.TopicsSet) bool {
	for _, topic := range add.Topics {
		if _, found := closed[topic.Topic]; found {
			return true
		}
	}
	return false
}

// tryAgain returns the response after which a client retries: none of its partitions was added, because of another transaction.
func tryAgain(add *kmsg.AddPartitionsToTxnRequest) kmsg.Response {
	response := add.ResponseKind().(*kmsg.AddPartitionsToTxnResponse)
	for _, asked := range add.Topics {
		topic := kmsg.NewAddPartitionsToTxnResponseTopic()
		topic.Topic = asked.Topic
		for _, id := range asked.Partitions {
			partition := kmsg.NewAddPartitionsToTxnResponseTopicPartition()
			partition.Partition, partition.ErrorCode = id, kerr.ConcurrentTransactions.Code
			topic.Partitions = append(topic.Partitions, partition)
		}
		response.Topics = append(response.Topics, topic)
	}
	return response
}

// step runs the next stage of the pass if its pause is over. Between two passes it begins one if the topics have grown enough.
func (c *cleaner) step(ctx context.Context) {
	switch {
	case c.wait > 0:
		c.wait--
	case c.cuts == nil:
		if size, ends := c.survey(); size >= max(c.minSize, compactFactor*c.lastSize) {
			c.cuts, c.wait = ends, stepsToMove-1
		}
	case c.readers == nil:
		if err := c.move(ctx); err != nil {
			if ctx.Err() == nil {
				c.logger.Warn("embedded broker: compaction put off", "error", err)
			}
			c.wait = stepsAfterFailure - 1 // The attempt has read the whole topics, which is expensive.
			return
		}
		debug.FreeOSMemory()
		c.readers, c.wait = watchReaders(c.cluster, c.cuts), stepsToTrim-1
	case c.readers.seen():
		c.wait = stepsToTrim - 1
	default:
		c.readers.stop()
		c.trim()
	}
}

// survey returns the size of the compacted topics and where their partitions end.
func (c *cleaner) survey() (size int64, ends kadm.Offsets) {
	ends = make(kadm.Offsets)
	entries, err := os.ReadDir(c.partitions)
	if err != nil {
		return 0, nil // Nothing has been written yet.
	}
	for _, entry := range entries {
		topic, _, ok := splitPartition(entry.Name())
		if _, known := ends[topic]; !ok || known || !c.compacted(topic) {
			continue
		}
		for _, partition := range c.cluster.PartitionInfos(topic) {
			size += partition.NumBytes
			if partition.HighWatermark > 0 {
				ends.Add(kadm.Offset{Topic: topic, Partition: partition.Partition, At: partition.HighWatermark})
			}
		}
	}
	return size, ends
}

func (c *cleaner) compacted(topic string) bool {
	info := c.cluster.TopicInfo(topic)
	if info == nil {
		return false
	}
	policy := info.Configs["cleanup.policy"]
	return policy != nil && strings.Contains(*policy, "compact")
}

// trim deletes the records before the cuts and ends the pass.
func (c *cleaner) trim() {
	c.cuts.Each(func(cut kadm.Offset) {
		if err := c.cluster.DeleteRecords(cut.Topic, cut.Partition, cut.At); err != nil {
			c.logger.Warn("embedded broker: compacted records not deleted", "topic", cut.Topic, "partition", cut.Partition, "error", err)
		}
	})
	c.cuts, c.readers = nil, nil
	size, _ := c.survey()
	c.logger.Info("embedded broker: compacted", "bytes_current", c.lastSize, "bytes_left", size)
}

// move appends the current records before the cuts at the end of the log.
func (c *cleaner) move(ctx context.Context) error {
	m, err := newMover(c.connect, c.cuts)
	if err != nil {
		return err
	}
	defer m.client.Close()
	if err := m.readToEnd(ctx); err != nil {
		return err
	}
	size, _ := c.survey()
	c.lastSize = int64(m.share() * float64(size))
	for failures := 0; len(m.current) > 0; {
		pause := holdPause
		if err := c.moveSome(ctx, m); err == nil {
			failures = 0
		} else if failures++; failures == holdAttempts {
			return err
		} else {
			pause = failurePause
		}
		if err := retry.Wait(ctx, pause); err != nil {
			return err
		}
	}
	return nil
}

// moveSome appends some of the current records while no transaction may begin.
func (c *cleaner) moveSome(ctx context.Context, m *mover) error {
	topics := c.cuts.TopicsSet()
	c.gate.Store(&topics)
	defer c.gate.Store(nil)
	held, cancel := context.WithTimeout(ctx, holdTimeout)
	defer cancel()
	if err := m.awaitNoTransactions(held, topics); err != nil {
		return err
	}
	if err := m.readToEnd(held); err != nil { // It finds what has been superseded, and what has been moved.
		return err
	}
	return m.append(ctx, movedBytes)
}

// mover reads the committed records of some partitions and finds the current ones before the cuts.
type mover struct {
	client  *kgo.Client
	cuts    kadm.Offsets
	current map[recordKey]*kgo.Record
	// read is the size of all records that were read, in bytes, not compressed.
	read int64
	// reached has the highest position of each key whose records have positions, wherever the record is.
	reached map[recordKey]iot.Position
}

type recordKey struct {
	topic     string
	partition int32
	key       string
}

func newMover(connect []kgo.Opt, cuts kadm.Offsets) (*mover, error) {
	from := make(map[string]map[int32]kgo.Offset)
	cuts.Each(func(cut kadm.Offset) {
		if from[cut.Topic] == nil {
			from[cut.Topic] = make(map[int32]kgo.Offset)
		}
		from[cut.Topic][cut.Partition] = kgo.NewOffset().AtStart()
	})
	client, err := kgo.NewClient(append(slices.Clone(connect),
		kgo.ConsumePartitions(from),
		kgo.DisableFetchSessions(), // As kafka.NoFetchSession, which this package cannot import.
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		// Small fetches: a pass is not urgent, and should need little memory.
		kgo.FetchMaxBytes(2<<20),
		kgo.FetchMaxPartitionBytes(512<<10),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
	)...)
	if err != nil {
		return nil, err
	}
	return &mover{client: client, cuts: cuts, current: make(map[recordKey]*kgo.Record), reached: make(map[recordKey]iot.Position)}, nil
}

// readToEnd reads on to the end of the log at the time of the call. It appends a record of its own to each partition and reads until
// it finds it: the last offset may be of a marker or of an aborted transaction, which a reader does not get.
func (m *mover) readToEnd(ctx context.Context) error {
	var marks []*kgo.Record
	m.cuts.Each(func(cut kadm.Offset) {
		marks = append(marks, &kgo.Record{Topic: cut.Topic, Partition: cut.Partition, Key: []byte(compactMark)})
	})
	if err := m.client.ProduceSync(ctx, marks...).FirstErr(); err != nil {
		return fmt.Errorf("mark the end: %w", err)
	}
	for waiting := len(marks); waiting > 0; {
		fetches, err := m.poll(ctx)
		if err != nil {
			return fmt.Errorf("read to the end: %w", err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			for _, mark := range marks {
				if mark.Topic == r.Topic && mark.Partition == r.Partition && mark.Offset == r.Offset {
					waiting--
				}
			}
			m.read += recordSize(r)
			m.add(r)
		})
	}
	return nil
}

// poll returns the next records. It fails when nothing has come for readTimeout.
func (m *mover) poll(ctx context.Context) (kgo.Fetches, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	fetches := m.client.PollFetches(ctx)
	return fetches, fetches.Err()
}

// add makes a record the current one of its key, unless it is outdated. The key has no current record before the cut if the record is
// behind the cut or a tombstone.
func (m *mover) add(r *kgo.Record) {
	key := recordKey{r.Topic, r.Partition, string(r.Key)}
	if m.outdated(key, r) {
		return
	}
	if cut, _ := m.cuts.Lookup(r.Topic, r.Partition); r.Offset >= cut.At || r.Value == nil {
		delete(m.current, key)
		return
	}
	// Copies, because a fetched record keeps the memory of its whole batch.
	m.current[key] = &kgo.Record{Topic: r.Topic, Partition: r.Partition, Key: bytes.Clone(r.Key), Value: bytes.Clone(r.Value), Timestamp: r.Timestamp}
}

// outdated reports whether an earlier record of the same key has a higher position. Such a record was written by a processor that had
// lost its partition, and readers ignore it. Among records without positions the last one is valid.
func (m *mover) outdated(key recordKey, r *kgo.Record) bool {
	position, known := positionOf(r)
	if !known {
		delete(m.reached, key)
		return false
	}
	if before, ok := m.reached[key]; ok && position.Compare(before) < 0 {
		return true
	}
	m.reached[key] = position
	return false
}

// positionOf returns the position of a device state or of its tombstone; false for other records.
func positionOf(r *kgo.Record) (iot.Position, bool) {
	if r.Value != nil {
		return wire.StatePosition(r.Value)
	}
	for _, h := range r.Headers {
		if h.Key == wire.PositionHeader {
			position, err := wire.DecodePosition(h.Value)
			return position, err == nil
		}
	}
	return iot.Position{}, false
}

// awaitNoTransactions waits until no transaction is open in the topics. It fails when ctx ends.
func (m *mover) awaitNoTransactions(ctx context.Context, topics kadm.TopicsSet) error {
	admin := kadm.NewClient(m.client)
	for {
		described, err := admin.DescribeProducers(ctx, topics)
		if err != nil {
			return fmt.Errorf("look for open transactions: %w", err)
		}
		open := false
		described.EachProducer(func(kadm.DescribedProducer) { open = true })
		if !open {
			return nil
		}
		if retry.Wait(ctx, 5*time.Millisecond) != nil {
			return errors.New("a transaction stays open")
		}
	}
}

// share returns the share of the current records in the size of all records that were read.
func (m *mover) share() float64 {
	var current int64
	for _, r := range m.current {
		current += recordSize(r)
	}
	return float64(current) / float64(m.read)
}

// recordSize returns the size of a record in bytes, not compressed.
func recordSize(r *kgo.Record) int64 { return int64(len(r.Key) + len(r.Value)) }

// append appends current records of about so many bytes, without their headers: they belong to traces that have ended. Once it has begun it
// does not end with ctx: a record that is appended after a newer one of its key would supersede it.
func (m *mover) append(ctx context.Context, bytes int64) error {
	var some []*kgo.Record
	for _, r := range m.current {
		some = append(some, r)
		if bytes -= recordSize(r); bytes <= 0 {
			break
		}
	}
	if len(some) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), appendTimeout)
	defer cancel()
	if err := m.client.ProduceSync(ctx, some...).FirstErr(); err != nil {
		return fmt.Errorf("append current records: %w", err)
	}
	return nil
}
