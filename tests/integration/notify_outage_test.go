package integration

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

const outageConfig = `
aggregation:
  window_seconds: 2
  allowed_lateness: 1s
alerts:
  device_offline: "off"
  temperature_high: "off"
  temperature_critical: "off"
  rules:
    - {name: hot, device_type: temperature_sensor, severity: critical, above: 28, hysteresis: 0.5}
notifications:
  language: en
  time_zone: UTC
  channels:
    - name: a
      webhook: {url: %q, secret_file: %q}
    - name: b
      webhook: {url: %q, secret_file: %q}
  routes:
    - name: all
      channels: [a, b]
      group_by: [rule, device]
      wait: 0s
      interval: 1s
`

// TestReceiversThatAreOutLoseNothing has one receiver answer 400 and another 503 while critical alerts come, other routes are decided, and the program is
// killed. The log says once of each that it is out, and why; at the end both know of every alert that the routes of its time sent them.
func TestReceiversThatAreOutLoseNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute; make test runs it")
	}
	t.Parallel()
	a, b := newHook(t), newHook(t)
	a.mode.Store(4)
	b.mode.Store(1)
	s := newServer(t, t.TempDir(), fmt.Sprintf(outageConfig, a.URL, a.secret(t), b.URL, b.secret(t)), "-no-simulator")
	s.start()
	raise := func(boilers ...int) {
		t.Helper()
		var samples []sample
		for _, i := range boilers {
			samples = append(samples, sample{device: fmt.Sprintf("boiler_%d", i), kind: "temperature_sensor", at: time.Now(), value: 40})
		}
		if code, answer := call(t, s, "POST", "/api/v1/readings", string(encode(samples))); code != http.StatusOK {
			t.Fatalf("got %d %s", code, answer)
		}
	}
	lines := func(message, channel string) (found []string) {
		for line := range strings.Lines(s.log.String()) {
			if strings.Contains(line, message) && strings.Contains(line, "channel="+channel) {
				found = append(found, line)
			}
		}
		return found
	}
	const out, back = "a receiver does not take notifications", "a receiver takes notifications again"
	raise(0, 1, 2)
	waitFor(t, patience, "the log says that both are out", func() bool { return len(lines(out, "a")) == 1 && len(lines(out, "b")) == 1 })
	if !strings.Contains(lines(out, "a")[0], "400 Bad Request") || !strings.Contains(lines(out, "b")[0], "503 Service Unavailable") {
		t.Errorf("got no reasons: %s%s", lines(out, "a")[0], lines(out, "b")[0])
	}
	waiting := func(channel string) string {
		return fetch(t, s.base()+"/api/v1/notifications/deliveries?state=pending&channel="+channel)
	}
	waitFor(t, patience, "why and until when a message waits is shown", func() bool {
		return strings.Contains(waiting("a"), "refused, and as it is critical tried again until 20")
	})
	b.mode.Store(0)
	waitFor(t, patience, "the log says that one is back", func() bool { return len(lines(back, "b")) == 1 })
	if got := len(lines(out, "a")) + len(lines(out, "b")) + len(lines(back, "b")); got != 3 {
		t.Errorf("got %d lines, want 3", got)
	}
	b.mode.Store(1)
	s.kill()
	s.start()
	raise(3)
	waitFor(t, patience, "there are messages about all four", func() bool { return strings.Contains(waiting("a"), "boiler_3") })
	code, answer := call(t, s, "PUT", "/api/v1/notifications/routes?reason=test", `{"routes":[{"name":"all","channels":["b"],"group_by":["rule","device"],
		"wait_seconds":0,"interval_seconds":1,"repeat_seconds":0}]}`)
	if code != http.StatusOK {
		t.Fatalf("decide: got %d %s", code, answer)
	}
	s.kill() // It was decided, and what follows must not depend on what this process knew.
	s.start()
	waitFor(t, patience, "the decision is in force after the kill", func() bool {
		return strings.Contains(fetch(t, s.base()+"/api/v1/notifications/routes"), `"in_force":true`)
	})
	raise(4)
	waitFor(t, patience, "there is a message about the fifth", func() bool { return strings.Contains(waiting("b"), "boiler_4") })
	s.kill()
	a.mode.Store(0)
	b.mode.Store(0)
	s.start()
	waitFor(t, patience, "both know of all alerts", func() bool { return len(a.open()) == 4 && len(b.open()) == 5 })
	waitFor(t, patience, "nothing is left to send", func() bool {
		return strings.Contains(waiting("a"), `"items":[]`) && strings.Contains(waiting("b"), `"items":[]`)
	})
	for _, state := range []string{"refused", "failed"} {
		if got := fetch(t, s.base()+"/api/v1/notifications/deliveries?state="+state); !strings.Contains(got, `"items":[]`) {
			t.Errorf("got %s: %.1000s", state, got)
		}
	}
	for _, h := range []*hook{a, b} {
		h.mu.Lock()
		for _, bad := range h.bad {
			t.Error(bad)
		}
		h.mu.Unlock()
	}
}
