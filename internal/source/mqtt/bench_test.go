package mqtt_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/kafka"
	"iotmon/internal/kafka/kafkatest"
	"iotmon/internal/mapping"
	"iotmon/internal/mapping/payload"
	"iotmon/internal/mqtt"
	"iotmon/internal/source"
	mqttsource "iotmon/internal/source/mqtt"
	"iotmon/tests/testenv"
)

// nothing is a log that acknowledges at once.
type nothing struct{}

func (nothing) Append(context.Context, []iot.Reading) error     { return nil }
func (nothing) Report(context.Context, []source.Report) error   { return nil }
func (nothing) Reject(context.Context, []source.Rejected) error { return nil }

// window is the receive maximum, and so the number of messages that are under way.
const window = 1000

// BenchmarkReceive receives messages of QoS 1 from a broker in this process that does nothing else, whose cost is in the figures, into a log that does
// nothing and into the embedded one. Each message is an object of JSON with one value and becomes a reading.
func BenchmarkReceive(b *testing.B) {
	b.Run("null log", func(b *testing.B) { receive(b, nothing{}, newFeeder(b)) })
	b.Run("embedded log", func(b *testing.B) { receive(b, newLog(b), newFeeder(b)) })
	b.Run("Mosquitto", func(b *testing.B) {
		broker := testenv.NewMosquitto(b, b.TempDir(), false, "")
		receive(b, nothing{}, &throughBroker{b: b, broker: broker})
	})
}

func newLog(b *testing.B) source.Records {
	b.Helper()
	cluster := kafkatest.StartCluster(b)
	producer, err := kafka.NewProducer(kafka.ProducerOptions{Dial: cluster.Dial, Topics: cluster.Topics, Linger: 2 * time.Millisecond})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(producer.Close)
	return producer
}

// input gives messages to a source.
type input interface {
	address() string
	// send sends so many messages. received says how many of all have arrived.
	send(count int, received func() int64)
}

