package mqtt_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"
	"go.uber.org/goleak"

	"iotmon/internal/iot"
	"iotmon/internal/mapping"
	"iotmon/internal/mqtt"
	"iotmon/internal/source"
	mqttsource "iotmon/internal/source/mqtt"
	"iotmon/internal/source/sourcetest"
	"iotmon/tests/testenv"
)

func TestMain(m *testing.M) {
	// The names that the fault suite invents are answered until the process ends.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("iotmon/internal/source/sourcetest.answer"))
}

// patience is how long a test waits for what must come.
const patience = 15 * time.Second

// plant is a log of the numbers that have arrived, in their order. While away is set, it does not acknowledge.
type plant struct {
	mu       sync.Mutex
	away     bool
	numbers  []float64
	rejected []source.Rejected
}

func (p *plant) Append(_ context.Context, readings []iot.Reading) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.away {
		return fmt.Errorf("the log is away")
	}
	for i := range readings {
		p.numbers = append(p.numbers, readings[i].Value)
	}
	return nil
}

func (p *plant) Report(context.Context, []source.Report) error { return nil }

func (p *plant) Reject(_ context.Context, rejected []source.Rejected) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rejected = append(p.rejected, rejected...)
	return nil
}

func (p *plant) got() []float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.numbers)
}

func (p *plant) set(away bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.away = away
}

// A broker that ends connections, or says nothing, is no unknown kind of problem.
func TestALostConnectionHasACause(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 1000))
			_ = conn.Close()
		}
	}()
	r := run(t, mqtt.Options{URL: "tcp://" + listener.Addr().String(), Version: 5, ClientID: "c", Topics: []string{"#"}, KeepAlive: time.Second, MaxPacket: 1000})
	r.until("closed", func() bool { return r.status.Snapshot().Cause == source.CauseClosed })
	if text := r.status.Snapshot().Error; !strings.Contains(text, "the broker has closed the connection") || strings.Contains(text, "EOF") {
		t.Errorf("got %q", text)
	}
}

// running is a source that runs.
type running struct {
	*plant
	t      *testing.T
	status *source.Status
	stop   func()
}

// run runs a source until the test ends or stop is called.
func run(t *testing.T, o mqtt.Options) *running {
	t.Helper()
	catalog, err := iot.NewCatalog(iot.BuiltinTypes()...)
	if err != nil {
		t.Fatal(err)
	}
	rules, err := mapping.New([]mapping.Rule{{Field: "value", Device: "motor", Type: iot.Current}}, catalog)
	if err != nil {
		t.Fatal(err)
	}
	r := &running{plant: new(plant), t: t, status: source.NewStatus("test", "mqtt", time.Now)}
	quiet := slog.New(slog.DiscardHandler)
	runner := &source.Runner{
		Name: "test", Adapter: mqttsource.New(o), Owner: source.Alone{}, Logger: quiet, FirstPause: 100 * time.Millisecond, LongestPause: time.Second,
		Pipeline: source.PipelineOptions{
			Name: "test", Log: r.plant, Decode: number, Mapping: rules, Status: r.status, Logger: quiet, Admission: &iot.Admission{Catalog: catalog, Skew: time.Hour},
		},
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = runner.Run(ctx)
	}()
	r.stop = func() { cancel(); <-ended }
	t.Cleanup(r.stop)
	return r
}

func (r *running) connected() *running {
	r.t.Helper()
	r.until("connected", func() bool { return r.status.Snapshot().State == source.Connected })
	return r
}

// arrive waits until so many numbers have arrived.
func (r *running) arrive(count int) []float64 {
	r.t.Helper()
	r.until(fmt.Sprintf("%d numbers", count), func() bool { return len(r.got()) >= count })
	return r.got()
}

func (r *running) until(what string, holds func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("no %s: got %d numbers, status %+v", what, len(r.got()), r.status.Snapshot())
		}
	}
}

