package tests

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"iotmon/internal/wire"
)

// The rules that pages are sent are those in force: whatever people change, add, disable or delete, within two seconds, and after a restart.
func TestPagesAreSentTheRulesInForce(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the whole system")
	}
	t.Parallel()
	p := startPlant(t)
	send(t, p.addr, "oven", time.Now(), 20)
	for deadline := time.Now().Add(time.Minute); len(p.rulesOf("oven")) == 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the device has no rules")
		}
	}
	viewer := visit(t, p.addr, nil)
	const high = "/api/v1/rules/temperature_high"
	for _, step := range []struct{ method, path, body, want string }{
		{"PUT", high, `{"device_type":"temperature_sensor","condition":{"kind":"threshold","threshold":90},"severity":"info"}`, "temperature_high 90 info"},
		{"POST", "/api/v1/rules", `{"name":"melting","device_type":"temperature_sensor","condition":{"kind":"levels","levels":{"high_high":{"limit":900}}},"severity":"critical"}`, "melting.high_high 900 critical"},
		{"POST", "/api/v1/rules", `{"name":"here","device_type":"temperature_sensor","devices":["oven"],"condition":{"kind":"threshold","threshold":70},"severity":"info"}`, ""},
		{"PUT", "/api/v1/rules/temperature_critical", `{"device_type":"temperature_sensor","disabled":true,"condition":{"kind":"threshold","threshold":60},"severity":"critical"}`, "!temperature_critical"},
		{"DELETE", high, "", "!temperature_high"},
	} {
		headers := []string(nil)
		if step.method != "POST" {
			headers = []string{"If-Match", "*"}
		}
		p.decide(step.method, step.path, "application/json", step.body, headers...)
		asked := time.Now()
		viewer.await(func(m *message) bool { return m.Type == wire.TypeAlertRules && fits(m.rules(), step.want) })
		if late := time.Since(asked); late > 2*time.Second {
			t.Errorf("%s %s: the page knew after %v", step.method, step.path, late)
		}
		if rules := p.rulesOf("oven"); !fits(rules, step.want) {
			t.Errorf("%s %s: the device has %q, want %q", step.method, step.path, rules, step.want)
		}
	}
	if rules := p.rulesOf("oven"); !slices.Equal(rules, []string{"here 70 info", "melting.high_high 900 critical"}) {
		t.Errorf("got %q", rules)
	}
	p.stop()
	p.start()
	// Before the rules are known the hello has none: then they follow.
	again := visit(t, p.addr, nil)
	if rules := again.hello.rules(); !slices.Equal(rules, []string{"humidity_high 80 warning", "melting.high_high 900 critical", "pressure_high 1050 warning"}) && len(rules) > 0 {
		t.Errorf("hello after a restart: got %q", rules)
	} else if len(rules) == 0 {
		again.await(func(m *message) bool {
			return m.Type == wire.TypeAlertRules && fits(m.rules(), "melting.high_high 900 critical")
		})
	}
}

// fits reports whether a rule is among the rules, or with ! before its name is not.
func fits(rules []string, want string) bool {
	if name, absent := strings.CutPrefix(want, "!"); absent {
		return !slices.ContainsFunc(rules, func(rule string) bool { return strings.HasPrefix(rule, name+" ") })
	}
	return want == "" || slices.Contains(rules, want)
}

// rules returns what the message says of rules.
func (m *message) rules() []string {
	var rules []string
	for _, rule := range m.AlertRules {
		rules = append(rules, fmt.Sprint(rule.AlertType, " ", rule.Threshold, " ", rule.Severity))
	}
	slices.Sort(rules)
	return rules
}

// rulesOf returns the rules that watch a device.
func (p *plant) rulesOf(device string) []string {
	p.t.Helper()
	response, err := http.Get("http://" + p.addr + "/api/v1/devices/" + device)
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	var m message
	_ = json.NewDecoder(response.Body).Decode(&m) // There may be no such device yet.
	return m.rules()
}
