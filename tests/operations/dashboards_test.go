package operations

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.yaml.in/yaml/v3"

	"iotmon/tests/testenv"
)

// dashboard has the fields of a dashboard that these tests read.
type dashboard struct {
	UID, Title string
	Templating struct {
		List []struct {
			Name, Query string
			Datasource  datasource
		}
	}
	Panels []panel
}

type datasource struct{ Type, UID string }

type panel struct {
	ID          int
	Type, Title string
	Datasource  datasource
	GridPos     struct{ X, Y, W, H int }
	Targets     []target
}

type target struct{ RefID, Expr, RawSQL string }

func readDashboards(t *testing.T) []dashboard {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(root, "monitoring", "grafana", "dashboards", "*.json"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("got %v, %v, want dashboards", paths, err)
	}
	var all []dashboard
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var d dashboard
		if err := json.Unmarshal(text, &d); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		all = append(all, d)
	}
	return all
}

func TestDashboardsAreThoseDocumentedAndWellFormed(t *testing.T) {
	titles := map[string]bool{"IoT 系统概览": false, "设备监控": false, "服务监控": false, "告警指标": false}
	sources := provisionedSources(t)
	for _, d := range readDashboards(t) {
		if _, ok := titles[d.Title]; ok {
			titles[d.Title] = true
		}
		ids := make(map[int]bool)
		for i, p := range d.Panels {
			if ids[p.ID] {
				t.Errorf("%s: two panels have the id %d", d.Title, p.ID)
			}
			ids[p.ID] = true
			if p.GridPos.X+p.GridPos.W > 24 {
				t.Errorf("%s: %s is wider than the page", d.Title, p.Title)
			}
			for _, other := range d.Panels[:i] {
				if overlap(p, other) {
					t.Errorf("%s: %s lies on %s", d.Title, p.Title, other.Title)
				}
			}
			if p.Type != "row" && sources[p.Datasource.UID] != p.Datasource.Type {
				t.Errorf("%s: %s asks the data source %v, which is not provisioned", d.Title, p.Title, p.Datasource)
			}
			if p.Type != "row" && len(p.Targets) == 0 {
				t.Errorf("%s: %s asks nothing", d.Title, p.Title)
			}
		}
	}
	for title, found := range titles {
		if !found {
			t.Errorf("there is no dashboard %s", title)
		}
	}
}

func overlap(a, b panel) bool {
	return a.GridPos.X < b.GridPos.X+b.GridPos.W && b.GridPos.X < a.GridPos.X+a.GridPos.W &&
		a.GridPos.Y < b.GridPos.Y+b.GridPos.H && b.GridPos.Y < a.GridPos.Y+a.GridPos.H
}

// provisionedSources returns the type of each data source by its id.
func provisionedSources(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "monitoring", "grafana", "provisioning", "datasources", "iotmon.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Datasources []struct{ UID, Type, URL string }
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	environment := readCompose(t, "docker-compose.yml").Services["grafana"].Environment
	types := make(map[string]string)
	for _, source := range file.Datasources {
		types[source.UID] = source.Type
		if _, ok := environment[strings.TrimPrefix(source.URL, "$")]; !ok {
			t.Errorf("data source %s: docker-compose.yml does not set %s", source.UID, source.URL)
		}
	}
	return types
}

