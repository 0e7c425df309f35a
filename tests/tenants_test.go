package tests

import (
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/api"
	"iotmon/internal/app/datadir"
	"iotmon/internal/control"
	"iotmon/internal/iot"
	"iotmon/internal/kafka"
	"iotmon/internal/kafka/embedded"
	"iotmon/internal/store/sqlite"
	"iotmon/internal/wire"
)

// decision is a record about a device that is not a reading.
type decision struct {
	kind   iot.Kind
	device iot.Identity
	value  []byte
}

// appendTo appends decisions, and readings after them, to the log of a system that is not running.
func (p *plant) appendTo(decisions []decision, readings ...iot.Reading) {
	p.t.Helper()
	broker, err := embedded.Open(p.t.Context(), embedded.Options{Dir: datadir.Broker(p.cfg.DataDir), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		p.t.Fatal(err)
	}
	defer broker.Close()
	dial := kafka.Dial{Brokers: broker.Addrs(), ClientID: "test", Logger: slog.New(slog.DiscardHandler)}
	client, err := kgo.NewClient(dial.Options(kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)))...)
	if err != nil {
		p.t.Fatal(err)
	}
	defer client.Close()
	for _, d := range decisions {
		record := &kgo.Record{
			Topic: p.cfg.Kafka.Topic, Key: wire.AppendDeviceKey(nil, d.device), Value: d.value, Headers: kafka.KindHeaders(d.kind, 1), Timestamp: time.Now(),
		}
		if err := client.ProduceSync(p.t.Context(), record).FirstErr(); err != nil {
			p.t.Fatal(err)
		}
	}
	producer, err := kafka.NewProducer(kafka.ProducerOptions{Dial: dial, Topics: kafka.Topics{Readings: p.cfg.Kafka.Topic}, Compression: "none"})
	if err != nil {
		p.t.Fatal(err)
	}
	defer producer.Close()
	if err := producer.Append(p.t.Context(), readings); err != nil {
		p.t.Fatal(err)
	}
}

// get returns the text of an answer.
func (p *plant) get(path string) string {
	p.t.Helper()
	response, err := http.Get("http://" + p.addr + path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return string(text)
}

// awaitDecided starts the system anew, which takes over what is in force and not in its database, and waits until the database has the registry
// entry of a device.
func (p *plant) awaitDecided(device iot.Identity) {
	p.t.Helper()
	p.stop()
	p.start()
	database, err := sqlite.OpenControl(p.t.Context(), datadir.Decisions(p.cfg.DataDir))
	if err != nil {
		p.t.Fatal(err)
	}
	defer database.Close()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		found, err := database.Objects(p.t.Context(), []control.Ref{control.DeviceRef(device)})
		if err == nil && found[0].Version > 0 {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("the database has no entry of %v: %v, %v", device, found, err)
		}
	}
}

