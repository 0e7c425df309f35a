package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/websocket"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/tests/testenv"
)

// cluster is the shared Kafka, with topics of this test's own.
type cluster struct {
	t       *testing.T
	brokers []string
	prefix  string
}

func joinCluster(t *testing.T) *cluster {
	t.Helper()
	return &cluster{t: t, brokers: testenv.Kafka(t), prefix: "test-" + uuid.NewString()[:8] + "-"}
}

// config is the part of a configuration that keeps the test's topics and groups apart from those of others.
func (c *cluster) config(readings string) string {
	return fmt.Sprintf(`
kafka:
  brokers: [%[1]s]
  topic: %[2]s%[3]s
  dead_letters_topic: %[2]sdlq
  aggregates_topic: %[2]saggregates
  alerts_topic: %[2]salerts
  states_topic: %[2]sstates
  in_force_topic: %[2]sinforce
  sources_topic: %[2]ssources
  maps_topic: %[2]smaps
  group_id: %[2]sgroup
  partitions: 10
`, strings.Join(c.brokers, ", "), c.prefix, readings)
}

// client returns a client with the given options.
func (c *cluster) client(options ...kgo.Opt) *kgo.Client {
	c.t.Helper()
	client, err := kgo.NewClient(append(options, kgo.SeedBrokers(c.brokers...))...)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(client.Close)
	return client
}

// records returns the readings of a topic, until there are so many of each of so many devices.
func (c *cluster) records(client *kgo.Client, devices, each int) []reading {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	var all []reading
	counts, enough := make(map[string]int), 0
	for enough < devices {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			c.t.Fatalf("got %d readings of %d devices, and %d of each of %d, in %v: %v", len(all), len(counts), each, enough, patience, fetches.Err())
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if len(r.Value) == 0 {
				return // A tick.
			}
			var one reading
			if err := json.Unmarshal(r.Value, &one); err != nil {
				c.t.Fatalf("%s: %v", r.Value, err)
			}
			all = append(all, one)
			if counts[one.DeviceID]++; counts[one.DeviceID] == each {
				enough++
			}
		})
	}
	return all
}

// reading is the documented message, as far as the tests look at it.
type reading struct {
	DeviceID   string    `json:"device_id"`
	DeviceType string    `json:"device_type"`
	Timestamp  time.Time `json:"timestamp"`
}

// batches notes how many records the batches of a topic hold.
type batches struct {
	mu      sync.Mutex
	largest int // guarded by mu
}

func (b *batches) OnFetchBatchRead(_ kgo.BrokerMetadata, _ string, _ int32, m kgo.FetchBatchMetrics) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.largest = max(b.largest, m.NumRecords)
}

func TestEveryDocumentedKeyOfTheProducer(t *testing.T) {
	inTurn(t)
	c := joinCluster(t)
	newProgram(t, "producer", c.config("readings")+`
  batch_size: 30
device_simulator:
  device_count: 900
  send_interval: 300ms
  device_types: [switch_sensor, current_sensor]
  faults: {offline: 0}
`).start()
	var seen batches
	client := c.client(kgo.ConsumeTopics(c.prefix+"readings"), kgo.WithHooks(&seen))
	readings := c.records(client, 900, 5)
	devices := make(map[string][]time.Time)
	for _, r := range readings {
		if r.DeviceType != "switch_sensor" && r.DeviceType != "current_sensor" {
			t.Fatalf("got a %s, want only the types of the configuration", r.DeviceType)
		}
		devices[r.DeviceID] = append(devices[r.DeviceID], r.Timestamp)
	}
	if len(devices) != 900 {
		t.Errorf("device_count: got %d devices, want 900", len(devices))
	}
	var gaps []time.Duration
	for _, times := range devices {
		for i := 1; i < len(times); i++ {
			gaps = append(gaps, times[i].Sub(times[i-1]))
		}
	}
	slices.Sort(gaps)
	if median := gaps[len(gaps)/2]; median < 250*time.Millisecond || median > 350*time.Millisecond {
		t.Errorf("send_interval: the median is %v, want 300ms", median)
	}
	seen.mu.Lock()
	defer seen.mu.Unlock()
	if seen.largest == 0 || seen.largest > 30 {
		t.Errorf("batch_size: the largest batch has %d readings, want no more than 30", seen.largest)
	}
}

