package kafkatest

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/iot"
	"iotmon/internal/kafka"
	"iotmon/internal/wire"
)

// Log is a broker in memory with the product's topics, and a plain client of it. A test can change the broker's answers with
// Broker.ControlKey.
type Log struct {
	T      *testing.T
	Broker *kfake.Cluster
	Dial   kafka.Dial
	Topics kafka.Topics
	Client *kgo.Client
}

// NewLog starts a broker that runs until the test ends.
func NewLog(t *testing.T) *Log {
	t.Helper()
	broker, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	l := &Log{T: t, Broker: broker, Topics: kafka.DefaultTopics()}
	l.Dial = kafka.Dial{Brokers: broker.ListenAddrs(), ClientID: "test", Logger: Quiet()}
	l.Client, err = kgo.NewClient(l.Dial.Options(kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Client.Close)
	admin := kadm.NewClient(l.Client)
	for topic, partitions := range map[string]int32{
		l.Topics.Readings: Partitions, l.Topics.Alerts: Partitions, l.Topics.States: Partitions, l.Topics.InForce: Partitions, l.Topics.Sources: Partitions,
		l.Topics.Aggregates: 1, l.Topics.Maps: 1, l.Topics.DeadLetters: 1,
	} {
		if _, err := admin.CreateTopic(t.Context(), partitions, 1, nil, topic); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

// Post appends readings, each to the partition of its device.
func (l *Log) Post(readings ...iot.Reading) {
	l.T.Helper()
	records := make([]*kgo.Record, len(readings))
	for i := range readings {
		records[i] = l.record(&readings[i])
	}
	if err := l.Client.ProduceSync(l.T.Context(), records...).FirstErr(); err != nil {
		l.T.Fatal(err)
	}
}

func (l *Log) record(r *iot.Reading) *kgo.Record {
	return &kgo.Record{Topic: l.Topics.Readings, Key: []byte(r.ID), Value: wire.AppendReading(nil, r)}
}

// Transactional returns two functions of a producer that is not a processor: post appends a reading in a transaction, which it
// begins if none is open, and end ends that transaction.
func (l *Log) Transactional() (post func(iot.Reading), end func(kgo.TransactionEndTry)) {
	l.T.Helper()
	client, err := kgo.NewClient(l.Dial.Options(kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)), kgo.TransactionalID("test-writer-"+uuid.NewString()))...)
	if err != nil {
		l.T.Fatal(err)
	}
	l.T.Cleanup(client.Close)
	open := false
	post = func(r iot.Reading) {
		l.T.Helper()
		if !open {
			if err := client.BeginTransaction(); err != nil {
				l.T.Fatal(err)
			}
			open = true
		}
		if err := client.ProduceSync(l.T.Context(), l.record(&r)).FirstErr(); err != nil {
			l.T.Fatal(err)
		}
	}
	end = func(how kgo.TransactionEndTry) {
		l.T.Helper()
		if open {
			if err := client.EndTransaction(l.T.Context(), how); err != nil {
				l.T.Fatal(err)
			}
		}
		open = false
	}
	return post, end
}

// Tick appends a tick.
func (l *Log) Tick(ctx context.Context, partition int32) error {
	client, err := kgo.NewClient(l.Dial.Options(kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		return err
	}
	defer client.Close()
	return client.ProduceSync(ctx, &kgo.Record{
		Topic: l.Topics.Readings, Partition: partition,
		Headers: []kgo.RecordHeader{{Key: wire.TickHeader}},
	}).FirstErr()
}

// Committed calls done with the committed records of a topic, from the beginning, until done returns true.
func (l *Log) Committed(topic string, done func(*kgo.Record) bool) {
	l.T.Helper()
	reader, err := kgo.NewClient(l.Dial.Options(kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))...)
	if err != nil {
		l.T.Fatal(err)
	}
	defer reader.Close()
	ctx, cancel := context.WithTimeout(l.T.Context(), 30*time.Second)
	defer cancel()
	for finished := false; !finished; {
		fetches := reader.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			l.T.Fatalf("topic %s: the awaited record did not come within 30 s", topic)
		}
		fetches.EachRecord(func(r *kgo.Record) { finished = finished || done(r) })
	}
}
