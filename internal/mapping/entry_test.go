package mapping_test

import (
	"reflect"
	"strings"
	"testing"

	"iotmon/internal/iot"
	"iotmon/internal/mapping"
)

func TestAnEntryIsDecodedAsItWasWritten(t *testing.T) {
	scale := 0.1
	e := mapping.Entry{Source: "hall-3", Version: 7, Rules: []mapping.Rule{{
		Topic: "a/+", Field: "t", Tags: map[string]string{"site": "x"}, Device: "{{topic 2}}", Type: "flow_sensor", Define: &mapping.Type{Unit: "L/min", Max: 4},
		Time: &mapping.Time{Zone: "Europe/Berlin"}, Quality: &mapping.Quality{Field: "q", Words: map[string]string{"ok": "good"}},
		Words: map[string]float64{"on": 1}, Scale: &scale, Offset: 1,
	}, {Topic: "b", Status: &mapping.Status{Below: "x", Online: []string{"up"}}}, {Topic: "c", Ignore: true}}}
	got, err := mapping.DecodeEntry(mapping.AppendEntry(nil, &e))
	if err != nil || !reflect.DeepEqual(got, e) {
		t.Errorf("got  %+v, %v\nwant %+v", got, err, e)
	}
}

func TestOnlyWhatIsAMapIsDecoded(t *testing.T) {
	for _, text := range []string{
		"", "null", "[]", "{}", `{"source":"a"}`, `{"source":"a","version":0}`, `{"source":"a/b","version":1}`, `{"source":"a","version":1,"more":1}`,
		`{"source":"a","version":1,"deleted":true,"rules":[{}]}`, `{"source":"a","version":1}x`, `{"source":"a","version":9223372036854775807}`,
		`{"source":"a","version":1,"rules":[` + strings.Repeat(`{"field":"a"},`, mapping.MaxRules) + `{}]}`, `{"source":"` + strings.Repeat("a", 2<<20) + `"}`,
	} {
		if e, err := mapping.DecodeEntry([]byte(text)); err == nil {
			t.Errorf("%.60s: got %d rules, want an error", text, len(e.Rules))
		}
	}
}

func TestRulesDefineTypesOnce(t *testing.T) {
	catalog, err := iot.NewCatalog(iot.BuiltinTypes()...)
	if err != nil {
		t.Fatal(err)
	}
	flow := func(most float64) mapping.Rule {
		return mapping.Rule{Type: "flow", Define: &mapping.Type{Unit: "L", Max: most}}
	}
	known := mapping.Rule{Type: iot.Temperature, Define: &mapping.Type{Max: 1}}
	if types, err := mapping.Types([]mapping.Rule{flow(4), known, flow(4)}, catalog); err != nil || len(types) != 1 || types[0].Name != "flow" || types[0].Max != 4 {
		t.Errorf("got %+v, %v", types, err)
	}
	for want, rules := range map[string][]mapping.Rule{
		"rule 1: define: the type \"flow\" is defined otherwise": {flow(4), flow(5)}, "rule 0: define: types.min": {flow(0)},
	} {
		if types, err := mapping.Types(rules, catalog); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %+v, %v, want %s", types, err, want)
		}
	}
}

func FuzzDecodeEntry(f *testing.F) {
	f.Add([]byte(`{"source":"hall-3","version":1,"rules":[{"field":"t","device":"d","type":"temperature_sensor","define":{"max":1}}]}`))
	catalog, err := iot.NewCatalog(iot.BuiltinTypes()...)
	if err != nil {
		f.Fatal(err)
	}
	base := &iot.Admission{Catalog: catalog}
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := mapping.DecodeEntry(data)
		if err != nil {
			return
		}
		again, err := mapping.DecodeEntry(mapping.AppendEntry(nil, &e))
		if err != nil || again.Version != e.Version || len(again.Rules) != len(e.Rules) {
			t.Errorf("got %+v, %v, want %+v", again, err, e)
		}
		if admission, err := mapping.Admission(e.Rules, base); err == nil {
			_, _ = mapping.New(e.Rules, admission.Catalog) // It must not panic.
		}
	})
}
