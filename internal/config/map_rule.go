package config

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"
	// A machine may have no files of time zones.
	_ "time/tzdata"
)

// MapRule is a rule of ingest.map, or of the map of a source: it applies to the values that have its Topic, Measurement, Field and Tags. What is
// left out, applies to any. The texts of Device, Type, Unit, Building, Floor, Room, Model, Firmware and MapStatus.Below are templates, such as {{topic 2}}.
type MapRule struct {
	// Topic is a filter of topics, as in MQTT.
	Topic       string            `koanf:"topic"`
	Measurement string            `koanf:"measurement"`
	Field       string            `koanf:"field"`
	Tags        map[string]string `koanf:"tags"`
	// Ignore makes nothing of the values.
	Ignore bool   `koanf:"ignore"`
	Device string `koanf:"device"`
	Type   string `koanf:"type"`
	// Define is the type if no other part of the configuration has it.
	Define   *MapType `koanf:"define"`
	Unit     string   `koanf:"unit"`
	Building string   `koanf:"building"`
	Floor    string   `koanf:"floor"`
	Room     string   `koanf:"room"`
	Model    string   `koanf:"model"`
	Firmware string   `koanf:"firmware"`
	// Battery is the path of the battery level in percent.
	Battery string      `koanf:"battery"`
	Time    *MapTime    `koanf:"time"`
	Quality *MapQuality `koanf:"quality"`
	// Words are the values of texts.
	Words map[string]float64 `koanf:"words"`
	// The value is multiplied by Scale, 1 if it is nil, and Offset is added.
	Scale  *float64 `koanf:"scale"`
	Offset float64  `koanf:"offset"`
	// Interval is how often the device sends at least; 0 if that is not known.
	Interval time.Duration `koanf:"interval"`
	Status   *MapStatus    `koanf:"status"`
}

// MapType is a device type without its name.
type MapType struct {
	Unit     string            `koanf:"unit"`
	Decimals int               `koanf:"decimals"`
	Min      float64           `koanf:"min"`
	Max      float64           `koanf:"max"`
	Labels   map[string]string `koanf:"labels"`
	States   []string          `koanf:"states"`
}

// MapTime is where the time of a value is, and how it is written.
type MapTime struct {
	// Field is the path of the time; empty where the payload is in a known form.
	Field string `koanf:"field"`
	// Format is a strftime format, or unix, unix_ms, unix_us or unix_ns; empty for ISO 8601 and Unix time.
	Format string `koanf:"format"`
	// Zone is that of times without one.
	Zone string `koanf:"zone"`
	// Arrival goes by the time of arrival, whatever the payload says.
	Arrival bool `koanf:"arrival"`
}

// MapQuality is where the quality of a value is.
type MapQuality struct {
	Field string `koanf:"field"`
	// Words are the qualities of texts.
	Words map[string]string `koanf:"words"`
}

// MapStatus makes values reports about a device, or about all devices whose ids begin with Below.
type MapStatus struct {
	Online  []string `koanf:"online"`
	Offline []string `koanf:"offline"`
	Bad     []string `koanf:"bad"`
	Below   string   `koanf:"below"`
}

// template matches a text with optional names in braces, single or double.
var template = regexp.MustCompile(`^([^{}]|\{[^{}]+\}|\{\{[^{}]+\}\})*$`)

// mapLists returns the lists of rules by their keys.
func (c *Config) mapLists(yield func(list string, rules []MapRule) bool) {
	if !yield("ingest.map", c.Ingest.Map) {
		return
	}
	if !yield("mqtt_broker.map", c.MQTTBroker.Map) {
		return
	}
	for i := range c.Sources {
		if !yield(fmt.Sprintf("sources[%d].map", i), c.Sources[i].Map) {
			return
		}
	}
}

