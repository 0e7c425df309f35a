package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/propagation"

	"iotmon/internal/iot"
	"iotmon/internal/kafka"
	"iotmon/internal/kafka/kafkatest"
	"iotmon/internal/wire"
)

func TestAppendWritesEachDeviceInOrderToOnePartition(t *testing.T) {
	c := startCluster(t)
	p := c.producer(kafka.ProducerOptions{})
	before := time.Now().Truncate(time.Millisecond)
	sent := someReadings(200)
	for _, readings := range [][]iot.Reading{sent[:1], sent[1:150], sent[150:]} {
		if err := p.Append(t.Context(), readings); err != nil {
			t.Fatal(err)
		}
	}
	got := make(map[iot.DeviceID][]iot.Reading)
	partitions := make(map[iot.DeviceID]int32)
	for _, r := range c.read(c.Topics.Readings, len(sent)) {
		var reading iot.Reading
		if err := wire.DecodeReading(r.Value, &reading); err != nil {
			t.Fatal(err)
		}
		if string(r.Key) != string(reading.ID) {
			t.Errorf("key: got %q, want %q", r.Key, reading.ID)
		}
		if r.Timestamp.Before(before) || r.Timestamp.After(time.Now()) {
			t.Errorf("append time: got %v, want the time of the append", r.Timestamp)
		}
		if p, seen := partitions[reading.ID]; seen && p != r.Partition {
			t.Errorf("%s is in partitions %d and %d", reading.ID, p, r.Partition)
		}
		partitions[reading.ID] = r.Partition
		got[reading.ID] = append(got[reading.ID], reading)
	}
	want := make(map[iot.DeviceID][]iot.Reading)
	for _, reading := range sent {
		want[reading.ID] = append(want[reading.ID], reading)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("readings in the log: got %v, want %v", got, want)
	}
}

func TestTickGoesToItsPartition(t *testing.T) {
	c := startCluster(t)
	p := c.producer(kafka.ProducerOptions{})
	for partition := range int32(kafkatest.Partitions) {
		if err := p.Tick(t.Context(), partition); err != nil {
			t.Fatal(err)
		}
	}
	seen := make(map[int32]bool)
	for _, r := range c.read(c.Topics.Readings, kafkatest.Partitions) {
		if kafka.KindOf(r).Kind != iot.KindTick || r.Key != nil || r.Value != nil {
			t.Errorf("record in partition %d: got key %q, value %q, headers %v; want a tick", r.Partition, r.Key, r.Value, r.Headers)
		}
		seen[r.Partition] = true
	}
	if len(seen) != kafkatest.Partitions {
		t.Errorf("partitions with a tick: got %v, want all %d", seen, kafkatest.Partitions)
	}
}

func TestAppendFailsWithoutABroker(t *testing.T) {
	c := startCluster(t)
	p := c.producer(kafka.ProducerOptions{AppendTimeout: time.Second})
	c.Close()
	started := time.Now()
	err := p.Append(t.Context(), someReadings(3))
	if err == nil || !strings.Contains(err.Error(), "append readings") {
		t.Errorf("append without a broker: got %v, want an error", err)
	}
	if took := time.Since(started); took > 5*time.Second {
		t.Errorf("append without a broker took %v", took)
	}
}

func TestAppendEndsWithItsContext(t *testing.T) {
	c := startCluster(t)
	p := c.producer(kafka.ProducerOptions{})
	c.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Append(ctx, someReadings(3)); !errors.Is(err, context.Canceled) {
		t.Errorf("append with a cancelled context: got %v", err)
	}
}

func TestAppendSurvivesARestartOfTheBroker(t *testing.T) {
	c := startCluster(t)
	p := c.producer(kafka.ProducerOptions{})
	sent := someReadings(20)
	if err := p.Append(t.Context(), sent[:10]); err != nil {
		t.Fatal(err)
	}
	port := c.Port()
	c.Close()
	done := make(chan error, 1)
	go func() { done <- p.Append(t.Context(), sent[10:]) }()
	c.Open(port)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := len(c.read(c.Topics.Readings, 20)); got != 20 {
		t.Errorf("records: got %d, want 20", got)
	}
}

// failures adds up the calls of Failed.
type failures struct {
	mu    sync.Mutex
	count int
	err   error
}

func (f *failures) add(count int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count, f.err = f.count+count, err
}

func TestEnqueueDeliversInTheBackground(t *testing.T) {
	c := startCluster(t)
	var failed failures
	p := c.producer(kafka.ProducerOptions{Failed: failed.add})
	ctx, cancel := context.WithCancel(t.Context())
	if err := p.Enqueue(ctx, someReadings(2_345)); err != nil {
		t.Fatal(err)
	}
	cancel() // Buffered readings are delivered all the same.
	if err := p.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := len(c.read(c.Topics.Readings, 2_345)); got != 2_345 || failed.count != 0 {
		t.Errorf("records: got %d with %d failed (%v), want 2345", got, failed.count, failed.err)
	}
}

