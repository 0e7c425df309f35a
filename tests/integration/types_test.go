package integration

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
	"iotmon/tests/testenv"
)

const flowType = iot.DeviceType("flow_sensor")

// TestAMapMakesATypeInEveryService decides a map with a new device type while producer, consumer, web and websocket run as services of their own on a
// real Kafka, and kills each of them on the way: the map comes into force after its type, and what Mosquitto was given is in the archive, in the windows,
// and in every list.
func TestAMapMakesATypeInEveryService(t *testing.T) {
	if testing.Short() {
		t.Skip("needs real servers; make test brings them")
	}
	inTurn(t)
	topics, database, broker := joinCluster(t), testenv.Postgres(t), testenv.NewMosquitto(t, t.TempDir(), false, "")
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	common := topics.config("readings") + fmt.Sprintf("postgres: {url: %q}\n", database) + killConfig
	producer := newProgram(t, "producer", common+fmt.Sprintf(`
sources:
  - name: hall-3
    mqtt: {url: "tcp://%s", client_id: hall-3, username: user, password_file: %s, topics: ["plant/#"]}
    map: [{field: t, device: configured, type: temperature_sensor}]
`, broker.Address(), password), "-no-simulator")
	consumer, web, push := newProgram(t, "consumer", common), newProgram(t, "web", common), newProgram(t, "websocket", common)
	for _, s := range []*server{web, push, producer} {
		s.start()
	}
	viewer := seeTypes(t, push)
	waitFor(t, patience, "the source is connected", func() bool { return sources(web)["hall-3"].State == "connected" })
	// Without a consumer the type cannot be in force, so the map must not be. The program that has decided is killed as well.
	var decided decidedMap
	waitFor(t, patience, "a map can be decided", func() bool {
		decided = decideFlow(t, web, "L/min", flowType)
		return decided.status != http.StatusServiceUnavailable && decided.status != 0
	})
	if decided.status != http.StatusAccepted || !strings.Contains(decided.Reason, "not all consumers have put the device type") {
		t.Errorf("without a consumer: got %+v", decided)
	}
	web.kill()
	web.start()
	consumer.start()
	waitFor(t, patience, "the map is in force", func() bool { return mapOf(t, web).InForce })
	if second := decideFlow(t, web, "m³/h", flowType); second.status != http.StatusUnprocessableEntity || !strings.Contains(second.text, "defined otherwise (0 to 400 L/min)") {
		t.Errorf("the same type with another unit: got %+v", second)
	}

	sent := publish(t, broker, "plant/pump", func(number int) (sample, []byte) {
		s := sample{device: fmt.Sprint("pump-", number%5), kind: flowType, at: iot.CutTime(time.Now()), value: float64(number % 400)}
		return s, fmt.Appendf(nil, `{"id":%q,"flow":%v,"at":%d}`, s.device, s.value, s.at.UnixMicro())
	})
	for _, s := range []*server{producer, consumer, web, producer} {
		time.Sleep(time.Second)
		s.kill()
		s.start()
	}
	time.Sleep(time.Second)
	samples := sent.stop()
	compareMessages(t, database, "pump-", samples)
	compareFlow(t, web, samples)
	for _, s := range []*server{web, push} {
		waitFor(t, patience, "a viewer that comes now knows the type", func() bool { return seeTypes(t, s).has(flowType) })
	}
	if !viewer.has(flowType) {
		t.Error("the viewer that was there knows no new type")
	}
	listed := list[wire.TypeSpec](t, web.base(), "/api/v1/types", url.Values{})
	if at := slices.IndexFunc(listed, func(s wire.TypeSpec) bool { return s.Name == flowType }); at < 0 || listed[at].Unit != "L/min" || listed[at].Labels["zh"] != "流量" {
		t.Errorf("got the types %+v", listed)
	}
	if devices := list[wire.Device](t, web.base(), "/api/v1/devices", url.Values{"type": {string(flowType)}}); len(devices) != 5 {
		t.Errorf("got %d devices of the type, want 5", len(devices))
	}
	posted := wire.AppendReading(nil, &iot.Reading{Device: iot.Device{ID: "posted", Type: flowType, Unit: "L/min"}, Time: time.Now(), Value: 7})
	if status := postReading(t, web, string(posted)); status != http.StatusOK && status != http.StatusAccepted {
		t.Errorf("another door: got status %d", status)
	}
	waitFor(t, patience, "the reading of another door is archived", func() bool { return len(archivedOf(t, database, "posted")["posted"]) == 1 })
}

