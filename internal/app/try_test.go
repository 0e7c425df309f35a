package app

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"iotmon/internal/config"
)

// A trial takes nothing from the source that runs.
func TestATrialHasASessionOfItsOwn(t *testing.T) {
	one := 1
	sources := []config.Source{{Name: "a", MQTT: &config.MQTT{URL: "tcp://b", Topics: []string{"x/#", "$share/g/y/+"}, QoS: &one, ClientID: "c"}}, {Name: "s", Sparkplug: new(config.Sparkplug)}}
	trial, err := trialOf(sources, "a")
	if err != nil {
		t.Fatal(err)
	}
	m := trial.MQTT
	if *m.QoS != 0 || !m.Clean || !strings.HasPrefix(m.ClientID, "c-try-") || strings.Join(m.Topics, " ") != "x/# y/+" {
		t.Errorf("got %+v", m)
	}
	if before := sources[0].MQTT; *before.QoS != 1 || before.Clean || before.Topics[1] != "$share/g/y/+" {
		t.Errorf("the source itself has changed: %+v", before)
	}
	sources = append(sources, config.Source{Name: "k", Kafka: &config.KafkaSource{Topics: []string{"x"}}},
		config.Source{Name: "p", Sparkplug: &config.Sparkplug{HostID: "plant", Primary: true}})
	host, err := trialOf(sources, "p")
	if err != nil || host.Sparkplug.HostID != "" || host.Sparkplug.Primary || !strings.HasPrefix(host.Sparkplug.ClientID, "iotmon-p-try-") {
		t.Errorf("Sparkplug: got %+v, %v, want one without a name", host.Sparkplug, err)
	}
	group, err := trialOf(sources, "k")
	if err != nil || !strings.HasPrefix(group.Kafka.Group, "iotmon-k-try-") {
		t.Errorf("Kafka: got %+v, %v, want a group of its own", group.Kafka, err)
	}
	for name, want := range map[string]string{"b": `no source "b" in the configuration (sources: a, s, k, p)`, "": `no source ""`} {
		if _, err := trialOf(sources, name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", name, err, want)
		}
	}
}

func TestATrialThatDoesNotConnectSaysWhy(t *testing.T) {
	cfg := config.Default(config.Iotmon, Builtin())
	cfg.Sources = []config.Source{{Name: "a", MQTT: &config.MQTT{URL: "tcp://127.0.0.1:1", Topics: []string{"x"}}}}
	var out strings.Builder
	err := TrySource(t.Context(), &cfg, TryOptions{Name: "a", For: 300 * time.Millisecond, Out: &out, Logger: slog.New(slog.DiscardHandler)})
	if err == nil || !strings.Contains(err.Error(), "refused") || !strings.HasPrefix(out.String(), "0 messages") {
		t.Errorf("got %v, %s", err, out.String())
	}
}
