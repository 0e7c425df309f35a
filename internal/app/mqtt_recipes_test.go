package app

import (
	"context"
	"log/slog"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"iotmon/internal/config"
	"iotmon/internal/iot"
	"iotmon/internal/source"
	"iotmon/tests/testenv"
)

// notes are the readings, reports and rejects of a source, as texts.
type notes struct {
	mu    sync.Mutex
	texts map[string]bool
}

func (n *notes) add(text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.texts[text] = true
}

func (n *notes) all() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Sorted(maps.Keys(n.texts))
}

func (n *notes) Append(_ context.Context, readings []iot.Reading) error {
	for i := range readings {
		r := &readings[i]
		n.add(string(r.ID) + " " + string(r.Type) + " " + r.Time.UTC().Format("15:04:05"))
	}
	return nil
}

func (n *notes) Report(_ context.Context, reports []source.Report) error {
	for i := range reports {
		if reports[i].Interval == 0 {
			n.add("report " + string(reports[i].Device.ID) + " " + string(reports[i].Status))
		}
	}
	return nil
}

func (n *notes) Reject(_ context.Context, rejected []source.Rejected) error {
	for i := range rejected {
		n.add("rejected " + rejected[i].Topic + ": " + rejected[i].Reason)
	}
	return nil
}

// The recipes of docs/sources/mqtt.md make of what such devices send what they are to make, from mosquitto_pub to the log.
func TestTheRecipesForMQTT(t *testing.T) {
	text, err := os.ReadFile("../../docs/sources/mqtt.md")
	if err != nil {
		t.Fatal(err)
	}
	recipes := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	broker := testenv.NewMosquitto(t, t.TempDir(), false, "")
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().Truncate(time.Second)
	day, clock := now.UTC().Format(time.DateOnly), now.UTC().Format("15:04:05")
	local := now.In(zone).Format("2006-01-02T15:04:05")
	for i, recipe := range []struct {
		name     string
		messages [][2]string
		want     []string
	}{
		{"hall-3", nil, nil},
		{"tasmota", [][2]string{
			{"tele/boiler/SENSOR", `{"Time":"` + local + `","DS18B20":{"Id":"01131B123456","Temperature":54.3},"TempUnit":"C"}`},
			{"tele/plug/SENSOR", `{"Time":"` + local + `","ENERGY":{"TotalStartTime":"2026-01-01T00:00:00","Total":12.345,"Yesterday":0.5,"Today":0.1,"Period":0,"Power":60,"ApparentPower":62,"ReactivePower":14,"Factor":0.97,"Voltage":230,"Current":0.27}}`},
			{"tele/plug/STATE", `{"Time":"` + local + `","Uptime":"1T02:03:04","UptimeSec":93784,"Heap":25,"SleepMode":"Dynamic","POWER":"ON","Wifi":{"AP":1,"RSSI":72}}`},
			{"tele/plug/LWT", "Offline"},
		}, []string{
			"boiler-temperature temperature_sensor " + clock, "plug-current current_sensor " + clock, "plug-switch switch_sensor " + clock,
			"report plug-current offline", "report plug-switch offline",
		}},
		{"zigbee", [][2]string{
			{"zigbee2mqtt/cellar", `{"battery":97,"humidity":41.2,"last_seen":"` + day + "T" + clock + `.000Z","linkquality":120,"temperature":21.48}`},
			{"zigbee2mqtt/cellar/availability", `{"state":"online"}`},
		}, []string{
			"cellar-humidity humidity_sensor " + clock, "cellar-temperature temperature_sensor " + clock,
			"report cellar-humidity online", "report cellar-temperature online",
		}},
		{"shelly", [][2]string{
			{"shelly/pump-1/events/rpc", `{"src":"shellyplus1pm-a8032abe54dc","dst":"shelly/pump-1/events","method":"NotifyStatus","params":{"ts":` +
				strconv.FormatInt(now.Unix(), 10) + `,"switch:0":{"id":0,"output":true,"current":1.25,"apower":8.9},"temperature:100":{"id":100,"tC":36.4,"tF":97.5}}}`},
			{"shelly/pump-1/online", "false"},
		}, []string{
			"pump-1-current current_sensor " + clock, "pump-1-switch switch_sensor " + clock, "pump-1-temperature temperature_sensor " + clock,
			"report pump-1-current offline", "report pump-1-switch offline", "report pump-1-temperature offline",
		}},
		{"esphome", esphome, esphomeReadings},
	} {
		t.Run(recipe.name, func(t *testing.T) {
			yaml := strings.ReplaceAll(recipes[i][1], "broker:1883", broker.Address())
			got := receiveByRecipe(t, yaml, func() {
				for _, m := range recipe.messages {
					broker.Publish(t, m[0], m[1])
				}
			}, len(recipe.want))
			if recipe.name == "esphome" {
				got = withoutTimes(got)
			}
			if !slices.Equal(got, recipe.want) {
				t.Errorf("got  %q\nwant %q", got, recipe.want)
			}
		})
	}
}