// decidedMap is the answer to a decision about a map.
type decidedMap struct {
	status int
	text   string

	InForce bool   `json:"in_force"`
	Reason  string `json:"reason"`
}

func answered(t *testing.T, request *http.Request) (m decidedMap) {
	t.Helper()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return m // The service is being started.
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	m.status, m.text = response.StatusCode, string(body)
	_ = json.Unmarshal(body, &m) // A problem has nothing of it.
	return m
}

// decideFlow decides the map of hall-3, with a type that has a unit.
func decideFlow(t *testing.T, web *server, unit string, name iot.DeviceType) decidedMap {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, web.base()+"/api/v1/sources/hall-3/map", strings.NewReader(fmt.Sprintf(`{"rules":[
		{"field":"flow","device":"{{id}}","type":%q,"define":{"unit":%q,"decimals":1,"max":400,"labels":{"en":"Flow","zh":"流量"}},"time":{"field":"at","format":"unix_us"}}]}`, name, unit)))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	return answered(t, request)
}

func mapOf(t *testing.T, web *server) decidedMap {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, web.base()+"/api/v1/sources/hall-3/map", nil)
	if err != nil {
		t.Fatal(err)
	}
	return answered(t, request)
}

func postReading(t *testing.T, s *server, body string) int {
	t.Helper()
	response, err := http.Post(s.base()+"/api/v1/readings", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode
}

// compareFlow waits until the windows of the type have all samples, and compares their sum.
func compareFlow(t *testing.T, web *server, samples []sample) {
	t.Helper()
	want := 0.0
	for _, s := range samples {
		want += s.value
	}
	count, sum := int64(0), 0.0
	if !eventually(patience, func() bool {
		count, sum = 0, 0
		for _, row := range list[wire.Aggregate](t, web.base(), "/api/v1/summaries", url.Values{
			"from": {"2020-01-01T00:00:00Z"}, "to": {"2100-01-01T00:00:00Z"}, "limit": {"500"}, "type": {string(flowType)},
		}) {
			count += row.Data.Count
			if row.Data.Average != nil {
				sum += *row.Data.Average * float64(row.Data.Count)
			}
		}
		return count == int64(len(samples)) && sum > want-0.5 && sum < want+0.5
	}) {
		t.Errorf("got windows with %d values, sum %.1f; want %d, %.1f", count, sum, len(samples), want)
	}
}

// typesSeen are the device types that a viewer was sent.
type typesSeen struct {
	mu    sync.Mutex
	types map[iot.DeviceType]bool
}

func (s *typesSeen) has(name iot.DeviceType) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.types[name]
}

// seeTypes connects a viewer until the test ends, and returns when it has been greeted.
func seeTypes(t *testing.T, of *server) *typesSeen {
	t.Helper()
	seen := &typesSeen{types: make(map[iot.DeviceType]bool)}
	conn, response, err := websocket.DefaultDialer.DialContext(t.Context(), "ws://"+of.addr+"/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	greeted := make(chan struct{})
	var reading sync.WaitGroup
	reading.Go(func() {
		for first := true; ; first = false {
			var m struct {
				DeviceTypes []wire.TypeSpec `json:"device_types"`
			}
			if conn.ReadJSON(&m) != nil {
				break
			}
			seen.mu.Lock()
			for _, spec := range m.DeviceTypes {
				seen.types[spec.Name] = true
			}
			seen.mu.Unlock()
			if first {
				close(greeted)
			}
		}
	})
	t.Cleanup(func() {
		conn.Close()
		reading.Wait()
	})
	<-greeted
	return seen
}
