package api

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"iotmon/internal/alert"
	"iotmon/internal/iot"
)

// texts are those that YAML may take for something else, and any other.
func texts() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.SampledFrom([]string{
			"yes", "no", "on", "null", "~", "1e3", "0x1F", "012", "1_000", "2026-01-01", "2026-01-01T10:00:00Z", "12:30:45", ".inf", ".nan", "- a", "a: b", "# a",
			"'a'", `"a"`, "&a", "*a", "!a", "|", ">", "%", "@", "`", "{a}", "[a]", "a\tb", "温度 {value}", "é", "<<", "=", "a #b", "?", "-", "--- a", "...",
		}),
		rapid.StringN(1, 20, 60),
	)
}

// rules makes valid rules.
func rules() *rapid.Generator[iot.Rule] {
	return rapid.Custom(func(t *rapid.T) iot.Rule {
		for {
			scope := func(label string) iot.Selector {
				s := iot.Selector{Area: iot.Area(rapid.SampledFrom([]string{"", "A栋/3", "2026-01-01"}).Draw(t, label+" area"))}
				if rapid.Bool().Draw(t, label+" labels") {
					s.Labels = map[string]string{texts().Draw(t, label+" name"): texts().Draw(t, label+" value")}
				}
				if rapid.Bool().Draw(t, label+" devices") {
					s.Devices = []iot.DeviceID{iot.DeviceID(texts().Draw(t, label+" device"))}
				}
				return s
			}
			entry := iot.RuleEntry{Version: 1, Rule: iot.Rule{
				Name: texts().Draw(t, "name"), Selector: scope("rule"), Severity: rapid.SampledFrom(iot.Severities[:]).Draw(t, "severity"),
				Latch: rapid.Bool().Draw(t, "latch"), Disabled: rapid.Bool().Draw(t, "disabled"), Text: texts().Draw(t, "text"), TextEN: texts().Draw(t, "text_en"),
				For: time.Duration(rapid.IntRange(0, 1e9).Draw(t, "for")) * time.Microsecond,
				Condition: iot.Condition{
					Threshold:  rapid.OneOf(rapid.Float64Range(-1e300, 1e300), rapid.SampledFrom([]float64{0, 1e-300, 28, 1e21, 123456789})).Draw(t, "threshold"),
					Hysteresis: rapid.Float64Range(0, 10).Draw(t, "hysteresis"), Below: rapid.Bool().Draw(t, "below"),
				},
			}}
			entry.Rule.Type = iot.DeviceType(texts().Draw(t, "type"))
			if rapid.Bool().Draw(t, "except") {
				entry.Rule.Except = []iot.Selector{scope("except")}
			}
			known := alert.CheckTexts(&entry.Rule) == nil
			if known && entry.Normalize() == nil && entry.Rule.Name != "export" {
				return entry.Rule
			}
		}
	})
}

// What is exported is imported as the same, and exported again as the same file.
func TestRulesSurviveYAML(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfNDistinct(rules(), 0, 4, func(r iot.Rule) string { return r.Name }).Draw(t, "rules")
		export := func(all []iot.Rule) string {
			bodies := make([]NewRule, len(all))
			for i := range all {
				bodies[i] = NewRule{all[i].Name, toRuleBody(&all[i])}
			}
			text, err := encodeRules(bodies)
			if err != nil {
				t.Fatal(err)
			}
			return string(text)
		}
		text := export(all)
		decoded, wrong := decodeRules([]byte(text), nil)
		if len(wrong) > 0 {
			t.Fatalf("%v in\n%s", wrong, text)
		}
		again := make([]iot.Rule, len(decoded))
		for i := range decoded {
			again[i] = decoded[i].Rule
		}
		if len(all) != len(again) || len(all) > 0 && !reflect.DeepEqual(all, again) {
			t.Fatalf("got  %+v\nfrom %+v\nby\n%s", again, all, text)
		}
		if text2 := export(again); text2 != text {
			t.Fatalf("got the file\n%s\nfrom\n%s", text2, text)
		}
	})
}

const ruleOfFile = "rules:\n- name: hot\n  device_type: temperature_sensor\n  severity: critical\n  condition: {kind: threshold, threshold: 80}\n"

