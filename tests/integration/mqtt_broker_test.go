package integration

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"iotmon/tests/testenv"
)

// mqttPublisher is a client that is not ours and publishes until it is stopped.
type mqttPublisher struct {
	device    string
	command   *exec.Cmd
	input     io.Closer
	published bytes.Buffer
}

func startMQTTPublisher(t *testing.T, device string, command *exec.Cmd) *mqttPublisher {
	t.Helper()
	p := &mqttPublisher{device: device, command: command}
	input, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.input = input
	command.Stdout, command.Stderr = &p.published, os.Stderr
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = command.Process.Kill(); _ = command.Wait() })
	return p
}

// stop returns what was published, all of it acknowledged: the values by their times in microseconds.
func (p *mqttPublisher) stop(t *testing.T) map[int64]float64 {
	t.Helper()
	_ = p.input.Close()
	if err := p.command.Wait(); err != nil {
		t.Fatalf("%s: %v", p.device, err)
	}
	var all [][2]float64
	if err := json.Unmarshal(p.published.Bytes(), &all); err != nil {
		t.Fatal(err)
	}
	values := make(map[int64]float64)
	for _, each := range all {
		values[int64(each[0])*1000] = each[1]
	}
	return values
}

// TestTheMQTTBrokerLosesNothingWhenItIsKilled kills, stops and pauses iotmon while two clients that are not ours publish through its MQTT broker, in both
// versions of MQTT and with QoS 1 and 2, and compares the archive with what they have published, reading by reading.
func TestTheMQTTBrokerLosesNothingWhenItIsKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute; make test runs it")
	}
	python, modules := testenv.Python(t, "pysparkplug"), testenv.NodeModules(t, "sparkplug-client") // Both bring a client of MQTT with them.
	users := filepath.Join(t.TempDir(), "users")
	if output, err := exec.Command("mosquitto_passwd", "-c", "-b", users, "user", "secret").CombinedOutput(); err != nil {
		t.Fatalf("mosquitto_passwd: %v\n%s", err, output)
	}
	inTurn(t)
	address := testenv.Address(t)
	s := newServer(t, t.TempDir(), killConfig+fmt.Sprintf(`
mqtt_broker:
  addr: %q
  users_file: %q
  map:
    - {topic: "plant/+", field: current, device: "{{topic 2}}", type: current_sensor, unit: A}
`, address, users), "-no-simulator")
	s.start()
	host, port, _ := net.SplitHostPort(address)
	node := exec.Command("node", filepath.Join("testdata", "mqtt_publisher.cjs"), host, port, "mqtt-js")
	node.Env = append(os.Environ(), "NODE_PATH="+modules)
	publishers := []*mqttPublisher{
		startMQTTPublisher(t, "paho", exec.Command(python, filepath.Join("testdata", "mqtt_publisher.py"), host, port, "paho")),
		startMQTTPublisher(t, "mqtt-js", node),
	}
	pause := func() {
		for _, signal := range []syscall.Signal{syscall.SIGSTOP, syscall.SIGCONT} {
			if err := s.cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Second)
		}
	}
	for _, cause := range []func(){s.kill, func() { s.stop() }, pause, s.kill} {
		time.Sleep(2*time.Second + rand.N(500*time.Millisecond))
		cause()
		if s.cmd == nil {
			s.start()
		}
	}
	time.Sleep(2 * time.Second)
	for _, p := range publishers {
		want := p.stop(t)
		if len(want) < 200 {
			t.Errorf("%s has published %d values only", p.device, len(want))
		}
		var got map[int64]float64
		waitFor(t, patience, "all values are archived", func() bool {
			got = deviceReadings(t, s, p.device, time.Now())
			return len(got) >= len(want)
		})
		for at, value := range want {
			if stored, ok := got[at]; !ok || stored != value {
				t.Errorf("%s at %v: got %v (found: %v), want %v", p.device, time.UnixMicro(at).UTC(), stored, ok, value)
			}
		}
		if len(got) != len(want) {
			t.Errorf("%s: got %d values, want %d", p.device, len(got), len(want))
		}
		t.Logf("%s: %d values published and archived", p.device, len(want))
	}
}

