package kafka_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/iot"
	"iotmon/internal/kafka"
	"iotmon/internal/kafka/kafkatest"
)

func TestMain(m *testing.M) { kafkatest.Main(m) }

// cluster is the embedded broker with helpers to produce and read.
type cluster struct{ *kafkatest.Cluster }

func startCluster(t testing.TB) *cluster {
	t.Helper()
	return &cluster{kafkatest.StartCluster(t)}
}

// producer starts a producer of the cluster that is closed when the test ends.
func (c *cluster) producer(options kafka.ProducerOptions) *kafka.Producer {
	c.T.Helper()
	options.Dial, options.Topics = c.Dial, c.Topics
	p, err := kafka.NewProducer(options)
	if err != nil {
		c.T.Fatal(err)
	}
	c.T.Cleanup(p.Close)
	return p
}

// read returns the first n records of a topic, or a few more; those of each partition are in order.
func (c *cluster) read(topic string, n int) []*kgo.Record {
	c.T.Helper()
	client, err := kgo.NewClient(c.Dial.Options(kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))...)
	if err != nil {
		c.T.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(c.T.Context(), 10*time.Second)
	defer cancel()
	var records []*kgo.Record
	for len(records) < n {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			c.T.Fatalf("after %d of %d records: %v", len(records), n, err)
		}
		records = append(records, fetches.Records()...)
	}
	return records
}

// someReadings returns count readings of ten devices in turn, one second apart.
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
