package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
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
	// compactFrom is the size of the compacted topics below which nothing is done, and compactFactor how often they must
	// have grown since the last round.
	compactFrom   = 32 << 20
	compactFactor = 4
	// The stages of a round are counted in steps of the upkeep, not by the clock: a process that was stopped for a while has
	// had its readers stopped as well. stepsAtStart is until the first round: a crash may have torn a commit, and whoever
	// repairs it goes first. stepsToMove lets most of what lives be superseded before it is moved. stepsToTrim is for how long
	// nobody may have read what is about to be deleted.
	stepsAtStart      = int(time.Minute / upkeepInterval)
	stepsToMove       = 1
	stepsToTrim       = 2
	stepsAfterFailure = stepsAtStart
	// readTimeout bounds the reading of the whole log, and holdTimeout how long transactions may be held back after it.
	readTimeout = time.Minute
	holdTimeout = 5 * time.Second
)

// compactMark is the key of the records up to which the cleaner reads: no device can have it.
const compactMark = "\x00compact"

// cleaner keeps the topics with cleanup.policy=compact small. The goroutine of the broker's upkeep owns it.
//
// kfake could compact, but not safely. It lets a record of an open transaction supersede the committed one: if the
// transaction is then aborted, by a kill for example, both are gone. It deletes a partition's files before it writes the
// new ones: a kill between leaves nothing. And it keeps the markers of all transactions of a producer that lives.
//
// So the cleaner does what a log-structured store does. A round notes where the partitions end; a while later it appends
// the records before that point that nothing has superseded since, once more, at the end; and when nobody has read there
// for a while, it deletes everything before that point. So a reader that is on its way from the beginning to where the end
// was when it began misses none of what moved from before it to behind that. Killed anywhere, every key still has its last
// record. What the cleaner appends must not overtake a newer record, so no transaction may begin in these topics in that
// moment: the client tries again a little later.
type cleaner struct {
	cluster *kfake.Cluster
	// partitions is the directory with one entry for each partition that was ever written to.
	partitions string
	// reach is how a client connects to the broker.
	reach  []kgo.Opt
	from   int64
	logger *slog.Logger

	// gate holds the topics in which no transaction may begin now; nil for none.
	gate atomic.Pointer[kadm.TopicsSet]

	// kept is about the size of what lived in the last round. What was written while it lasted does not count: it would put
	// off the next round in proportion to the rate, and a restart reads all of it.
	kept int64
	// cuts are the points of the round that is under way, nil between two rounds. readers is who reads before them, from the
	// moment when what lives has been moved. wait is how many steps pass until the next thing is done.
	cuts    kadm.Offsets
	readers *readers
	wait    int
}

// attach makes the broker ask the gate whenever a transaction begins in a partition.
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

