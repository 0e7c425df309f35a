package httpsource_test

import (
	"bytes"
	"fmt"
	"math"
	"net/http"
	"os"
	"testing"
	"time"

	"iotmon/internal/app"
	"iotmon/internal/config"
	"iotmon/internal/iot"
	"iotmon/internal/mapping"
	httpsource "iotmon/internal/source/http"
)

const telegraf = "../../../docs/examples/telegraf/"

// telegrafRules returns the mapping of the example.
func telegrafRules(t *testing.T) *mapping.Rules {
	t.Helper()
	cfg, err := config.Load(config.LoadOptions{Service: config.Iotmon, Builtin: app.Builtin(), Args: []string{"-config", telegraf + "iotmon.yaml"}})
	if err != nil {
		t.Fatal(err)
	}
	catalog, err := iot.NewCatalog(iot.BuiltinTypes()...)
	if err != nil {
		t.Fatal(err)
	}
	var rules []mapping.Rule
	for _, r := range cfg.Ingest.Map {
		rules = append(rules, mapping.Rule{
			Measurement: r.Measurement, Field: r.Field, Tags: r.Tags,
			Device: r.Device, Type: iot.DeviceType(r.Type), Unit: r.Unit, Building: r.Building, Room: r.Room,
		})
	}
	m, err := mapping.New(rules, catalog)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// The files hold exactly the bytes that Telegraf has sent.
func TestRecordedRequestsOfTelegrafAreAccepted(t *testing.T) {
	want := map[iot.DeviceID]float64{
		"b1-temperature": (176.5 - 32) * 5 / 9, "b1-pressure": 1523, "b1-burner": 1,
		"b2-temperature": (175.1 - 32) * 5 / 9, "b2-pressure": 1519, "b2-burner": 0,
	}
	for name, test := range map[string]struct {
		contentType string
		devices     int
		readings    int
	}{
		"batch.json":  {"application/json", 6, 12},
		"single.json": {"application/json", 3, 3},
		"lines.txt":   {"application/vnd.influx.line-protocol", 6, 12},
	} {
		body, err := os.ReadFile(telegraf + "recorded/" + name)
		if err != nil {
			t.Fatal(err)
		}
		var log memoryLog
		h := newHandler(t, &log, func(o *httpsource.Options) {
			o.Mapping = telegrafRules(t)
			o.Now = func() time.Time { return time.Unix(1795898780, 0) }
		})
		w := post(h, test.contentType, bytes.NewReader(body))
		if got := result(t, w); w.Code != http.StatusOK || got.Accepted != test.readings || got.Conflicts != 0 {
			t.Errorf("%s: got %d %s, want %d accepted", name, w.Code, w.Body, test.readings)
		}
		devices := map[iot.DeviceID]bool{}
		for i := range log.readings {
			r := &log.readings[i]
			devices[r.ID] = true
			if math.Abs(r.Value-want[r.ID]) > 1e-6 || r.Location.Building != "north" || r.Time.Unix()/10 != 179589877 {
				t.Errorf("%s: got %s", name, fmt.Sprintf("%+v", r))
			}
		}
		if len(devices) != test.devices {
			t.Errorf("%s: got %d devices, want %d", name, len(devices), test.devices)
		}
	}
}
