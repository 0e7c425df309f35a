package mqttbroker_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"iotmon/internal/iot"
	"iotmon/internal/kafka"
	"iotmon/internal/kafka/kafkatest"
	"iotmon/internal/mapping"
	"iotmon/internal/mapping/payload"
	"iotmon/internal/mqtt/broker"
	"iotmon/internal/mqtt/packet"
	"iotmon/internal/source"
	"iotmon/internal/source/mqttbroker"
	"iotmon/tests/testenv"
)

// devices is how many clients there are in the benchmarks. Their connections are in a process of their own, as the number of open files is limited.
const devices = 10_000

// asDevices is the variable by which this program, called again, is the devices: it has the address of the broker and their number.
const asDevices = "IOTMON_TEST_MQTT_DEVICES"

func TestMain(m *testing.M) {
	if where := os.Getenv(asDevices); where != "" {
		beDevices(where)
		return
	}
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("iotmon/internal/source/sourcetest.answer"))
}

// BenchmarkDevices publishes with QoS 1 from 10,000 clients of MQTT 5, each of which waits for the acknowledgement before it publishes again, to the
// broker with the pipeline and a log that does nothing, with the embedded log, and to Mosquitto, which only acknowledges.
func BenchmarkDevices(b *testing.B) {
	for _, underWay := range []int{1000, 10} {
		run := func(name string, address func(b *testing.B) string) {
			b.Run(fmt.Sprintf("%s, %d under way", name, underWay), func(b *testing.B) { publishFromDevices(b, address(b), underWay) })
		}
		run("null log", func(b *testing.B) string { return startBroker(b, nothing{}) })
		run("embedded log", func(b *testing.B) string { return startBroker(b, newLog(b)) })
		run("Mosquitto", func(b *testing.B) string { return testenv.NewMosquitto(b, b.TempDir(), false, "").Address() })
		if other := os.Getenv("IOTMON_TEST_MQTT_OTHER"); other != "" { // The address of another broker, to compare with.
			run("other", func(*testing.B) string { return other })
		}
	}
}

type nothing struct{}

func (nothing) Append(context.Context, []iot.Reading) error     { return nil }
func (nothing) Report(context.Context, []source.Report) error   { return nil }
func (nothing) Reject(context.Context, []source.Rejected) error { return nil }

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

