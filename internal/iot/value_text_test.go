package iot_test

import (
	"math"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"iotmon/internal/iot"
)

// door is a type whose states have names of their own, none of them true or false.
var door = iot.TypeSpec{Name: "door", Max: 2, States: []string{"CLOSED", "Moving", "OPEN"}}

func withDoor(t testing.TB) *iot.Catalog {
	t.Helper()
	stage := iot.TypeSpec{Name: "stage", Max: 2, States: []string{"1", "2", "Off-Line"}}
	gate := iot.TypeSpec{Name: "gate", Max: 1, States: []string{"shut", "offen"}}
	catalog, err := iot.NewCatalog(append(iot.BuiltinTypes(), door, stage, gate)...)
	if err != nil {
		t.Fatal(err)
	}
	return catalog
}

func TestValuesInWordsMeanWhatTheTypeSays(t *testing.T) {
	catalog := withDoor(t)
	for _, test := range []struct {
		deviceType     iot.DeviceType
		spelling, unit string
		want           float64
	}{
		{iot.Switch, "ON", "", 1}, {iot.Switch, "off", "", 0}, {iot.Switch, " On ", "", 1}, {iot.Switch, "true", "", 1},
		{iot.Switch, "False", "", 0}, {iot.Switch, "1", "", 1}, {iot.Switch, "0", "", 0}, {iot.Switch, "1.0", "", 1},
		{"door", "open", "", 2}, {"door", "MOVING", "", 1}, {"door", "2", "", 2},
		{"gate", "OFFEN", "", 1}, {"gate", "true", "", 1},
		{"stage", "off-line", "", 2}, {"stage", "0", "", 0},
		{iot.Temperature, "317.39", "", 317.39}, {iot.Temperature, "-1e1", "", -10}, {iot.Temperature, "+5", "", 5},
		{iot.Temperature, ".5", "", 0.5}, {iot.Temperature, "\u22125", "", -5}, {iot.Temperature, "２５．６", "", 25.6},
		{iot.Temperature, "13.6 °C", "", 13.6}, {iot.Temperature, "13.6℃", "°C", 13.6}, {iot.Temperature, "68 °F", "", 20},
		{iot.Temperature, "68", "°F", 20}, {iot.Temperature, "13.6\u00a0ºC", "", 13.6}, {iot.Pressure, "1e3 hPa", "", 1000}, {iot.Humidity, "45%", "", 45},
	} {
		r := validReading()
		r.Type, r.Unit, r.Value, r.ValueText = test.deviceType, test.unit, 0, test.spelling
		if err := catalog.Normalize(&r); err != nil {
			t.Errorf("%s %q: %v", test.deviceType, test.spelling, err)
		} else if math.Abs(r.Value-test.want) > 1e-9 || r.ValueText != "" || r.Unit != catalog.Spec(r.Type).Unit {
			t.Errorf("%s %q: got %v %q (%q), want %v", test.deviceType, test.spelling, r.Value, r.Unit, r.ValueText, test.want)
		}
	}
}

func TestWordsThatAreNoValueAreRefusedWithTheReason(t *testing.T) {
	catalog := withDoor(t)
	for _, test := range []struct {
		deviceType             iot.DeviceType
		spelling, unit, reason string
	}{
		{iot.Temperature, "true", "", "only types with states"}, {iot.Temperature, "ON", "", "only types with states"},
		{iot.Temperature, "nan", "", "not a finite number"}, {iot.Temperature, "-NaN", "", "not a finite number"},
		{iot.Temperature, "Infinity", "", "not a finite number"}, {iot.Temperature, "-inf", "", "not a finite number"},
		{iot.Temperature, "13,6", "", "point"}, {iot.Temperature, "1,234.5", "", "separators"},
		{iot.Temperature, "0x1p4", "", "number"}, {iot.Temperature, "1_000", "", "number"}, {iot.Temperature, "1 234", "", "number"},
		{iot.Temperature, "unavailable", "", `"unavailable"`}, {iot.Temperature, " ", "", "missing"}, {iot.Temperature, "12:30", "", "number"},
		{iot.Temperature, "13.6 hPa", "", "number"}, {iot.Temperature, "13.6 °C", "°F", "number"}, {iot.Temperature, "1e999", "", "number"},
		{iot.Temperature, strings.Repeat("9", 129), "", "longer"},
		{"door", "true", "", "CLOSED, Moving, OPEN"}, {"door", "ON", "", "states"}, {"door", "3", "", "range"}, {"gate", "ON", "", "shut, offen"},
		{iot.Switch, "0.5", "", "states"}, {"stage", "1", "", "also a number"},
	} {
		r := validReading()
		r.Type, r.Unit, r.Value, r.ValueText = test.deviceType, test.unit, 0, test.spelling
		mustRefuse(t, string(test.deviceType)+" "+test.spelling, catalog.Normalize(&r), "value", test.reason)
	}
}