// announceBegins has all clients say when they begin to write to a partition: from transaction.version 2 on, which kfake
// offers, they just write.
func (c *cleaner) announceBegins(ctx context.Context) error {
	client, err := kgo.NewClient(c.reach...)
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

// tryAgain tells the client that none of its partitions was added, in the way that makes it try again.
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

// step goes on with the round, if it is time to, or begins one if the topics have grown enough.
func (c *cleaner) step(ctx context.Context) {
	switch {
	case c.wait > 0:
		c.wait--
	case c.cuts == nil:
		if size, ends := c.survey(); size >= max(c.from, compactFactor*c.kept) {
			c.cuts, c.wait = ends, stepsToMove-1
		}
	case c.readers == nil:
		if err := c.move(ctx); err != nil {
			if ctx.Err() == nil {
				c.logger.Warn("embedded broker: compaction put off", "error", err)
			}
			c.wait = stepsAfterFailure - 1 // It has read the whole topics for nothing.
			return
		}
		debug.FreeOSMemory()
		c.readers, c.wait = watchReaders(c.cluster, c.cuts), stepsToTrim-1
	case c.readers.came():
		c.wait = stepsToTrim - 1
	default:
		c.readers.forget()
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

// trim deletes what lies before the cuts and ends the round.
func (c *cleaner) trim() {
	c.cuts.Each(func(cut kadm.Offset) {
		if err := c.cluster.DeleteRecords(cut.Topic, cut.Partition, cut.At); err != nil {
			c.logger.Warn("embedded broker: compacted records not deleted", "topic", cut.Topic, "partition", cut.Partition, "error", err)
		}
	})
	c.cuts, c.readers = nil, nil
	size, _ := c.survey()
	c.logger.Info("embedded broker: compacted", "bytes_living", c.kept, "bytes_left", size)
}

// move appends the living records before the cuts at the end.
func (c *cleaner) move(ctx context.Context) error {
	m, err := newMover(c.reach, c.cuts)
	if err != nil {
		return err
	}
	defer m.client.Close()
	reading, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	if err := m.readToEnd(reading); err != nil || len(m.alive) == 0 {
		return err
	}
	ctx, cancel = context.WithTimeout(ctx, holdTimeout)
	defer cancel()
	topics := c.cuts.TopicsSet()
	c.gate.Store(&topics)
	defer c.gate.Store(nil)
	if err := m.awaitQuiet(ctx, topics); err != nil {
		return err
	}
	if err := m.readToEnd(ctx); err != nil {
		return err
	}
	c.kept = m.size()
	return m.append(ctx)
}

// mover reads what is committed in some partitions and finds the records before the cuts that still live.
type mover struct {
	client *kgo.Client
	cuts   kadm.Offsets
	alive  map[place]*kgo.Record
	// reached has the highest position of each key, whether it lives or not, if that has positions.
	reached map[place]iot.Position
}

type place struct {
	topic     string
	partition int32
	key       string
}

func newMover(reach []kgo.Opt, cuts kadm.Offsets) (*mover, error) {
	from := make(map[string]map[int32]kgo.Offset)
	cuts.Each(func(cut kadm.Offset) {
		if from[cut.Topic] == nil {
			from[cut.Topic] = make(map[int32]kgo.Offset)
		}
		from[cut.Topic][cut.Partition] = kgo.NewOffset().AtStart()
	})
	client, err := kgo.NewClient(append(slices.Clone(reach),
		kgo.ConsumePartitions(from),
		kgo.DisableFetchSessions(), // As kafka.NoFetchSession, which this package cannot import.
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		// A round has time, and is not to be what the process needs most memory for.
		kgo.FetchMaxBytes(2<<20),
		kgo.FetchMaxPartitionBytes(512<<10),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
	)...)
	if err != nil {
		return nil, err
	}
	return &mover{client: client, cuts: cuts, alive: make(map[place]*kgo.Record), reached: make(map[place]iot.Position)}, nil
}

// readToEnd reads on to the end of the log as it is now. The end is known by a record of the mover's own: the last offset
// may belong to a marker or to an aborted transaction, which no reader ever sees.
func (m *mover) readToEnd(ctx context.Context) error {
	var marks []*kgo.Record
	m.cuts.Each(func(cut kadm.Offset) {
		marks = append(marks, &kgo.Record{Topic: cut.Topic, Partition: cut.Partition, Key: []byte(compactMark)})
	})
	if err := m.client.ProduceSync(ctx, marks...).FirstErr(); err != nil {
		return fmt.Errorf("mark the end: %w", err)
	}
	for waiting := len(marks); waiting > 0; {
		fetches := m.client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return fmt.Errorf("read to the end: %w", err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			for _, mark := range marks {
				if mark.Topic == r.Topic && mark.Partition == r.Partition && mark.Offset == r.Offset {
					waiting--
				}
			}
			m.take(r)
		})
	}
	return nil
}

// take notes what a record says of its key: it lives if it lies before the cut and nothing supersedes it.
func (m *mover) take(r *kgo.Record) {
	at := place{r.Topic, r.Partition, string(r.Key)}
	if m.outdated(at, r) {
		return
	}
	if cut, _ := m.cuts.Lookup(r.Topic, r.Partition); r.Offset >= cut.At || r.Value == nil {
		delete(m.alive, at)
		return
	}
	// A record as fetched would keep the whole batch it came in.
	m.alive[at] = &kgo.Record{Topic: r.Topic, Partition: r.Partition, Key: bytes.Clone(r.Key), Value: bytes.Clone(r.Value), Timestamp: r.Timestamp}
}

// outdated reports whether a record comes after one of its key with a higher position: a processor that had lost its partition has
// written it, and no reader lets it take that one's place. Of records without positions the last counts.
func (m *mover) outdated(at place, r *kgo.Record) bool {
	position, known := positionOf(r)
	if !known {
		delete(m.reached, at)
		return false
	}
	if before, ok := m.reached[at]; ok && position.Compare(before) < 0 {
		return true
	}
	m.reached[at] = position
	return false
}

// positionOf returns the position of a device's state, or that at which it was deleted; false for other records.
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

// awaitQuiet returns once no transaction is open in the topics.
func (m *mover) awaitQuiet(ctx context.Context, topics kadm.TopicsSet) error {
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

// size returns how many bytes the living records have.
func (m *mover) size() int64 {
	var size int64
	for _, r := range m.alive {
		size += int64(len(r.Key) + len(r.Value))
	}
	return size
}

// append writes the living records again, without their headers: the trace that a record belonged to has long ended.
func (m *mover) append(ctx context.Context) error {
	alive := slices.Collect(maps.Values(m.alive))
	if err := m.client.ProduceSync(ctx, alive...).FirstErr(); err != nil {
		return fmt.Errorf("append living records: %w", err)
	}
	return nil
}
