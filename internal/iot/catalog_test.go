package iot_test

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"iotmon/internal/iot"
)

func builtin(t testing.TB) *iot.Catalog {
	t.Helper()
	catalog, err := iot.NewCatalog(iot.BuiltinTypes()...)
	if err != nil {
		t.Fatal(err)
	}
	return catalog
}

func validReading() iot.Reading {
	return iot.Reading{
		Device: iot.Device{ID: "device_001", Type: iot.Temperature, Unit: "°C"},
		Time:   time.Date(2024, 1, 30, 10, 30, 0, 0, time.UTC),
		Value:  25.6,
		Status: iot.Online,
	}
}

// mustRefuse checks that err names the field and that its reason contains the text.
func mustRefuse(t *testing.T, name string, err error, field, reason string) {
	t.Helper()
	var invalid *iot.InvalidError
	if !errors.As(err, &invalid) || invalid.Field != field || !strings.Contains(invalid.Reason, reason) {
		t.Errorf("%s: got %v, want field %q and a reason with %q", name, err, field, reason)
	}
}

func TestNormalizeMakesReadingsCanonical(t *testing.T) {
	r := validReading()
	r.Time = time.Date(2024, 1, 30, 18, 30, 0, 123_456_789, time.FixedZone("", 8*3600))
	r.ReceivedAt = r.Time.Add(time.Second)
	r.Unit, r.Value, r.Status = "K", 273.15, ""
	if err := builtin(t).Normalize(&r); err != nil {
		t.Fatal(err)
	}
	want := validReading()
	want.Time = time.Date(2024, 1, 30, 10, 30, 0, 123_456_000, time.UTC)
	want.ReceivedAt = want.Time.Add(time.Second)
	want.Value = 0
	if !reflect.DeepEqual(r, want) {
		t.Errorf("got %+v, want %+v", r, want)
	}
}

func TestNormalizeNamesTheFieldItRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		change        func(*iot.Reading)
		field, reason string
	}{
		"no id":                {func(r *iot.Reading) { r.ID = "" }, "device_id", "missing"},
		"an id too long":       {func(r *iot.Reading) { r.ID = iot.DeviceID(strings.Repeat("x", iot.MaxIDLength+1)) }, "device_id", "129"},
		"an id not UTF-8":      {func(r *iot.Reading) { r.ID = "\xff" }, "device_id", "UTF-8"},
		"a line in an id":      {func(r *iot.Reading) { r.ID = "a\nb" }, "device_id", "control"},
		"DEL in an id":         {func(r *iot.Reading) { r.ID = "a\x7f" }, "device_id", "control"},
		"no type":              {func(r *iot.Reading) { r.Type = "" }, "device_type", "missing"},
		"an unknown type":      {func(r *iot.Reading) { r.Type = "sonar" }, "device_type", `"sonar"`},
		"no time":              {func(r *iot.Reading) { r.Time = time.Time{} }, "timestamp", "missing"},
		"a time before 1970":   {func(r *iot.Reading) { r.Time = time.Unix(0, -1) }, "timestamp", "1969"},
		"a time before 2000":   {func(r *iot.Reading) { r.Time = time.Unix(iot.DefaultEarliest-1, 0) }, "timestamp", "1999-12-31T23:59:59Z"},
		"a time in 9999":       {func(r *iot.Reading) { r.Time = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC) }, "timestamp", "9999"},
		"received before 1970": {func(r *iot.Reading) { r.ReceivedAt = time.Unix(-1, 0) }, "received_at", "1969"},
		"NaN":                  {func(r *iot.Reading) { r.Value = math.NaN() }, "value", "NaN"},
		"infinity":             {func(r *iot.Reading) { r.Value = math.Inf(-1) }, "value", "-Inf"},
		"infinite when converted": {func(r *iot.Reading) {
			r.Type, r.Value, r.Unit = iot.Pressure, math.MaxFloat64, "bar"
		}, "value", "range"},
		"too cold":            {func(r *iot.Reading) { r.Value = -273.16 }, "value", "-273.16"},
		"too hot in °F":       {func(r *iot.Reading) { r.Value, r.Unit = 4000, "°F" }, "value", "2204"},
		"an unknown unit":     {func(r *iot.Reading) { r.Unit = "furlong" }, "unit", `"furlong"`},
		"another type's unit": {func(r *iot.Reading) { r.Unit = "hPa" }, "unit", `"hPa"`},
		"half a switch":       {func(r *iot.Reading) { r.Type, r.Unit, r.Value = iot.Switch, "", 0.5 }, "value", "2 states"},
		"an unknown status":   {func(r *iot.Reading) { r.Status = "asleep" }, "status", `"asleep"`},
		"an unknown quality":  {func(r *iot.Reading) { r.Quality = "fair" }, "quality", `"fair"`},
		"an overfull battery": {func(r *iot.Reading) { r.Metadata.BatteryLevel = new(100.5) }, "metadata.battery_level", "100.5"},
		"a battery of NaN":    {func(r *iot.Reading) { r.Metadata.BatteryLevel = new(math.NaN()) }, "metadata.battery_level", "NaN"},
	} {
		r := validReading()
		test.change(&r)
		mustRefuse(t, name, builtin(t).Normalize(&r), test.field, test.reason)
	}
}

