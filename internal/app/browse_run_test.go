package app

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/config"
	"iotmon/internal/kafka"
	"iotmon/internal/kafka/intake"
	"iotmon/internal/kafka/kafkatest"
	"iotmon/tests/testenv"
)

// measure is the type that is put in place of those that only people know.
const measure = "\ndevice_types: [{name: measure, min: -1e9, max: 1e9}]\n"

var openRule = regexp.MustCompile(`(?m)^( *)# - `)

// runWritten runs the source that was written, once with every open place filled in, and wants readings that begin so.
func runWritten(t *testing.T, by *config.Config, text string, produce func(), want ...string) {
	t.Helper()
	accepted(t, text)
	text = strings.ReplaceAll(openRule.ReplaceAllString(text, "$1- "), "type: TYPE", "type: measure") + measure
	cfg := loadRecipe(t, strings.ReplaceAll(text, "# map:", "map:"))
	cfg.DataDir = by.DataDir // It has the certificate that servers trust.
	configured := &cfg.Sources[0]
	catalog, err := newCatalog(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var p *protocol
	if configured.Kafka != nil {
		p = &protocol{
			kind: configured.Kind(), adapter: intake.New(newIntake(configured, kafka.Dial{}, newTopics(cfg))), decode: intake.Decode(decodePayload(configured)),
		}
	} else if p, err = newAdapter(configured, catalog, cfg.DataDir, func() bool { return false }); err != nil {
		t.Fatal(err)
	}
	got := receive(t, cfg, configured, p, func(string) { produce() }, len(want))
	for _, begin := range want {
		if !slices.ContainsFunc(got, func(line string) bool { return strings.HasPrefix(line, begin) }) {
			t.Errorf("got\n%s\nwant %s, from\n%s", strings.Join(got, "\n"), begin, text)
		}
	}
}

// browse browses, and calls meanwhile after a moment.
func browse(t *testing.T, cfg *config.Config, o BrowseOptions, meanwhile func()) string {
	t.Helper()
	var out strings.Builder
	o.Out, o.Logger, o.Count = &out, slog.New(slog.DiscardHandler), 100
	ended := make(chan error, 1)
	go func() { ended <- BrowseSource(t.Context(), cfg, o) }()
	meanwhile()
	if err := <-ended; err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	return out.String()
}

// spy is a client of a broker that sees all messages but those of edge nodes.
type spy struct {
	mu   sync.Mutex
	seen []string
}

func startSpy(t *testing.T, broker *testenv.Mosquitto) *spy {
	t.Helper()
	s := new(spy)
	host, port, _ := net.SplitHostPort(broker.Address())
	command := exec.Command("mosquitto_sub", "-h", host, "-p", port, "-u", "user", "-P", "secret", "-t", "#", "-F", "%t")
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	go func() {
		for lines := bufio.NewScanner(output); lines.Scan(); {
			s.mu.Lock()
			s.seen = append(s.seen, lines.Text())
			s.mu.Unlock()
		}
	}()
	for !s.has("ready") {
		broker.Publish(t, "ready", "x")
	}
	return s
}

// has reports whether a message came whose topic has the text in it.
func (s *spy) has(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.seen, func(topic string) bool { return strings.Contains(topic, text) })
}

// edgeNode is an edge node of Sparkplug on a library of somebody else.
type edgeNode struct {
	input io.Writer
	done  chan struct{}
}

// startEdgeNode returns when the node is born.
func startEdgeNode(t *testing.T, product string, broker *testenv.Mosquitto) *edgeNode {
	t.Helper()
	host, port, _ := net.SplitHostPort(broker.Address())
	const scripts = "../source/sparkplug/testdata/"
	command := exec.Command("node", scripts+"edge.js", testenv.NodeModules(t, "sparkplug-client"), host, port)
	if product == "pysparkplug" {
		command = exec.Command(testenv.Python(t, product), scripts+"edge.py", host, port)
	}
	command.Stderr = os.Stderr
	input, err1 := command.StdinPipe()
	output, err2 := command.StdoutPipe()
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	n := &edgeNode{input, make(chan struct{}, 100)}
	go func() {
		for lines := bufio.NewScanner(output); lines.Scan(); {
			if lines.Text() == "done" {
				n.done <- struct{}{}
			}
		}
	}()
	<-n.done
	return n
}

func (n *edgeNode) measure(t *testing.T) {
	t.Helper()
	if _, err := fmt.Fprintln(n.input, "data 5"); err != nil {
		t.Fatal(err)
	}
	<-n.done
}

