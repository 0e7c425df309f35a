package app

import (
	"log/slog"
	"strings"
	"testing"

	"iotmon/internal/config"
)

// Two producers with brokers on one host, and those on hosts with long names, have names of their own: each publishes its state under its name.
func TestBrokersHaveNamesOfTheirOwn(t *testing.T) {
	t.Parallel()
	s := &Service{name: config.Producer}
	names := make(map[string]string)
	for _, addr := range []string{":1883", ":1884", "10.0.0.7:1883", "[::1]:1883"} {
		cfg := config.Default(config.Producer, Builtin())
		cfg.MQTTBroker.Addr = addr
		name := s.brokerName(&cfg.MQTTBroker)
		if other, twice := names[name]; twice {
			t.Errorf("%s and %s are both %q", addr, other, name)
		}
		names[name] = addr
	}
	cfg := config.Default(config.Producer, Builtin())
	cfg.MQTTBroker.TLSAddr = ":8883"
	if name := s.brokerName(&cfg.MQTTBroker); !strings.HasSuffix(name, "-8883") {
		t.Errorf("got %q", name)
	}
	host := strings.Repeat("plant-", 9) + "producer-"
	one, two := distinctName("mqtt-broker", host+"one", "1883"), distinctName("mqtt-broker", host+"two", "1883")
	if one == two || len(one) > 63 || notInName.MatchString(one) {
		t.Errorf("got %q and %q", one, two)
	}
}

// A second program that would keep its sessions in the same directory is refused, and says what to do. When the first has ended it is not.
func TestSessionsBelongToOneProgram(t *testing.T) {
	t.Parallel()
	cfg := config.Default(config.Producer, Builtin())
	cfg.DataDir, cfg.MQTTBroker.Addr, cfg.MQTTBroker.Persistent = t.TempDir(), "127.0.0.1:0", true
	first, second := newService(config.Producer, &cfg, Options{Logger: slog.New(slog.DiscardHandler)}), newService(config.Producer, &cfg, Options{Logger: slog.New(slog.DiscardHandler)})
	if _, err := first.newMQTTBroker(&cfg.MQTTBroker); err != nil {
		t.Fatal(err)
	}
	_, err := second.newMQTTBroker(&cfg.MQTTBroker)
	if err == nil || !strings.Contains(err.Error(), "data_dir of its own") {
		t.Errorf("got %v", err)
	}
	for _, c := range first.closers {
		if err := c.close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := second.newMQTTBroker(&cfg.MQTTBroker); err != nil {
		t.Error(err)
	}
}
