package processor

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"iotmon/internal/alert"
	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// A device violates as many rules as there may be, with a live reading and with one of a backlog. All texts have their greatest
// length, of characters that take two bytes in JSON. The state fits into a record and is decoded unchanged.
func TestTheLargestStateFits(t *testing.T) {
	catalog, err := iot.NewCatalog(iot.TypeSpec{
		Name: iot.DeviceType(strings.Repeat("t", 63)), Unit: strings.Repeat("u", 128), Min: -math.MaxFloat64, Max: math.MaxFloat64,
		Labels: map[string]string{"zh": strings.Repeat("\"", 128)},
	})
	if err != nil {
		t.Fatal(err)
	}
	kind := catalog.Types()[0]
	var rules []iot.Rule
	for i := range iot.MaxRules {
		name := fmt.Sprintf("%063d", i)
		rules = append(rules, iot.Rule{Name: name, Selector: iot.Selector{Type: kind}, Severity: iot.Critical, Condition: iot.Condition{Threshold: -1.2345678901234567e+300}})
	}
	engine, err := alert.New(rules, catalog)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := alert.New(append(rules, iot.Rule{Name: "one more", Selector: iot.Selector{Type: kind}, Severity: iot.Info}), catalog); err == nil {
		t.Error("got no error for one rule too many")
	}
	long := strings.Repeat("\"", 1024)
	r := iot.Reading{
		Device: iot.Device{
			ID: iot.DeviceID(strings.Repeat("\"", iot.MaxIDLength)), Type: kind, Unit: strings.Repeat("u", 128),
			Location: iot.Location{Building: long, Floor: iot.MaxFloor, Room: long}, Metadata: iot.Metadata{Model: long, Firmware: long},
		},
		Time: time.Date(2024, 1, 30, 10, 30, 0, 1000, time.UTC), Value: -1.2345678901234567e+299, Status: iot.Online,
	}
	s := iot.DeviceState{Latest: r, Status: iot.Online, Since: r.Time, LastSeen: r.Time}
	engine.Evaluate(engine.Plain(kind), &s.RuleStates, &r, discard{})
	s.Past = engine.EvaluatePast(engine.Plain(kind), nil, new(iot.RuleStates), &r, r.Time, time.Second, discard{})
	if len(s.Alerts) != iot.MaxRules || len(s.Past.Alerts) != iot.MaxRules {
		t.Fatalf("got %d and %d alerts, want all rules violated", len(s.Alerts), len(s.Past.Alerts))
	}
	text := appendState(nil, &s)
	if len(text) > maxRecordBytes {
		t.Errorf("got %d bytes, want no more than %d", len(text), maxRecordBytes)
	}
	if got, err := wire.DecodeDeviceState(text); err != nil || len(got.Alerts) != iot.MaxRules || got.Alerts[0].Raised.ID != s.Alerts[0].Raised.ID {
		t.Errorf("got %d alerts, %v, want all of them", len(got.Alerts), err)
	}
	handleAll(s.Alerts)
	if text := appendState(nil, &s); len(text) > wire.MaxRecord {
		t.Errorf("with all alerts handled: got %d bytes, want no more than %d", len(text), wire.MaxRecord)
	}
}

// handleAll has all open alerts acknowledged, and suppressed by maintenance, with the longest texts.
func handleAll(states []iot.AlertState) {
	at := time.Date(2024, 1, 30, 10, 30, 0, 1000, time.UTC)
	overhaul := iot.Rule{
		Name: strings.Repeat("\"", iot.MaxRuleName), Text: strings.Repeat("\"", iot.MaxRuleText), DecidedBy: strings.Repeat("\"", iot.MaxCommandID),
	}
	for i := range states {
		if raised := states[i].Raised; raised != nil {
			raised.Transition, raised.AckedAt, raised.AckedBy = iot.Acknowledged, at, strings.Repeat("\"", iot.MaxCommandID)
			raised.Area = iot.Area(strings.Repeat(strings.Repeat("\"", 63)+"/", iot.MaxAreaLevels))
			raised.SuppressByDesign(&overhaul, iot.Period{From: at, Until: at.Add(time.Hour)})
		}
	}
}

type discard struct{}

func (discard) Alert(*iot.Alert)                    {}
func (discard) Failed(iot.Identity, string, string) {}

// The same with conditions that remember most, and the longest texts of rules, all of which fail at last.
func TestTheLargestMemoryFits(t *testing.T) {
	catalog, err := iot.NewCatalog(iot.TypeSpec{Name: "t", Unit: strings.Repeat("u", 128), Min: -math.MaxFloat64, Max: math.MaxFloat64})
	if err != nil {
		t.Fatal(err)
	}
	var rules []iot.Rule
	for i := range iot.MaxRules {
		text := strings.Repeat("\"", iot.MaxRuleText)
		rules = append(rules, iot.Rule{
			Name: fmt.Sprintf("%0128d", i), Selector: iot.Selector{Type: "t"}, Severity: iot.Critical, Version: iot.MaxVersion, Text: text, TextEN: text,
			Procedure: "https://" + text[8:], Latch: true, Condition: iot.Condition{
				Kind: iot.Expression, Expression: `1 / value < 1 and (value == previous or maximum < 0)`, Within: 10 * time.Second,
			},
		})
	}
	engine, err := alert.New(rules, catalog)
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("\"", 1024)
	r := iot.Reading{
		Device: iot.Device{
			ID: iot.DeviceID(strings.Repeat("\"", iot.MaxIDLength)), Type: "t", Unit: strings.Repeat("u", 128),
			Location: iot.Location{Building: long, Floor: iot.MaxFloor, Room: long}, Metadata: iot.Metadata{Model: long, Firmware: long},
		},
		Time: time.Date(2024, 1, 30, 10, 30, 0, 1000, time.UTC), Status: iot.Online,
	}
	s := iot.DeviceState{Status: iot.Online, Since: r.Time, LastSeen: r.Time}
	for i := range 20 {
		r.Time, r.Value = r.Time.Add(time.Second), -1.2345678901234567e+299-float64(i)*1e297
		engine.Evaluate(engine.Plain("t"), &s.RuleStates, &r, discard{})
		s.Past = engine.EvaluatePast(engine.Plain("t"), s.Past, new(iot.RuleStates), &r, r.Time, 0, discard{})
	}
	r.Time, r.Value = r.Time.Add(time.Second), 0
	engine.Evaluate(engine.Plain("t"), &s.RuleStates, &r, discard{})
	s.Latest = r
	if len(s.Alerts) != iot.MaxRules+10 || len(s.Past.Alerts) != iot.MaxRules || len(s.Conditions) != iot.MaxRules || len(s.Past.Conditions) != iot.MaxRules {
		t.Fatalf("got %d and %d alerts, %d and %d conditions, want those of all rules", len(s.Alerts), len(s.Past.Alerts), len(s.Conditions), len(s.Past.Conditions))
	}
	const most = 3 << 18 // A quarter less than what a topic takes.
	text := appendState(nil, &s)
	if len(text) > most {
		t.Errorf("got %d bytes, want no more than %d", len(text), most)
	}
	if got, err := wire.DecodeDeviceState(text); err != nil || !reflect.DeepEqual(got.Conditions, s.Conditions) {
		t.Errorf("got %+v, %v, want what the conditions remember unchanged", got.Conditions, err)
	}
	handleAll(s.Alerts)
	if text := appendState(nil, &s); len(text) > wire.MaxRecord {
		t.Errorf("with all alerts handled: got %d bytes, want no more than %d", len(text), wire.MaxRecord)
	}
}