// mappedTypes adds the types that rules define to DeviceTypes. The same definition may be given several times.
func (c *checker) mappedTypes(cfg *Config) {
	for list, rules := range cfg.mapLists {
		for i, r := range rules {
			if r.Define == nil {
				continue
			}
			key, d := fmt.Sprintf("%s[%d]", list, i), r.Define
			t := DeviceType{Name: r.Type, Unit: d.Unit, Decimals: d.Decimals, Min: d.Min, Max: d.Max, Labels: d.Labels, States: d.States}
			at := slices.IndexFunc(cfg.DeviceTypes, func(known DeviceType) bool { return known.Name == t.Name })
			if at >= 0 {
				c.mustText(reflect.DeepEqual(cfg.DeviceTypes[at], t), key+".type", t.Name, "another name, or defined as everywhere else")
				continue
			}
			c.mustText(identifier.MatchString(t.Name), key+".type", t.Name, identifierShape)
			c.mustText(!slices.Contains(c.builtin.DeviceTypes, t.Name), key+".type", t.Name, "another name than those of built-in types, or without define")
			c.deviceType(key+".define", &t)
			cfg.DeviceTypes = append(cfg.DeviceTypes, t)
		}
	}
}

// mapRules checks ingest.map, or the map of a source.
func (c *checker) mapRules(list string, rules []MapRule, known []string) {
	c.must(len(rules) <= maxMapRules, list, fmt.Sprintf("%d rules", len(rules)), "a list of at most %d rules", maxMapRules)
	for i := range rules {
		r, key := &rules[i], fmt.Sprintf("%s[%d]", list, i)
		c.mustText(r.Field != "" || r.Topic != "", key+".field", r.Field, "the name of a field, unless the rule has a topic")
		c.mustText(r.Topic == "" || validFilter(r.Topic), key+".topic", r.Topic, "a filter of topics, such as plant/+/telemetry or plant/#")
		for _, t := range []struct{ key, text string }{
			{"device", r.Device}, {"type", r.Type}, {"unit", r.Unit}, {"building", r.Building}, {"floor", r.Floor}, {"room", r.Room}, {"model", r.Model}, {"firmware", r.Firmware},
		} {
			c.mustText(template.MatchString(t.text), key+"."+t.key, t.text, "a text in which braces hold the name of a tag, as {host}")
		}
		c.mapTime(key+".time", r.Time)
		switch {
		case r.Ignore:
			c.mustText(r.Device == "" && r.Type == "" && r.Status == nil, key+".ignore", "true", "left out, or without device, type and status")
		case r.Status != nil:
			c.must(list != "ingest.map", key+".status", "a section", "left out: only sources report about devices")
			c.mustText((r.Device == "") != (r.Status.Below == ""), key+".device", r.Device, "given, or status.below, and not both")
			c.mustText(template.MatchString(r.Status.Below), key+".status.below", r.Status.Below, "a text in which braces hold the name of a tag, as {host}")
		default:
			c.mustText(r.Device != "", key+".device", r.Device, "the id of a device, or a template of it")
			if !strings.Contains(r.Type, "{") { // A template of it is a type only with a value.
				c.knownType(key+".type", r.Type, known)
			}
		}
		if r.Interval != 0 {
			c.must(list != "ingest.map", key+".interval", r.Interval, "left out: only sources say how often devices send")
			within(c, key+".interval", r.Interval, time.Second, 31*24*time.Hour)
		}
		c.must(r.Scale == nil || *r.Scale != 0, key+".scale", 0, "a number other than 0")
		if q := r.Quality; q != nil {
			c.mustText(q.Field != "", key+".quality.field", q.Field, "the path of a value")
			for word, quality := range q.Words {
				c.oneOf(key+".quality.words."+word, quality, "good", "uncertain", "bad")
			}
		}
	}
}

// maxMapRules is the maximum number of rules in one list, as in mapping.MaxRules.
const maxMapRules = 10_000

func (c *checker) mapTime(key string, t *MapTime) {
	if t == nil {
		return
	}
	c.must(!t.Arrival || *t == (MapTime{Arrival: true}), key+".arrival", true, "left out, or without the other keys")
	zone, err := time.LoadLocation(t.Zone)
	c.mustText(err == nil && (t.Zone == "" || zone != time.Local), key+".zone", t.Zone, "a time zone such as Europe/Berlin")
}