func TestEveryDocumentedKeyOfTheConsumer(t *testing.T) {
	inTurn(t)
	c := joinCluster(t)
	database := testenv.Postgres(t)
	consumer := newProgram(t, "consumer", fmt.Sprintf(`
kafka:
  brokers: [%s]
  topics: [%[2]sdata, %[2]salarms]
  dead_letters_topic: %[2]sdlq
  aggregates_topic: %[2]saggregates
  states_topic: %[2]sstates
  in_force_topic: %[2]sinforce
  sources_topic: %[2]ssources
  group_id: %[2]sgroup
  partitions: 2
postgres: {url: %q}
redis: {url: ""}
aggregation:
  window_seconds: 2
  allowed_lateness: 500ms
alerts:
  temperature_high: 20
  humidity_high: 30
  pressure_high: 900
`, strings.Join(c.brokers, ", "), c.prefix, database))
	consumer.start()
	client := c.client(kgo.ConsumeTopics(c.prefix+"aggregates", c.prefix+"alarms"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	at := time.Now().UTC().Format(time.RFC3339Nano)
	for kind, value := range map[string]float64{"temperature_sensor": 20.6, "humidity_sensor": 31, "pressure_sensor": 905} {
		client.Produce(t.Context(), &kgo.Record{Topic: c.prefix + "data", Key: []byte(kind), Value: fmt.Appendf(nil,
			`{"device_id":%q,"device_type":%[1]q,"timestamp":%q,"value":%v}`, kind, at, value)}, nil)
	}
	alerts := make(map[string]float64)
	var window float64
	waitFor(t, patience, "three alerts and a closed window", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		client.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			var m struct {
				AlertType     string  `json:"alert_type"`
				Threshold     float64 `json:"threshold"`
				WindowSeconds float64 `json:"window_seconds"`
				Final         bool    `json:"final"`
			}
			if err := json.Unmarshal(r.Value, &m); err != nil {
				t.Fatal(err)
			}
			if r.Topic == c.prefix+"alarms" {
				alerts[m.AlertType] = m.Threshold
			} else if m.Final {
				window = m.WindowSeconds
			}
		})
		return len(alerts) >= 3 && window > 0
	})
	if alerts["temperature_high"] != 20 || alerts["humidity_high"] != 30 || alerts["pressure_high"] != 900 {
		t.Errorf("alerts: got %v, want the thresholds of the configuration", alerts)
	}
	if window != 2 {
		t.Errorf("window_seconds: got %v, want 2", window)
	}
	groups, err := kadm.NewClient(client).ListGroups(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := groups[c.prefix+"group"]; !ok {
		t.Errorf("group_id: got the groups %v, want %sgroup", groups.Groups(), c.prefix)
	}
}

func TestEveryDocumentedKeyOfTheWebService(t *testing.T) {
	inTurn(t)
	c := joinCluster(t)
	static, templates := t.TempDir(), t.TempDir()
	for path, text := range map[string]string{
		filepath.Join(static, "hello.txt"):     "hello from static_dir",
		filepath.Join(templates, "index.html"): "hello from template_dir, the socket is at {{.WebSocketPath}}",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	web := newProgram(t, "web", c.config("readings")+fmt.Sprintf(`
postgres: {url: %q}
redis: {url: ""}
server:
  static_dir: %q
  template_dir: %q
websocket:
  path: /live
  max_connections: 2
  ping_interval: 1s
`, testenv.Postgres(t), static, templates))
	// The port is that of the configuration, because no flag sets it.
	port := web.addr[strings.LastIndex(web.addr, ":")+1:]
	web.args = slices.DeleteFunc(web.args, func(arg string) bool { return arg == "-addr" || arg == web.addr })
	file := web.args[2]
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), "server:\n", "server:\n  port: "+port+"\n", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	web.start()
	for path, want := range map[string]string{
		"/static/hello.txt": "hello from static_dir", "/": "hello from template_dir, the socket is at /live",
	} {
		if got := fetch(t, web.base()+path); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
	pings := make(chan struct{}, 10)
	for range 2 {
		conn, _, err := websocket.DefaultDialer.Dial("ws://"+web.addr+"/live", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		answer := conn.PingHandler()
		conn.SetPingHandler(func(text string) error {
			pings <- struct{}{}
			return answer(text)
		})
		go func() {
			for {
				if _, _, err := conn.ReadMessage(); err != nil {
					return
				}
			}
		}()
	}
	if _, response, err := websocket.DefaultDialer.Dial("ws://"+web.addr+"/live", nil); err == nil || response.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("max_connections: the third connection got %v, want 503", err)
	}
	select {
	case <-pings:
	case <-time.After(25 * time.Second): // By default it is 30 s.
		t.Error("ping_interval: no ping in 25 s")
	}
}

func fetch(t *testing.T, address string) string {
	t.Helper()
	response, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: got status %d, %v", address, response.StatusCode, err)
	}
	return string(body)
}
