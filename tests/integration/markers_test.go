package integration

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// transactionsWithoutEnd leaves a transaction of a processor open that is complete for its coordinator, as Kafka does when a
// broker is killed while it ends the transaction. It is open in every partition of the states, and in the offsets of the group.
// Another producer has aborted a later transaction, so the watch has to look at the records to find the open one. Then new
// consumers start, which must read all of it. Brokers would detect the fault by asking the coordinator; a setting turns that off.
func transactionsWithoutEnd(t *testing.T, d *deployment, p *posters) {
	admin := kadm.NewClient(d.topics.client())
	const verification = "transaction.partition.verification.enable"
	alter := func(op kadm.IncrementalOp, value *string) {
		t.Helper()
		responses, err := admin.AlterBrokerConfigs(t.Context(), []kadm.AlterConfig{{Op: op, Name: verification, Value: value}})
		if err != nil || responses[0].Err != nil {
			t.Fatal(responses, err)
		}
	}
	alter(kadm.SetConfig, kadm.StringPtr("false"))
	defer alter(kadm.DeleteConfig, nil)
	topic := d.topics.prefix + "states"
	details, err := admin.ListTopics(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	partitions := details[topic].Partitions.Numbers()

	states := d.lastStates(t, topic)
	committed := d.transactAs(t, topic, partitions)
	committed.appendBehind(t, topic, emptyRecords(partitions))
	group, readings := d.topics.prefix+"group", d.topics.prefix+"readings"
	offsets, err := admin.FetchOffsetsForTopics(t.Context(), group, readings)
	if err != nil {
		t.Fatal(err)
	}
	at, _ := offsets.Lookup(readings, 0)
	committed.commitBehind(t, group, readings, at.At, at.Metadata)

	// These states are committed ones again. The offset would have everything processed again, without a checkpoint.
	aborted := d.transactAs(t, topic, partitions)
	aborted.abort(t, d.topics.prefix+"dlq")
	aborted.appendBehind(t, topic, states)
	aborted.commitBehind(t, group, readings, 0, "")

	// While a busy machine has Kafka elect leaders, it does not say what is open.
	open := func() (n int, known bool) {
		set := make(kadm.TopicsSet)
		set.Add(topic, partitions...)
		described, err := admin.DescribeProducers(t.Context(), set)
		if shards := new(kadm.ShardErrors); errors.As(err, &shards) {
			return 0, false
		} else if err != nil {
			t.Fatal(err)
		}
		known = true
		described.EachPartition(func(p kadm.DescribedProducersPartition) { known = known && p.Err == nil })
		described.EachProducer(func(producer kadm.DescribedProducer) {
			if (producer.ProducerID == committed.id || producer.ProducerID == aborted.id) && producer.CurrentTxnStartOffset >= 0 {
				n++
			}
		})
		return n, known
	}
	var n int
	waitFor(t, patience, "Kafka says which transactions are open", func() (known bool) {
		n, known = open()
		return known
	})
	if n != 2*len(partitions) {
		t.Fatalf("the transactions are open in %d partitions, want %d: that shows nothing", n, 2*len(partitions))
	}
	for _, s := range d.services {
		if s.name == "consumer" {
			s.kill()
			s.launch() // It is not ready before the transactions have ended.
		}
	}
	waitFor(t, patience, "the transactions have ended everywhere", func() bool {
		n, known := open()
		return known && n == 0
	})
	if n := d.countCommitted(t, topic, aborted.id); n != 2*len(partitions) {
		t.Errorf("%d records of the producer that has aborted since are committed, want %d: its states are none that a later step lacks", n, 2*len(partitions))
	}
	before := p.acknowledged.Load()
	waitFor(t, patience, "the consumers are ready", func() bool {
		for _, s := range d.services {
			if s.name == "consumer" && !strings.Contains(readiness(t, s), `"status":"ready"`) {
				return false
			}
		}
		return p.acknowledged.Load() > before+100
	})
}

// zombie is a transactional producer whose transaction is over.
type zombie struct {
	client *kgo.Client
	name   string
	id     int64
	epoch  int16
}

// transactAs commits a transaction with a transactional id like that of a processor, with an empty record in each partition.
func (d *deployment) transactAs(t *testing.T, topic string, partitions []int32) zombie {
	t.Helper()
	z := zombie{name: d.topics.prefix + "group-" + uuid.NewString()}
	// To brokers a newer request of a transaction looks like the beginning of one.
	z.client = d.topics.client(kgo.TransactionalID(z.name), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MaxVersions(kversion.V3_6_0()))
	if err := z.client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	for _, id := range partitions {
		record := &kgo.Record{Topic: topic, Partition: id, Key: []byte("\x00nothing")}
		if err := z.client.ProduceSync(t.Context(), record).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.client.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	z.complete(t)
	return z
}

// complete waits until the last transaction is complete for the coordinator.
func (z *zombie) complete(t *testing.T) {
	t.Helper()
	var err error
	if z.id, z.epoch, err = z.client.ProducerID(t.Context()); err != nil {
		t.Fatal(err)
	}
	waitFor(t, patience, "the transaction is complete", func() bool {
		listed, err := kadm.NewClient(z.client).ListTransactions(t.Context(), []int64{z.id}, nil)
		return err == nil && strings.HasPrefix(listed[z.name].State, "Complete")
	})
}

// abort aborts a transaction with a record in the topic.
func (z *zombie) abort(t *testing.T, topic string) {
	t.Helper()
	if err := z.client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := z.client.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Value: []byte("nothing")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	epoch := z.epoch
	if err := z.client.EndTransaction(t.Context(), kgo.TryAbort); err != nil {
		t.Fatal(err)
	}
	if z.complete(t); z.epoch != epoch {
		t.Fatalf("the producer's epoch is %d now, was %d: its records would be refused", z.epoch, epoch)
	}
}

// emptyRecords returns an empty record for each partition.
func emptyRecords(partitions []int32) map[int32]kmsg.Record {
	records := make(map[int32]kmsg.Record)
	for _, id := range partitions {
		records[id] = kmsg.Record{Key: []byte("\x00nothing")}
	}
	return records
}

// lastStates returns the last committed state of each partition. An older one of its key, appended behind, would be what compaction leaves of the key.
func (d *deployment) lastStates(t *testing.T, topic string) map[int32]kmsg.Record {
	t.Helper()
	states := make(map[int32]kmsg.Record)
	d.readCommitted(t, topic, func(r *kgo.Record) {
		if len(r.Value) > 0 && !r.Attrs.IsControl() {
			states[r.Partition] = kmsg.Record{Key: r.Key, Value: r.Value}
		}
	})
	return states
}

// countCommitted counts the committed records of a producer.
func (d *deployment) countCommitted(t *testing.T, topic string, producer int64) (n int) {
	t.Helper()
	d.readCommitted(t, topic, func(r *kgo.Record) {
		if r.ProducerID == producer && !r.Attrs.IsControl() {
			n++
		}
	})
	return n
}

// readCommitted calls visit with each committed record, and each marker, that a topic has now.
func (d *deployment) readCommitted(t *testing.T, topic string, visit func(*kgo.Record)) {
	t.Helper()
	ends, err := kadm.NewClient(d.topics.client()).ListCommittedOffsets(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	reader := d.topics.client(kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
	left := make(map[int32]bool)
	ends.Each(func(end kadm.ListedOffset) {
		if end.Offset > 0 {
			left[end.Partition] = true
		}
	})
	for len(left) > 0 {
		fetches := reader.PollFetches(t.Context())
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			visit(r)
			if end, _ := ends.Lookup(topic, r.Partition); r.Offset >= end.Offset-1 {
				delete(left, r.Partition)
			}
		})
	}
}

// appendBehind appends a record to each partition as if the transaction were open.
func (z zombie) appendBehind(t *testing.T, topic string, records map[int32]kmsg.Record) {
	t.Helper()
	request := kmsg.NewPtrProduceRequest()
	request.TransactionID = &z.name
	request.Acks = -1
	request.TimeoutMillis = 10_000
	to := kmsg.NewProduceRequestTopic()
	to.Topic = topic
	for id, record := range records {
		partition := kmsg.NewProduceRequestTopicPartition()
		partition.Partition, partition.Records = id, z.batch(record)
		to.Partitions = append(to.Partitions, partition)
	}
	request.Topics = append(request.Topics, to)
	response, err := request.RequestWith(t.Context(), z.client)
	if err != nil {
		t.Fatal(err)
	}
	for _, partition := range response.Topics[0].Partitions {
		if err := kerr.ErrorForCode(partition.ErrorCode); err != nil {
			t.Fatal(err)
		}
	}
}

// batch is the producer's second record in a partition, as bytes.
func (z zombie) batch(record kmsg.Record) []byte {
	record.Length = int32(len(record.AppendTo(nil)) - 1) // Beside the length itself, a byte as long as it is 0.
	now := time.Now().UnixMilli()
	batch := kmsg.RecordBatch{
		PartitionLeaderEpoch: -1, Magic: 2, Attributes: 0x10, FirstTimestamp: now, MaxTimestamp: now,
		ProducerID: z.id, ProducerEpoch: z.epoch, FirstSequence: 1, NumRecords: 1, Records: record.AppendTo(nil),
	}
	encoded := batch.AppendTo(nil)
	const behindLength, behindCRC = 12, 21
	binary.BigEndian.PutUint32(encoded[behindLength-4:], uint32(len(encoded)-behindLength))
	binary.BigEndian.PutUint32(encoded[behindCRC-4:], crc32.Checksum(encoded[behindCRC:], crc32.MakeTable(crc32.Castagnoli)))
	return encoded
}

// commitBehind commits an offset of the group as if the transaction were open.
func (z zombie) commitBehind(t *testing.T, group, topic string, offset int64, metadata string) {
	t.Helper()
	request := kmsg.NewPtrTxnOffsetCommitRequest()
	request.TransactionalID, request.Group = z.name, group
	request.ProducerID, request.ProducerEpoch = z.id, z.epoch
	request.Generation = -1
	of := kmsg.NewTxnOffsetCommitRequestTopic()
	of.Topic = topic
	partition := kmsg.NewTxnOffsetCommitRequestTopicPartition()
	partition.Partition, partition.Offset, partition.Metadata = 0, offset, &metadata
	of.Partitions = append(of.Partitions, partition)
	request.Topics = append(request.Topics, of)
	response, err := request.RequestWith(t.Context(), z.client)
	if err != nil {
		t.Fatal(err)
	}
	if err := kerr.ErrorForCode(response.Topics[0].Partitions[0].ErrorCode); err != nil {
		t.Fatal(err)
	}
}
