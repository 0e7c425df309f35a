package integration

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
	"iotmon/tests/testenv"
)

// pollEvery is the interval at which the Modbus source polls.
const pollEvery = 200 * time.Millisecond

// TestASourceHasOneOwner runs the same sources in three producers on a real Kafka, and kills, stops and pauses the one that runs them, and Kafka.
// The archive is compared reading by reading with what the MQTT broker was given, what Kafka has acknowledged to another program, whose topic two
// members of a group read by TLS and with a login, and what the Modbus server has answered.
func TestASourceHasOneOwner(t *testing.T) {
	if testing.Short() {
		t.Skip("needs real servers; make test brings them")
	}
	inTurn(t)
	servers, database := testenv.Own(t, testenv.KafkaServer), testenv.Postgres(t)
	broker, plc := testenv.NewMosquitto(t, t.TempDir(), false, ""), startPLC(t)
	topics := cluster{t: t, brokers: servers.Brokers(), prefix: "test-" + uuid.NewString()[:8] + "-"}
	common := topics.config("readings") + fmt.Sprintf("postgres: {url: %q}\n", database) + killConfig
	f := &sourceFleet{t: t, web: newProgram(t, "web", common), producers: make(map[int]*server)}
	consumer := newProgram(t, "consumer", common)
	for range 3 {
		p := newProgram(t, "producer", common+realSources(t, broker, plc, servers.KafkaSASL(), topics.prefix+"foreign"), "-no-simulator")
		p.launch()
		f.producers[p.cmd.Process.Pid] = p
	}
	consumer.start()
	f.web.start()
	f.moved("mqtt", 0, patience)
	f.moved("modbus", 0, patience)
	f.connections = 1

	messages, records := publishReadings(t, broker), produceRecords(t, servers.Brokers(), topics.prefix+"foreign")
	var struck []time.Time
	for round := range briefly(1, 10) {
		if end, limited := t.Deadline(); round > 0 && limited && time.Until(end) < 4*time.Minute {
			t.Logf("%d rounds: there is no time for another", round)
			break
		}
		kill, stop := func(p *server) { p.kill(); p.launch() }, func(p *server) { p.stop(); p.launch() }
		struck = append(struck, f.twice("mqtt", "modbus")...)
		if long() {
			struck = append(struck, f.strike("mqtt", kill), f.pause("modbus"), f.strike("modbus", kill), f.pause("mqtt"), f.strike("mqtt", stop))
			struck = append(struck, f.twice("modbus", "mqtt")...)
		}
		f.strike("modbus", stop)
		servers.Kill(testenv.KafkaServer)
		time.Sleep(briefly(8*time.Second, time.Minute)) // Longer than a lease lasts.
		servers.Start(testenv.KafkaServer)
		f.flows()
		f.connections += 2 // It may move again while the others come back.
	}
	sent, produced := messages.stop(), records.stop()
	f.flows()
	compareMessages(t, database, "message-", sent)
	compareMessages(t, database, "record-", produced)
	comparePolls(t, database, plc, struck, f.connections)
}

