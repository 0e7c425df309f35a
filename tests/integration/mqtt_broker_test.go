package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
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

// TestTheMQTTBrokerLosesNothingWhenItIsKilled kills iotmon while two clients that are not ours publish through its MQTT broker, in both versions of MQTT
// and with QoS 1 and 2, and compares the archive with what they have published, reading by reading.
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
	address := freeAddr(t)
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
	for range 4 {
		time.Sleep(2*time.Second + rand.N(500*time.Millisecond))
		s.kill()
		s.start()
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