// Every version, connection and quality of service, with a client that is not ours on the other side.
func TestMessagesArrive(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	sourcetest.WriteCertificates(t, dir, serverName)
	broker := testenv.NewMosquitto(t, dir, true, "")
	for _, url := range []string{"tcp://" + broker.Address(), "mqtt://" + broker.Address(), "ssl://" + broker.TLS, "ws://" + broker.Websocket + "/mqtt", "wss://" + broker.EncryptedWebsocket + "/mqtt"} {
		for _, version := range []int{5, 3} {
			for qos := range byte(3) {
				scheme, _, _ := strings.Cut(url, ":")
				name := fmt.Sprintf("%s, version %d, QoS %d", scheme, version, qos)
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					o := options(t, url, version)
					o.ClientID, o.QoS, o.TLS, o.Topics = name, qos, tlsOf(dir), []string{name + "/#"}
					r := run(t, o).connected()
					for i := range 3 {
						broker.Publish(t, name+"/x", fmt.Sprint(i), "-q", fmt.Sprint(qos))
					}
					if got := r.arrive(3); !slices.Equal(got, []float64{0, 1, 2}) {
						t.Errorf("got %v", got)
					}
				})
			}
		}
	}
}

// Two instances that share a subscription get each message once between them.
func TestASharedSubscriptionIsShared(t *testing.T) {
	t.Parallel()
	broker := testenv.NewMosquitto(t, t.TempDir(), false, "")
	var both []*running
	for _, id := range []string{"one", "two"} {
		o := options(t, "tcp://"+broker.Address(), 5)
		o.ClientID, o.Topics = id, []string{"$share/iotmon/plant/#"}
		both = append(both, run(t, o).connected())
	}
	publish(t, broker, 0, 200)
	both[0].until("200 numbers in both", func() bool { return len(both[0].got())+len(both[1].got()) >= 200 })
	all := slices.Sorted(slices.Values(slices.Concat(both[0].got(), both[1].got())))
	if len(both[0].got()) == 0 || len(both[1].got()) == 0 || len(all) != 200 || len(slices.Compact(all)) != 200 {
		t.Errorf("got %d and %d numbers", len(both[0].got()), len(both[1].got()))
	}
}

// publish publishes the numbers from first to last-1 with QoS 1.
func publish(t *testing.T, broker *testenv.Mosquitto, first, last int) {
	t.Helper()
	p := newPublisher(t, broker.Address())
	for i := first; i < last; i++ {
		if err := p.number(t.Context(), i); err != nil {
			t.Fatal(err)
		}
	}
	p.close()
}

// What the broker takes while the source is away, or while the log is, arrives once the source and the log are back.
func TestNothingIsLostWhileTheSourceOrTheLogIsAway(t *testing.T) {
	t.Parallel()
	for _, version := range []int{5, 3} {
		for _, qos := range []byte{1, 2} {
			t.Run(fmt.Sprintf("version %d, QoS %d", version, qos), func(t *testing.T) {
				t.Parallel()
				broker := testenv.NewMosquitto(t, t.TempDir(), false, "")
				o := options(t, "tcp://"+broker.Address(), version)
				o.QoS, o.ReceiveMaximum = qos, 20
				r := run(t, o).connected()
				publish(t, broker, 0, 10)
				r.arrive(10)
				r.set(true)
				publish(t, broker, 10, 200)
				r.until("error of the log", func() bool { return r.status.Snapshot().LogError != "" })
				time.Sleep(3 * o.KeepAlive / 2)
				if s := r.status.Snapshot(); s.State != source.Connected || s.Connections != 1 || s.Messages > 10+20+1 && version == 5 {
					t.Errorf("while the log is away: %s, %d connections, %d messages; want the first connection and at most 20 messages more", s.State, s.Connections, s.Messages)
				}
				r.stop() // What is not in the log is not acknowledged.
				publish(t, broker, 200, 300)
				again := run(t, o)
				got := again.arrive(290)
				if want := numbers(10, 300); !slices.Equal(slices.Sorted(slices.Values(got)), want) {
					t.Errorf("got %d numbers, want those from 10 to 299 once each", len(got))
				}
			})
		}
	}
}