// What edge nodes have is browsed and tried by listening: nothing is published, unless births may be asked for.
func TestEdgeNodesAreBrowsedAndTriedWithoutAWord(t *testing.T) {
	if testing.Short() {
		t.Skip("needs Mosquitto and edge nodes")
	}
	for product, want := range map[string][]string{
		"pysparkplug":      {"Plant/python/supply measure ", "Plant/python/press/temperature temperature_sensor ", "Plant/python/press/running switch_sensor "},
		"sparkplug-client": {"Plant/javascript/supply current_sensor ", "Plant/javascript/press/temperature temperature_sensor ", "Plant/javascript/press/running switch_sensor "},
	} {
		t.Run(product, func(t *testing.T) {
			t.Parallel()
			broker := testenv.NewMosquitto(t, t.TempDir(), false, "")
			password := filepath.Join(t.TempDir(), "password")
			if err := os.WriteFile(password, []byte("secret\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			cfg := config.Default(config.Iotmon, Builtin())
			cfg.DataDir = t.TempDir()
			cfg.Sources = []config.Source{{Name: "edge", Sparkplug: &config.Sparkplug{
				URL: "tcp://" + broker.Address(), Groups: []string{"Plant"}, HostID: "iotmon", Primary: true, Username: "user", PasswordFile: password,
			}}}
			published := startSpy(t, broker)
			var node *edgeNode
			text := browse(t, &cfg, BrowseOptions{Source: "edge", For: 6 * time.Second}, func() { node = startEdgeNode(t, product, broker) })
			if !strings.Contains(text, "were not asked for their metrics") {
				t.Errorf("got\n%s", text)
			}
			var tried strings.Builder
			err := TrySource(t.Context(), &cfg, TryOptions{Name: "edge", For: time.Second, Out: &tried, Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Errorf("%v\n%s", err, tried.String())
			}
			if published.has("NCMD") || published.has("DCMD") || published.has("STATE") || !published.has("NBIRTH") {
				t.Errorf("got %v, want what the node publishes alone", published.seen)
			}

			asked := browse(t, &cfg, BrowseOptions{
				Source: "sparkplug://" + broker.Address(), User: "user", PasswordFile: password, Rebirth: true, For: 4 * time.Second,
			}, func() { time.Sleep(500 * time.Millisecond); node.measure(t) })
			if !published.has("NCMD") || published.has("STATE") {
				t.Errorf("got %v, want a request for births alone", published.seen)
			}
			for _, text := range []string{text, asked} {
				runWritten(t, &cfg, text, func() { node.measure(t); node.measure(t) }, want...)
			}
			if files, _ := os.ReadDir(cfg.DataDir); len(files) > 0 {
				t.Errorf("got files %v", files)
			}
		})
	}
}

// What is on a real cluster, also one with logins, is browsed and tried by its URL and by the name of a source: nothing is written, and no group's
// offset changes.
func TestAClusterIsBrowsedAndTriedWithoutATrace(t *testing.T) {
	if testing.Short() {
		t.Skip("needs Kafka")
	}
	plain, secure := testenv.Kafka(t), testenv.KafkaSASL(t)
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte(secure.Password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	dial := kafka.Dial{Brokers: plain, ClientID: "test", Logger: kafkatest.Quiet()}
	for name, o := range map[string]BrowseOptions{
		"plain":         {Source: "kafka://" + strings.Join(plain, ",")},
		"SCRAM and TLS": {Source: "kafkas://" + secure.Brokers[0], User: secure.User, PasswordFile: password, CAFile: secure.CAFile},
		"PLAIN and TLS": {Source: "kafkas://" + secure.Brokers[0], User: secure.User, PasswordFile: password, CAFile: secure.CAFile, Mechanism: "plain"},
		"configured":    {Source: "line"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, err := kgo.NewClient(dial.Options()...)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(client.Close)
			admin, topic := kadm.NewClient(client), "browsed."+uuid.NewString()
			if _, err := admin.CreateTopic(t.Context(), 1, 1, nil, topic); err != nil {
				t.Fatal(err)
			}
			produce := func() {
				record := kgo.Record{Topic: topic, Key: []byte("oven"), Value: []byte(`{"temp": 81.5, "speed": 3, "name": "x"}`)}
				if err := client.ProduceSync(context.Background(), &record, &kgo.Record{Topic: topic, Value: []byte("no key")}).FirstErr(); err != nil {
					t.Error(err)
				}
			}
			produce()
			group := "group." + topic
			var offsets kadm.Offsets
			offsets.AddOffset(topic, 0, 1, -1)
			if err := admin.CommitAllOffsets(t.Context(), group, offsets); err != nil {
				t.Fatal(err)
			}
			cfg := config.Default(config.Iotmon, Builtin())
			cfg.Sources = []config.Source{{Name: "line", Kafka: &config.KafkaSource{
				Brokers: secure.Brokers, Topics: []string{topic}, Group: group, TLS: &config.SourceTLS{CAFile: secure.CAFile},
				SASL: &config.SourceSASL{Mechanism: "SCRAM-SHA-256", Username: secure.User, PasswordFile: password},
			}, Map: []config.MapRule{{Field: "temp", Device: "{{tag key}}", Type: "temperature_sensor"}}}}
			if o.Source != "line" {
				o.Topics = []string{topic}
			}
			o.For = 5 * time.Second
			text := browse(t, &cfg, o, func() {})
			var tried strings.Builder
			err = TrySource(t.Context(), &cfg, TryOptions{Name: "line", For: 20 * time.Second, Count: 1, Out: &tried, Logger: slog.New(slog.DiscardHandler)})
			if err != nil || !strings.Contains(tried.String(), `"oven" temperature_sensor 81.5`) || !strings.Contains(tried.String(), `{"temp": 81.5`) {
				t.Errorf("%v\n%s", err, tried.String())
			}
			ends, err := admin.ListEndOffsets(t.Context(), topic)
			if end, _ := ends.Lookup(topic, 0); err != nil || end.Offset != 2 {
				t.Errorf("got the end %d, %v, want the 2 records of before", end.Offset, err)
			}
			committed, err := admin.FetchOffsets(t.Context(), group)
			if at, _ := committed.Lookup(topic, 0); err != nil || at.At != 1 {
				t.Errorf("got the offset %d, %v, want 1", at.At, err)
			}
			for _, other := range []string{fmt.Sprintf("iotmon-browse-%d", os.Getpid()), fmt.Sprintf("%s-try-%d", group, os.Getpid())} {
				if offsets, err := admin.FetchOffsets(t.Context(), other); err == nil && len(offsets[topic]) > 0 {
					t.Errorf("group %s has offsets: %v", other, offsets)
				}
			}
			if strings.Contains(text, secure.Password+"\n") {
				t.Errorf("the password is in\n%s", text)
			}
			runWritten(t, &cfg, text, produce, topic+"/oven/temp temperature_sensor ", topic+"/oven/speed measure ")
		})
	}
}

// The registers of a real server are browsed, and what is written polls them.
func TestRegistersAreBrowsed(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a server of Modbus")
	}
	t.Parallel()
	server := testenv.StartModbus(t, "", nil, map[string]any{
		"records": filepath.Join(t.TempDir(), "records"), "units": map[string]any{"1": map[string]registers{"holding": {"0": {17, 18}, "7": {19}}}}, "behaviour": nil,
	})
	t.Cleanup(server.Kill)
	address := server.Address
	cfg := config.Default(config.Iotmon, Builtin())
	text := browse(t, &cfg, BrowseOptions{Source: "modbus://" + address, Name: "meter", Unit: 1, Registers: []string{"40001-40010"}, For: 20 * time.Second}, func() {})
	runWritten(t, &cfg, text, func() {}, "meter/holding/0 measure ", "meter/holding/1 measure ", "meter/holding/7 measure ")
}

// The variables of real servers are browsed, with a login, and what is written subscribes to them.
func TestVariablesAreBrowsed(t *testing.T) {
	if testing.Short() {
		t.Skip("needs servers of OPC UA")
	}
	t.Parallel()
	for _, product := range []string{testenv.Asyncua, testenv.NodeOPCUA} {
		t.Run(product, func(t *testing.T) {
			t.Parallel()
			directory := t.TempDir()
			certificate, arguments := testenv.OPCUASecurity(t, directory)
			server := testenv.StartOPCUA(t, product, "", directory, nil, append(arguments, "--path", "/", "--nodes",
				`[{"uri": "urn:x", "id": "s=Line.Temp", "path": ["Line", "Temp"], "value": 21.5}, {"uri": "urn:x", "id": "s=Line.Count", "path": ["Line", "Count"], "value": 7}]`)...)
			t.Cleanup(server.Kill)
			if err := os.WriteFile(filepath.Join(directory, "password"), []byte(testenv.OPCUAPassword+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			cfg := config.Default(config.Iotmon, Builtin())
			cfg.DataDir = directory
			o := BrowseOptions{
				Source: "opc.tcp://" + server.Address + "/", Security: "Basic256Sha256/SignAndEncrypt", User: "iotmon", PasswordFile: filepath.Join(directory, "password"),
				CAFile: certificate, For: time.Minute,
			}
			text := browse(t, &cfg, o, func() {})
			lines := slices.DeleteFunc(strings.Split(text, "\n"), func(line string) bool { // A server has variables about itself.
				return strings.Contains(line, "{node") && !strings.Contains(line, "urn:x")
			})
			runWritten(t, &cfg, strings.Join(lines, "\n"), func() {}, "line-temp temperature_sensor ", "line-count measure ")
			cfg.Sources = []config.Source{{Name: "plc", OPCUA: &config.OPCUA{
				Endpoint: o.Source, Security: o.Security, User: o.User, PasswordFile: o.PasswordFile, Trust: o.CAFile,
			}}}
			named := browse(t, &cfg, BrowseOptions{Source: "plc", For: time.Minute}, func() {})
			if !strings.Contains(named, `device: "line-temp", type: "temperature_sensor"`) || !strings.Contains(named, `name: "plc"`) {
				t.Errorf("got\n%s", named)
			}
		})
	}
}
