package replay

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
	"os"

	"iotmon/internal/iot"
	"iotmon/internal/replay/recording"
)

func TestColumnFlagsAreRead(t *testing.T) {
	for text, want := range map[string]struct {
		column string
		device iot.Device
	}{
		"Temperature=reactor_temp,temperature_sensor,°C": {"Temperature", iot.Device{ID: "reactor_temp", Type: iot.Temperature, Unit: "°C"}},
		"a=b=x, switch_sensor":                           {"a=b", iot.Device{ID: "x", Type: iot.Switch}},
	} {
		column, device, err := parseColumn(text)
		if err != nil || column != want.column || device != want.device {
			t.Errorf("%q: got %q, %+v, %v, want %+v", text, column, device, err, want)
		}
	}
	for _, text := range []string{"", "x", "=d,t", "x=d", "x=,t", "x=d,", "x=d,t,u,v"} {
		if _, _, err := parseColumn(text); err == nil || !strings.Contains(err.Error(), "COLUMN=DEVICE,TYPE[,UNIT]") {
			t.Errorf("%q: got %v, want an error that shows the form", text, err)
		}
	}
}

func TestLongFlagIsRead(t *testing.T) {
	got, err := parseLong("value=v, device=Device Name,type=t")
	if want := (LongColumns{Device: "Device Name", Type: "t", Value: "v"}); err != nil || *got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	for _, text := range []string{"", "device", "devise=x"} {
		if _, err := parseLong(text); err == nil {
			t.Errorf("%q: got no error", text)
		}
	}
}

func TestMappingsThatDoNotFitSayWhy(t *testing.T) {
	r, err := recording.Open(strings.NewReader("time,Temperature,x,x\n2020-01-01,1,2,3\n"), recording.Layout{})
	if err != nil {
		t.Fatal(err)
	}
	device := iot.Device{ID: "d", Type: iot.Temperature}
	for _, test := range []struct {
		mapping Mapping
		want    string
	}{
		{Mapping{Columns: map[string]iot.Device{"Temp": device}}, `no column is called "Temp" (columns: "time", "Temperature", "x", "x")`},
		{Mapping{Columns: map[string]iot.Device{"time": device}}, `column "time" holds the times`},
		{Mapping{Columns: map[string]iot.Device{"x": device}}, `two columns are called "x"`},
		{Mapping{Long: &LongColumns{Device: "x", Value: "Temperature"}}, "needs its type column"},
		{Mapping{Long: &LongColumns{Device: "id", Value: "x", Type: "t"}}, `no column is called "id"`},
		{Mapping{Columns: map[string]iot.Device{"x": device}, Long: &LongColumns{}}, "either wide or long"},
		{Mapping{}, "-map 'Temperature=file_temperature,temperature_sensor,°C'\n  -map 'x=file_x,TYPE,UNIT'"},
	} {
		_, err := test.mapping.rules("dir/file.csv", &openFile{table: newTableRecords(r, "")})
		if !isMisuse(err) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: got %v, want a usage error with %q", test.mapping, err, test.want)
		}
	}
}

// isMisuse reports whether the user can do something about an error.
func isMisuse(err error) bool {
	_, misuse := errors.AsType[*usageError](err)
	_, layout := errors.AsType[*recording.LayoutError](err)
	return misuse || layout
}

func TestMappingFilesAreStrict(t *testing.T) {
	for text, want := range map[string]string{
		"colums: {}":                            `line 1: unknown key "colums" (known: delimiter`,
		"columns:\n  a: {device_id: d, typ: t}": `line 2: unknown key "typ"`,
		"columns:\n  a: {device_id: d}":         `columns: "a" needs a device_id and a type`,
		"columns: {a: {device_id: d, type: t, location: {floor: one}}}": "line 1",
		"zone: Mars/Olympus": "zone: unknown time zone",
		"delimiter: ';;'":    "delimiter: must be a single character",
		"columns: [":         "yaml",
	} {
		if _, _, err := parseMapping([]byte(text)); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "httpsource.") {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}

func TestExampleMappingsAndTypesAreValid(t *testing.T) {
	const dir = "../../docs/examples/replay"
	text, err := os.ReadFile(filepath.Join(dir, "skab-types.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var fragment struct {
		DeviceTypes []struct {
			Name, Unit string
			Decimals   int
			Min, Max   float64
			Labels     map[string]string
		} `yaml:"device_types"`
	}
	if err := yaml.Unmarshal(text, &fragment); err != nil {
		t.Fatal(err)
	}
	specs := iot.BuiltinTypes()
	for _, s := range fragment.DeviceTypes {
		specs = append(specs, iot.TypeSpec{Name: iot.DeviceType(s.Name), Unit: s.Unit, Decimals: s.Decimals, Min: s.Min, Max: s.Max, Labels: s.Labels})
	}
	catalog, err := iot.NewCatalog(specs...)
	if err != nil {
		t.Fatal(err)
	}
	for file, columns := range map[string]int{"skab.yaml": 8, "nab-machine-temperature.yaml": 1, "nab-ambient-temperature.yaml": 1} {
		_, mapping, err := readMappingFile(filepath.Join(dir, file))
		if err != nil {
			t.Error(err)
			continue
		}
		if len(mapping.Columns) != columns {
			t.Errorf("%s: got %d columns, want %d", file, len(mapping.Columns), columns)
		}
		for column, device := range mapping.Columns {
			if err := catalog.Normalize(&iot.Reading{Device: device, Time: start, Value: 1}); err != nil {
				t.Errorf("%s: %s: %v", file, column, err)
			}
		}
	}
}