func numbers(first, last int) (all []float64) {
	for i := first; i < last; i++ {
		all = append(all, float64(i))
	}
	return all
}

// Nobody knows when a retained value was measured, so it is no reading. A last will arrives as any message.
func TestRetainedMessagesAndLastWills(t *testing.T) {
	t.Parallel()
	broker := testenv.NewMosquitto(t, t.TempDir(), false, "")
	broker.Publish(t, "plant/1/current", "7", "-r")
	r := run(t, options(t, "tcp://"+broker.Address(), 5)).connected()
	r.until("retained message", func() bool { return r.status.Snapshot().Untimed == 1 })
	device := newPublisher(t, broker.Address())
	device.will = &paho.WillMessage{Topic: "plant/1/current", Payload: []byte("99"), QoS: 1}
	if err := device.connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	device.client.TerminateConnectionForTest()
	if got := r.arrive(1); got[0] != 99 {
		t.Errorf("got %v, want the last will", got)
	}
}

// A message that is too long for the source is a dead letter with its length, if the broker delivers it: one of MQTT 5 leaves it out.
func TestAMessageThatIsTooLongIsADeadLetter(t *testing.T) {
	t.Parallel()
	broker := testenv.NewMosquitto(t, t.TempDir(), false, "")
	o := options(t, "tcp://"+broker.Address(), 3)
	o.MaxPacket = 1 << 10
	r := run(t, o).connected()
	broker.Publish(t, "plant/1/current", strings.Repeat("1", 100_000))
	broker.Publish(t, "plant/1/current", "5")
	r.arrive(1)
	r.until("dead letter", func() bool { return r.status.Snapshot().Rejected == 1 })
	r.mu.Lock()
	defer r.mu.Unlock()
	if got := r.rejected[0]; !strings.Contains(got.Reason, "max_packet_bytes") || got.Topic != "plant/1/current" {
		t.Errorf("got %+v", got)
	}
}

// What is wrong is in the status, in words that say what to do.
func TestTheStatusSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	sourcetest.WriteCertificates(t, dir, serverName)
	others := t.TempDir()
	sourcetest.WriteCertificates(t, others, serverName)
	broker := testenv.NewMosquitto(t, dir, true, "")
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })
	for want, change := range map[string]func(o *mqtt.Options){
		"not authorized: check username and password": func(o *mqtt.Options) { o.PasswordFile = writeFile(t, "password", "guess") },
		"password_file: open /nowhere":                func(o *mqtt.Options) { o.PasswordFile = "/nowhere" },
		"connection refused":                          func(o *mqtt.Options) { o.URL = "tcp://127.0.0.1:1" },
		"no such host":                                func(o *mqtt.Options) { o.URL = "tcp://nowhere.invalid:1883" },
		"certificate signed by unknown author":        func(o *mqtt.Options) { o.URL, o.TLS = "ssl://"+broker.TLS, tlsOf(others) },
		"certificate is valid for broker.test":        func(o *mqtt.Options) { o.URL, o.TLS = "ssl://"+broker.TLS, tlsOf(dir); o.TLS.ServerName = "other.test" },
		"certificate required": func(o *mqtt.Options) {
			o.URL, o.TLS = "ssl://"+broker.TLS, mqtt.TLS{CAFile: filepath.Join(dir, "ca.pem"), ServerName: serverName}
		},
		"tls.ca_file: no PEM certificate": func(o *mqtt.Options) { o.URL, o.TLS.CAFile = "ssl://"+broker.TLS, writeFile(t, "ca.pem", "x") },
		"no answer to CONNECT":            func(o *mqtt.Options) { o.URL = "tcp://" + silent.Addr().String() },
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			o := options(t, "tcp://"+broker.Address(), 5)
			change(&o)
			r := run(t, o)
			r.until(want, func() bool { return strings.Contains(r.status.Snapshot().Error, want) })
		})
	}
}