func TestEnqueueReportsReadingsThatAreNotDelivered(t *testing.T) {
	c := startCluster(t)
	var failed failures
	p := c.producer(kafka.ProducerOptions{AppendTimeout: time.Second, Failed: failed.add})
	c.Close()
	if err := p.Enqueue(t.Context(), someReadings(1_234)); err != nil {
		t.Fatal(err)
	}
	if err := p.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if failed.count != 1_234 || failed.err == nil {
		t.Errorf("failed: got %d (%v), want 1234", failed.count, failed.err)
	}
}

func TestEnqueueWaitsWhileTheBufferIsFull(t *testing.T) {
	c := startCluster(t)
	p := c.producer(kafka.ProducerOptions{MaxBuffered: 2 * kafka.ReadingsPerBatch})
	c.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	enqueued := make(chan error, 1)
	go func() { enqueued <- p.Enqueue(ctx, someReadings(10*kafka.ReadingsPerBatch)) }()
	for begun := time.Now(); p.Buffered() < 2*kafka.ReadingsPerBatch && time.Since(begun) < 10*time.Second; {
		time.Sleep(time.Millisecond)
	}
	select {
	case err := <-enqueued:
		t.Errorf("enqueue of more than the buffer holds: got %v, want it to wait", err)
	case <-time.After(100 * time.Millisecond):
		cancel()
		if err := <-enqueued; !errors.Is(err, context.Canceled) {
			t.Errorf("enqueue with a cancelled context: got %v, want context.Canceled", err)
		}
	}
	if got := p.Buffered(); got != 2*kafka.ReadingsPerBatch {
		t.Errorf("buffered: got %d, want %d", got, 2*kafka.ReadingsPerBatch)
	}
}

// A simulated fleet enqueues a few readings at a time. MaxBuffered counts the readings, not the calls.
func TestMaxBufferedCountsReadingsNotCalls(t *testing.T) {
	c := startCluster(t)
	p := c.producer(kafka.ProducerOptions{MaxBuffered: 1000})
	c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for i := range 500 {
		if err := p.Enqueue(ctx, someReadings(2)); err != nil {
			t.Fatalf("call %d: %v", i, err)
		}
	}
}

func TestRecordsHaveTheHeadersOfTheirTrace(t *testing.T) {
	c := startCluster(t)
	p := c.producer(kafka.ProducerOptions{})
	const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	traced := propagation.TraceContext{}.Extract(t.Context(), propagation.MapCarrier{"traceparent": parent})
	for _, ctx := range []context.Context{traced, t.Context()} {
		if err := p.Append(ctx, someReadings(1)); err != nil {
			t.Fatal(err)
		}
	}
	records := c.read(c.Topics.Readings, 2)
	first, second := records[0].Headers, records[1].Headers
	if len(first) != 1 || first[0].Key != "traceparent" || string(first[0].Value) != parent {
		t.Errorf("in a trace: got %v, want %q", first, parent)
	}
	if len(second) != 0 {
		t.Errorf("without a trace: got %v, want no headers", second)
	}
}

func TestForgetAppendsARecordToTheDevicesPartition(t *testing.T) {
	c := startCluster(t)
	p := c.producer(kafka.ProducerOptions{})
	sent := someReadings(10)
	if err := p.Append(t.Context(), sent); err != nil {
		t.Fatal(err)
	}
	if err := p.Forget(t.Context(), sent[3].ID); err != nil {
		t.Fatal(err)
	}
	partitions := make(map[string]string)
	for _, r := range c.read(c.Topics.Readings, len(sent)+1) {
		if kafka.KindOf(r).Kind != iot.KindDevice {
			partitions[string(r.Key)] = fmt.Sprint(r.Partition)
			continue
		}
		if got, want := string(r.Key), string(sent[3].ID); got != want || partitions[got] != fmt.Sprint(r.Partition) || r.Value != nil {
			t.Errorf("got %q in partition %d, want %q in partition %s", got, r.Partition, want, partitions[want])
		}
		partitions["forgotten"] = ""
	}
	if _, found := partitions["forgotten"]; !found {
		t.Error("no record without a value was appended")
	}
}

func TestUnknownCompressionIsRefused(t *testing.T) {
	_, err := kafka.NewProducer(kafka.ProducerOptions{Compression: "lz5"})
	if err == nil || !strings.Contains(err.Error(), "lz5") || !strings.Contains(err.Error(), "snappy") {
		t.Errorf("compression lz5: got %v, want an error that lists the allowed codecs", err)
	}
}

func BenchmarkEnqueue(b *testing.B) {
	c := startCluster(b)
	p := c.producer(kafka.ProducerOptions{})
	readings := someReadings(10_000)
	b.ReportAllocs()
	for n := 0; n < b.N; n += len(readings) {
		if err := p.Enqueue(b.Context(), readings[:min(len(readings), b.N-n)]); err != nil {
			b.Fatal(err)
		}
	}
	if err := p.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
}
