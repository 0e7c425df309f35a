package mapping_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"iotmon/internal/iot"
	"iotmon/internal/mapping"
)

func compiled(t testing.TB, rules ...mapping.Rule) *mapping.Rules {
	t.Helper()
	m, err := mapping.New(rules, catalog(t))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// show writes what has become of a point.
func show(r *mapping.Result, err error) string {
	switch {
	case err != nil:
		var invalid *iot.InvalidError
		if !errors.As(err, &invalid) {
			return "not an input error: " + err.Error()
		}
		return err.Error()
	case r.Outcome == mapping.Unmatched:
		return "unmatched"
	case r.Outcome == mapping.Ignored:
		return "ignored"
	case r.Outcome == mapping.Reported:
		return strings.TrimSpace(fmt.Sprintf("%s %s%s: %s", r.Status.Status, r.Device, r.Below, r.Status.Reason))
	}
	d := &r.Reading
	text := fmt.Sprintf("%s %s %v%s", d.ID, d.Type, d.Value, d.ValueText)
	if d.Unit != "" {
		text += " " + d.Unit
	}
	if d.Location != (iot.Location{}) {
		text += fmt.Sprintf(" in %s/%d/%s", d.Location.Building, d.Location.Floor, d.Location.Room)
	}
	if d.Metadata.Model+d.Metadata.Firmware != "" {
		text += " " + d.Metadata.Model + "/" + d.Metadata.Firmware
	}
	if b := d.Metadata.BatteryLevel; b != nil {
		text += fmt.Sprintf(" %v%%", *b)
	}
	if d.Quality != "" {
		text += " " + string(d.Quality)
	}
	if !d.Time.IsZero() {
		text += " @" + d.Time.UTC().Format("15:04:05")
	}
	return text
}

// points makes a point of each name and value.
func points(topic string, values ...any) []mapping.Point {
	var all []mapping.Point
	for i := 0; i < len(values); i += 2 {
		p := mapping.Point{Topic: topic, Field: values[i].(string)}
		switch v := values[i+1].(type) {
		case int:
			p.Value = float64(v)
		case float64:
			p.Value = v
		case string:
			p.ValueText = v
		}
		all = append(all, p)
	}
	return all
}

func TestWhatRulesSay(t *testing.T) {
	tenth := 0.1
	kelvin := mapping.Rule{Topic: "plant/+/oven/#", Field: "*.temp", Device: "{{topic 2}}/{{field 1}}", Type: iot.Temperature, Unit: "K"}
	for name, test := range map[string]struct {
		rule   mapping.Rule
		points []mapping.Point
		want   string // Of the first point.
	}{
		"levels of topic and field": {kelvin, points("plant/hall 3/oven/7/telemetry", "top.temp", 300), "hall 3/top temperature_sensor 300 K"},
		"# is also the level above": {kelvin, points("plant/h/oven", "top.temp", 300), "h/top temperature_sensor 300 K"},
		"another topic":             {kelvin, points("plant/h/mill/1", "top.temp", 300), "unmatched"},
		"a topic that is too short": {kelvin, points("plant/h", "top.temp", 300), "unmatched"},
		"* is one level":            {kelvin, points("plant/h/oven", "a.top.temp", 300), "unmatched"},
		"** is any":                 {mapping.Rule{Field: "**.temp", Device: "{{name}}", Type: iot.Temperature}, points("", "a.top.temp", 3), "a.top.temp temperature_sensor 3"},
		"a part of a level":         {mapping.Rule{Field: "switch:*.apower", Device: "s-{{field 1}}", Type: iot.Current}, points("", "switch:0.apower", 3), "s-switch:0 current_sensor 3"},
		"ranges of levels":          {mapping.Rule{Topic: "#", Device: "{{topic 1-2}}|{{topic 2-}}|{{topic}}|{{field 2-3}}", Type: iot.Current}, points("a/b/c", "x.y.z", 3), "a/b|b/c|a/b/c|y.z current_sensor 3"},
		"a level too many":          {mapping.Rule{Topic: "#", Device: "{{topic 4}}", Type: iot.Current}, points("a/b/c", "x", 3), `device_id: the topic "a/b/c" has no level 4`},
		"another value of it":       {mapping.Rule{Field: "t", Device: "{{id}}-{{tag x}}", Type: iot.Current}, tagged(points("", "t", 1, "id", "dev 7"), "x", "y"), "dev 7-y current_sensor 1"},
		"a value that is missing":   {mapping.Rule{Field: "t", Device: "{{id}}", Type: iot.Current}, points("", "t", 1), `device_id: there is neither a tag nor a value "id" (tags: none)`},
		"a location":                {mapping.Rule{Field: "t", Device: "d", Type: iot.Current, Building: "{{topic 1}}", Floor: "{{topic 2}}", Room: "r"}, points("a/-2", "t", 1), "d current_sensor 1 in a/-2/r"},
		"a floor that is none":      {mapping.Rule{Field: "t", Device: "d", Type: iot.Current, Floor: "{{topic 1}}"}, points("a", "t", 1), `location.floor: not a whole number (got "a")`},
		"metadata":                  {mapping.Rule{Field: "t", Device: "d", Type: iot.Current, Model: "{{m}}", Firmware: "v{{sw.v}}", Battery: "bat"}, points("", "t", 1, "m", "X1", "sw.v", 2.1, "bat", "87 %"), "d current_sensor 1 X1/v2.1 87%"},
		"metadata that is missing":  {mapping.Rule{Field: "t", Device: "d", Type: iot.Current, Model: "{{m}}", Battery: "bat"}, points("", "t", 1), "d current_sensor 1"},
		"a battery of volts":        {mapping.Rule{Field: "t", Device: "d", Type: iot.Current, Battery: "bat"}, points("", "t", 1, "bat", 3000), "d current_sensor 1"},
		"scale and offset":          {mapping.Rule{Field: "t", Device: "d", Type: iot.Temperature, Scale: &tenth, Offset: -5}, points("", "t", "250"), "d temperature_sensor 20"},
		"a text with a scale":       {mapping.Rule{Field: "t", Device: "d", Type: iot.Temperature, Scale: &tenth}, points("", "t", "hot"), `value: must be a number, because the rule has a scale or an offset (got "hot")`},
		"words":                     {mapping.Rule{Field: "t", Device: "d", Type: iot.Switch, Words: map[string]float64{"Open": 1, "closed": 0}}, points("", "t", " OPEN"), "d switch_sensor 1"},
		"no word":                   {mapping.Rule{Field: "t", Device: "d", Type: iot.Switch, Words: map[string]float64{"open": 1}}, points("", "t", "ON"), "d switch_sensor 0ON"},
		"words of numbers":          {mapping.Rule{Field: "t", Device: "d", Type: iot.Switch, Words: map[string]float64{"255": 1}}, points("", "t", 255), "d switch_sensor 1"},
		"quality":                   {mapping.Rule{Field: "*.v", Device: "d", Type: iot.Current, Quality: &mapping.Quality{Field: "*.q", Words: map[string]string{"192": "good", "0": "bad"}}}, points("", "a.v", 1, "b.q", 192, "a.q", 0), "d current_sensor 1 bad"},
		"quality of its own":        {mapping.Rule{Field: "v", Device: "d", Type: iot.Current, Quality: &mapping.Quality{Field: "q"}}, points("", "v", 1, "q", "BadSensorFailure"), "d current_sensor 1 BadSensorFailure"},
		"no quality":                {mapping.Rule{Field: "v", Device: "d", Type: iot.Current, Quality: &mapping.Quality{Field: "q"}}, points("", "v", 1), `quality: the payload has no value "q", which is the quality by the rule`},
		"a time":                    {mapping.Rule{Field: "v", Device: "d", Type: iot.Current, Time: &mapping.Time{Field: "at"}}, points("", "v", 1, "at", 1772366398123), "d current_sensor 1 @11:59:58"},
		"a local time":              {mapping.Rule{Field: "v", Device: "d", Type: iot.Current, Time: &mapping.Time{Field: "at", Zone: "Europe/Berlin"}}, points("", "v", 1, "at", "2026-03-01T12:59:58"), "d current_sensor 1 @11:59:58"},
		"a time of its own form":    {mapping.Rule{Field: "v", Device: "d", Type: iot.Current, Time: &mapping.Time{Field: "at", Format: "%d.%m.%Y %H:%M:%S", Zone: "Asia/Shanghai"}}, points("", "v", 1, "at", "01.03.2026 19:59:58"), "d current_sensor 1 @11:59:58"},
		"a time without zone":       {mapping.Rule{Field: "v", Device: "d", Type: iot.Current, Time: &mapping.Time{Field: "at"}}, points("", "v", 1, "at", "2026-03-01T12:59:58"), `timestamp: has no time zone: end it with Z for UTC or with an offset such as +08:00 (got "2026-03-01T12:59:58"); or give the rule a time with a zone, a format or arrival`},
		"no time":                   {mapping.Rule{Field: "v", Device: "d", Type: iot.Current, Time: &mapping.Time{Field: "at"}}, points("", "v", 1), `timestamp: the payload has no value "at", which is the time by the rule`},
		"ignored":                   {mapping.Rule{Topic: "a/#", Ignore: true}, points("a/b", "v", 1), "ignored"},
		"a last will":               {mapping.Rule{Topic: "tele/+/LWT", Device: "{{topic 2}}", Status: &mapping.Status{Online: []string{"Online"}, Offline: []string{"Offline"}}}, points("tele/plug/LWT", "value", "Offline"), `offline plug: value is "Offline"`},
		"availability":              {mapping.Rule{Topic: "zigbee2mqtt/+/availability", Status: &mapping.Status{Below: "{{topic 2}}-"}}, points("zigbee2mqtt/lamp/availability", "state", "online"), `online lamp-: state is "online"`},
		"an unknown status":         {mapping.Rule{Topic: "#", Device: "d", Status: &mapping.Status{Bad: []string{"x"}}}, points("a", "state", "y"), `status: no word of the rule for online, offline or bad (got "y")`},
		"a status about all":        {mapping.Rule{Topic: "#", Status: &mapping.Status{Below: "{{tag x}}"}}, tagged(points("a", "state", "online"), "x", ""), `status: is about no device: the beginning of their ids is empty`},
	} {
		m := compiled(t, test.rule).Mapper()
		for _, round := range []string{"first", "again"} { // What a Mapper remembers does not change anything.
			m.Begin(test.points)
			var r mapping.Result
			err := m.Map(&test.points[0], &r)
			if got := show(&r, err); got != test.want {
				t.Errorf("%s, %s: got  %s\nwant %s", name, round, got, test.want)
			}
		}
	}
}

func tagged(points []mapping.Point, key, value string) []mapping.Point {
	for i := range points {
		points[i].Tags = map[string]string{key: value}
	}
	return points
}

// The time that the payload has in a form that is no moment needs a zone.
func TestTheTimeOfThePayloadGetsItsZone(t *testing.T) {
	p := mapping.Point{Field: "v", Value: 1, TimeText: "2026-03-01T12:59:58"}
	for zone, want := range map[string]string{"": "timestamp: has no time zone", "Europe/Berlin": "d current_sensor 1 @11:59:58"} {
		m := compiled(t, mapping.Rule{Field: "v", Device: "d", Type: iot.Current, Time: &mapping.Time{Zone: zone}}).Mapper()
		var r mapping.Result
		if got := show(&r, m.Map(&p, &r)); !strings.HasPrefix(got, want) {
			t.Errorf("%q: got %s, want %s", zone, got, want)
		}
	}
	m := compiled(t, mapping.Rule{Field: "v", Device: "d", Type: iot.Current, Time: &mapping.Time{Arrival: true}}).Mapper()
	var r mapping.Result
	if err := m.Map(&p, &r); err != nil || !r.Arrival || !r.Reading.Time.IsZero() {
		t.Errorf("got %+v, %v, want the arrival", r, err)
	}
}

// Values are looked up in the group of the point alone.
func TestOtherValuesAreThoseOfTheGroup(t *testing.T) {
	for _, size := range []int{2, 100} {
		var all []mapping.Point
		for group := range size {
			all = append(all, mapping.Point{Field: "id", ValueText: fmt.Sprint("d", group), Group: group, Note: true}, mapping.Point{Field: "v", Value: 1, Group: group})
		}
		m := compiled(t, mapping.Rule{Field: "**", Device: "{{id}}", Type: iot.Current}).Mapper()
		m.Begin(all)
		for i := range all {
			var r mapping.Result
			got, want := show(&r, m.Map(&all[i], &r)), fmt.Sprintf("d%d current_sensor 1", i/2)
			if all[i].Note {
				want = "unmatched"
			}
			if got != want {
				t.Errorf("%d of %d: got %s, want %s", i, size, got, want)
			}
		}
	}
}

func TestTheFirstRuleThatMatchesCounts(t *testing.T) {
	m := compiled(t,
		mapping.Rule{Topic: "a/+", Tags: map[string]string{"x": "1"}, Device: "tag", Type: iot.Current},
		mapping.Rule{Topic: "a/b", Field: "v", Device: "field", Type: iot.Current},
		mapping.Rule{Field: "v", Measurement: "m", Device: "measurement", Type: iot.Current},
		mapping.Rule{Topic: "#", Ignore: true},
	).Mapper()
	for want, p := range map[string]mapping.Point{
		"tag current_sensor 0":         {Topic: "a/b", Field: "v", Tags: map[string]string{"x": "1"}},
		"field current_sensor 0":       {Topic: "a/b", Field: "v", Tags: map[string]string{"x": "2"}},
		"measurement current_sensor 0": {Topic: "a/c", Field: "v", Measurement: "m"},
		"ignored":                      {Topic: "a/c", Field: "v"},
	} {
		var r mapping.Result
		if got := show(&r, m.Map(&p, &r)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// A hostile stream of new names costs bounded memory, and changes nothing.
func TestAMapperForgets(t *testing.T) {
	m := compiled(t, mapping.Rule{Topic: "+", Device: "{{topic 1}}", Type: iot.Current}).Mapper()
	long := strings.Repeat("x", 60_000)
	for i := range 5000 {
		p := mapping.Point{Topic: fmt.Sprint(i, long), Field: "v"}
		var r mapping.Result
		if err := m.Map(&p, &r); err != nil || string(r.Reading.ID) != p.Topic {
			t.Fatal(r.Outcome, err)
		}
	}
}

// A pattern matches as the simplest comparison does, whatever the fields are.
func TestPatternsMatchLevels(t *testing.T) {
	part := rapid.StringMatching(`[ab.(]{0,4}`)
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOfN(part, 1, 4).Draw(t, "parts")
		pattern, field := parts[0], parts[0]
		for _, p := range parts[1:] {
			between := rapid.StringMatching(`[ab(]{0,3}`).Draw(t, "between")
			pattern += "*" + p
			field += between + p
		}
		if !strings.Contains(pattern, "*") || pattern == "" {
			return
		}
		m := compiledIn(t, mapping.Rule{Field: pattern, Device: "d", Type: iot.Current}).Mapper()
		p := mapping.Point{Field: field}
		var r mapping.Result
		if err := m.Map(&p, &r); err != nil || r.Outcome != mapping.Read {
			t.Fatalf("%q does not match %q: %v", pattern, field, err)
		}
	})
}

func compiledIn(t *rapid.T, rules ...mapping.Rule) *mapping.Rules {
	c, err := iot.NewCatalog(iot.BuiltinTypes()...)
	if err != nil {
		t.Fatal(err)
	}
	m, err := mapping.New(rules, c)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestMoreRulesThatCannotBeAreErrors(t *testing.T) {
	zero := 0.0
	for want, rule := range map[string]mapping.Rule{
		"topic: ":                    {Topic: "a#", Device: "d", Type: iot.Switch},
		"# must be the last level":   {Topic: "#/a", Device: "d", Type: iot.Switch},
		"levels must be as in":       {Field: "f", Device: "{{topic 0}}", Type: iot.Switch},
		"levels must be as in 2":     {Field: "f", Device: "{{topic 3-1}}", Type: iot.Switch},
		"building: \"{{x\"":          {Field: "f", Device: "d", Building: "{{x", Type: iot.Switch},
		"scale: must be a number":    {Field: "f", Device: "d", Type: iot.Switch, Scale: &zero},
		"quality: field: missing":    {Field: "f", Device: "d", Type: iot.Switch, Quality: &mapping.Quality{}},
		"quality: words: must be":    {Field: "f", Device: "d", Type: iot.Switch, Quality: &mapping.Quality{Field: "q", Words: map[string]string{"a": "ok"}}},
		"time: zone: must be":        {Field: "f", Device: "d", Type: iot.Switch, Time: &mapping.Time{Zone: "Mars"}},
		"time: format: must be unix": {Field: "f", Device: "d", Type: iot.Switch, Time: &mapping.Time{Format: "2006"}},
		"arrival: must stand alone":  {Field: "f", Device: "d", Type: iot.Switch, Time: &mapping.Time{Arrival: true, Field: "x"}},
		"status: needs a device":     {Field: "f", Status: &mapping.Status{}},
		"is given twice":             {Field: "f", Device: "d", Status: &mapping.Status{Online: []string{"a"}, Bad: []string{"A"}}},
	} {
		if _, err := mapping.New([]mapping.Rule{rule}, catalog(t)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}

// A payload of Zigbee2MQTT by a thousand rules from ten thousand topics.
func BenchmarkMap(b *testing.B) {
	var rules []mapping.Rule
	for i := range 990 {
		rules = append(rules, mapping.Rule{Topic: fmt.Sprintf("other/%d/+", i), Field: "x", Device: "d", Type: iot.Current})
	}
	for _, field := range []string{"temperature", "humidity", "pressure", "battery", "voltage", "linkquality"} {
		rules = append(rules, mapping.Rule{Topic: "zigbee2mqtt/+", Field: field, Device: "{{topic 2}}-" + field, Type: iot.Pressure, Battery: "battery"})
	}
	m := compiled(b, rules...).Mapper()
	var messages [][]mapping.Point
	for i := range 10_000 {
		messages = append(messages, points(fmt.Sprintf("zigbee2mqtt/sensor %d", i), "battery", 97, "humidity", 41.2, "linkquality", 120, "pressure", 1013.2, "temperature", 21.48, "voltage", 2995))
	}
	at := time.Now()
	var r mapping.Result
	message := func(points []mapping.Point) {
		m.Begin(points)
		for i := range points {
			points[i].Time = at
			if err := m.Map(&points[i], &r); err != nil || r.Outcome != mapping.Read {
				b.Fatal(r.Outcome, err)
			}
		}
	}
	for _, points := range messages {
		message(points)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		message(messages[i%len(messages)])
	}
}
