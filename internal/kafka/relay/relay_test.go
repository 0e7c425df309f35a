package relay_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/forward"
	"iotmon/internal/iot"
	"iotmon/internal/kafka"
	"iotmon/internal/kafka/kafkatest"
	"iotmon/internal/kafka/relay"
	"iotmon/internal/wire"
	"iotmon/tests/testenv"
)

// produce appends readings of a device to a partition, and returns their values.
func produce(c *kafkatest.Cluster, partition int32, values ...float64) {
	c.T.Helper()
	var records []*kgo.Record
	for i, value := range values {
		r := kafkatest.Reading(int(partition), time.Unix(1_700_000_000+int64(i), 0), value)
		records = append(records, &kgo.Record{Topic: c.Topics.Readings, Partition: partition, Key: []byte(r.ID), Value: wire.AppendReading(nil, &r)})
	}
	c.Produce(c.Client(), records...)
}

func newLog(t *testing.T, c *kafkatest.Cluster) *relay.Log {
	t.Helper()
	log, err := relay.NewLog(c.Dial, c.Topics, "group")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(log.Close)
	return log
}

// partition returns one partition as the log says it is.
func partition(t *testing.T, log *relay.Log, id int32) forward.Partition {
	t.Helper()
	all, err := log.Partitions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != kafkatest.Partitions {
		t.Fatalf("got %d partitions, want %d", len(all), kafkatest.Partitions)
	}
	return all[slices.IndexFunc(all, func(p forward.Partition) bool { return p.ID == id })]
}

func TestPositionsSurviveARestartOfTheBroker(t *testing.T) {
	t.Parallel()
	c := kafkatest.StartCluster(t)
	produce(c, 2, 1, 2, 3)
	log := newLog(t, c)
	found := partition(t, log, 2)
	if found.Position != nil || found.Start != 0 || found.End != 3 || found.Log == "" {
		t.Fatalf("got %+v, want three records and no position", found)
	}
	want := forward.Position{Next: 2, Log: found.Log, Lost: forward.Loss{Records: 5, First: 7, Last: 11}}
	if err := log.Store(t.Context(), map[int32]forward.Position{2: want, 0: {Log: found.Log}}); err != nil {
		t.Fatal(err)
	}
	c.Close()
	c.Open(0)
	log = newLog(t, c)
	if got := partition(t, log, 2); got.Position == nil || *got.Position != want || got.Log != found.Log {
		t.Errorf("got %+v, want position %+v", got, want)
	}
	if got := partition(t, log, 0); got.Position == nil || got.Position.Next != 0 {
		t.Errorf("got %+v, want position 0", got)
	}
	if got := partition(t, log, 1); got.Position != nil {
		t.Errorf("got %+v, want none", got)
	}
}

func TestALogThatWasCreatedAnewHasAnotherName(t *testing.T) {
	t.Parallel()
	c := kafkatest.StartCluster(t)
	log := newLog(t, c)
	before := partition(t, log, 0).Log
	if err := kafka.DeleteTopics(t.Context(), c.Dial, c.Topics); err != nil {
		t.Fatal(err)
	}
	if err := kafka.EnsureTopics(t.Context(), c.TopicOptions()); err != nil {
		t.Fatal(err)
	}
	if after := newLog(t, c); partition(t, after, 0).Log == before {
		t.Errorf("got the same log %s", before)
	}
}

