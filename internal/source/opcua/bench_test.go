package opcua_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/gopcua/opcua/ua"

	"iotmon/internal/iot"
	"iotmon/internal/kafka"
	"iotmon/internal/kafka/kafkatest"
	"iotmon/internal/mapping"
	"iotmon/internal/source"
	"iotmon/internal/source/opcua"
	"iotmon/tests/testenv"
)

// nothing is a log that acknowledges at once.
type nothing struct{}

func (nothing) Append(context.Context, []iot.Reading) error     { return nil }
func (nothing) Report(context.Context, []source.Report) error   { return nil }
func (nothing) Reject(context.Context, []source.Rejected) error { return nil }

// benchItems is how many variables change: as many as a server may publish at once.
const benchItems = 1000

// BenchmarkReceive receives value changes from a server in this process, which sends a recorded response again and again with other times and numbers of
// sequence, whose cost is in the figures; into a log that does nothing and into the embedded one.
func BenchmarkReceive(b *testing.B) {
	b.Run("null log", func(b *testing.B) { receive(b, nothing{}, benchItems) })
	b.Run("null log, 10 at once", func(b *testing.B) { receive(b, nothing{}, 10) })
	b.Run("embedded log", func(b *testing.B) {
		cluster := kafkatest.StartCluster(b)
		producer, err := kafka.NewProducer(kafka.ProducerOptions{Dial: cluster.Dial, Topics: cluster.Topics, Linger: 2 * time.Millisecond})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(producer.Close)
		receive(b, producer, benchItems)
	})
}

// receive receives b.N changes, of which the server publishes the given number at once.
func receive(b *testing.B, log source.Records, atOnce int) {
	f := &feeder{b: b, atOnce: atOnce, begin: make(chan int, 1)}
	s := simulate(b, f.answer)
	o := newOptions(b, s.endpoint())
	status := runBench(b, o, log, benchItems)
	until(b, func() bool { return status.Snapshot().State == source.Connected })
	b.ReportAllocs()
	b.ResetTimer()
	cpu := processorTime(b)
	f.begin <- b.N
	until(b, func() bool { return status.Snapshot().Readings >= int64(b.N) })
	b.StopTimer()
	report(b, status, float64(b.N), processorTime(b)-cpu)
}

// BenchmarkServers receives from a real server in a process of its own, which is what limits the changes a second. The processor's time is that
// of this process.
func BenchmarkServers(b *testing.B) {
	for _, p := range products {
		b.Run(string(p)+"/None", func(b *testing.B) { fromServer(b, p, "None") })
		b.Run(string(p)+"/encrypted", func(b *testing.B) { fromServer(b, p, "Basic256Sha256/SignAndEncrypt") })
	}
}

