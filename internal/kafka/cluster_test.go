package kafka

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"iotmon/internal/iot"
	"iotmon/internal/kafka/embedded"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// cluster is the embedded broker with the product's topics.
type cluster struct {
	t      testing.TB
	dir    string
	broker *embedded.Broker
	dial   Dial
	topics Topics
}

func startCluster(t testing.TB) *cluster {
	t.Helper()
	c := &cluster{t: t, dir: t.TempDir(), topics: DefaultTopics()}
	c.open(0)
	if err := EnsureTopics(t.Context(), c.topicOptions()); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *cluster) topicOptions() TopicOptions {
	return TopicOptions{Dial: c.dial, Topics: c.topics, Partitions: testPartitions, Budget: 256 << 20}
}

func (c *cluster) open(port int) {
	c.t.Helper()
	logger := slog.New(slog.NewTextHandler(c.t.Output(), nil))
	broker, err := embedded.Open(c.t.Context(), embedded.Options{Dir: c.dir, Port: port, Logger: logger})
	if err != nil {
		c.t.Fatal(err)
	}
	c.broker = broker
	c.dial = Dial{Brokers: broker.Addrs(), ClientID: "test", Logger: slog.New(slog.DiscardHandler)}
	c.t.Cleanup(c.close)
}

func (c *cluster) close() {
	c.t.Helper()
	if err := c.broker.Close(); err != nil {
		c.t.Error(err)
	}
}

// producer starts a producer whose dial and topics are the cluster's.
func (c *cluster) producer(options ProducerOptions) *Producer {
	c.t.Helper()
	options.Dial, options.Topics = c.dial, c.topics
	p, err := NewProducer(options)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(p.Close)
	return p
}

// read returns the first n records of a topic, each partition's in order.
func (c *cluster) read(topic string, n int) []*kgo.Record {
	c.t.Helper()
	client, err := kgo.NewClient(c.dial.options(kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))...)
	if err != nil {
		c.t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(c.t.Context(), 10*time.Second)
	defer cancel()
	var records []*kgo.Record
	for len(records) < n {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			c.t.Fatalf("after %d of %d records: %v", len(records), n, err)
		}
		records = append(records, fetches.Records()...)
	}
	return records
}

// someReadings returns count readings of ten devices, in the order of time.
func someReadings(count int) []iot.Reading {
	start := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	readings := make([]iot.Reading, count)
	for i := range readings {
		readings[i] = iot.Reading{
			Device: iot.Device{ID: iot.DeviceID(fmt.Sprintf("device_%03d", i%10)), Type: iot.Temperature, Unit: "°C"},
			Time:   start.Add(time.Duration(i) * time.Second),
			Value:  float64(i),
		}
	}
	return readings
}

func (c *cluster) port() int {
	c.t.Helper()
	addr, err := net.ResolveTCPAddr("tcp", c.broker.Addrs()[0])
	if err != nil {
		c.t.Fatal(err)
	}
	return addr.Port
}