func TestAReaderSaysThatItsRecordsAreGone(t *testing.T) {
	t.Parallel()
	c := kafkatest.StartCluster(t)
	produce(c, 0, 1, 2, 3)
	admin := kadm.NewClient(c.Client())
	var until kadm.Offsets
	until.Add(kadm.Offset{Topic: c.Topics.Readings, Partition: 0, At: 2})
	if _, err := admin.DeleteRecords(t.Context(), until); err != nil {
		t.Fatal(err)
	}
	log := newLog(t, c)
	reader, err := log.Read(map[int32]int64{0: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	for deadline := time.Now().Add(20 * time.Second); ; {
		records, err := reader.Poll(t.Context(), 10, time.Second)
		if err != nil {
			break
		}
		if len(records) > 0 || time.Now().After(deadline) {
			t.Fatalf("got %d records and no error from an offset that is gone", len(records))
		}
	}
	if got := partition(t, log, 0); got.Start != 2 {
		t.Errorf("got start %d, want 2", got.Start)
	}
}

// run forwards from one broker to another until stop is called.
func run(t *testing.T, from, to *kafkatest.Cluster, change func(*forward.Options)) (running *forward.Forwarder, stop func()) {
	t.Helper()
	catalog, err := iot.NewCatalog(iot.BuiltinTypes()...)
	if err != nil {
		t.Fatal(err)
	}
	options := forward.Options{
		Log:         newLog(t, from),
		Centre:      relay.NewCentre(relay.CentreOptions{Dial: func() (kafka.Dial, error) { return to.Dial, nil }, Topic: to.Topics.Readings, Skew: 10 * time.Second}),
		DeadLetters: noDeadLetters{t}, Admission: &iot.Admission{Catalog: catalog, Skew: 10 * time.Second, MaxText: 128},
		HistoricalAfter: time.Minute, Now: time.Now, Logger: kafkatest.Quiet(),
	}
	if change != nil {
		change(&options)
	}
	running = forward.New(options)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- running.Run(ctx) }()
	stop = func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	return running, stop
}

type noDeadLetters struct{ t *testing.T }

func (d noDeadLetters) Reject(_ context.Context, rejected []forward.Rejected) error {
	d.t.Errorf("rejected: %+v", rejected)
	return errors.New("unexpected")
}

// received returns the values of a device at the centre, in their order.
func received(c *kafkatest.Cluster, device string) []float64 {
	c.T.Helper()
	client, err := kgo.NewClient(c.Dial.Options(kgo.ConsumeTopics(c.Topics.Readings), kafka.NoFetchSession())...)
	if err != nil {
		c.T.Fatal(err)
	}
	defer client.Close()
	var values []float64
	for {
		fetches, err := kafka.Poll(c.T.Context(), client, 0, 2*time.Second)
		if err != nil {
			c.T.Fatal(err)
		}
		if fetches.NumRecords() == 0 {
			return values
		}
		fetches.EachRecord(func(r *kgo.Record) {
			var reading iot.Reading
			if string(r.Key) != device {
				return
			}
			if err := wire.DecodeReading(r.Value, &reading); err != nil {
				c.T.Fatal(err)
			}
			values = append(values, reading.Value)
		})
	}
}

func TestReadingsReachAnotherBrokerThroughItsRestart(t *testing.T) {
	t.Parallel()
	edge, centre := kafkatest.StartCluster(t), kafkatest.StartCluster(t)
	port := centre.Port()
	running, stop := run(t, edge, centre, nil)
	client := edge.Client()
	var want []float64
	for i := range 300 {
		r := kafkatest.Reading(1, time.Unix(1_700_000_000+int64(i), 0), float64(i%80))
		edge.Produce(client, &kgo.Record{Topic: edge.Topics.Readings, Partition: 1, Key: []byte(r.ID), Value: wire.AppendReading(nil, &r)})
		want = append(want, float64(i%80))
		if i == 100 {
			centre.Close()
		}
		if i == 200 {
			centre.Open(port)
		}
	}
	kafkatest.Eventually(t, "all readings are forwarded", func() bool { s := running.State(); return s.Lag == 0 && s.Forwarded >= 300 })
	stop()
	got := received(centre, "device_001")
	// What was under way when the broker was stopped may be there twice.
	var once []float64
	for _, value := range got {
		if len(once) < len(want) && value == want[len(once)] {
			once = append(once, value)
		}
	}
	if !slices.Equal(once, want) {
		t.Errorf("got %d values, of which %d are the first to come in order, want %d", len(got), len(once), len(want))
	}
}

func TestARecordThatTheCentreRefusesForItsSizeIsRejectedAlone(t *testing.T) {
	t.Parallel()
	edge, centre := kafkatest.StartCluster(t), kafkatest.StartCluster(t)
	admin := kadm.NewClient(centre.Client())
	limit := "1000"
	if _, err := admin.AlterTopicConfigs(t.Context(), []kadm.AlterConfig{{Name: "max.message.bytes", Value: &limit}}, centre.Topics.Readings); err != nil {
		t.Fatal(err)
	}
	produce(edge, 1, 1)
	large := kafkatest.Reading(1, time.Unix(1_700_000_100, 0), 2)
	for range 3000 { // Random text, which does not compress.
		large.Metadata.Model += fmt.Sprintf("%x", time.Now().UnixNano()%251)
	}
	edge.Produce(edge.Client(), &kgo.Record{Topic: edge.Topics.Readings, Partition: 1, Key: []byte(large.ID), Value: wire.AppendReading(nil, &large)})
	produce(edge, 1, 3)
	kept := make(chan []forward.Rejected, 10)
	running, stop := run(t, edge, centre, func(o *forward.Options) { o.DeadLetters = keeps(kept) })
	defer stop()
	select {
	case rejected := <-kept:
		if len(rejected) != 1 || rejected[0].Offset != 1 {
			t.Errorf("rejected %+v, want the second record", rejected)
		}
	case <-time.After(20 * time.Second):
		t.Fatalf("nothing was rejected: %+v", running.State())
	}
	kafkatest.Eventually(t, "the others are forwarded", func() bool { return running.State().Forwarded == 2 })
}

type keeps chan []forward.Rejected

func (k keeps) Reject(_ context.Context, rejected []forward.Rejected) error {
	k <- rejected
	return nil
}

// TestAGatewayWhoseClockIsAheadWaits sends to a real Kafka, whose clock is an hour behind this machine's.
func TestAGatewayWhoseClockIsAheadWaits(t *testing.T) {
	t.Parallel()
	brokers, topic := testenv.Kafka(t), "test-ahead-"+uuid.NewString()
	dial := kafka.Dial{Brokers: brokers, ClientID: "test", Logger: kafkatest.Quiet()}
	client, err := kgo.NewClient(dial.Options()...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	stamped := "LogAppendTime"
	if _, err := kadm.NewClient(client).CreateTopic(t.Context(), 3, 1, map[string]*string{"message.timestamp.type": &stamped}, topic); err != nil {
		t.Fatal(err)
	}
	ahead := time.Duration(-1)
	centre := relay.NewCentre(relay.CentreOptions{
		Dial: func() (kafka.Dial, error) { return dial, nil }, Topic: topic, Skew: 10 * time.Second,
		Now: func() time.Time { return time.Now().Add(time.Hour) }, Ahead: func(d time.Duration) { ahead = d },
	})
	t.Cleanup(centre.Close)
	var entries []forward.Entry
	for i, at := range []time.Duration{time.Hour, 0, time.Hour, time.Hour + 2*time.Second, time.Second} {
		entries = append(entries, forward.Entry{Key: []byte{byte('a' + i)}, Value: []byte("{}"), Time: time.Now().Add(at)})
	}
	for round := range 2 {
		rejected, err := centre.Send(t.Context(), entries)
		var early []int
		for _, r := range rejected {
			if r.Early {
				early = append(early, r.Index)
			}
		}
		// By the first entry the clocks are compared.
		if want := [][]int{{2, 3}, {0, 2, 3}}[round]; err != nil || !slices.Equal(early, want) {
			t.Errorf("round %d: got %v early, %v, want %v", round, early, err, want)
		}
	}
	if ahead < time.Hour-30*time.Second || ahead > time.Hour {
		t.Errorf("got %v ahead, want an hour at most", ahead)
	}
}
