package mapping_test

import (
	"strings"
	"testing"

	"iotmon/internal/iot"
	"iotmon/internal/mapping"
)

func TestGuessesOfTypes(t *testing.T) {
	catalog, err := iot.NewCatalog(append(iot.BuiltinTypes(), iot.TypeSpec{Name: "level", Unit: "%", Max: 100})...)
	if err != nil {
		t.Fatal(err)
	}
	g := mapping.NewGuesser(catalog)
	for _, test := range []struct{ name, unit, text, want string }{
		{"oilTemp", "", "", "temperature_sensor °C"},
		{"Line1/Oil Temperature", "°F", "", "temperature_sensor"},
		{"T", "deg C", "", "temperature_sensor"}, {"T", "Celsius, mean", "", "temperature_sensor °C"},
		{"x", "mA", "", "current_sensor"},
		{"phase RMS", "", "", ""},
		{"motor.current", "", "", "current_sensor A"},
		{"amplitude", "", "", ""}, {"lamp", "", "", ""}, {"Press1/Speed", "", "", ""}, {"attempts", "", "", ""},
		{"barometer", "", "", "pressure_sensor hPa"}, {"hum", "", "", "humidity_sensor %"}, {"env.rh", "", "", "humidity_sensor %"}, {"湿度", "", "", "humidity_sensor %"},
		// Two types have the unit: the name decides between those, and only those.
		{"humidity", "%", "", "humidity_sensor"}, {"fill", "%", "", ""}, {"temp", "%", "", ""},
		// A unit that no type has says that the name means something else.
		{"temperature", "V", "", ""}, {"current ratio", "A", "", ""}, {"current", "kWh", "", ""},
		{"valve", "bool", "", "switch_sensor"}, {"relay2", "", "", "switch_sensor"},
		// What a switch of Shelly measures is no switch, and Fahrenheit is what some write without a unit.
		{"switch:0.apower", "", "", ""}, {"switch:0.id", "", "", ""}, {"switch:0.aenergy.total", "", "", ""}, {"switch:0.output", "", "", "switch_sensor"},
		{"power_switch", "", "", "switch_sensor"}, {"Line1/Switch 3/Value", "", "", "switch_sensor"}, {"Switch1/Voltage", "", "", ""},
		{"switch:0.temperature.tF", "", "", "temperature_sensor °F"}, {"switch:0.temperature.tC", "", "", "temperature_sensor °C"},
		{"temp1f", "", "", "temperature_sensor °F"}, {"tempinf", "", "", "temperature_sensor °F"}, {"temp_f", "", "", "temperature_sensor °F"},
		{"state", "", "ON", "switch_sensor"}, {"temperature", "", "warm", ""}, {"", "", "", ""},
	} {
		guess := g.Guess(test.name, test.unit, test.text)
		if got := strings.TrimSpace(string(guess.Type) + " " + guess.Unit); got != test.want {
			t.Errorf("%q in %q, %q: got %q, want %q", test.name, test.unit, test.text, got, test.want)
		}
	}
	none, err := iot.NewCatalog(iot.TypeSpec{Name: "level", Unit: "%", Max: 100})
	if err != nil {
		t.Fatal(err)
	}
	if got := mapping.NewGuesser(none).Guess("temperature", "", ""); got != (mapping.Guess{}) {
		t.Errorf("got %v of a catalog that does not have it", got)
	}
}
