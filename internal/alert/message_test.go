package alert_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"pgregory.net/rapid"

	"iotmon/internal/alert"
	"iotmon/internal/iot"
)

func TestTextsHavePlaceholders(t *testing.T) {
	rule := high
	rule.Text, rule.TextEN = "{device} 在 {area}: {value} > {threshold}, {不}", "{value} above {threshold} ({alert_type}, {unit})"
	engine := newEngine(t, rule)
	r := reading(0, "28.5")
	r.Location = iot.Location{Building: "A栋", Floor: 3}
	var got iot.Alert
	evaluate(engine, new(iot.RuleStates), &r, emit(func(a *iot.Alert) { got = *a }))
	if got.Message != "device_042 在 A栋/3: 28.5°C > 28°C, {不}" || got.MessageEN != "28.5 °C above 28 °C (temperature_high, °C)" {
		t.Errorf("got %q and %q", got.Message, got.MessageEN)
	}
	rule.Text, rule.TextEN = strings.Repeat("{device}", 32), ""
	r.ID = iot.DeviceID(strings.Repeat("设", 42))
	evaluate(newEngine(t, rule), new(iot.RuleStates), &r, emit(func(a *iot.Alert) { got = *a }))
	if len(got.Message) > 512 || !strings.HasPrefix(got.Message, string(r.ID)) || strings.Contains(got.Message, "\ufffd") || got.MessageEN != got.Message {
		t.Errorf("got %d bytes, %q, want at most 512, cut between characters, in both languages", len(got.Message), got.Message)
	}
	rule.Text, rule.TextEN = "", "too hot: {value}"
	evaluate(newEngine(t, rule), new(iot.RuleStates), &r, emit(func(a *iot.Alert) { got = *a }))
	if got.Message != "too hot: 28.5 °C" || got.MessageEN != got.Message {
		t.Errorf("got %q and %q, want the only text for both languages", got.Message, got.MessageEN)
	}
}

// A text never has a number that its condition does not: such a placeholder is refused, and stays as it is where an older version has accepted it.
func TestAPlaceholderThatDoesNotApplyIsRefused(t *testing.T) {
	second := 10 * time.Second
	with := func(kind iot.ConditionKind, change func(*iot.Rule)) iot.Rule {
		rule := high
		rule.Condition = iot.Condition{Kind: kind, Threshold: 2, Within: second}
		if change != nil {
			change(&rule)
		}
		return rule
	}
	expression := func(text string) func(*iot.Rule) { return func(r *iot.Rule) { r.Threshold, r.Expression = 0, text } }
	for _, test := range []struct {
		rule iot.Rule
		none string
	}{
		{high, "limit median"}, {with(iot.Rise, nil), "limit median"}, {with(iot.Fall, nil), "limit median"}, {with(iot.Stuck, nil), "limit median"},
		{with(iot.Average, nil), "limit median"}, {with(iot.Maximum, nil), "limit median"}, {with(iot.Minimum, nil), "limit median"},
		{with(iot.Count, nil), "median"}, {with(iot.Fraction, nil), "median"}, {with(iot.OfLast, nil), "median"},
		{with(iot.Deviation, nil), "limit"}, {with(iot.NoData, nil), "limit median"}, {with(iot.LevelLimits, nil), "limit median"},
		{with(iot.Expression, expression("value > 3")), "threshold limit median"}, {with(iot.Expression, expression("value > threshold")), "limit median"},
	} {
		for _, name := range []string{"device", "type", "area", "alert_type", "value", "threshold", "unit", "limit", "median"} {
			rule := test.rule
			rule.TextEN = "at {" + name + "}"
			err := alert.CheckTexts(&rule)
			if refused := slices.Contains(strings.Fields(test.none), name); refused != (err != nil) {
				t.Errorf("%s %q in %q: got %v, want an error: %v", rule.Kind, rule.Expression, rule.TextEN, err, refused)
			}
		}
	}
	stored := high
	stored.TextEN = "t={threshold} l={limit} m={median}"
	var got iot.Alert
	r := reading(0, "28.5")
	evaluate(newEngine(t, stored), new(iot.RuleStates), &r, emit(func(a *iot.Alert) { got = *a }))
	if want := "t=28 °C l={limit} m={median}"; got.MessageEN != want {
		t.Errorf("got %q, want %q", got.MessageEN, want)
	}
}

// What an alert is about is in its message and its value: the statistic, not the reading that happened to be the last.
func TestAnAlertOfAStatisticHasItsValue(t *testing.T) {
	rule := conditionRule(iot.OfLast, 2, 0, 0)
	rule.Limit, rule.Last = 28, 3
	engine := newEngine(t, rule)
	var states iot.RuleStates
	var got iot.Alert
	for second := range 3 {
		r := reading(second, "30")
		evaluate(engine, &states, &r, emit(func(a *iot.Alert) { got = *a }))
	}
	if got.Value != 3 || got.Threshold != 2 || got.Unit != "" || got.Message != "温度最近 3 个数值中高于 28°C 的过多: 3 > 2" {
		t.Errorf("got %v of %v %q, %q", got.Value, got.Threshold, got.Unit, got.Message)
	}
}