// esphome is what a device with ESPHome publishes, and esphomeReadings what becomes of it. Its values have the time of their arrival.
var (
	esphome = [][2]string{
		{"cellar/sensor/boiler/state", "54.3"}, {"cellar/binary_sensor/pump/state", "ON"}, {"cellar/debug", "[D][sensor:094]: 'boiler': Sending state 54.3"},
		{"cellar/status", "offline"},
	}
	esphomeReadings = []string{"cellar-boiler temperature_sensor", "cellar-pump switch_sensor", "report cellar-boiler offline", "report cellar-pump offline"}
)

// withoutTimes returns notes without the times of the readings.
func withoutTimes(notes []string) []string {
	for i, text := range notes {
		notes[i] = regexp.MustCompile(` \d\d:\d\d:\d\d$`).ReplaceAllString(text, "")
	}
	return notes
}

// The recipes of docs/sources/mqtt-broker.md do so, too, without another broker. The users have passwords by Mosquitto's own tool.
func TestTheRecipesForTheMQTTBroker(t *testing.T) {
	text, err := os.ReadFile("../../docs/sources/mqtt-broker.md")
	if err != nil {
		t.Fatal(err)
	}
	recipes := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	users := filepath.Join(t.TempDir(), "users")
	if output, err := exec.Command("mosquitto_passwd", "-c", "-b", users, "user", "secret").CombinedOutput(); err != nil {
		t.Fatalf("mosquitto_passwd: %v\n%s", err, output)
	}
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().Truncate(time.Second)
	clock, local := now.UTC().Format("15:04:05"), now.In(zone).Format("2006-01-02T15:04:05")
	for i, recipe := range []struct {
		name     string
		messages [][2]string
		want     []string
	}{
		{"first", [][2]string{{"hall-3/dryer/telemetry", `{"temperature": 61.5, "ts": ` + strconv.FormatInt(now.UnixMilli(), 10) + `}`}},
			[]string{"dryer-temperature temperature_sensor " + clock}},
		{"permissions", nil, nil},
		{"tasmota", [][2]string{
			{"tele/boiler/SENSOR", `{"Time":"` + local + `","DS18B20":{"Id":"01131B123456","Temperature":54.3},"TempUnit":"C"}`},
			{"tele/plug/STATE", `{"Time":"` + local + `","Uptime":"1T02:03:04","UptimeSec":93784,"Heap":25,"SleepMode":"Dynamic","POWER":"ON","Wifi":{"AP":1,"RSSI":72}}`},
			{"stat/plug/RESULT", `{"POWER":"ON"}`}, // It is not among the topics.
			{"tele/plug/LWT", "Offline"},
		}, []string{"boiler-temperature temperature_sensor " + clock, "plug-switch switch_sensor " + clock, "report plug-switch offline"}},
		{"shelly", [][2]string{
			{"shelly/pump-1/events/rpc", `{"src":"shellyplus1pm-a8032abe54dc","dst":"shelly/pump-1/events","method":"NotifyStatus","params":{"ts":` +
				strconv.FormatInt(now.Unix(), 10) + `,"switch:0":{"id":0,"output":true,"current":1.25,"apower":8.9}}}`},
			{"shelly/pump-1/online", "false"},
		}, []string{
			"pump-1-current current_sensor " + clock, "pump-1-switch switch_sensor " + clock, "report pump-1-current offline", "report pump-1-switch offline",
		}},
		{"esphome", esphome, esphomeReadings},
	} {
		t.Run(recipe.name, func(t *testing.T) {
			cfg := loadRecipe(t, strings.ReplaceAll(strings.ReplaceAll(recipes[i][1], `":1883"`, `"127.0.0.1:0"`), "/etc/iotmon/mqtt-users", users))
			if recipe.want == nil {
				return // It is a part of the configuration that loads.
			}
			configured := cfg.MQTTBroker.Source()
			p, err := newService(config.Iotmon, cfg, Options{Logger: slog.New(slog.DiscardHandler)}).newMQTTBroker(&cfg.MQTTBroker)
			if err != nil {
				t.Fatal(err)
			}
			got := receive(t, cfg, &configured, p, func(address string) {
				host, port, _ := net.SplitHostPort(strings.TrimPrefix(address, "tcp://"))
				for _, m := range recipe.messages {
					pub := exec.Command("mosquitto_pub", "-h", host, "-p", port, "-u", "user", "-P", "secret", "-q", "1", "-t", m[0], "-m", m[1])
					if output, err := pub.CombinedOutput(); err != nil {
						t.Errorf("mosquitto_pub: %v\n%s", err, output)
					}
				}
			}, len(recipe.want))
			if recipe.name == "esphome" {
				got = withoutTimes(got)
			}
			if !slices.Equal(got, recipe.want) {
				t.Errorf("got  %q\nwant %q", got, recipe.want)
			}
		})
	}
}

