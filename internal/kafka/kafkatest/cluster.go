// Package kafkatest starts brokers for tests, and makes the records that the tests produce.
package kafkatest

import (
	"fmt"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/iot"
	"iotmon/internal/kafka"
	"iotmon/internal/kafka/embedded"
	"iotmon/internal/wire"
)

// Partitions is how many partitions the readings, alerts, states and in-force topics have each.
const Partitions = 4

// Cluster is the embedded broker, with its log on disk and the product's topics. It fails its test on errors.
type Cluster struct {
	T      testing.TB
	Dir    string
	Broker *embedded.Broker
	Dial   kafka.Dial
	Topics kafka.Topics
}

// StartCluster starts a broker that runs until the test ends, and creates the topics.
func StartCluster(t testing.TB) *Cluster {
	t.Helper()
	c := &Cluster{T: t, Dir: t.TempDir(), Topics: kafka.DefaultTopics()}
	c.Open(0)
	if err := kafka.EnsureTopics(t.Context(), c.TopicOptions()); err != nil {
		t.Fatal(err)
	}
	return c
}

// TopicOptions returns the options that the topics were created with.
func (c *Cluster) TopicOptions() kafka.TopicOptions {
	return kafka.TopicOptions{Dial: c.Dial, Topics: c.Topics, Partitions: Partitions, Budget: 256 << 20}
}

// Open starts the broker again after Close; port 0 means any free port.
func (c *Cluster) Open(port int) {
	c.T.Helper()
	logger := slog.New(slog.NewTextHandler(c.T.Output(), nil))
	broker, err := embedded.Open(c.T.Context(), embedded.Options{Dir: c.Dir, Port: port, Logger: logger})
	if err != nil {
		c.T.Fatal(err)
	}
	c.Broker = broker
	c.Dial = kafka.Dial{Brokers: broker.Addrs(), ClientID: "test", Logger: Quiet()}
	c.T.Cleanup(c.Close)
}

// Close stops the broker.
func (c *Cluster) Close() {
	c.T.Helper()
	if err := c.Broker.Close(); err != nil {
		c.T.Error(err)
	}
}

// Port returns the port of the broker.
func (c *Cluster) Port() int {
	c.T.Helper()
	addr, err := net.ResolveTCPAddr("tcp", c.Broker.Addrs()[0])
	if err != nil {
		c.T.Fatal(err)
	}
	return addr.Port
}

// Client returns a client that produces each record to the partition that the record names. It is closed when the test ends.
func (c *Cluster) Client(options ...kgo.Opt) *kgo.Client {
	c.T.Helper()
	client, err := kgo.NewClient(c.Dial.Options(append(options, kgo.RecordPartitioner(kgo.ManualPartitioner()))...)...)
	if err != nil {
		c.T.Fatal(err)
	}
	c.T.Cleanup(client.Close)
	return client
}

// Produce appends records and returns when they are in the log.
func (c *Cluster) Produce(client *kgo.Client, records ...*kgo.Record) {
	c.T.Helper()
	if err := client.ProduceSync(c.T.Context(), records...).FirstErr(); err != nil {
		c.T.Fatal(err)
	}
}

// State returns the record with the state of a device. The value of its latest reading is also the offset of its position.
func (c *Cluster) State(device int, value float64) *kgo.Record {
	partition := int32(device % Partitions)
	position := iot.Position{Partition: partition, Offset: int64(value)}
	s := iot.DeviceState{Latest: Reading(device, time.Now(), value), Status: iot.Online, Position: position}
	return &kgo.Record{Topic: c.Topics.States, Partition: partition, Key: []byte(s.Latest.ID), Value: wire.AppendDeviceState(nil, &s)}
}

// Tombstone returns the record that deletes a device at a position. With offset 0 it has no position, as one of another program.
func (c *Cluster) Tombstone(device int, offset int64) *kgo.Record {
	r := c.State(device, 0)
	r.Value = nil
	if offset > 0 {
		position := iot.Position{Partition: r.Partition, Offset: offset}
		r.Headers = []kgo.RecordHeader{{Key: wire.PositionHeader, Value: wire.AppendPosition(nil, position)}}
	}
	return r
}

// Deletions appends states and tombstones of several devices to partition 0. It returns the position of each device that a reader
// of the states must know in the end, and the number of records.
//
// The result must be the same before and after compaction: an older tombstone deletes no newer state, and an older state does not
// bring a device back.
func (c *Cluster) Deletions() (left map[iot.DeviceID]int64, records int64) {
	c.T.Helper()
	all := []*kgo.Record{
		c.State(0, 5), c.Tombstone(0, 7), // Deleted by its processor.
		c.State(1*Partitions, 9), c.Tombstone(1*Partitions, 8), // By a processor that had lost the partition.
		c.State(2*Partitions, 5), c.Tombstone(2*Partitions, 6), c.State(2*Partitions, 7), // Deleted, then seen again.
		c.State(3*Partitions, 5), c.Tombstone(3*Partitions, 0), // By another program.
		c.State(4*Partitions, 5), c.Tombstone(4*Partitions, 0), c.State(4*Partitions, 6),
		c.State(5*Partitions, 5),
	}
	c.Produce(c.Client(), all...)
	left = make(map[iot.DeviceID]int64)
	for device, position := range map[int]int64{1: 9, 2: 7, 4: 6, 5: 5} {
		left[Reading(device*Partitions, time.Now(), 0).ID] = position
	}
	return left, int64(len(all))
}

// Reading returns a temperature reading of an online device.
func Reading(device int, at time.Time, value float64) iot.Reading {
	return iot.Reading{
		Device: iot.Device{ID: iot.DeviceID(fmt.Sprintf("device_%03d", device)), Type: iot.Temperature, Unit: "°C"},
		Time:   iot.CutTime(at), Value: value, Status: iot.Online,
	}
}

// Quiet returns a logger that logs nothing.
func Quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// Eventually waits until is returns true, and fails the test with what after 20 s.
func Eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 20 s", what)
		}
	}
}
