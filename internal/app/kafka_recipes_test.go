package app

import (
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/kafka/intake"
	"iotmon/internal/kafka/kafkatest"
)

// The recipes of docs/sources/kafka.md make of records as such programs write them what they are to make, from the embedded broker to the log.
func TestTheRecipesForKafka(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/sources/kafka.md")
	if err != nil {
		t.Fatal(err)
	}
	recipes := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	cluster := kafkatest.StartCluster(t)
	client := cluster.Client()
	written := time.Now().Truncate(time.Second)
	measured := written.Add(-time.Minute)
	clock, before, millis := written.UTC().Format("15:04:05"), measured.UTC().Format("15:04:05"), strconv.FormatInt(measured.UnixMilli(), 10)
	tests := []struct {
		name   string
		record kgo.Record
		want   []string
	}{
		{"other-programs", kgo.Record{Topic: "measurements", Key: []byte("oven"), Value: []byte(`{"temperature": 201.5}`)},
			[]string{"oven temperature_sensor " + clock}},
		{"numbers", kgo.Record{Topic: "temperatures", Key: []byte("oven"), Value: []byte("201.5")},
			[]string{"oven temperature_sensor " + clock}},
		{"machines", kgo.Record{
			Topic: "machine-data", Headers: []kgo.RecordHeader{{Key: "machine", Value: []byte("press-7")}},
			Value: []byte(`{"at": ` + millis + `, "temperature": 61.5, "pressure": 5.5, "operator": "x"}`),
		}, []string{"press-7/pressure pressure_sensor " + before, "press-7/temperature temperature_sensor " + before}},
		{"lines", kgo.Record{Topic: "plant.line-4", Key: []byte("oven"), Value: []byte(`{"temperature": 201.5}`)},
			[]string{"plant.line-4/oven temperature_sensor " + clock}},
		{"table", kgo.Record{Topic: "plant.public.measurements", Key: []byte(`{"id": 1}`), Value: []byte(
			`{"schema": {"type": "struct", "fields": [{"type": "struct", "optional": true, "field": "after", "fields": [
				{"type": "string", "optional": false, "field": "machine"}, {"type": "double", "optional": true, "field": "temperature"}]}],
				"optional": false, "name": "plant.public.measurements.Envelope", "version": 1},
			"payload": {"before": null, "after": {"machine": "press-7", "temperature": 61.5}, "op": "c", "ts_ms": ` + millis + `,
				"source": {"connector": "postgresql", "ts_ms": ` + millis + `, "table": "measurements"}}}`)},
			[]string{"press-7 temperature_sensor " + before}},
	}
	if len(recipes) != len(tests) {
		t.Fatalf("got %d recipes, want %d", len(recipes), len(tests))
	}
	// The embedded broker has neither TLS nor passwords.
	there := strings.NewReplacer("kafka-1:9092", cluster.Dial.Brokers[0], "broker-1.example.com:9093", cluster.Dial.Brokers[0])
	locked := regexp.MustCompile(`(?m)^ +(tls|sasl): .*\n`)
	for i, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			loadRecipe(t, recipes[i][1])
			cfg := loadRecipe(t, there.Replace(locked.ReplaceAllString(recipes[i][1], "")))
			configured := &cfg.Sources[0]
			if _, err := kadm.NewClient(client).CreateTopic(t.Context(), 1, 1, nil, test.record.Topic); err != nil {
				t.Fatal(err)
			}
			p := &protocol{
				kind: configured.Kind(), adapter: intake.New(newIntake(configured, cluster.Dial, cluster.Topics)),
				decode: intake.Decode(decodePayload(configured)),
			}
			test.record.Timestamp = written
			got := receive(t, cfg, configured, p, func(string) { cluster.Produce(client, &test.record) }, len(test.want))
			if configured.Name != test.name || !slices.Equal(got, test.want) {
				t.Errorf("%s: got  %q\nwant %q", configured.Name, got, test.want)
			}
		})
	}
}
