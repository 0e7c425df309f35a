package sparkplug

import (
	"slices"
	"strings"
	"testing"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/mapping"
	"iotmon/internal/source"
)

func byUnit(t *testing.T, more ...iot.TypeSpec) *ByUnit {
	t.Helper()
	catalog, err := iot.NewCatalog(append(iot.BuiltinTypes(), more...)...)
	if err != nil {
		t.Fatal(err)
	}
	return NewByUnit(catalog)
}

func TestTypesByUnit(t *testing.T) {
	u := byUnit(t,
		iot.TypeSpec{Name: "brine", Unit: "K", Min: 0, Max: 500}, iot.TypeSpec{Name: "valve", Unit: "%", Min: 0, Max: 100},
		iot.TypeSpec{Name: "pieces", Unit: "", Min: 0, Max: 1e9}, iot.TypeSpec{Name: "speed", Unit: "m/s", Min: 0, Max: 100},
	)
	for unit, want := range map[string]iot.DeviceType{
		"°C": iot.Temperature, "degF": iot.Temperature, "bar": iot.Pressure, "mA": iot.Current, "bool": iot.Switch, "m/s": "speed",
		"K": "brine",     // The type whose own unit it is comes before one to which it can be converted.
		"%": "",          // Two types have it.
		"":  "", "V": "", // None has it.
	} {
		for range 2 { // The second time it is remembered.
			if got := u.typeOf(unit); got != want {
				t.Errorf("unit %q: got %q, want %q", unit, got, want)
			}
		}
	}
}

func TestMetricsWithoutAType(t *testing.T) {
	u := byUnit(t)
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	message := func(after time.Duration) *source.Message {
		return &source.Message{Topic: "G/N", Tags: map[string]string{"node": "N"}, Received: now.Add(after), Points: []mapping.Point{
			{Topic: "G/N", Field: "volts", Unit: "V", Value: 230}, {Topic: "G/N", Field: "t", Unit: "°C", Value: 20}, {Topic: "G/N", Field: "os", ValueText: "Linux"},
		}}
	}
	first := message(0)
	rejected := u.apply(first)
	if len(first.Points) != 1 || first.Points[0].Reading.ID != "G/N/t" || first.Points[0].Reading.Type != iot.Temperature {
		t.Errorf("got points %+v", first.Points)
	}
	if rejected == nil || !strings.Contains(rejected.Invalid.Error(), `volts (unit "V")`) || strings.Contains(rejected.Invalid.Error(), "os") {
		t.Errorf("got %+v", rejected)
	}
	if again := u.apply(message(time.Minute)); again != nil {
		t.Errorf("after a minute: got %v, want no second dead letter", again.Invalid)
	}
	if again := u.apply(message(refusedAgain)); again == nil {
		t.Error("after ten minutes: got no dead letter")
	}
	report := message(0)
	report.Report = &iot.StatusReport{Status: iot.ReportedOffline}
	if rejected := u.apply(report); rejected != nil || len(report.Points) != 1 {
		t.Errorf("a report: got %v and %+v, want a report about the device that is known", rejected, report.Points)
	}
}

func TestMemoryOfUnitsIsBounded(t *testing.T) {
	u := byUnit(t)
	for i := range 3 * maxRefused {
		name := strings.Repeat("x", i%7) + time.Duration(i).String()
		u.apply(&source.Message{Topic: "G/N", Points: []mapping.Point{{Topic: "G/N", Field: name, Unit: name}}})
	}
	if len(u.types) > maxUnits || len(u.refused) > maxRefused {
		t.Errorf("got %d units and %d metrics", len(u.types), len(u.refused))
	}
	if slices.Contains([]int{len(u.types), len(u.refused)}, 0) {
		t.Error("nothing is remembered")
	}
}