// Readings, registry entries, commands and status reports of tenants are in the log, some of them under the ids of devices without a tenant.
// They take effect for the tenant's device, and no answer and no message has anything of them.
func TestNobodySeesADeviceOfATenant(t *testing.T) {
	p := startPlant(t)
	p.stop()
	now := time.Now().UTC().Truncate(time.Second)
	read := func(tenant iot.Tenant, id iot.DeviceID, seconds int, value float64) iot.Reading {
		r := iot.Reading{
			Device: iot.Device{Tenant: tenant, ID: id, Type: iot.Temperature, Unit: "°C"}, Time: now.Add(time.Duration(seconds-60) * time.Second),
			Value: value, Status: iot.Online,
		}
		if tenant != "" {
			r.Location.Building, r.Metadata.Model = "secret-building", "secret-model"
		}
		return r
	}
	secret := read("acme", "secret-humid", 3, 77)
	secret.Type, secret.Unit = iot.Humidity, "%"
	broken := read("acme", "secret-broken", 4, 0)
	broken.ValueText = "secret-value"
	unheard := iot.Identity{Tenant: "acme", ID: "secret-unheard"}
	entry := wire.AppendDeviceEntry(nil, &iot.DeviceEntry{
		Version: 1, Name: "secret-name", Area: "secret-area/secret-hall", Labels: map[string]string{"secret-label": "x"},
	})
	report := wire.AppendStatusReport(nil, &iot.StatusReport{Status: iot.ReportedOffline, Reason: "secret-reason", Time: now.Add(-time.Minute)})
	shelve := wire.AppendCommand(nil, &iot.Command{
		ID: "secret-command", Action: iot.Shelve, Actor: "secret-actor", Reason: "secret-reason", Time: now, Until: now.Add(time.Hour),
	})
	decisions := []decision{
		{iot.KindDevice, unheard, entry}, {iot.KindStatus, unheard, report}, {iot.KindCommand, unheard, shelve},
	}
	for _, tenant := range []iot.Tenant{"acme", "zeta"} {
		shared := iot.Identity{Tenant: tenant, ID: "shared"}
		decisions = append(decisions, decision{iot.KindDevice, shared, entry}, decision{iot.KindStatus, shared, report}, decision{iot.KindCommand, shared, shelve})
	}
	p.appendTo(decisions,
		read("", "shared", 1, 20.5), read("acme", "shared", 1, 66.25), read("zeta", "shared", 2, 66.25), read("", "shared", 2, 21.5),
		read("acme", "secret-hot", 2, 66.25), secret, broken, read("", "last", 5, 20),
	)
	p.start()
	deadline := time.Now().Add(time.Minute)
	for _, awaited := range []struct{ path, holds string }{
		{"/api/v1/devices/last", `"online"`}, {"/api/v1/devices/shared/readings?from=-10m", "21.5"}, {"/api/v1/devices/last/readings?from=-10m", `20`},
		{"/api/v1/summaries?from=-10m", `"max_value":21.5`}, {"/api/v1/system", `"dead_letters"`},
	} {
		for !strings.Contains(p.get(awaited.path), awaited.holds) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: got %s, want %s in it", awaited.path, p.get(awaited.path), awaited.holds)
			}
			p.do(http.MethodPost, "/api/v1/readings", "application/json", // The window closes by the log's clock.
				`{"device_id":"shared","device_type":"temperature_sensor","value":20.5,"timestamp":"`+time.Now().UTC().Format(time.RFC3339Nano)+`"}`)
			time.Sleep(100 * time.Millisecond)
		}
	}
	p.awaitDecided(iot.Identity{Tenant: "acme", ID: "shared"})
	for _, path := range []string{
		"/api/v1/devices", "/api/v1/devices?q=secret", "/api/v1/devices/shared", "/api/v1/devices/shared/readings?from=-10m", "/api/v1/alerts",
		"/api/v1/alerts?from=-10m", "/api/v1/summaries?from=-10m", "/api/v1/summaries?from=-10m&step=1m", "/api/v1/summaries?from=-10m&area=secret-building",
		"/api/v1/devices?registered=true", "/api/v1/devices?never_sent=true", "/api/v1/devices?area=secret-area",
		"/api/v1/areas", "/api/v1/dead-letters", "/api/v1/audit", "/api/v1/registry", "/api/v1/status", "/api/v1/system",
	} {
		if text := p.get(path); leaks(text) || strings.Contains(path, "summaries") && strings.Contains(text, "humidity_sensor") {
			t.Errorf("%s: got %s", path, text)
		}
	}
	for _, path := range []string{"/api/v1/devices/secret-hot", "/api/v1/devices/secret-unheard", "/api/v1/devices/acme%1Fshared", "/api/v1/dead-letters/0-0"} {
		if status, _ := p.do(http.MethodGet, path, "", ""); status < http.StatusBadRequest || status >= http.StatusInternalServerError {
			t.Errorf("%s: got status %d, want that there is none", path, status)
		}
	}
	if text := p.get("/api/v1/devices/secret-hot/readings?from=-10m"); strings.Contains(text, "66.25") {
		t.Errorf("got %s", text)
	}
	page := visit(t, p.addr, url.Values{})
	defer page.conn.Close()
	_ = page.conn.SetReadDeadline(time.Now().Add(3 * time.Second))
	for {
		kind, text, err := page.conn.ReadMessage()
		if err != nil {
			break
		}
		if kind == websocket.TextMessage && leaks(string(text)) {
			t.Errorf("got the message %s", text)
		}
	}
	p.stop()
	archived, err := sqlite.Open(t.Context(), sqlite.Options{Path: datadir.Database(p.cfg.DataDir), ReadingsTopic: p.cfg.Kafka.Topic})
	if err != nil {
		t.Fatal(err)
	}
	for _, tenant := range []iot.Tenant{"acme", "zeta"} {
		got, err := archived.Readings(t.Context(), api.ReadingsQuery{Tenant: tenant, Device: "shared", From: now.Add(-time.Hour), To: now, MaxPoints: 10})
		if err != nil || len(got) != 1 || got[0].Value != 66.25 {
			t.Errorf("tenant %s: got %+v, %v, want its own reading", tenant, got, err)
		}
		alerts, err := archived.Alerts(t.Context(), api.AlertsQuery{Tenant: tenant, Device: "shared", Limit: 10})
		if err != nil || len(alerts) == 0 || alerts[0].Suppressed != iot.Shelved || alerts[0].Area != "secret-area/secret-hall" {
			t.Errorf("tenant %s: got the alerts %+v, %v, want those of its device, which is shelved and has an area", tenant, alerts, err)
		}
	}
	if err := archived.Close(); err != nil {
		t.Fatal(err)
	}
	p.start()
}

// leaks reports whether a text has something of the tenants in the test above.
func leaks(text string) bool {
	for _, secret := range []string{"secret-hot", "secret-humid", "secret-broken", "secret-value", "secret-building\"", "secret-model", "secret-unheard", "secret-name",
		"secret-hall", "secret-label", "secret-reason", "secret-command", "secret-actor", "66.25", "acme", "zeta"} {
		if strings.Contains(text, secret) {
			return true
		}
	}
	return false
}