func receive(b *testing.B, log source.Records, from input) {
	catalog, err := iot.NewCatalog(iot.BuiltinTypes()...)
	if err != nil {
		b.Fatal(err)
	}
	rules, err := mapping.New([]mapping.Rule{{Field: "current", Device: "motor", Type: iot.Current}}, catalog)
	if err != nil {
		b.Fatal(err)
	}
	decoder := payload.NewDecoder(payload.Auto)
	quiet := slog.New(slog.DiscardHandler)
	status := source.NewStatus("bench", "mqtt", time.Now)
	runner := &source.Runner{
		Name: "bench", Owner: source.Alone{}, Logger: quiet,
		Adapter: mqttsource.New(mqtt.Options{
			URL: "tcp://" + from.address(), Version: 5, ClientID: "bench", Username: "user", PasswordFile: writeFile(b, "password", "secret"), Topics: []string{"plant/#"}, QoS: 1,
			KeepAlive: 10 * time.Second, SessionExpiry: time.Hour, ReceiveMaximum: window, MaxPacket: 1 << 20,
		}),
		Pipeline: source.PipelineOptions{
			Name: "bench", Log: log, Mapping: rules, Admission: &iot.Admission{Catalog: catalog, Skew: time.Minute}, Status: status, Logger: quiet,
			Decode: func(m *source.Message, points []mapping.Point) ([]mapping.Point, error) {
				return decoder.Decode(m.Payload, points)
			},
		},
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = runner.Run(ctx)
	}()
	defer func() { cancel(); <-ended }()
	for status.Snapshot().State != source.Connected {
		time.Sleep(time.Millisecond)
	}
	b.ReportAllocs()
	b.ResetTimer()
	from.send(b.N, func() int64 { return status.Snapshot().Messages })
	for deadline := time.Now().Add(time.Minute); status.Snapshot().Readings < int64(b.N); time.Sleep(100 * time.Microsecond) {
		if time.Now().After(deadline) {
			b.Fatalf("only %d of %d messages have arrived", status.Snapshot().Readings, b.N)
		}
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
	if s := status.Snapshot(); s.Rejected > 0 {
		b.Errorf("%d rejected: %+v", s.Rejected, s.Rejects[0])
	}
}

// feeder is a broker of MQTT 5 for one client, which sends the same messages again and again.
type feeder struct {
	listener net.Listener
	counts   chan int
}

func newFeeder(b *testing.B) *feeder {
	b.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	f := &feeder{listener: listener, counts: make(chan int, 1)}
	b.Cleanup(func() {
		listener.Close()
		close(f.counts)
	})
	go f.serve()
	return f
}

func (f *feeder) address() string { return f.listener.Addr().String() }

func (f *feeder) send(count int, _ func() int64) { f.counts <- count }

func (f *feeder) serve() {
	conn, err := f.listener.Accept()
	if err != nil {
		return
	}
	defer conn.Close()
	reader := bufio.NewReader(conn)
	for _, answer := range [][]byte{{0x20, 3, 0, 0, 0}, {0x90, 4, 0, 1, 0, 1}} { // CONNACK and SUBACK.
		_, _ = reader.ReadByte()
		size, _ := binary.ReadUvarint(reader)
		_, _ = reader.Discard(int(size))
		_, _ = conn.Write(answer)
	}
	var packets [window][]byte
	for i := range packets {
		topic := fmt.Sprintf("plant/hall-%d/line-%d/telemetry", i%10, i)
		body := append([]byte{0, byte(len(topic))}, topic...)
		body = append(body, byte((i+1)>>8), byte(i+1), 0)
		body = fmt.Appendf(body, `{"current": %d.%d, "unit": "A"}`, i%50, i%10)
		packets[i] = append([]byte{0x32, byte(len(body))}, body...)
	}
	var open atomic.Int64
	go func() {
		for {
			kind, err := reader.ReadByte()
			if err != nil {
				return
			}
			size, err := binary.ReadUvarint(reader)
			if err != nil {
				return
			}
			if _, err := io.CopyN(io.Discard, reader, int64(size)); err != nil {
				return
			}
			if kind == 0x40 {
				open.Add(-1)
			}
		}
	}()
	for count := range f.counts {
		for sent := 0; sent < count; {
			n := min(window-int(open.Load()), count-sent)
			if n < window/4 && n < count-sent {
				time.Sleep(20 * time.Microsecond)
				continue
			}
			var batch []byte
			for i := range n {
				batch = append(batch, packets[(sent+i)%window]...)
			}
			open.Add(int64(n))
			sent += n
			if _, err := conn.Write(batch); err != nil {
				return
			}
		}
	}
}

// throughBroker publishes to a real broker.
type throughBroker struct {
	b      *testing.B
	broker *testenv.Mosquitto
}

func (p *throughBroker) address() string { return p.broker.Address() }

// send publishes with QoS 1, as fast as the broker reads.
func (p *throughBroker) send(count int, received func() int64) {
	conn, err := net.Dial("tcp", p.broker.Address())
	if err != nil {
		p.b.Fatal(err)
	}
	p.b.Cleanup(func() { conn.Close() })
	_, _ = conn.Write(slices.Concat([]byte{0x10, 28, 0, 4, 'M', 'Q', 'T', 'T', 4, 0xc2, 0, 60, 0, 2, 'p', 'b'}, []byte{0, 4, 'u', 's', 'e', 'r', 0, 6, 's', 'e', 'c', 'r', 'e', 't'}))
	if _, err := io.ReadFull(conn, make([]byte, 4)); err != nil {
		p.b.Fatal(err)
	}
	go io.Copy(io.Discard, conn) //nolint:errcheck // The answers do not matter.
	const topic, text = "plant/hall-1/line-1/telemetry", `{"current": 21.5, "unit": "A"}`
	packet := append([]byte{0x32, byte(2 + len(topic) + 2 + len(text)), 0, byte(len(topic))}, topic...)
	at := len(packet)
	packet = append(append(packet, 0, 0), text...)
	for sent := 0; sent < count; {
		if int64(sent)-received() > 20_000 { // The broker drops what its queue has no room for.
			time.Sleep(time.Millisecond)
			continue
		}
		var batch []byte
		for range min(100, count-sent) {
			id := sent%60_000 + 1
			packet[at], packet[at+1] = byte(id>>8), byte(id)
			batch = append(batch, packet...)
			sent++
		}
		if _, err := conn.Write(batch); err != nil {
			p.b.Fatal(err)
		}
	}
}