func fromServer(b *testing.B, p product, security string) {
	certificate, arguments := testenv.OPCUASecurity(b, b.TempDir())
	s := p.start(b, append(arguments, "--items", fmt.Sprint(benchItems))...)
	o := newOptions(b, s.endpoint())
	o.Sampling, o.Security = 0, security
	if security != "None" {
		o.Trust, o.User, o.PasswordFile = certificate, user, filepath.Join(b.TempDir(), "password")
		if err := os.WriteFile(o.PasswordFile, []byte(password), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	status := runBench(b, o, nothing{}, benchItems)
	until(b, func() bool { return status.Snapshot().Readings >= benchItems })
	before := status.Snapshot().Readings
	b.ResetTimer()
	cpu := processorTime(b)
	rounds := max(1, b.N/benchItems)
	s.do(b, "all %d", rounds)
	last := before
	until(b, func() bool { // The last changes arrive with the next publication.
		time.Sleep(500 * time.Millisecond)
		now := status.Snapshot().Readings
		still := now == last && now > before
		last = now
		return still
	})
	b.StopTimer()
	report(b, status, float64(last-before), processorTime(b)-cpu)
}

func report(b *testing.B, status *source.Status, readings float64, cpu time.Duration) {
	b.Helper()
	b.ReportMetric(readings/b.Elapsed().Seconds(), "changes/s")
	b.ReportMetric(float64(cpu.Nanoseconds())/readings, "cpu-ns/change")
	if s := status.Snapshot(); s.Rejected > 0 {
		b.Errorf("%d rejected: %+v", s.Rejected, s.Rejects[0])
	}
}

// runBench runs a source of as many items until the benchmark ends.
func runBench(b *testing.B, o opcua.Options, log source.Records, items int) *source.Status {
	b.Helper()
	o.Heartbeat = 10 * time.Second // The default.
	for i := range items {
		node, err := opcua.ParseNodeName(fmt.Sprintf("nsu=%s;s=Item.%d", plant, i))
		if err != nil {
			b.Fatal(err)
		}
		o.Nodes = append(o.Nodes, opcua.Node{Node: node})
	}
	adapter, err := opcua.New(o)
	if err != nil {
		b.Fatal(err)
	}
	catalog, err := iot.NewCatalog(append(iot.BuiltinTypes(), iot.TypeSpec{Name: number, Min: -1e300, Max: 1e300})...)
	if err != nil {
		b.Fatal(err)
	}
	rules, err := mapping.New([]mapping.Rule{{Topic: "Item/+", Device: "item-{{topic 2}}", Type: number}}, catalog)
	if err != nil {
		b.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	status := source.NewStatus("bench", "opcua", time.Now)
	runner := &source.Runner{
		Name: "bench", Owner: source.Alone{}, Logger: quiet, Adapter: adapter,
		Pipeline: source.PipelineOptions{
			Name: "bench", Log: log, Mapping: rules, Admission: &iot.Admission{Catalog: catalog, Skew: time.Minute}, Status: status, Logger: quiet, Decode: opcua.Decode,
		},
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = runner.Run(ctx)
	}()
	b.Cleanup(func() { cancel(); <-ended })
	return status
}

func until(b *testing.B, holds func() bool) {
	b.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(100 * time.Microsecond) {
		if time.Now().After(deadline) {
			b.Fatal("not within a minute")
		}
	}
}

func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// feeder publishes one recorded response again and again, as often as it is asked to and until it has published enough changes.
type feeder struct {
	b      *testing.B
	atOnce int
	begin  chan int

	recorded []byte
	// sequenceAt is where the number of the notification is, publishedAt the time of publication, and times those of the values.
	sequenceAt, publishedAt int
	times                   []int
	left                    int
	sequence                uint32
}

func (f *feeder) answer(c *conversation, request uint32, req ua.Request) bool {
	if _, ok := req.(*ua.PublishRequest); !ok {
		return false
	}
	if f.recorded == nil {
		f.record(c)
	}
	if f.left <= 0 {
		select {
		case f.left = <-f.begin:
		default: // Nothing is published before the benchmark begins, which may last longer than the source waits.
			f.keepAlive(c, request)
			return true
		}
	}
	f.left -= f.atOnce
	f.sequence++
	binary.LittleEndian.PutUint32(f.recorded[f.sequenceAt:], f.sequence)
	now := uint64(time.Now().UnixNano()/100 + 116444736000000000)
	binary.LittleEndian.PutUint64(f.recorded[f.publishedAt:], now)
	for _, at := range f.times {
		binary.LittleEndian.PutUint64(f.recorded[at:], now)
	}
	c.chunk("MSG", 'F', request, f.recorded)
	return true
}

func (f *feeder) keepAlive(c *conversation, request uint32) {
	time.Sleep(time.Millisecond)
	c.respond(request, &ua.PublishResponse{
		SubscriptionID: simulatedSubscription, NotificationMessage: &ua.NotificationMessage{SequenceNumber: f.sequence + 1, PublishTime: time.Now()},
	})
}

// record records a response, and finds what must be other in each.
func (f *feeder) record(c *conversation) {
	const sequence = 0x12345678
	f.recorded = changes(f.b, simulatedSubscription, sequence, c.handles[:f.atOnce], 21.5)
	f.sequenceAt = bytes.Index(f.recorded, binary.LittleEndian.AppendUint32(nil, sequence))
	f.publishedAt = f.sequenceAt + 4
	published := f.recorded[f.publishedAt : f.publishedAt+8]
	for at := f.publishedAt + 8; at+8 <= len(f.recorded); at++ {
		if bytes.Equal(f.recorded[at:at+8], published) {
			f.times = append(f.times, at)
		}
	}
	if len(f.times) != 2*f.atOnce {
		f.b.Errorf("found %d times in the recorded response", len(f.times))
	}
}