// TestNoPanelIsEmpty runs every query of every dashboard against a real Prometheus and a real PostgreSQL, with real services
// running: a misspelt metric or column would be an empty panel. Then it stops the database and waits for the alerts.
func TestNoPanelIsEmpty(t *testing.T) {
	if testing.Short() {
		t.Skip("needs real servers; make test brings them")
	}
	t.Parallel()
	servers := testenv.Own(t, testenv.KafkaServer, testenv.PostgresServer, testenv.RedisServer)
	database := servers.PostgresURL()
	environment := []string{
		"IOTMON_KAFKA_BROKERS=" + strings.Join(servers.Brokers(), ","), "IOTMON_POSTGRES_URL=" + database,
		"IOTMON_REDIS_URL=" + servers.RedisURL(),
		"IOTMON_AGGREGATION_WINDOW_SECONDS=2", "IOTMON_AGGREGATION_ALLOWED_LATENESS=1s",
	}
	receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer receiver.Close()
	consumer := serve(t, "consumer", append(environment, "IOTMON_NOTIFICATIONS_CHANNELS=[{name: all, webhook: {url: '"+receiver.URL+"'}}]",
		"IOTMON_NOTIFICATIONS_ROUTES=[{name: all, channels: [all]}]")...)
	producer := serveConfigured(t, "producer", hall(t, servers.Brokers()), append(environment, "IOTMON_DEVICE_SIMULATOR_DEVICE_COUNT=20", "IOTMON_DEVICE_SIMULATOR_SEND_INTERVAL=500ms")...)
	web := serve(t, "web", environment...)
	push := serve(t, "websocket", environment...)
	startGateway(t, producer.addr)
	startGateway(t, web.addr)
	edge := serve(t, "iotmon", "IOTMON_DEVICE_SIMULATOR_ENABLED=false", "IOTMON_DATA_DIR="+t.TempDir(), "IOTMON_FORWARD_TO=http://"+producer.addr)
	startGateway(t, edge.addr)
	for _, service := range []*process{web, push} {
		look(t, service.addr)
	}
	p := watch(t, consumer, producer, web, push, edge)
	if !eventually(patience, func() bool {
		return len(p.query("iotmon:end_to_end_latency_seconds:p99_5m")) > 0 && len(p.query("increase(iot_websocket_refused_total[15s])")) > 0
	}) {
		t.Fatal("Prometheus does not see readings reach a viewer in time")
	}
	archive, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close(context.Background())
	for _, d := range readDashboards(t) {
		t.Run(d.Title, func(t *testing.T) { checkPanels(t, p, archive, d) })
	}

	var names []string
	if !eventually(patience, func() bool { names = p.firing(); return len(names) == 0 }) { // A minute of the rules is seconds here, which a busy machine may stand still.
		t.Errorf("without a fault these fire: %v", names)
	}
	// The archive of the edge goes on: it is another plant, whose Prometheus is the same.
	servers.Stop(testenv.PostgresServer)
	p.await("IotmonArchiveStalled", true)
	servers.Start(testenv.PostgresServer)
	p.await("IotmonArchiveStalled", false)
}