// TestProducersServeDevicesBehindABalancer runs two producers, each with an MQTT broker, on a real Kafka, behind the balancer of deployments/. One is killed while
// clients that are not ours publish: they come to the other one, and the archive has what each has published, each reading once.
func TestProducersServeDevicesBehindABalancer(t *testing.T) {
	if testing.Short() {
		t.Skip("needs real servers; make test brings them")
	}
	python := testenv.Python(t, "pysparkplug") // It brings a client of MQTT with it.
	users := filepath.Join(t.TempDir(), "users")
	if output, err := exec.Command("mosquitto_passwd", "-c", "-b", users, "user", "secret").CombinedOutput(); err != nil {
		t.Fatalf("mosquitto_passwd: %v\n%s", err, output)
	}
	inTurn(t)
	config := joinCluster(t).config("readings") + fmt.Sprintf("postgres: {url: %q}\nredis: {url: %q}\n", testenv.Postgres(t), testenv.Redis(t)) + killConfig
	web := newProgram(t, "web", config)
	var producers []*server
	addresses := map[string]string{}
	for i, known := range []string{"127.0.0.1:11883", "127.0.0.1:21883"} {
		addresses[known] = testenv.Address(t)
		p := newProgram(t, "producer", config+fmt.Sprintf(`
mqtt_broker:
  name: hall-%d
  addr: %q
  users_file: %q
  map:
    - {topic: "plant/+", field: current, device: "{{topic 2}}", type: current_sensor, unit: A}
`, i, addresses[known], users), "-no-simulator")
		p.launch()
		producers = append(producers, p)
	}
	consumer := newProgram(t, "consumer", config)
	consumer.launch()
	web.start()
	for _, p := range append(producers, consumer) {
		p.await("/ready", patience)
	}
	balancer := testenv.Address(t)
	addresses[":1883"] = balancer
	file := filepath.Join(t.TempDir(), "mqtt.cfg")
	runBalancer(t, balancer, file, deployed(t, "haproxy/mqtt.cfg", addresses), "haproxy", "-db", "-f", file)
	host, port, _ := net.SplitHostPort(balancer)
	var publishers []*mqttPublisher
	for _, device := range []string{"press", "saw", "drill", "oven"} {
		publishers = append(publishers, startMQTTPublisher(t, device, exec.Command(python, filepath.Join("testdata", "mqtt_publisher.py"), host, port, device)))
	}
	clients := func() (counts []int64) {
		for _, p := range producers {
			counts = append(counts, clientsOf(p))
		}
		return counts
	}
	waitFor(t, patience, "both brokers have devices", func() bool { c := clients(); return c[0] > 0 && c[1] > 0 && c[0]+c[1] == 4 })
	time.Sleep(2 * time.Second)
	producers[0].kill()
	waitFor(t, patience, "all devices are at the other broker", func() bool { return clientsOf(producers[1]) == 4 })
	time.Sleep(time.Second)
	for _, p := range publishers {
		want := p.stop(t)
		var got map[int64]float64
		waitFor(t, patience, "all values are archived", func() bool {
			got = deviceReadings(t, web, p.device, time.Now())
			return len(got) >= len(want)
		})
		if len(want) < 100 || !maps.Equal(got, want) {
			t.Errorf("%s: %d values are archived of %d that were published, or others", p.device, len(got), len(want))
		}
		t.Logf("%s: %d values published and archived", p.device, len(want))
	}
}

// clientsOf returns how many clients the MQTT broker of a program has; 0 if it does not answer.
func clientsOf(s *server) int64 {
	response, err := http.Get(s.base() + "/metrics")
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		if text, ok := strings.CutPrefix(lines.Text(), "iot_mqtt_broker_clients "); ok {
			count, _ := strconv.ParseInt(text, 10, 64)
			return count
		}
	}
	return 0
}