// realSources is the part of a configuration with a source for each server.
func realSources(t *testing.T, broker *testenv.Mosquitto, plc *plc, sasl testenv.SASL, topic string) string {
	t.Helper()
	secret := func(text string) string {
		file := filepath.Join(t.TempDir(), "password")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	members := ""
	for member, mechanism := range []string{"SCRAM-SHA-512", "PLAIN"} {
		members += fmt.Sprintf(`
  - name: kafka-%d
    kafka:
      brokers: [%s]
      topics: [%s]
      group: %s-readers
      tls: {ca_file: %s}
      sasl: {mechanism: %s, username: %s, password_file: %s}
`, member, sasl.Brokers[0], topic, topic, sasl.CAFile, mechanism, sasl.User, secret(sasl.Password))
	}
	return fmt.Sprintf(`
sources:
  - name: mqtt
    mqtt: {url: "tcp://%s", client_id: line-1, username: user, password_file: %s, topics: ["plant/#"]}
  - name: modbus
    modbus:
      address: "tcp://%s"
      every: %v
      registers: [{address: holding/0, device: polled, device_type: current_sensor}]
`, broker.Address(), secret("secret"), plc.Address, pollEvery) + members
}

// plc is a Modbus server that numbers its answers.
type plc struct {
	*testenv.Commanded
	records string
}

func startPLC(t *testing.T) *plc {
	t.Helper()
	records := filepath.Join(t.TempDir(), "records")
	p := &plc{testenv.StartModbus(t, "", nil, map[string]any{
		"records": records, "units": map[string]any{"1": map[string]any{"holding": map[string][]int{"0": {0}}}}, "behaviour": map[string]any{"1": map[string]int{"counter": 0}},
	}), records}
	t.Cleanup(p.Kill)
	return p
}

// answers returns when the server has given each number.
func (p *plc) answers(t *testing.T) map[int]time.Time {
	t.Helper()
	text, err := os.ReadFile(p.records)
	if err != nil {
		t.Fatal(err)
	}
	answers := make(map[int]time.Time)
	for line := range strings.Lines(string(text)) {
		var answer struct {
			At     float64 `json:"at"`
			Number int     `json:"number"`
		}
		if err := json.Unmarshal([]byte(line), &answer); err != nil {
			t.Fatal(err)
		}
		answers[answer.Number] = time.UnixMicro(int64(answer.At * 1e6))
	}
	return answers
}

// sourceFleet are the producers of a test, by their process ids, and the web service that shows who runs a source.
type sourceFleet struct {
	t         *testing.T
	web       *server
	producers map[int]*server
	// connections is how often a producer may have connected to the Modbus server.
	connections int
}

// shownSource is what the tests look at of a source.
type shownSource struct {
	Name      string     `json:"name"`
	State     string     `json:"state"`
	Instance  string     `json:"instance"`
	LastValue *time.Time `json:"last_value"`
}

// pid returns the process that runs the source.
func (s *shownSource) pid() (pid int) {
	_, text, _ := strings.Cut(s.Instance, "/")
	_, _ = fmt.Sscan(text, &pid)
	return pid
}

// sources returns what a program shows of its sources, by name.
func sources(s *server) map[string]shownSource {
	response, err := http.Get(s.base() + "/api/v1/sources")
	if err != nil {
		return nil
	}
	defer response.Body.Close()
	var answer struct {
		Items []shownSource `json:"items"`
	}
	if json.NewDecoder(response.Body).Decode(&answer) != nil {
		return nil
	}
	found := make(map[string]shownSource)
	for _, item := range answer.Items {
		found[item.Name] = item
	}
	return found
}

// moved waits until another process than before is connected to the source, and returns its id.
func (f *sourceFleet) moved(source string, before int, within time.Duration) (pid int) {
	f.t.Helper()
	waitFor(f.t, within, "another producer is connected to "+source, func() bool {
		shown := sources(f.web)[source]
		pid = shown.pid()
		return shown.State == "connected" && pid != before && f.producers[pid] != nil
	})
	return pid
}

// flows waits until readings of now come from both sources.
func (f *sourceFleet) flows() {
	f.t.Helper()
	began := time.Now()
	waitFor(f.t, patience, "readings come from all sources", func() bool {
		shown := sources(f.web)
		for _, name := range []string{"mqtt", "modbus", "kafka-0", "kafka-1"} {
			s := shown[name]
			if s.State != "connected" || name == "modbus" && (s.LastValue == nil || s.LastValue.Before(began)) {
				return false
			}
		}
		return true
	})
	f.t.Logf("readings come again after %v", time.Since(began).Round(100*time.Millisecond))
}

// strike has something happen to the owner of a source, and returns when, once another one owns it.
func (f *sourceFleet) strike(source string, happen func(p *server)) time.Time {
	f.t.Helper()
	owner := f.moved(source, 0, patience)
	p := f.producers[owner]
	at := time.Now()
	happen(p)
	f.started(p, owner)
	f.moved(source, owner, patience)
	f.took(source, at)
	return at
}

// started notes that a producer runs in another process than before.
func (f *sourceFleet) started(p *server, before int) {
	delete(f.producers, before)
	f.producers[p.cmd.Process.Pid] = p
}

// twice kills the owner of a source, starts it again, and pauses another producer, that of the other source if it can be, while Kafka waits for the
// first one to join the group again. It returns when that was, once the third producer and the new one own both sources.
func (f *sourceFleet) twice(killed, paused string) []time.Time {
	f.t.Helper()
	first, second := f.moved(killed, 0, patience), f.moved(paused, 0, patience)
	for pid := range f.producers {
		if second == first && pid != first {
			second = pid
		}
	}
	p, process := f.producers[first], f.producers[second].cmd.Process
	at := []time.Time{time.Now()}
	p.kill()
	p.launch()
	f.started(p, first)
	time.Sleep(time.Second) // The new one joins, and the others join again.
	at = append(at, time.Now())
	stopped := f.producers[second]
	delete(f.producers, second)
	if err := process.Signal(syscall.SIGSTOP); err != nil {
		f.t.Fatal(err)
	}
	f.moved(paused, second, patience)
	f.took(paused, at[1])
	f.moved(killed, first, patience)
	f.took(killed, at[0])
	if err := process.Signal(syscall.SIGCONT); err != nil {
		f.t.Fatal(err)
	}
	f.producers[second] = stopped
	f.connections += 2          // Either may move again.
	time.Sleep(3 * time.Second) // Two owners for a moment.
	return at
}

// pause stops the owner of a source for a while without its knowing, until another one owns it, and lets it go on.
func (f *sourceFleet) pause(source string) time.Time {
	f.t.Helper()
	owner := f.moved(source, 0, patience)
	process := f.producers[owner].cmd.Process
	at := time.Now()
	if err := process.Signal(syscall.SIGSTOP); err != nil {
		f.t.Fatal(err)
	}
	f.moved(source, owner, patience)
	f.took(source, at)
	if err := process.Signal(syscall.SIGCONT); err != nil {
		f.t.Fatal(err)
	}
	f.connections++
	time.Sleep(3 * time.Second) // Two owners for a moment.
	return at
}

// moveLimit is how long a move may take: ten seconds are promised. All tests together make a machine so busy that the brokers stand still for seconds.
func moveLimit() time.Duration { return briefly(15*time.Second, 10*time.Second) }

func (f *sourceFleet) took(source string, since time.Time) {
	f.t.Helper()
	f.connections++
	if took := time.Since(since); took > moveLimit() {
		f.t.Errorf("%s has moved after %v, want at most %v", source, took, moveLimit())
	} else {
		f.t.Logf("%s has moved after %v", source, took.Round(100*time.Millisecond))
	}
}

// publishing is a client that publishes readings by mosquitto_pub.
type publishing struct {
	t       *testing.T
	command *exec.Cmd
	input   io.WriteCloser
	quit    chan struct{}
	running sync.WaitGroup
	sent    []sample
}

// publishReadings publishes a reading every few milliseconds with QoS 1.
func publishReadings(t *testing.T, broker *testenv.Mosquitto) *publishing {
	t.Helper()
	return publish(t, broker, "plant/line", func(number int) (sample, []byte) {
		s := sample{device: fmt.Sprint("message-", number%7), kind: iot.Current, at: iot.CutTime(time.Now()), value: float64(number % 1000)}
		return s, wire.AppendReading(nil, &iot.Reading{Device: iot.Device{ID: iot.DeviceID(s.device), Type: s.kind}, Time: s.at, Value: s.value})
	})
}

// publish publishes to a topic what next returns, every few milliseconds.
func publish(t *testing.T, broker *testenv.Mosquitto, topic string, next func(number int) (sample, []byte)) *publishing {
	t.Helper()
	host, port, _ := net.SplitHostPort(broker.Address())
	p := &publishing{t: t, quit: make(chan struct{})}
	p.command = exec.Command("mosquitto_pub", "-h", host, "-p", port, "-u", "user", "-P", "secret", "-t", topic, "-q", "1", "-l")
	p.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var err error
	if p.input, err = p.command.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.command.Process.Kill() })
	p.running.Go(func() {
		lines := bufio.NewWriter(p.input)
		for number := 0; ; number++ {
			select {
			case <-p.quit:
				return
			case <-time.After(5 * time.Millisecond):
			}
			s, line := next(number)
			_, _ = lines.Write(append(line, '\n'))
			if err := lines.Flush(); err != nil {
				t.Error(err)
				return
			}
			p.sent = append(p.sent, s)
		}
	})
	return p
}

