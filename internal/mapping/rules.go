package mapping

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/replay/recording"
)

// Rules maps points by the first rule that they match. They are immutable and may be shared. The zero Rules match nothing.
//
// The placeholders of templates are {{topic 1}}, {{topic 1-3}} and {{topic 2-}}, levels of the topic; {{field}}, or {{name}}, the field; {{field 2}}, a
// level of it, and several as with the topic; {{measurement}}; {{tag x}}, a tag; {{value x}}, the value whose path in the group is x; {{x}}, a tag or
// else that value. In single braces are names of tags, measurement and field.
type Rules struct{ rules []rule }

// MinInterval is the minimum of Rule.Interval; the maximum is iot.MaxInterval.
const MinInterval = time.Second

// Len returns how many rules there are.
func (m *Rules) Len() int { return len(m.rules) }

// ReportSeveral reports whether any rule makes reports about several devices.
func (m *Rules) ReportSeveral() bool {
	return slices.ContainsFunc(m.rules, func(u rule) bool { return u.Status != nil && u.Status.Below != "" })
}

// rule is a Rule that is ready to be applied.
type rule struct {
	Rule
	topic filter
	field pattern

	device, kind, unit, building, floor, room, model, firmware, below template
	timeFormat                                                        recording.TimeFormat
	zone                                                              *time.Location
	words                                                             map[string]float64
	qualities                                                         map[string]iot.Quality
	reports                                                           map[string]iot.Reported
	scale                                                             float64
	interval                                                          time.Duration
}

// Reads reports whether a rule needs the value with the path beside the one that it maps: for a name, its time, its quality or its battery.
func (m *Rules) Reads(path string) bool {
	return slices.ContainsFunc(m.rules, func(u rule) bool {
		if u.Time != nil && u.Time.Field == path || u.Quality != nil && u.Quality.Field == path || u.Battery == path {
			return true
		}
		return slices.ContainsFunc([]template{u.device, u.kind, u.unit, u.building, u.floor, u.room, u.model, u.firmware, u.below},
			func(t template) bool { return t.reads(path) })
	})
}

// New returns the rules. A rule that cannot be applied is an error with its index and the key. A nil catalog means that the types are not known
// here, and are not checked.
func New(rules []Rule, catalog *iot.Catalog) (*Rules, error) {
	m := &Rules{rules: make([]rule, len(rules))}
	for i := range rules {
		m.rules[i].Rule = rules[i]
		if err := m.rules[i].compile(catalog); err != nil {
			return nil, inRule(i, "", err)
		}
	}
	return m, nil
}

// inRule says in which rule, and in which key of it, an error is.
func inRule(index int, key string, err error) error {
	if key != "" {
		return fmt.Errorf("rule %d: %s: %w", index, key, err)
	}
	return fmt.Errorf("rule %d: %w", index, err)
}

func (u *rule) compile(catalog *iot.Catalog) (err error) {
	if u.topic, err = parseFilter(u.Topic); err != nil {
		return fmt.Errorf("topic: %w", err)
	}
	u.field = parsePattern(u.Field)
	if u.Field == "" && u.Topic == "" {
		return fmt.Errorf("field: missing: a rule needs a field or a topic")
	}
	for _, t := range []struct {
		key  string
		text string
		into *template
	}{
		{"device", u.Device, &u.device}, {"type", string(u.Type), &u.kind}, {"unit", u.Unit, &u.unit}, {"building", u.Building, &u.building}, {"floor", u.Floor, &u.floor}, {"room", u.Room, &u.room},
		{"model", u.Model, &u.model}, {"firmware", u.Firmware, &u.firmware},
	} {
		if *t.into, err = parseTemplate(t.text); err != nil {
			return fmt.Errorf("%s: %w", t.key, err)
		}
	}
	if u.Ignore {
		return nil
	}
	if err := u.compileTime(); err != nil {
		return fmt.Errorf("time: %w", err)
	}
	if u.Status != nil {
		return u.compileStatus()
	}
	_, constant := u.kind.constant()
	switch {
	case u.Device == "":
		return fmt.Errorf("device: missing")
	case u.Type == "":
		return fmt.Errorf("type: missing")
	case !constant && u.Define != nil:
		return fmt.Errorf("define: the type must be a name without braces (got %q)", u.Type)
	case constant && catalog != nil && catalog.Spec(u.Type) == nil:
		return fmt.Errorf("type: unknown (got %q)", u.Type)
	}
	return u.compileValue()
}

func (u *rule) compileValue() error {
	u.scale = 1
	if u.Scale != nil {
		u.scale = *u.Scale
	}
	if u.scale == 0 || math.IsNaN(u.scale) || math.IsInf(u.scale, 0) {
		return fmt.Errorf("scale: must be a number other than 0 (got %v)", u.scale)
	}
	if u.Interval != "" {
		interval, err := time.ParseDuration(u.Interval)
		if err != nil || interval < MinInterval || interval > iot.MaxInterval {
			return fmt.Errorf("interval: must be between %v and %v, such as 5m (got %q)", MinInterval, iot.MaxInterval, u.Interval)
		}
		u.interval = interval
	}
	u.words = make(map[string]float64, len(u.Words))
	for word, value := range u.Words {
		u.words[foldWord(word)] = value
	}
	if u.Quality == nil {
		return nil
	}
	if u.Quality.Field == "" {
		return fmt.Errorf("quality: field: missing")
	}
	u.qualities = make(map[string]iot.Quality, len(u.Quality.Words))
	for word, quality := range u.Quality.Words {
		switch q := iot.Quality(quality); q {
		case iot.Good, iot.Uncertain, iot.Bad:
			u.qualities[foldWord(word)] = q
		default:
			return fmt.Errorf("quality: words: must be good, uncertain or bad (got %q)", quality)
		}
	}
	return nil
}

func (u *rule) compileTime() (err error) {
	if u.Time == nil {
		return nil
	}
	if u.Time.Arrival && *u.Time != (Time{Arrival: true}) {
		return fmt.Errorf("arrival: must stand alone")
	}
	if u.timeFormat, err = recording.ParseTimeFormat(u.Time.Format); err != nil {
		return fmt.Errorf("format: %w", err)
	}
	if u.Time.Zone == "" {
		return nil
	}
	if u.zone, err = time.LoadLocation(u.Time.Zone); err != nil || u.Time.Zone == "Local" {
		return fmt.Errorf("zone: must be a time zone such as Europe/Berlin (got %q)", u.Time.Zone)
	}
	return nil
}

func (u *rule) compileStatus() (err error) {
	if u.below, err = parseTemplate(u.Status.Below); err != nil {
		return fmt.Errorf("status: below: %w", err)
	}
	if (u.Device == "") == (u.Status.Below == "") {
		return fmt.Errorf("status: needs a device, or below, and not both")
	}
	online, offline := u.Status.Online, u.Status.Offline
	if len(online)+len(offline)+len(u.Status.Bad) == 0 {
		online, offline = []string{"online", "true", "1"}, []string{"offline", "false", "0"}
	}
	u.reports = make(map[string]iot.Reported)
	for _, list := range []struct {
		words  []string
		status iot.Reported
	}{{online, iot.ReportedOnline}, {offline, iot.ReportedOffline}, {u.Status.Bad, iot.ReportedBad}} {
		for _, word := range list.words {
			if _, given := u.reports[foldWord(word)]; given {
				return fmt.Errorf("status: %q is given twice", word)
			}
			u.reports[foldWord(word)] = list.status
		}
	}
	return nil
}

// foldWord returns a word in the form in which words are compared.
func foldWord(word string) string { return strings.ToLower(strings.TrimSpace(word)) }
