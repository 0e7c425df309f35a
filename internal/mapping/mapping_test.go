package mapping_test

import (
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"iotmon/internal/iot"
	"iotmon/internal/mapping"
)

func catalog(t testing.TB) *iot.Catalog {
	t.Helper()
	c, err := iot.NewCatalog(iot.BuiltinTypes()...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// read maps a point that came alone, and reports whether a rule makes a reading of it.
func read(rules *mapping.Rules, p *mapping.Point, r *iot.Reading) (bool, error) {
	m := rules.Mapper()
	m.Begin([]mapping.Point{*p})
	var result mapping.Result
	err := m.Map(p, &result)
	if result.Outcome == mapping.Read {
		*r = result.Reading
	}
	return result.Outcome == mapping.Read, err
}

func TestThePointsOfARuleBecomeReadings(t *testing.T) {
	at := time.Date(2024, 1, 30, 10, 30, 0, 0, time.UTC)
	rules, err := mapping.New([]mapping.Rule{
		{Measurement: "boiler", Field: "temp", Tags: map[string]string{"site": "north"}, Device: "{site}/{host}-{field}", Type: iot.Temperature, Unit: "°F", Building: "{site} hall", Room: "1"},
		{Measurement: "boiler", Field: "temp", Device: "{measurement}", Type: iot.Temperature},
		{Field: "on", Device: "pump", Type: iot.Switch},
	}, catalog(t))
	if err != nil {
		t.Fatal(err)
	}
	north := map[string]string{"site": "north", "host": "a", "more": "x"}
	for name, test := range map[string]struct {
		point mapping.Point
		ok    bool
		want  iot.Reading
	}{
		"all of it": {mapping.Point{Measurement: "boiler", Field: "temp", Tags: north, Time: at, Value: 212}, true, iot.Reading{
			Device: iot.Device{ID: "north/a-temp", Type: iot.Temperature, Unit: "°F", Location: iot.Location{Building: "north hall", Room: "1"}}, Time: at, Value: 212}},
		"the second rule": {mapping.Point{Measurement: "boiler", Field: "temp", Time: at, Value: 100}, true,
			iot.Reading{Device: iot.Device{ID: "boiler", Type: iot.Temperature}, Time: at, Value: 100}},
		"any measurement": {mapping.Point{Measurement: "x", Field: "on", Time: at, ValueText: "true"}, true,
			iot.Reading{Device: iot.Device{ID: "pump", Type: iot.Switch}, Time: at, ValueText: "true"}},
		"another measurement": {mapping.Point{Measurement: "x", Field: "temp"}, false, iot.Reading{}},
		"another field":       {mapping.Point{Measurement: "boiler", Field: "Temp"}, false, iot.Reading{}},
	} {
		var got iot.Reading
		if ok, err := read(rules, &test.point, &got); ok != test.ok || err != nil || got != test.want {
			t.Errorf("%s: got %+v, %v, %v, want %+v", name, got, ok, err, test.want)
		}
	}
}

func TestAPointWithoutWhatItsRuleNeedsIsRefused(t *testing.T) {
	rules, err := mapping.New([]mapping.Rule{{Field: "temp", Device: "{host}", Type: iot.Temperature}}, catalog(t))
	if err != nil {
		t.Fatal(err)
	}
	var r iot.Reading
	ok, err := read(rules, &mapping.Point{Field: "temp", Tags: map[string]string{"site": "x"}}, &r)
	var invalid *iot.InvalidError
	if !ok || !errors.As(err, &invalid) || invalid.Field != "device_id" || !strings.Contains(invalid.Reason, `no tag "host" (tags: "site")`) {
		t.Errorf("got %v, %v", ok, err)
	}
}

func TestRulesThatCannotBeAreErrors(t *testing.T) {
	for name, test := range map[string]struct {
		rule mapping.Rule
		want string
	}{
		"no field":       {mapping.Rule{Device: "d", Type: iot.Switch}, "field: missing"},
		"no device":      {mapping.Rule{Field: "f", Type: iot.Switch}, "device: missing"},
		"unknown type":   {mapping.Rule{Field: "f", Device: "d", Type: "sonar"}, `"sonar"`},
		"an open brace":  {mapping.Rule{Field: "f", Device: "{d", Type: iot.Switch}, "without a name"},
		"an empty name":  {mapping.Rule{Field: "f", Device: "d{}", Type: iot.Switch}, "without a name"},
		"a closed brace": {mapping.Rule{Field: "f", Device: "d", Room: "}", Type: iot.Switch}, "without {"},
		"brace in brace": {mapping.Rule{Field: "f", Device: "{a{b}", Type: iot.Switch}, "without a name"},
	} {
		if _, err := mapping.New([]mapping.Rule{test.rule}, catalog(t)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, test.want)
		}
	}
}

// What a template puts in is what the tags say, whatever they hold.
func TestTemplatesAreFilledWithTags(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tags := rapid.MapOf(rapid.StringMatching(`[a-z]{1,3}`), rapid.String()).Draw(t, "tags")
		var text, want strings.Builder
		for key := range maps.Keys(tags) {
			literal := rapid.StringMatching(`[^{}]{0,3}`).Draw(t, "literal")
			text.WriteString(literal + "{" + key + "}")
			want.WriteString(literal + tags[key])
		}
		text.WriteString("!")
		want.WriteString("!")
		c, err := iot.NewCatalog(iot.BuiltinTypes()...)
		if err != nil {
			t.Fatal(err)
		}
		rules, err := mapping.New([]mapping.Rule{{Field: "f", Device: text.String(), Type: iot.Switch}}, c)
		if err != nil {
			t.Fatal(err)
		}
		var r iot.Reading
		if ok, err := read(rules, &mapping.Point{Field: "f", Tags: tags}, &r); !ok || err != nil || string(r.ID) != want.String() {
			t.Fatalf("%q: got %q, %v, %v, want %q", text.String(), r.ID, ok, err, want.String())
		}
	})
}