func TestQualitiesOfOPCAreAccepted(t *testing.T) {
	catalog := builtin(t)
	for want, spellings := range map[iot.Quality][]iot.Quality{
		"": {""},
		iot.Good: {"good", "GOOD", "Good", " good ", "0", "0x00000000", "192", "216", "0xC0", "GoodLocalOverride", "Good_Unspecified", "Good, non-specific",
			"9830400", "0x00960000", "GOOD_CLAMPED"},
		iot.Uncertain: {"uncertain", "Uncertain", "UncertainLastUsableValue", "64", "80", "0x40000000", "1083113472", "UNCERTAIN (last value)"},
		iot.Bad: {"bad", "BAD", "Bad", "BadNoCommunication", "BAD_COMM_FAILURE", "Bad [Not connected]", "4", "24", "0x80000000", "2147483648",
			"0x80310000", "-2147483648", "0xFFFFFFFF"},
	} {
		for _, spelling := range spellings {
			r := validReading()
			r.Quality = spelling
			if err := catalog.Normalize(&r); err != nil || r.Quality != want {
				t.Errorf("%q: got %q, %v, want %q", spelling, r.Quality, err, want)
			}
		}
	}
	for _, spelling := range []iot.Quality{"fair", "goodness", "badly", "128", "0x1FFFFFFFF", "4294967296", "-2147483649", "1.5", "0x", "good\x00bad\x00" + iot.Quality(strings.Repeat("x", 60_000))} {
		r := validReading()
		r.Quality = spelling
		if err := catalog.Normalize(&r); err == nil && spelling[0] != 'g' {
			t.Errorf("%q: got %q, want a refusal", spelling, r.Quality)
		} else if err == nil && len(r.Quality) > 10 {
			t.Errorf("got a quality of %d bytes", len(r.Quality))
		}
	}
}

func TestStatusInAnyCase(t *testing.T) {
	for spelling, want := range map[iot.Status]iot.Status{"": iot.Online, "ONLINE": iot.Online, "Offline": iot.Offline} {
		r := validReading()
		r.Status = spelling
		if err := builtin(t).Normalize(&r); err != nil || r.Status != want {
			t.Errorf("%q: got %q, %v, want %q", spelling, r.Status, err, want)
		}
	}
}

func TestUnitsThatLookAlikeAreOne(t *testing.T) {
	catalog := builtin(t)
	for deviceType, units := range map[iot.DeviceType][]string{
		iot.Temperature: {"°C", "ºC", "˚C", "∘C", "⁰C", "℃", "° C", "\u00b0\u0421", "Â°C", "degrees Celsius", "°c", "℃\u00a0"},
		iot.Humidity:    {"%", "％", "% RH", "﹪"},
		iot.Pressure:    {"hPa", "㍱", "ｈＰａ", "HPA"},
		iot.Current:     {"A", "А", "Ａ"},
	} {
		for _, unit := range units {
			r := validReading()
			r.Type, r.Unit, r.Value = deviceType, unit, 50
			if err := catalog.Normalize(&r); err != nil || r.Value != 50 || r.Unit != catalog.Spec(deviceType).Unit {
				t.Errorf("%q: got %v %q, %v", unit, r.Value, r.Unit, err)
			}
		}
	}
	r := validReading()
	r.Unit = strings.Repeat("°", 100)
	mustRefuse(t, "a long unit", catalog.Normalize(&r), "unit", "longer than 128")
}

// For any spelling of the value, a reading is admitted with a number or rejected. An admitted reading is admitted again,
// unchanged.
func TestNoSpellingIsLeftAfterAdmission(t *testing.T) {
	catalog := withDoor(t)
	words := []string{"ON", "true", "1", "0", "2", "nan", "13.6 °C", "-5", "open", "1e3", "é", "\x00", "\xff", "1.", "."}
	rapid.Check(t, func(t *rapid.T) {
		r := validReading()
		r.Type = rapid.SampledFrom(catalog.Types()).Draw(t, "type")
		r.Unit = rapid.SampledFrom([]string{"", "°C", "K", "%", "A"}).Draw(t, "unit")
		r.ValueText = rapid.OneOf(rapid.SampledFrom(words), rapid.StringMatching(`[-+0-9.eE °CFK%]{0,12}`), rapid.String()).Draw(t, "spelling")
		if catalog.Normalize(&r) != nil {
			return
		}
		twice := r
		if err := catalog.Normalize(&twice); err != nil || r.ValueText != "" || !reflect.DeepEqual(twice, r) {
			t.Fatalf("got %+v, then %+v, %v", r, twice, err)
		}
	})
}