// receiveByRecipe runs the source of a configuration, and returns what has become of the messages.
func receiveByRecipe(t *testing.T, yaml string, publish func(), count int) []string {
	t.Helper()
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := loadRecipe(t, yaml)
	configured := &cfg.Sources[0]
	configured.MQTT.Username, configured.MQTT.PasswordFile = "user", password
	catalog, err := newCatalog(cfg)
	if err != nil {
		t.Fatal(err)
	}
	p, err := newAdapter(configured, catalog, t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return receive(t, cfg, configured, p, func(string) { publish() }, count)
}

func loadRecipe(t *testing.T, yaml string) *config.Config {
	t.Helper()
	dir := t.TempDir()
	name := filepath.Join(dir, "iotmon.yaml")
	if err := os.WriteFile(name, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(config.LoadOptions{Service: config.Iotmon, Builtin: Builtin(), Args: []string{"-config", name, "-data-dir", dir}, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// receive runs a source, calls publish with what it is connected to, and returns what has become of the messages.
func receive(t *testing.T, cfg *config.Config, configured *config.Source, p *protocol, publish func(address string), count int) []string {
	t.Helper()
	catalog, err := newCatalog(cfg)
	if err != nil {
		t.Fatal(err)
	}
	rules, err := newMapping("map", slices.Concat(implicitRules(configured), configured.Map), catalog)
	if err != nil {
		t.Fatal(err)
	}
	log := &notes{texts: make(map[string]bool)}
	quiet := slog.New(slog.DiscardHandler)
	status := source.NewStatus(configured.Name, p.kind, time.Now)
	runner := &source.Runner{
		Name: configured.Name, Adapter: p.adapter, Owner: source.Alone{}, Logger: quiet,
		Pipeline: source.PipelineOptions{
			Name: configured.Name, Log: log, Decode: p.decode, Mapping: rules, Admission: newAdmission(cfg, catalog), Status: status, Logger: quiet,
		},
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = runner.Run(ctx)
	}()
	defer func() { cancel(); <-ended }()
	deadline := time.Now().Add(20 * time.Second)
	for status.Snapshot().State != source.Connected {
		if time.Now().After(deadline) {
			t.Fatalf("not connected: %+v", status.Snapshot())
		}
		time.Sleep(5 * time.Millisecond)
	}
	publish(status.Snapshot().Address)
	for len(log.all()) < count && time.Now().Before(deadline) {
		time.Sleep(5 * time.Millisecond)
	}
	return log.all()
}
