package mapping_test

import (
	"strings"
	"testing"

	"iotmon/internal/mapping"
)

// Type and unit may come from beside the value, by names that are those of placeholders, too.
func TestTypeAndUnitMayComeFromBesideTheValue(t *testing.T) {
	m := compiled(t, mapping.Rule{Field: "v", Device: "{{value name}}", Type: "{{kind}}_sensor", Unit: "{{value unit}}"}).Mapper()
	for _, test := range []struct {
		points []mapping.Point
		want   string
	}{
		{[]mapping.Point{{Field: "v", Value: 68}, {Field: "name", ValueText: "007"}, {Field: "kind", ValueText: "temperature"}, {Field: "unit", ValueText: "°F"}}, "007 temperature_sensor 68 °F"},
		{[]mapping.Point{{Field: "v", Value: 1}, {Field: "name", ValueText: "p"}, {Field: "kind", ValueText: "switch"}, {Field: "unit", Empty: true}}, "p switch_sensor 1"},
		{[]mapping.Point{{Field: "v", Value: 1}, {Field: "name", ValueText: "p"}, {Field: "unit", ValueText: "°C"}}, "device_type: there is neither a tag nor a value kind"},
		{[]mapping.Point{{Field: "v", Value: 1}, {Field: "name", ValueText: "p"}, {Field: "kind", ValueText: "x"}}, "unit: there is no value unit"},
		{[]mapping.Point{{Field: "v", Value: 1, Tags: map[string]string{"name": "tag"}}, {Field: "kind", ValueText: "x"}}, "device_id: there is no value name"},
	} {
		m.Begin(test.points)
		var r mapping.Result
		if got := show(&r, m.Map(&test.points[0], &r)); !strings.HasPrefix(strings.ReplaceAll(got, `"`, ""), test.want) {
			t.Errorf("got %s, want %s", got, test.want)
		}
	}
}

func TestAnAsteriskMayBePartOfAName(t *testing.T) {
	for pattern, fields := range map[string]map[string]bool{
		mapping.QuoteField("a*b"): {"a*b": true, "axb": false},
		`\**`:                     {"*x": true, "x": false, "*x.y": false},
		`\*.**`:                   {"*.x.y": true, "x.y": false},
	} {
		m := compiled(t, mapping.Rule{Field: pattern, Device: "d", Type: "temperature_sensor"}).Mapper()
		for field, want := range fields {
			var r mapping.Result
			if err := m.Map(&mapping.Point{Field: field}, &r); err != nil || (r.Outcome == mapping.Read) != want {
				t.Errorf("%s of %s: got %v, %v, want %v", pattern, field, r.Outcome, err, want)
			}
		}
	}
}

func TestRulesSayWhatTheyRead(t *testing.T) {
	m := compiled(t, mapping.Rule{Field: "v", Device: "{{a}}-{{value b}}", Type: "temperature_sensor", Unit: "{c}", Battery: "d", Time: &mapping.Time{Field: "e"}, Quality: &mapping.Quality{Field: "f"}})
	for name, want := range map[string]bool{"a": true, "b": true, "c": false, "d": true, "e": true, "f": true, "v": false} {
		if got := m.Reads(name); got != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
}

// Where the types are not known, rules with any are accepted; a type that is defined has a name.
func TestTypesThatAreNotKnownAreNotChecked(t *testing.T) {
	rule := mapping.Rule{Field: "v", Device: "d", Type: "anything"}
	if _, err := mapping.New([]mapping.Rule{rule}, nil); err != nil {
		t.Error(err)
	}
	rule.Type, rule.Define = "{{x}}", &mapping.Type{Max: 1}
	if _, err := mapping.New([]mapping.Rule{rule}, catalog(t)); err == nil || !strings.Contains(err.Error(), "define: the type must be a name without braces") {
		t.Errorf("got %v", err)
	}
}
