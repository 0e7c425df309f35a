package replay

import (
	"encoding/json"
	"log/slog"
	"math/big"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"iotmon/internal/iot"
	httpsource "iotmon/internal/source/http"
	"iotmon/tests/testenv"
)

// fieldData returns the directory of the recordings as people keep them.
func fieldData(t *testing.T) string {
	t.Helper()
	return testenv.Recordings(t, "field")
}

// fieldTruth returns the values that testdata/field.py reads from the recordings, by file and column.
func fieldTruth(t *testing.T) map[string]map[string]columnTruth {
	t.Helper()
	text, err := os.ReadFile("testdata/field.json")
	if err != nil {
		t.Fatal(err)
	}
	var truth map[string]map[string]columnTruth
	if err := json.Unmarshal(text, &truth); err != nil {
		t.Fatal(err)
	}
	return truth
}

type columnTruth struct {
	Count          int
	Sum            float64
	Oldest, Newest time.Time
}

// measure is a type whose values may be anything.
var measure = iot.TypeSpec{Name: "measure", Unit: "x", Min: -1e12, Max: 1e12}

// realSystem is the handler of readings in front of a log that keeps them.
func realSystem(t *testing.T) (*httptest.Server, *flakyLog) {
	t.Helper()
	catalog, err := iot.NewCatalog(append(iot.BuiltinTypes(), measure)...)
	if err != nil {
		t.Fatal(err)
	}
	log := &flakyLog{}
	server := httptest.NewServer(httpsource.NewHandler(httpsource.Options{
		Log: log, Admission: &iot.Admission{Catalog: catalog, Skew: time.Second, Earliest: time.Unix(0, 0)}, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
	}))
	t.Cleanup(server.Close)
	return server, log
}

// sumUp adds up without rounding.
func sumUp(readings []iot.Reading) columnTruth {
	sum := new(big.Rat)
	var c columnTruth
	for _, r := range readings {
		sum.Add(sum, new(big.Rat).SetFloat64(r.Value))
		if c.Oldest.IsZero() || r.Time.Before(c.Oldest) {
			c.Oldest = r.Time
		}
		if r.Time.After(c.Newest) {
			c.Newest = r.Time
		}
	}
	c.Count = len(readings)
	c.Sum, _ = sum.Float64()
	return c
}

// fieldFlags are the flags that read each recording, but for -map.
var fieldFlags = map[string][]string{
	"airquality_semicolon_decimalcomma_mixed.csv": {"-decimal-comma", "-missing", "-200", "-time-column", "Date,Time", "-time-format", "%d/%m/%Y %H.%M.%S"},
	"beijing_pm25_split_date.csv":                 {"-time-column", "year,month,day,hour", "-time-format", "%Y %m %d %H"},
	"cams_comments_intervals.csv":                 {"-comment", "#", "-time-column", "Observation period"},
	"etth1.csv":                                   {},
	"hobo_field.csv":                              {"-skip", "1", "-time-column", "Date Time, GMT-05:00", "-time-format", "%m/%d/%y %I:%M:%S %p"},
	"household_power.txt":                         {"-time-column", "Date,Time", "-time-format", "%d/%m/%Y %H:%M:%S", "-missing", "?"},
	"iot_temp_mdy.csv":                            {"-time-format", "%m/%d/%y %H:%M"},
	"midc_doy.txt":                                {"-time-column", "Year,DOY,MST", "-time-format", "%Y %j %H%M", "-missing", "-7999"},
	"occupancy_short_header.txt":                  {},
	"pronostia_acc_semicolon.csv":                 {"-no-header", "-delimiter", ";", "-time-column", "1,2,3,4", "-time-format", "%H %M %S %f", "-date", "2010-12-01"},
	"solar_weather_long.csv":                      {},
	"steel_industry.csv":                          {"-time-format", "%d-%m-%Y %H:%M"},
	"tmy3_hour24.csv":                             {"-skip", "1", "-time-column", "Date (MM/DD/YYYY),Time (HH:MM)", "-time-format", "%m/%d/%Y %H:%M", "-missing", "-9900,?"},
	"toa5_station_daily.dat":                      {"-skip", "1"},
	"wind_scada_gbk.csv":                          {"-encoding", "gbk", "-time-format", "%d %m %Y %H:%M"},
}

func TestEveryRecordingOfTheFieldIsReadByFlagsAlone(t *testing.T) {
	dir, truth := fieldData(t), fieldTruth(t)
	for name, columns := range truth {
		// One of them is of 1997, which a system admits only if its settings say so.
		t.Run(name, func(t *testing.T) {
			server, log := realSystem(t)
			args := append([]string{"-to", server.URL}, fieldFlags[name]...)
			for column := range columns {
				args = append(args, "-map", column+"="+fieldDevice(column)+",measure")
			}
			status, stdout, stderr := command(t, append(args, filepath.Join(dir, name))...)
			if status != 0 {
				t.Fatalf("got status %d and %s", status, stderr)
			}
			compareField(t, log.got, columns)
			if strings.Contains(stdout, "as not readable") {
				t.Errorf("got\n%s\nwant every row read", stdout)
			}
		})
	}
}

func fieldDevice(column string) string {
	return "d:" + strings.NewReplacer(",", "", "=", "").Replace(column)
}

// compareField compares the received readings with the values of testdata/field.py.
func compareField(t *testing.T, readings []iot.Reading, columns map[string]columnTruth) {
	t.Helper()
	byDevice := make(map[iot.DeviceID][]iot.Reading)
	for _, r := range readings {
		byDevice[r.ID] = append(byDevice[r.ID], r)
	}
	for column, want := range columns {
		if got := sumUp(byDevice[iot.DeviceID(fieldDevice(column))]); got != want {
			t.Errorf("%s: got %+v, want %+v", column, got, want)
		}
	}
	if len(byDevice) != len(columns) {
		t.Errorf("got %d devices, want %d", len(byDevice), len(columns))
	}
}

func TestEveryRecordingOfTheFieldIsThere(t *testing.T) {
	dir, truth := fieldData(t), fieldTruth(t)
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if _, ok := truth[file.Name()]; !ok || !slices.Contains(sortedKeys(fieldFlags), file.Name()) {
			t.Errorf("nothing is known of %s", file.Name())
		}
	}
}

func sortedKeys[V any](m map[string]V) []string {
	var keys []string
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