// Alerts of rules without a text of their own, of every kind and with any numbers, say in both languages the same numbers, and no Chinese in English.
func TestEveryKindOfConditionIsSaidInBothLanguages(t *testing.T) {
	kinds := []iot.ConditionKind{
		iot.Threshold, iot.Rise, iot.Fall, iot.Stuck, iot.Average, iot.Maximum, iot.Minimum, iot.Count, iot.Fraction, iot.OfLast, iot.Deviation, iot.NoData, iot.LevelLimits, iot.Expression,
	}
	numbers := regexp.MustCompile(`-?\d[\d,]*(\.\d+)?`)
	said := make(map[string]iot.ConditionKind)
	rapid.Check(t, func(rt *rapid.T) {
		rule := high
		kind := rapid.SampledFrom(kinds).Draw(rt, "kind")
		number := rapid.Custom(func(rt *rapid.T) float64 { return float64(rapid.IntRange(1, 5_000_000).Draw(rt, "n")) / 4 })
		rule.Condition = iot.Condition{Kind: kind, Threshold: number.Draw(rt, "threshold")}
		within := time.Duration(rapid.IntRange(10, 30*86400).Draw(rt, "within")) * time.Second
		switch kind {
		case iot.Count, iot.Fraction, iot.OfLast:
			rule.Limit, rule.Below = number.Draw(rt, "limit"), rapid.Bool().Draw(rt, "below")
			if rule.Threshold = 2; kind == iot.Fraction {
				rule.Threshold = 0.25
			}
		case iot.Threshold, iot.Average, iot.Maximum, iot.Minimum:
			rule.Below = rapid.Bool().Draw(rt, "below")
		case iot.NoData:
			rule.Threshold = 0
		case iot.LevelLimits:
			rule.Threshold, rule.Levels[3] = 0, iot.Level{On: true, Limit: 28}
		case iot.Expression:
			rule.Expression = "value > 3"
		}
		switch kind {
		case iot.Threshold, iot.Deviation, iot.LevelLimits, iot.Expression:
		case iot.OfLast:
			rule.Last = 5
		default:
			rule.Within = within
		}
		spec := iot.TypeSpec{Name: "probe", Unit: "kPa", Min: -1e9, Max: 1e9, Labels: map[string]string{"zh": "探头"}}
		if rapid.Bool().Draw(rt, "named in English") {
			spec.Labels["en"] = "Probe"
		}
		rule.Type = spec.Name
		catalog, err := iot.NewCatalog(spec)
		if err != nil {
			rt.Fatal(err)
		}
		engine, err := alert.New([]iot.Rule{rule}, catalog)
		if err != nil {
			rt.Fatal(err)
		}
		value := number.Draw(rt, "value") * float64(rapid.SampledFrom([]int{-1, 1}).Draw(rt, "sign"))
		r := iot.Reading{Device: iot.Device{ID: "device_042", Type: spec.Name, Unit: spec.Unit}, Time: reading(0, "1").Time}
		zh, en := alert.Messages(engine, &r, value)
		if zh == "" || en == "" {
			rt.Fatalf("%s: got %q and %q", kind, zh, en)
		}
		for _, c := range en {
			if unicode.Is(unicode.Han, c) {
				rt.Fatalf("%s: %q has Chinese characters", kind, en)
			}
		}
		sorted := func(text string) []string { list := numbers.FindAllString(text, -1); slices.Sort(list); return list }
		if !slices.Equal(sorted(zh), sorted(en)) {
			rt.Fatalf("%s: %q and %q have other numbers", kind, zh, en)
		}
		if strings.Contains(zh, "kPa") != strings.Contains(en, " kPa") || !slices.Contains(sorted(zh), iot.Number(value)) && kind != iot.NoData {
			rt.Fatalf("%s: %q and %q, want the value and the unit", kind, zh, en)
		}
		words := numbers.ReplaceAllString(en, "")
		if other, any := said[words]; any && other != kind && kind != iot.LevelLimits && other != iot.LevelLimits {
			rt.Fatalf("%s and %s say the same: %q", kind, other, en)
		}
		said[words] = kind
	})
}

// What people read is the area by which rules, routes and pages go: the registry's or, without one, the place in the reading.
func TestTheAreaInATextIsTheDevices(t *testing.T) {
	rule := high
	rule.Text, rule.TextEN = "{area}", "in {area}"
	quiet := iot.Rule{Name: "quiet", Severity: iot.Info, Condition: iot.Condition{Kind: iot.NoData, Within: time.Minute}, Text: "{area}"}
	engine := newEngine(t, rule, quiet)
	for _, test := range []struct {
		entry *iot.DeviceEntry
		want  string
	}{{nil, "A栋/3"}, {&iot.DeviceEntry{Name: "x"}, "A栋/3"}, {&iot.DeviceEntry{Area: "hall/line 1"}, "hall/line 1"}} {
		r := reading(0, "28.5")
		r.Location = iot.Location{Building: "A栋", Floor: 3}
		set := engine.Select(new(alert.Selection), test.entry, &r)
		var got []string
		out := emit(func(a *iot.Alert) { got = append(got, a.Message, a.MessageEN) })
		var states iot.RuleStates
		engine.Evaluate(set, &states, &r, out)
		engine.Silent(set, &states, &r, r.Time, r.Time.Add(time.Hour), time.Time{}, out)
		if want := []string{test.want, "in " + test.want, test.want, test.want}; !slices.Equal(got, want) {
			t.Errorf("%+v: got %q, want %q", test.entry, got, want)
		}
	}
}
