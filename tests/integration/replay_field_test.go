package integration

import (
	"encoding/json"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"iotmon/tests/testenv"
)

// recipe is a public recording as people keep it, the shipped mapping that reads it, and the device of each column.
type recipe struct {
	file, mapping string
	devices       map[string]string
}

func recipes() []recipe {
	return []recipe{
		{"airquality_semicolon_decimalcomma_mixed.csv", "airquality", map[string]string{"CO(GT)": "air_co", "T": "air_temperature", "RH": "air_humidity"}},
		{"beijing_pm25_split_date.csv", "beijing", map[string]string{"pm2.5": "beijing_pm25", "TEMP": "beijing_temperature", "PRES": "beijing_pressure"}},
		{"cams_comments_intervals.csv", "cams", map[string]string{"TOA": "cams_toa", "Clear sky GHI": "cams_clear_sky"}},
		{"etth1.csv", "ett", map[string]string{"HUFL": "transformer_load", "OT": "transformer_oil"}},
		{"hobo_field.csv", "hobo", map[string]string{
			"Temp, °C (LGR S/N: 10689813, SEN S/N: 10689813)": "hobo_temperature", "RH, % (LGR S/N: 10689813, SEN S/N: 10689813)": "hobo_humidity"}},
		{"household_power.txt", "household", map[string]string{"Voltage": "house_voltage", "Global_intensity": "house_current"}},
		{"midc_doy.txt", "midc", map[string]string{"Air Temperature [deg C]": "midc_air", "Station Pressure [mBar]": "midc_pressure"}},
		{"occupancy_short_header.txt", "occupancy", map[string]string{"Temperature": "office_temperature", "Humidity": "office_humidity", "Occupancy": "office_occupied"}},
		{"pronostia_acc_semicolon.csv", "pronostia", map[string]string{"5": "bearing_horizontal", "6": "bearing_vertical"}},
		{"solar_weather_long.csv", "solar", map[string]string{"AMBIENT_TEMPERATURE": "solar_ambient", "IRRADIATION": "solar_irradiation"}},
		{"steel_industry.csv", "steel", map[string]string{"Usage_kWh": "steel_usage"}},
		{"tmy3_hour24.csv", "tmy3", map[string]string{"GHI (W/m^2)": "tmy_irradiance", "Dry-bulb (C)": "tmy_temperature", "Pressure (mbar)": "tmy_pressure"}},
		{"toa5_station_daily.dat", "toa5", map[string]string{"Batt_Min": "station_battery", "AirT_Max": "station_air", "RH_Min": "station_humidity"}},
		{"wind_scada_gbk.csv", "wind", map[string]string{"ActivePower": "turbine_power", "Wind Direction (°)": "turbine_direction"}},
		{"iot_temp_mdy.csv", "rooms", nil},
	}
}

// total is how many readings there are, and their sum added without rounding.
type total struct {
	Count int
	Sum   float64
}

// TestRecordingsOfTheFieldAreArchivedAsTheyAre replays fifteen public recordings with the mappings of docs/examples, and compares
// the archive of each device with the values that Python reads from the files.
func TestRecordingsOfTheFieldAreArchivedAsTheyAre(t *testing.T) {
	inTurn(t)
	data := testenv.Recordings(t, "field")
	text, err := os.ReadFile("../../internal/replay/testdata/field.json")
	if err != nil {
		t.Fatal(err)
	}
	var truth map[string]map[string]total
	if err := json.Unmarshal(text, &truth); err != nil {
		t.Fatal(err)
	}
	types, err := os.ReadFile(examples + "field/types.yaml")
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(t, t.TempDir(), string(types)+"ingest: {earliest_year: 1990}\narchive: {retention: {readings: 0s}}\n", "-no-simulator")
	s.start()
	want := make(map[string]total)
	for _, r := range recipes() {
		replay(t, s, "-mapping", examples+"field/"+r.mapping+".yaml", filepath.Join(data, r.file))
		for column, device := range r.devices {
			want[device] = truth[r.file][column]
		}
		if r.devices == nil {
			addRooms(t, filepath.Join(data, r.file), want)
		}
	}
	for device, expected := range want {
		var got total
		if !eventually(patience, func() bool { got = archived(t, s, device); return got == expected }) {
			t.Errorf("%s: got %+v in the archive, want %+v", device, got, expected)
		}
	}
}

// archived returns the totals of a device in the archive.
func archived(t *testing.T, s *server, device string) total {
	t.Helper()
	type point struct{ Value float64 }
	everything := url.Values{"from": {"1990-01-01T00:00:00Z"}, "to": {"2030-01-01T00:00:00Z"}, "max_points": {"5000"}}
	points := list[point](t, s.base(), "/api/v1/devices/"+url.PathEscape(device)+"/readings", everything)
	sum := new(big.Rat)
	for _, p := range points {
		sum.Add(sum, new(big.Rat).SetFloat64(p.Value))
	}
	rounded, _ := sum.Float64()
	return total{len(points), rounded}
}

// addRooms sums up the recording in which each row names its device, and minutes repeat: the first row of a minute counts.
func addRooms(t *testing.T, path string, want map[string]total) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n")[1:] {
		cells := strings.Split(strings.TrimSpace(line), ",")
		if seen[cells[0]+cells[2]] {
			continue
		}
		seen[cells[0]+cells[2]] = true
		value, ok := new(big.Float).SetString(cells[1])
		if !ok {
			t.Fatalf("%q is no number", cells[1])
		}
		whole, _ := value.Float64() // The temperatures are whole degrees: no sum of them rounds.
		want[cells[2]] = total{want[cells[2]].Count + 1, want[cells[2]].Sum + whole}
	}
}
