package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"iotmon/tests/testenv"
)

// ask runs another program's client and returns its output.
func ask(t *testing.T, program string, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	command := exec.Command(program, args...)
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", program, err, &stderr)
	}
	return stdout.String()
}

// TestOtherClientsReadWhatIsOnTheWire runs the services on a Kafka that wants TLS and a login, and reads topics and tables
// with the clients that came with neither.
func TestOtherClientsReadWhatIsOnTheWire(t *testing.T) {
	if testing.Short() {
		t.Skip("needs real servers; make test brings them")
	}
	inTurn(t)
	access := testenv.KafkaSASL(t)
	database := testenv.Postgres(t)
	c := &cluster{t: t, brokers: access.Brokers, prefix: joinCluster(t).prefix}
	config := c.config("readings") + fmt.Sprintf(`
  group_protocol: consumer
  tls: {enabled: true, ca_file: %q}
  sasl: {mechanism: SCRAM-SHA-512, username: %q, password: %q}
postgres: {url: %q}
redis: {url: %q}
`, access.CAFile, access.User, access.Password, database, testenv.Redis(t)) + killConfig
	producer := newProgram(t, "producer", config, "-no-simulator")
	producer.start()
	newProgram(t, "consumer", config).start()
	at := time.Now().UTC().Truncate(time.Millisecond)
	send(t, producer, encode([]sample{{device: "oven-1", kind: "temperature_sensor", at: at, value: 31.5}}))

	kcat := []string{
		"-b", access.Brokers[0], "-X", "security.protocol=SASL_SSL", "-X", "ssl.ca.location=" + access.CAFile,
		"-X", "sasl.mechanism=PLAIN", "-X", "sasl.username=" + access.User, "-X", "sasl.password=" + access.Password,
		"-X", "isolation.level=read_committed", "-q", "-e", "-o", "beginning", "-f", `%k %s\n`,
	}
	onTopic := func(topic string) []string {
		return strings.Split(strings.TrimRight(ask(t, "kcat", append(kcat, "-C", "-t", c.prefix+topic)...), "\n"), "\n")
	}
	waitFor(t, patience, "the window has closed", func() bool { return strings.Contains(strings.Join(onTopic("aggregates"), ""), `"final":true`) })

	var reading struct {
		DeviceID  string    `json:"device_id"`
		Timestamp time.Time `json:"timestamp"`
		Value     float64   `json:"value"`
	}
	for _, line := range onTopic("readings") { // Records without a key are none of a device: ticks and settings.
		if key, value, _ := strings.Cut(line, " "); key != "" {
			if err := json.Unmarshal([]byte(value), &reading); err != nil || key != reading.DeviceID {
				t.Errorf("readings: got key %q, value %s, %v", key, value, err)
			}
		}
	}
	if reading.DeviceID != "oven-1" || !reading.Timestamp.Equal(at) || reading.Value != 31.5 {
		t.Errorf("readings: got %+v, want that of oven-1", reading)
	}
	if alerts := onTopic("alerts"); len(alerts) != 1 || !strings.HasPrefix(alerts[0], `oven-1 {"id":"`) || !strings.Contains(alerts[0], `"state":"raised"`) {
		t.Errorf("alerts: got %q, want one raised of oven-1", alerts)
	}
	isOven := func(line string) bool { return strings.HasPrefix(line, "oven-1 {") }
	if states := onTopic("states"); !slices.ContainsFunc(states, isOven) {
		t.Errorf("states: got %q, want oven-1", states)
	}

	query := func(statement string) string {
		return strings.TrimSpace(ask(t, "psql", "-X", "-A", "-t", "-d", database, "-c", statement))
	}
	waitFor(t, patience, "the window is archived", func() bool { return query("SELECT count(*) FROM summaries") == "1" })
	if got := query("SELECT count, sum, min, max, devices FROM summaries"); got != "1|31.5|31.5|31.5|1" {
		t.Errorf("summaries: got %s", got)
	}
	if got := query("SELECT d.device_id, r.value FROM readings r JOIN devices d ON d.id = r.device"); got != "oven-1|31.5" {
		t.Errorf("readings: got %s", got)
	}
	if got := query("SELECT device_id, rule, cleared IS NULL FROM alerts"); got != "oven-1|temperature_high|t" {
		t.Errorf("alerts: got %s", got)
	}
}

// TestKafkaThree runs the services on the oldest line of Kafka that is supported.
func TestKafkaThree(t *testing.T) {
	if testing.Short() {
		t.Skip("needs real servers; make test brings them")
	}
	inTurn(t)
	servers := testenv.OwnKafka(t, "3")
	database := testenv.Postgres(t)
	c := &cluster{t: t, brokers: servers.Brokers(), prefix: "test-"}
	config := c.config("readings") + fmt.Sprintf("postgres: {url: %q}\nredis: {url: %q}\n", database, testenv.Redis(t)) + killConfig
	in := newProgram(t, "producer", config, "-no-simulator")
	in.start()
	consumers := []*server{newProgram(t, "consumer", config), newProgram(t, "consumer", config)}
	consumers[0].start()
	consumers[1].start()
	web := newProgram(t, "web", config)
	web.start()
	p := startPosters(t, in.base(), "gateway")
	for _, s := range consumers {
		before := p.acknowledged.Load()
		waitFor(t, patience, "readings are acknowledged", func() bool { return p.acknowledged.Load() > before+500 })
		s.kill()
		s.start()
	}
	verifyDeployment(t, web, database, p.stop())
}

// send posts readings, which must all be accepted.
func send(t *testing.T, s *server, body []byte) {
	t.Helper()
	waitFor(t, patience, "the readings are accepted", func() bool {
		response, err := http.Post(s.base()+"/api/v1/readings", "application/x-ndjson", bytes.NewReader(body))
		if err != nil {
			return false
		}
		response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
}