// startBroker runs the source and returns its address.
func startBroker(b *testing.B, log source.Records) string {
	b.Helper()
	users := filepath.Join(b.TempDir(), "users")
	if output, err := exec.Command("mosquitto_passwd", "-c", "-b", users, "user", "secret").CombinedOutput(); err != nil {
		b.Fatalf("mosquitto_passwd: %v\n%s", err, output)
	}
	catalog, err := iot.NewCatalog(iot.BuiltinTypes()...)
	if err != nil {
		b.Fatal(err)
	}
	rules, err := mapping.New([]mapping.Rule{{Field: "current", Device: "{{topic 2}}", Type: iot.Current}}, catalog)
	if err != nil {
		b.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	status := source.NewStatus("bench", "mqtt_broker", time.Now)
	decoder := payload.NewDecoder(payload.Auto)
	runner := &source.Runner{
		Name: "bench", Owner: source.Alone{}, Logger: quiet,
		Adapter: mqttbroker.New(broker.New(broker.Options{
			Listeners: []broker.Listener{{Addr: "127.0.0.1:0"}}, Login: broker.Login{File: users}, Logger: quiet,
			Limits: broker.Limits{
				MaxConnections: 2 * devices, MaxSessions: 2 * devices, SessionExpiry: time.Hour, MaxSubscriptions: 100, MaxPacket: 1 << 20, ReceiveMaximum: 100,
				MaxKeepAlive: 5 * time.Minute, MaxQueued: 1000, MaxQueuedBytes: 64 << 20, MaxInflight: 20, MaxRetained: 10_000, MaxRetainedBytes: 16 << 20,
			},
		}), []string{"#"}),
		Pipeline: source.PipelineOptions{
			Name: "bench", Log: log, Mapping: rules, Admission: &iot.Admission{Catalog: catalog, Skew: time.Minute}, Status: status, Logger: quiet,
			MaxBytes: 64 << 20, MaxMessages: 100_000,
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
	b.Cleanup(func() {
		cancel()
		<-ended
		if s := status.Snapshot(); s.Rejected > 0 {
			b.Errorf("%d rejected: %+v", s.Rejected, s.Rejects[0])
		}
	})
	for status.Snapshot().State != source.Connected {
		time.Sleep(time.Millisecond)
	}
	return strings.TrimPrefix(status.Snapshot().Address, "tcp://")
}

// publishFromDevices lets the devices connect, and then publish b.N messages in all.
func publishFromDevices(b *testing.B, address string, underWay int) {
	program, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	command := exec.Command(program)
	command.Env = append(os.Environ(), asDevices+"="+address)
	command.Stderr = os.Stderr
	input, err1 := command.StdinPipe()
	output, err2 := command.StdoutPipe()
	if err1 != nil || err2 != nil || command.Start() != nil {
		b.Fatal(err1, err2)
	}
	defer func() { _ = input.Close(); _ = command.Wait() }()
	answers := json.NewDecoder(output)
	var connected struct{ Seconds float64 }
	if err := answers.Decode(&connected); err != nil {
		b.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	used := float64(after.HeapInuse+after.StackInuse) - float64(before.HeapInuse+before.StackInuse)
	b.ReportAllocs()
	b.ResetTimer()
	fmt.Fprintln(input, b.N, underWay)
	var result struct{ P50, P99 float64 }
	if err := answers.Decode(&result); err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
	b.ReportMetric(result.P50, "p50-ms")
	b.ReportMetric(result.P99, "p99-ms")
	b.ReportMetric(connected.Seconds, "connect-s")
	b.ReportMetric(used/devices, "B/client")
}

// beDevices connects all devices, and then publishes as many messages as standard input says.
func beDevices(address string) {
	fail := func(err error) {
		fmt.Fprintln(os.Stderr, "devices:", err)
		os.Exit(1)
	}
	began := time.Now()
	all := make([]*device, devices)
	var group sync.WaitGroup
	work := make(chan int)
	for range 200 {
		group.Go(func() {
			for i := range work {
				d, err := connectDevice(address, i)
				if err != nil {
					fail(err)
				}
				all[i] = d
			}
		})
	}
	for i := range all {
		work <- i
	}
	close(work)
	group.Wait()
	answer := json.NewEncoder(os.Stdout)
	_ = answer.Encode(map[string]float64{"Seconds": time.Since(began).Seconds()})
	lines := bufio.NewScanner(os.Stdin)
	if !lines.Scan() {
		return
	}
	var count, underWay int
	if _, err := fmt.Sscan(lines.Text(), &count, &underWay); err != nil {
		fail(err)
	}
	took := make([][]time.Duration, underWay)
	for worker := range underWay {
		share := count / underWay
		if worker < count%underWay {
			share++
		}
		group.Go(func() {
			for i := range share {
				d := all[(worker+i*underWay)%devices]
				sent := time.Now()
				if err := d.publish(); err != nil {
					fail(err)
				}
				took[worker] = append(took[worker], time.Since(sent))
			}
		})
	}
	group.Wait()
	sorted := slices.Concat(took...)
	slices.Sort(sorted)
	at := func(share float64) float64 {
		return sorted[min(int(share*float64(len(sorted))), len(sorted)-1)].Seconds() * 1000
	}
	_ = answer.Encode(map[string]float64{"P50": at(0.5), "P99": at(0.99)})
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// device is a client that waits for each acknowledgement.
type device struct {
	net.Conn
	packet []byte
	answer [16]byte
	id     uint16
	idAt   int
}

func connectDevice(address string, number int) (*device, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	d := &device{Conn: conn}
	body := append(packet.AppendText(nil, "MQTT"), 5, packet.ConnectClean|packet.ConnectUsername|packet.ConnectPassword, 1, 0, 0)
	body = packet.AppendText(packet.AppendText(packet.AppendText(body, fmt.Sprint("device-", number)), "user"), "secret")
	if _, err := conn.Write(packet.Append(nil, packet.Connect, 0, body)); err != nil {
		return nil, err
	}
	answer := make([]byte, 256)
	if n, err := conn.Read(answer); err != nil || n < 4 || answer[3] != 0 {
		return nil, fmt.Errorf("device %d is refused: %x, %w", number, answer[:n], err)
	}
	topic := packet.AppendText(nil, fmt.Sprintf("plant/%05d/telemetry", number))
	d.packet = packet.Append(nil, packet.Publish, 1<<1, append(append(topic, 0, 0, 0), `{"current": 4.25}`...))
	d.idAt = 2 + len(topic)
	return d, nil
}

// publish publishes a message and waits until it is acknowledged.
func (d *device) publish() error {
	d.id = d.id%packet.MaxID + 1
	binary.BigEndian.PutUint16(d.packet[d.idAt:], d.id)
	if _, err := d.Write(d.packet); err != nil {
		return err
	}
	if _, err := io.ReadFull(d, d.answer[:4]); err != nil {
		return err
	}
	if more := int(d.answer[1]) - 2; more > 0 { // Mosquitto says that nobody has subscribed.
		if _, err := io.ReadFull(d, d.answer[4:4+min(more, len(d.answer)-4)]); err != nil {
			return err
		}
	}
	if d.answer[0]>>4 != packet.Puback || binary.BigEndian.Uint16(d.answer[2:]) != d.id {
		return fmt.Errorf("got %x", d.answer[:4])
	}
	return nil
}