func TestWhatIsWrongInAFileOfRules(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"", "body: it is empty"},
		{"rules: [", "body: yaml: line 1"},
		{"[]", "line 1, body: it must have one key: rules"},
		{"rules: 1", "line 1, rules: must be a list"},
		{"rules: []\nmore: 1", "it must have one key"},
		{"rules: []\n---\nrules: []", "one document"},
		{"rules: [1]", "line 1, rules[0]: expected object"},
		{"rules:\n- {}", "line 2, rules[0]: expected required property condition to be present"},
		{strings.Replace(ruleOfFile, "name: hot", "name: ''", 1), "line 2, rules[0].name: expected length >= 1"},
		{strings.Replace(ruleOfFile, "severity", "priority", 1), `[line 2, rules[0]: expected required property severity to be present line 4, rules[0].priority: unknown key]`},
		{strings.Replace(ruleOfFile, "critical", "high", 1), `line 4, rules[0].severity: expected value to be one of "info, warning, critical"`},
		{strings.Replace(ruleOfFile, "80", "eighty", 1), "line 5, rules[0].condition.threshold: expected number"},
		{strings.Replace(ruleOfFile, "80", ".inf", 1), "line 2, rules[0]: has a key or a number that JSON cannot have"},
		{strings.Replace(ruleOfFile, "80", "80, last: 3", 1), "line 5, rules[0].condition.last: only of_last has it"},
		{strings.Replace(ruleOfFile, "threshold, threshold: 80", "deviation, threshold: -3", 1), "line 5, rules[0].condition.threshold: must be positive"},
		{strings.Replace(ruleOfFile, "threshold, threshold: 80", "deviation, threshold: 3, within_seconds: 60", 1), "line 5, rules[0].condition.within_seconds: deviation has none"},
		{strings.Replace(ruleOfFile, "critical", "critical\n  1: 2", 1), "line 2, rules[0]: has a key"},
		{strings.Replace(ruleOfFile, "critical", "critical\n  name: b", 1), "already defined"},
		{strings.Replace(ruleOfFile, "critical", "!!binary aGk=", 1), "line 4, body: unknown tag"},
		{strings.Replace(ruleOfFile, "critical", "critical\n  for_seconds: -1", 1), "rules[0].for_seconds: must be between"},
		{strings.Replace(ruleOfFile, "critical", "critical\n  labels: {a: 1}", 1), "line 5, rules[0].labels.a: expected string"},
		{strings.Replace(ruleOfFile, "{kind: threshold, threshold: 80}", "[threshold]", 1), "line 5, rules[0].condition: expected object"},
		{ruleOfFile + strings.TrimPrefix(ruleOfFile, "rules:\n"), "line 6, rules[1].name: there is another rule \"hot\" in the file"},
		{"rules:\n" + strings.Repeat("- {}\n", maxRulesInFile+1), "rules: more than 1000 (got 1001)"},
		{"a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n" +
			"e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\nrules: [*f,*f]", "too large or too deep"},
		{"rules: &a [*a]", "too large or too deep"},
		{"rules: " + strings.Repeat("[", 100) + strings.Repeat("]", 100), "too large or too deep"},
	} {
		_, wrong := decodeRules([]byte(test.text), nil)
		if got := fmt.Sprint(wrong); len(wrong) == 0 || !strings.Contains(got, test.want) {
			t.Errorf("%.200s:\ngot  %s\nwant %s", test.text, got, test.want)
		}
	}
	dated, wrong := decodeRules([]byte(strings.Replace(ruleOfFile, "critical", "critical\n  labels: {since: 2026-01-01}", 1)), nil)
	if len(wrong) > 0 || dated[0].Labels["since"] != "2026-01-01" {
		t.Errorf("got %+v, %v: what looks like a date is a text", dated, wrong)
	}
}

func FuzzDecodeRules(f *testing.F) {
	f.Add([]byte(ruleOfFile))
	f.Add([]byte("rules:\n- &a {name: x, condition: {kind: stuck, within_seconds: 5}, severity: info}\n- {<<: *a, name: y}\n"))
	f.Add([]byte("rules: &a [*a]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		rules, wrong := decodeRules(text, nil)
		for _, err := range wrong {
			if err.Error() == "" || !utf8.ValidString(err.Error()) && utf8.Valid(text) {
				t.Errorf("got the error %q", err)
			}
		}
		if len(wrong) > 0 {
			return
		}
		bodies := make([]NewRule, len(rules))
		for i := range rules {
			bodies[i] = NewRule{rules[i].Name, toRuleBody(&rules[i].Rule)}
		}
		written, err := encodeRules(bodies)
		if err != nil {
			t.Fatal(err)
		}
		again, wrong := decodeRules(written, nil)
		if len(wrong) > 0 || len(again) != len(rules) {
			t.Fatalf("%v: what is valid is written as\n%s", wrong, written)
		}
		for i := range rules {
			if !reflect.DeepEqual(rules[i].Rule, again[i].Rule) {
				t.Errorf("got %+v, want %+v", again[i].Rule, rules[i].Rule)
			}
		}
	})
}

// The examples of the documentation are valid.
func TestExamplesOfRulesAreValid(t *testing.T) {
	text, err := os.ReadFile("../../docs/examples/rules/recordings.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if rules, wrong := decodeRules(text, nil); len(wrong) > 0 || len(rules) != 4 {
		t.Errorf("got %d rules and %v", len(rules), wrong)
	}
}
