package config

import (
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Forward is the centre to which iotmon sends what its log holds.
type Forward struct {
	// To is the address of a central iotmon, http:// or https://, or the addresses of the brokers of a central Kafka, host:port; empty
	// means that nothing is forwarded.
	To []string `koanf:"to"`
	// Topic is the topic of readings of a central Kafka.
	Topic string `koanf:"topic"`
	// TLS encrypts connections to a central Kafka if it is enabled. Connections to https:// are always encrypted. SASL is for Kafka alone.
	TLS  TLS  `koanf:"tls"`
	SASL SASL `koanf:"sasl"`
	// TokenFile has a token that is sent to a central iotmon as Authorization: Bearer.
	TokenFile string `koanf:"token_file"`
	// MaxRate is how many readings are sent in a second at most; 0 means no limit.
	MaxRate int `koanf:"max_rate"`
	// HistoricalAfter is how long a reading may have waited in the log and still be sent as a live one. Later it is marked historical.
	HistoricalAfter time.Duration `koanf:"historical_after"`
	// NewestFirst sends the latest reading of each device ahead while there is a backlog.
	NewestFirst bool `koanf:"newest_first"`
}

// URL returns the address of a central iotmon; empty if the centre is a Kafka, or if there is none.
func (f *Forward) URL() string {
	if len(f.To) == 1 && strings.Contains(f.To[0], "://") {
		return f.To[0]
	}
	return ""
}

// forward checks the centre.
func (c *checker) forward(f *Forward, service string) {
	within(c, "forward.max_rate", f.MaxRate, 0, 10_000_000)
	within(c, "forward.historical_after", f.HistoricalAfter, time.Second, 24*time.Hour)
	c.mustText(topicName.MatchString(f.Topic), "forward.topic", f.Topic, "1 to 249 letters, digits, dots, underscores and hyphens")
	c.must(len(f.To) == 0 || service == Iotmon, "forward.to", strings.Join(f.To, ", "),
		"empty: only %s forwards, from the log of its own broker; a Kafka cluster is replicated by its own tools", Iotmon)
	c.login("forward", &f.TLS, &f.SASL, f.URL() != "")
	if f.URL() != "" {
		c.centralIotmon(f)
		return
	}
	for i, broker := range f.To {
		c.mustText(!strings.Contains(broker, "://"), fmt.Sprintf("forward.to[%d]", i), withoutLogin(broker), "the only address if it is that of an iotmon")
		if !strings.Contains(broker, "://") {
			c.kafkaBroker(fmt.Sprintf("forward.to[%d]", i), broker)
		}
	}
	c.mustText(f.TokenFile == "" || len(f.To) == 0, "forward.token_file", f.TokenFile, "empty for a central Kafka: use forward.sasl")
}

// centralIotmon checks what is particular to a central iotmon.
func (c *checker) centralIotmon(f *Forward) {
	address, err := url.Parse(f.URL())
	ok := err == nil && (address.Scheme == "http" || address.Scheme == "https") && address.Host != "" && address.RawQuery == "" && address.Fragment == ""
	c.mustText(ok, "forward.to", withoutLogin(f.URL()), "the address of an iotmon, such as https://central.example, or of brokers, such as kafka-central:9092")
	c.must(!ok || address.User == nil, "forward.to", "not shown", "without a login: use forward.token_file")
	c.must(!ok || address.Scheme == "https" || f.TLS == TLS{}, "forward.tls", "a section", "left out for %s, which is not encrypted", f.URL())
	c.mustText(f.SASL.Mechanism == "", "forward.sasl.mechanism", f.SASL.Mechanism, "empty for a central iotmon: use forward.token_file")
}
