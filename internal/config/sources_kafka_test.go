package config

import (
	"strings"
	"testing"
)

func TestAKafkaSource(t *testing.T) {
	cfg := mustLoadAs(t, Producer, `
kafka: {brokers: ["kafka-1:9092"]}
sources:
  - {name: line, payload: line, kafka: {topics: [a, "^b-[0-9]+$"]}}
  - {name: other, kafka: {brokers: ["other:9092"], tls: {}, topics: [device-data], from: latest, sasl: {mechanism: PLAIN, username: u, password_file: p}}}
`, nil)
	line, other := cfg.Sources[0].Kafka.Filled("line"), cfg.Sources[1].Kafka.Filled("other")
	if cfg.Sources[0].Payload != "line" || line.Group != "iotmon-line" || line.From != FromEarliest || line.Isolation != ReadCommitted || line.TLS != nil {
		t.Errorf("got %+v", line)
	}
	if other.From != FromLatest || other.TLS == nil || other.SASL.PasswordFile != "p" {
		t.Errorf("got %+v", other)
	}
}

func TestKafkaSourcesThatCannotBe(t *testing.T) {
	for section, want := range map[string]string{
		`{topics: []}`:                                   "topics",
		`{topics: [device-data]}`:                        "topics[0]",
		`{topics: [alerts]}`:                             "topics[0]",
		`{topics: ["a b"]}`:                              "topics[0]",
		`{topics: ["^("]}`:                               "topics[0]",
		`{topics: [a], from: start}`:                     "from",
		`{topics: [a], isolation: none}`:                 "isolation",
		`{topics: [a], tls: {}}`:                         "brokers",
		`{topics: [a], brokers: [b]}`:                    "brokers[0]",
		`{topics: [a], group: "` + defaultGroup() + `"}`: "group",
		`{topics: [a], brokers: ["b:1"], sasl: {mechanism: X, username: u, password_file: p}}`: "sasl.mechanism",
	} {
		_, err := load(t, "sources: [{name: a, kafka: "+section+"}]", nil)
		if err == nil || !strings.Contains(err.Error(), "sources[0].kafka."+want) {
			t.Errorf("%s: got %v, want an error about %s", section, err, want)
		}
	}
}

func defaultGroup() string { return Default(Iotmon, builtin).Kafka.GroupID }
