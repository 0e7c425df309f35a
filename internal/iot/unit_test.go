package iot_test

import (
	"math"
	"testing"

	"iotmon/internal/iot"
)

// TestUnitsAreConverted holds the factors against values from tables, not from the factors.
func TestUnitsAreConverted(t *testing.T) {
	catalog := builtin(t)
	for _, test := range []struct {
		deviceType iot.DeviceType
		value      float64
		unit       string
		want       float64
	}{
		{iot.Temperature, 25.6, "", 25.6},
		{iot.Temperature, 25.6, "℃", 25.6},
		{iot.Temperature, 25.6, " CELSIUS ", 25.6},
		{iot.Temperature, 32, "°F", 0},
		{iot.Temperature, 212, "Fahrenheit", 100},
		{iot.Temperature, -40, "℉", -40},
		{iot.Temperature, 300, "K", 26.85},
		{iot.Temperature, 491.67, "°R", 0},
		{iot.Humidity, 45, "%RH", 45},
		{iot.Humidity, 0.45, "ratio", 45},
		{iot.Pressure, 14.503773773, "psi", 1000},
		{iot.Pressure, 1, "atm", 1013.25},
		{iot.Pressure, 760, "Torr", 1013.25},
		{iot.Pressure, 760, "mmHg", 1013.25},
		{iot.Pressure, 101.325, "kPa", 1013.25},
		{iot.Pressure, 101_325, "Pa", 1013.25},
		{iot.Pressure, 0.1, "MPa", 1000},
		{iot.Pressure, 1.01325, "bar", 1013.25},
		{iot.Pressure, 1013.25, "mbar", 1013.25},
		{iot.Current, 1500, "mA", 1.5},
		{iot.Current, 2e6, "µA", 2}, // U+00B5, the micro sign.
		{iot.Current, 2e6, "μA", 2}, // U+03BC, the Greek letter.
		{iot.Current, 0.2, "kA", 200},
		{iot.Switch, 1, "on/off", 1},
	} {
		r := validReading()
		r.Type, r.Value, r.Unit = test.deviceType, test.value, test.unit
		if err := catalog.Normalize(&r); err != nil {
			t.Errorf("%v %s: %v", test.value, test.unit, err)
			continue
		}
		if canonical := catalog.Spec(test.deviceType).Unit; math.Abs(r.Value-test.want) > 2e-4 || r.Unit != canonical {
			t.Errorf("%v %s: got %v %s, want %v %s", test.value, test.unit, r.Value, r.Unit, test.want, canonical)
		}
	}
}

func TestATypeOfTheUsersKnowsItsOwnUnit(t *testing.T) {
	catalog, err := iot.NewCatalog(iot.TypeSpec{Name: "flow", Unit: "L/min", Max: 100})
	if err != nil {
		t.Fatal(err)
	}
	r := validReading()
	r.Type, r.Unit = "flow", "l/MIN"
	if err := catalog.Normalize(&r); err != nil || r.Unit != "L/min" {
		t.Errorf("got unit %q, %v, want L/min", r.Unit, err)
	}
	r.Unit = "gpm"
	mustRefuse(t, "gpm", catalog.Normalize(&r), "unit", `"gpm"`)
}

// What is shown in a unit is the value that a reading in that unit would be converted from.
func TestShownInIsTheInverseOfAdmission(t *testing.T) {
	for _, test := range []struct {
		canonical, unit string
		want            iot.Shown
	}{
		{"°C", "°F", iot.Shown{Scale: 1.8, Offset: 32}}, {"°C", "K", iot.Shown{Scale: 1, Offset: 273.15}}, {"°C", "℃", iot.Shown{Scale: 1}},
		{"hPa", "kPa", iot.Shown{Scale: 0.1}}, {"hPa", "bar", iot.Shown{Scale: 0.001}}, {"A", "mA", iot.Shown{Scale: 1000}},
		{"rpm", "RPM", iot.Shown{Scale: 1}},
	} {
		if got, ok := iot.ShownIn(test.unit, test.canonical); !ok || got != test.want {
			t.Errorf("%s in %s: got %+v, %t, want %+v", test.canonical, test.unit, got, ok, test.want)
		}
	}
	for _, unit := range []string{"kPa", "rpm", "°"} {
		if got, ok := iot.ShownIn(unit, "°C"); ok {
			t.Errorf("°C in %s: got %+v, want none", unit, got)
		}
	}
}
