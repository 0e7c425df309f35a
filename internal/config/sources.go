package config

import (
	"fmt"
	"regexp"
)

// Source is a connection to devices or to another system from which readings come. It has exactly one section, that of its protocol. The
// sections of a source are pointers: nil means that the source does not have it.
type Source struct {
	// Name identifies the source in the API, in metrics and in logs.
	Name string `koanf:"name"`
	// Map converts what the source receives to readings, by the first rule that matches.
	Map []MapRule `koanf:"map"`
	// Payload is how the payloads are written, of a source that receives payloads: auto, json, line, cbor or text. Empty is auto.
	Payload string `koanf:"payload"`
	// MaxDevices is how many devices the source may have: the readings of further ones are dead letters. 0 means 100,000. A device that
	// does not send for two weeks counts no longer.
	MaxDevices int `koanf:"max_devices"`

	MQTT      *MQTT        `koanf:"mqtt"`
	Modbus    *Modbus      `koanf:"modbus"`
	Sparkplug *Sparkplug   `koanf:"sparkplug"`
	Kafka     *KafkaSource `koanf:"kafka"`
	OPCUA     *OPCUA       `koanf:"opcua"`
}

// protocols returns the names of the sections that the source has.
func (s *Source) protocols() []string {
	var names []string
	if s.MQTT != nil {
		names = append(names, "mqtt")
	}
	if s.Modbus != nil {
		names = append(names, "modbus")
	}
	if s.Sparkplug != nil {
		names = append(names, "sparkplug")
	}
	if s.Kafka != nil {
		names = append(names, "kafka")
	}
	if s.OPCUA != nil {
		names = append(names, "opcua")
	}
	return names
}

// Kind returns the name of the source's protocol, which is that of its section.
func (s *Source) Kind() string { return s.protocols()[0] }

// sourceName matches the names of sources.
var sourceName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

// maxSources is the maximum number of sources, maxSourceDevices that of the devices of one.
const (
	maxSources       = 1000
	maxSourceDevices = 10_000_000
)

// inputs checks the sources of readings, for programs with a cluster of their own.
func (c *checker) inputs(sources []Source, known []string, cluster *Kafka) {
	c.must(len(sources) <= maxSources, "sources", len(sources), "at most %d", maxSources)
	taken := make(map[string]bool)
	for i := range sources {
		s, key := &sources[i], fmt.Sprintf("sources[%d]", i)
		c.mustText(sourceName.MatchString(s.Name), key+".name", s.Name, "1 to 63 letters, digits, dots, underscores and hyphens, and begin with a letter or digit")
		c.mustText(!taken[s.Name], key+".name", s.Name, "a name that no other source has")
		taken[s.Name] = true
		c.must(len(s.protocols()) == 1, key, fmt.Sprintf("%d sections", len(s.protocols())), "a source with exactly one section of a protocol")
		c.mapRules(key+".map", s.Map, known)
		within(c, key+".max_devices", s.MaxDevices, 0, maxSourceDevices)
		if s.Payload != "" {
			c.oneOf(key+".payload", s.Payload, "auto", "json", "line", "cbor", "text")
			c.mustText(s.MQTT != nil || s.Kafka != nil, key+".payload", s.Payload, "left out: this protocol has no payloads")
		}
		if s.MQTT != nil {
			s.MQTT.check(c, key+".mqtt", s.Name)
		}
		if s.Modbus != nil {
			s.Modbus.check(c, key+".modbus", known)
		}
		if s.Sparkplug != nil {
			s.Sparkplug.check(c, key+".sparkplug", s.Name)
		}
		if s.Kafka != nil {
			s.Kafka.check(c, key+".kafka", s.Name, cluster)
		}
		if s.OPCUA != nil {
			s.OPCUA.check(c, key+".opcua", known)
		}
	}
}