// stop ends the publishing, and returns everything that the broker has acknowledged.
func (p *publishing) stop() []sample {
	p.t.Helper()
	close(p.quit)
	p.running.Wait()
	p.input.Close()
	if err := p.command.Wait(); err != nil {
		p.t.Fatalf("mosquitto_pub: %v", err)
	}
	return p.sent
}

// producing is another program that produces readings to a topic of its own.
type producing struct {
	client   *kgo.Client
	quit     chan struct{}
	running  sync.WaitGroup
	mu       sync.Mutex
	produced []sample
}

// produceRecords produces a reading every few milliseconds to a topic with several partitions.
func produceRecords(t *testing.T, brokers []string, topic string) *producing {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.DefaultProduceTopic(topic), kgo.ProducerLinger(0), kgo.UnknownTopicRetries(-1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	if _, err := kadm.NewClient(client).CreateTopic(t.Context(), 4, 1, nil, topic); err != nil {
		t.Fatal(err)
	}
	p := &producing{client: client, quit: make(chan struct{})}
	p.running.Go(func() {
		for number := 0; ; number++ {
			select {
			case <-p.quit:
				return
			case <-time.After(5 * time.Millisecond):
			}
			s := sample{device: fmt.Sprint("record-", number%7), kind: iot.Current, at: iot.CutTime(time.Now()), value: float64(number % 1000)}
			value := wire.AppendReading(nil, &iot.Reading{Device: iot.Device{ID: iot.DeviceID(s.device), Type: s.kind}, Time: s.at, Value: s.value})
			client.Produce(context.Background(), &kgo.Record{Key: []byte(s.device), Value: value}, func(_ *kgo.Record, err error) {
				if err != nil {
					t.Error(err)
					return
				}
				p.mu.Lock()
				defer p.mu.Unlock()
				p.produced = append(p.produced, s)
			})
		}
	})
	return p
}

// stop ends the producing, and returns everything that Kafka has acknowledged.
func (p *producing) stop() []sample {
	close(p.quit)
	p.running.Wait()
	_ = p.client.Flush(context.Background())
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.produced
}

// archivedOf returns the archived readings of the devices whose ids begin with a text, by device and time in microseconds.
func archivedOf(t *testing.T, database, prefix string) map[string]map[int64]float64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, database)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, `SELECT d.device_id, r.time, r.value FROM readings r JOIN devices d ON d.id = r.device WHERE starts_with(d.device_id, $1)`, prefix)
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]map[int64]float64)
	var device string
	var at time.Time
	var value float64
	if _, err = pgx.ForEachRow(rows, []any{&device, &at, &value}, func() error {
		if found[device] == nil {
			found[device] = make(map[int64]float64)
		}
		if _, twice := found[device][at.UnixMicro()]; twice {
			t.Errorf("%s at %v is in the archive twice", device, at)
		}
		found[device][at.UnixMicro()] = value
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return found
}

// compareMessages compares the archive with what was sent of the devices whose ids begin with a text.
func compareMessages(t *testing.T, database, prefix string, sent []sample) {
	t.Helper()
	var missing, more int
	complete := eventually(patience, func() bool {
		got := archivedOf(t, database, prefix)
		missing, more = 0, -len(sent)
		for _, readings := range got {
			more += len(readings)
		}
		for _, s := range sent {
			if value, ok := got[s.device][s.at.UnixMicro()]; !ok || value != s.value {
				missing++
			}
		}
		return missing == 0 && more == 0
	})
	if !complete {
		t.Errorf("of %d messages of %s… %d are missing, and %d more are there than were sent", len(sent), prefix, missing, more+missing)
		return
	}
	t.Logf("%d messages of %s… are in the archive, each once", len(sent), prefix)
}

// comparePolls compares the archive with what the Modbus server has answered. Where two producers have polled at the same instant, one of the
// answers is the reading. Just before a fault an answer may be with the program that it has struck. The first answer of a connection, of which
// there were at most connections, is no poll: the source looks with it whether the device is there.
func comparePolls(t *testing.T, database string, plc *plc, struck []time.Time, connections int) {
	t.Helper()
	answers := plc.answers(t)
	var byNumber map[int]time.Time
	complete := eventually(patience, func() bool {
		byNumber = make(map[int]time.Time)
		for at, value := range archivedOf(t, database, "polled")["polled"] {
			number := int(math.Round(value))
			if before, twice := byNumber[number]; twice {
				t.Fatalf("the answer %d is in the archive at %v and %v", number, before, time.UnixMicro(at))
			}
			byNumber[number] = time.UnixMicro(at)
		}
		_, last := byNumber[len(answers)-1]
		return last
	})
	if !complete {
		t.Error("the last answer is not in the archive")
	}
	taken := make(map[int64]bool)
	for number, at := range byNumber {
		if number > len(answers) {
			continue // It was answered after the answers were read.
		}
		answered, ok := answers[number]
		// A device may take a second to answer, and the next poll is left out meanwhile.
		if delay := answered.Sub(at); !ok || delay < -time.Millisecond || delay > pollEvery+time.Second {
			t.Errorf("the reading %d of %v was answered at %v", number, at, answered)
		}
		taken[at.UnixMicro()] = true
	}
	var missing, twins int
	for number, at := range answers {
		if _, ok := byNumber[number]; ok {
			continue
		}
		instant := at.Truncate(pollEvery)
		switch {
		case taken[instant.UnixMicro()]:
			twins++
		case number == len(answers) || inFlight(at, struck):
		default:
			missing++
			t.Logf("the answer %d of %v is not in the archive", number, at)
		}
	}
	if missing > connections {
		t.Errorf("%d answers are missing, want at most one for each of %d connections", missing, connections)
	}
	t.Logf("of %d answers %d are in the archive, each once; %d had the same instant as another one, and %d are missing", len(answers), len(byNumber), twins, missing)
}

// inFlight reports whether an answer may have been with a program when a fault struck it.
func inFlight(at time.Time, struck []time.Time) bool {
	for _, s := range struck {
		if at.After(s.Add(-2*pollEvery)) && at.Before(s.Add(time.Second)) {
			return true
		}
	}
	return false
}
