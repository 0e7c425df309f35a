package integration

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
	"iotmon/tests/testenv"
)

// TestEveryServiceShowsTheRulesInForce decides rules while consumer, web and websocket run as services of their own, each with a configuration that says
// something else: what both services send to their viewers, and web says of a device, is what the processors go by.
func TestEveryServiceShowsTheRulesInForce(t *testing.T) {
	if testing.Short() {
		t.Skip("needs real servers; make test brings them")
	}
	inTurn(t)
	topics, database := joinCluster(t), testenv.Postgres(t)
	common := topics.config("readings") + fmt.Sprintf("postgres: {url: %q}\n", database)
	consumer := newProgram(t, "consumer", common+"alerts: {temperature_high: 31, revision: 1}\n")
	web := newProgram(t, "web", common+"alerts: {temperature_high: 77}\n")
	push := newProgram(t, "websocket", common+"alerts: {temperature_high: 78}\n")
	for _, s := range []*server{web, push, consumer} {
		s.start()
	}
	onWeb, onPush := seeRules(t, web), seeRules(t, push)
	all := func(what string, has func(map[string]float64) bool) {
		t.Helper()
		for name, seen := range map[string]*rulesSeen{"web": onWeb, "websocket": onPush} {
			if !eventually(patience, func() bool { return has(seen.now()) }) {
				t.Errorf("%s, %s: got %v", what, name, seen.now())
			}
		}
	}
	all("the configuration of the processors", func(rules map[string]float64) bool { return rules["temperature_high"] == 31 })
	addInForce(t, web, "/api/v1/rules", `{"name":"melting","device_type":"temperature_sensor","condition":{"kind":"threshold","threshold":900},"severity":"critical"}`)
	decided := time.Now()
	all("a rule is added", func(rules map[string]float64) bool { return rules["melting"] == 900 })
	if late := time.Since(decided); late > 2*time.Second {
		t.Errorf("the viewers knew it %v after the rule had come into force", late)
	}
	posted := wire.AppendReading(nil, &iot.Reading{Device: iot.Device{ID: "oven", Type: iot.Temperature, Unit: "°C"}, Time: time.Now(), Value: 7})
	if status := postReading(t, web, string(posted)); status != http.StatusOK && status != http.StatusAccepted {
		t.Fatalf("got status %d", status)
	}
	waitFor(t, patience, "the rules of the device", func() bool {
		_, answer := call(t, web, "GET", "/api/v1/devices/oven", "")
		var of wire.AlertRulesInForce
		_ = json.Unmarshal([]byte(answer), &of) // There may be no such device yet.
		return slices.ContainsFunc(of.AlertRules, func(r wire.AlertRule) bool { return r.AlertType == "temperature_high" && r.Threshold == 31 }) &&
			slices.ContainsFunc(of.AlertRules, func(r wire.AlertRule) bool { return r.AlertType == "melting" })
	})
	if code, answer := call(t, web, "DELETE", "/api/v1/rules/melting", "", "If-Match", "*"); code != http.StatusOK && code != http.StatusAccepted {
		t.Fatalf("got %d %s", code, answer)
	}
	all("it is deleted", func(rules map[string]float64) bool { return len(rules) > 0 && rules["melting"] == 0 })
	for _, s := range []*server{web, push} {
		s.kill()
		s.start()
		seen := seeRules(t, s)
		if !eventually(patience, func() bool { return seen.now()["temperature_high"] == 31 }) || seen.now()["melting"] != 0 {
			t.Errorf("after a kill: got %v", seen.now())
		}
	}
}

// rulesSeen are the thresholds of the rules that a viewer was sent last.
type rulesSeen struct {
	mu    sync.Mutex
	rules map[string]float64
}

func (s *rulesSeen) now() map[string]float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rules
}

// seeRules connects a viewer until the test ends or the server is killed.
func seeRules(t *testing.T, of *server) *rulesSeen {
	t.Helper()
	conn, response, err := websocket.DefaultDialer.DialContext(t.Context(), "ws://"+of.addr+"/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	seen := new(rulesSeen)
	var reading sync.WaitGroup
	reading.Go(func() {
		for {
			var m wire.AlertRulesInForce
			if conn.ReadJSON(&m) != nil {
				return
			}
			if m.AlertRules == nil {
				continue
			}
			rules := make(map[string]float64)
			for _, rule := range m.AlertRules {
				rules[rule.AlertType] = rule.Threshold
			}
			seen.mu.Lock()
			seen.rules = rules
			seen.mu.Unlock()
		}
	})
	t.Cleanup(func() {
		conn.Close()
		reading.Wait()
	})
	return seen
}