// hall starts a broker with a device that sends, and returns the arguments of a producer that subscribes to it, and to a topic of another program, and
// has an MQTT broker of its own.
func hall(t *testing.T, kafka []string) []string {
	t.Helper()
	const topic = "of-another-program"
	client, err := kgo.NewClient(kgo.SeedBrokers(kafka...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := kadm.NewClient(client).CreateTopic(t.Context(), 1, 1, nil, topic); err != nil {
		t.Fatal(err)
	}
	broker := testenv.NewMosquitto(t, t.TempDir(), false, "")
	dir := t.TempDir()
	password, config := filepath.Join(dir, "password"), filepath.Join(dir, "producer.yaml")
	text := fmt.Sprintf("sources:\n- {name: hall, mqtt: {url: %q, username: user, password_file: %q, topics: [\"plant/#\"]}, "+
		"map: [{field: temp, device: hall, type: temperature_sensor}]}\n"+
		"- {name: others, kafka: {brokers: [%q], topics: [%q], group: hall}, map: [{field: temp, device: other, type: temperature_sensor}]}\n"+
		"mqtt_broker: {addr: \"127.0.0.1:0\", anonymous: true}\n",
		"tcp://"+broker.Address(), password, kafka[0], topic)
	for path, content := range map[string]string{password: "secret", config: text} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	broker.Publish(t, "plant/hall", `{"temp":21}`, "-r") // The producer receives it when it has subscribed.
	return []string{"-config", config}
}

// look connects a viewer that stays, a viewer that leaves, and a client that is not a viewer.
func look(t *testing.T, addr string) {
	t.Helper()
	for _, stays := range []bool{true, false} {
		viewer, _, err := websocket.DefaultDialer.DialContext(t.Context(), "ws://"+addr+"/ws", nil)
		if err != nil {
			t.Fatal(err)
		}
		if !stays {
			viewer.Close()
			continue
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for {
				if _, _, err := viewer.NextReader(); err != nil {
					return
				}
			}
		}()
		t.Cleanup(func() {
			viewer.Close()
			<-ended
		})
	}
	if response, err := http.Get("http://" + addr + "/ws"); err == nil {
		response.Body.Close()
	}
}

// chosen replaces the variables of a dashboard with possible choices of a user.
var chosen = strings.NewReplacer("$__rate_interval", "15s", "$__range", "15s", "$instance", ".*", "$plant", ".*", "$device", "oven-9",
	"$type", "'temperature_sensor', 'humidity_sensor'")

var timeFilter = regexp.MustCompile(`\$__timeFilter\(([a-z_.]+)\)`)

// labelValues is Grafana's own way to ask for the values of a label.
var labelValues = regexp.MustCompile(`^label_values\((.+), (\w+)\)$`)

func checkPanels(t *testing.T, p *prometheus, archive *pgx.Conn, d dashboard) {
	for _, v := range d.Templating.List {
		choices := func() bool { return countRows(t, archive, v.Query) > 0 }
		if v.Datasource.Type == "prometheus" {
			parts := labelValues.FindStringSubmatch(v.Query)
			if parts == nil {
				t.Errorf("variable %s: no test knows the form of %s", v.Name, v.Query)
				continue
			}
			choices = func() bool { return len(p.query(fmt.Sprintf("count by (%s) (%s)", parts[2], parts[1]))) > 1 }
		}
		if !eventually(patience, choices) {
			t.Errorf("variable %s: nothing to choose from: %s", v.Name, v.Query)
		}
	}
	asked := 0
	for _, panel := range d.Panels {
		for _, target := range panel.Targets {
			asked++
			what := fmt.Sprintf("%s %s", panel.Title, target.RefID)
			if target.RawSQL != "" {
				query := timeFilter.ReplaceAllString(target.RawSQL, "$1 BETWEEN now() - interval '1 hour' AND now()")
				// The archive is a moment behind, and summaries are there when their windows have closed.
				if !eventually(patience, func() bool { return countRows(t, archive, query) > 0 }) {
					t.Errorf("%s: no rows: %s", what, query)
				}
				continue
			}
			checkExpression(t, p, what, chosen.Replace(target.Expr))
		}
	}
	t.Logf("%d queries", asked)
}

func countRows(t *testing.T, archive *pgx.Conn, query string) int {
	t.Helper()
	rows, err := archive.Query(t.Context(), chosen.Replace(query))
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		n++
	}
	if err := rows.Err(); err != nil {
		t.Errorf("%s: %v", query, err)
	}
	return n
}

// metric is a name in an expression that is that of a metric rather than a function or a label.
var metric = regexp.MustCompile(`\b(?:iot|iotmon|go|process)[_:][a-z0-9_:]+|\bup\b`)

// checkExpression checks that an expression has a value, as a chart would show it, and that every metric in it exists by
// itself, which "or vector(0)" would hide.
func checkExpression(t *testing.T, p *prometheus, what, expression string) {
	t.Helper()
	// Rates need some scrapes, and rules an evaluation after that.
	for _, name := range metric.FindAllString(expression, -1) {
		if !eventually(patience, func() bool { return len(p.query(name)) > 0 }) {
			t.Errorf("%s: there is no metric %s", what, name)
		}
	}
	if !eventually(patience, func() bool { return p.draws(expression) }) {
		t.Errorf("%s is empty: %s", what, expression)
	}
}

// draws reports whether a chart of the last seconds of an expression has a point.
func (p *prometheus) draws(expression string) bool {
	p.t.Helper()
	var answer struct {
		Result []struct {
			Values [][2]any
		}
	}
	now := time.Now()
	p.get("/api/v1/query_range", url.Values{
		"query": {expression}, "start": {unix(now.Add(-20 * time.Second))}, "end": {unix(now)}, "step": {"1"},
	}, &answer)
	for _, series := range answer.Result {
		if slices.ContainsFunc(series.Values, func(point [2]any) bool {
			text, _ := point[1].(string)
			value, err := strconv.ParseFloat(text, 64)
			return err == nil && !math.IsNaN(value)
		}) {
			return true
		}
	}
	return false
}

func unix(at time.Time) string { return strconv.FormatInt(at.Unix(), 10) }