func TestNormalizeAdmitsTheBorders(t *testing.T) {
	for name, change := range map[string]func(*iot.Reading){
		"the longest id":     func(r *iot.Reading) { r.ID = iot.DeviceID(strings.Repeat("x", iot.MaxIDLength)) },
		"a Chinese id":       func(r *iot.Reading) { r.ID = "温度计 1" },
		"absolute zero":      func(r *iot.Reading) { r.Value = -273.15 },
		"absolute zero in K": func(r *iot.Reading) { r.Value, r.Unit = 0, "K" },
		"the hottest":        func(r *iot.Reading) { r.Value = 2000 },
		"2000":               func(r *iot.Reading) { r.Time = time.Unix(iot.DefaultEarliest, 0) },
		"the end of 9998":    func(r *iot.Reading) { r.Time = time.Date(9998, 12, 31, 23, 59, 59, 999_999_999, time.UTC) },
		"an empty battery":   func(r *iot.Reading) { r.Metadata.BatteryLevel = new(0.0) },
		"a full battery":     func(r *iot.Reading) { r.Metadata.BatteryLevel = new(100.0) },
		"a switch that is on": func(r *iot.Reading) {
			r.Type, r.Unit, r.Value = iot.Switch, "", 1
		},
	} {
		r := validReading()
		change(&r)
		if err := builtin(t).Normalize(&r); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMinusZeroIsZero(t *testing.T) {
	r := validReading()
	r.Value = math.Copysign(0, -1)
	if err := builtin(t).Normalize(&r); err != nil || math.Signbit(r.Value) {
		t.Errorf("got %v, %v, want 0", r.Value, err)
	}
}

func TestNormalizeIsIdempotent(t *testing.T) {
	catalog := builtin(t)
	units := []string{"", "°C", "f", "K", "°R", "%", "ratio", "hPa", "psi", "Torr", "mmHg", "A", "mA", "μA", "on/off"}
	rapid.Check(t, func(t *rapid.T) {
		once := iot.Reading{
			Device: iot.Device{
				ID:   iot.DeviceID(rapid.StringMatching(`[a-z]{1,5}`).Draw(t, "id")),
				Type: rapid.SampledFrom(catalog.Types()).Draw(t, "type"),
				Unit: rapid.SampledFrom(units).Draw(t, "unit"),
			},
			Time:    time.Unix(rapid.Int64Range(0, 1e10).Draw(t, "second"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanosecond")),
			Value:   rapid.OneOf(rapid.Float64Range(-300, 3000), rapid.SampledFrom([]float64{0, 1, 100})).Draw(t, "value"),
			Status:  rapid.SampledFrom([]iot.Status{"", iot.Online, iot.Offline}).Draw(t, "status"),
			Quality: rapid.SampledFrom([]iot.Quality{"", iot.Good, iot.Uncertain, iot.Bad}).Draw(t, "quality"),
		}
		if catalog.Normalize(&once) != nil {
			return
		}
		twice := once
		if err := catalog.Normalize(&twice); err != nil || !reflect.DeepEqual(twice, once) {
			t.Fatalf("got %+v, %v, want %+v", twice, err, once)
		}
	})
}

func TestCatalogRefusesTypesThatCannotBe(t *testing.T) {
	spec := func(name iot.DeviceType, low, high float64) iot.TypeSpec {
		return iot.TypeSpec{Name: name, Min: low, Max: high}
	}
	for name, test := range map[string]struct {
		specs []iot.TypeSpec
		want  string
	}{
		"no name":           {[]iot.TypeSpec{spec("", 0, 1)}, "without a name"},
		"a name twice":      {[]iot.TypeSpec{spec("x", 0, 1), spec("x", 0, 2)}, "twice"},
		"an empty range":    {[]iot.TypeSpec{spec("x", 1, 1)}, "range"},
		"an infinite range": {[]iot.TypeSpec{spec("x", math.Inf(-1), 1)}, "range"},
		"a range of NaN":    {[]iot.TypeSpec{spec("x", math.NaN(), 1)}, "range"},
	} {
		if _, err := iot.NewCatalog(test.specs...); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, test.want)
		}
	}
}

func TestCatalogKeepsItsOrder(t *testing.T) {
	catalog := builtin(t)
	want := []iot.DeviceType{iot.Temperature, iot.Humidity, iot.Pressure, iot.Current, iot.Switch}
	got := catalog.Types()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	got[0] = "changed"
	if again := catalog.Types(); again[0] != iot.Temperature {
		t.Errorf("a caller's change reached the catalog: got %v", again)
	}
	if catalog.Spec("sonar") != nil {
		t.Error("an unknown type has a description")
	}
}
