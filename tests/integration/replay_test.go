package integration

import (
	"encoding/csv"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"iotmon/internal/wire"
	"iotmon/tests/testenv"
)

// examples holds the mappings and device types that the product ships for the recordings.
const examples = "../../docs/examples/replay/"

// recorded is one file of public sensor data, and the columns of its mapping in docs/examples.
type recorded struct {
	file, mapping string
	delimiter     rune
	convert       func(float64) float64
	columns       map[string]sample
}

// fahrenheit rounds the product before it adds, as IEEE 754 does on every machine unless the two are fused.
func fahrenheit(v float64) float64 { return float64(v*(5.0/9)) - 160.0/9 }

func recordings() []recorded {
	asIs := func(v float64) float64 { return v }
	testbed := map[string]sample{
		"Accelerometer1RMS":   {device: "skab_vibration_1", kind: "vibration_sensor"},
		"Accelerometer2RMS":   {device: "skab_vibration_2", kind: "vibration_sensor"},
		"Current":             {device: "skab_motor_current", kind: "current_sensor"},
		"Pressure":            {device: "skab_pump_pressure", kind: "gauge_pressure_sensor"},
		"Temperature":         {device: "skab_engine_temperature", kind: "temperature_sensor"},
		"Thermocouple":        {device: "skab_fluid_temperature", kind: "temperature_sensor"},
		"Voltage":             {device: "skab_motor_voltage", kind: "voltage_sensor"},
		"Volume Flow RateRMS": {device: "skab_flow", kind: "flow_sensor"},
	}
	machine := map[string]sample{"value": {device: "nab_machine_temperature", kind: "temperature_sensor"}}
	office := map[string]sample{"value": {device: "nab_ambient_temperature", kind: "temperature_sensor"}}
	return []recorded{
		{"skab/anomaly-free.csv", "skab.yaml", ';', asIs, testbed},
		{"skab/valve1-0.csv", "skab.yaml", ';', asIs, testbed},
		{"skab/valve1-1.csv", "skab.yaml", ';', asIs, testbed},
		{"skab/valve1-2.csv", "skab.yaml", ';', asIs, testbed},
		{"nab/machine_temperature_system_failure.csv", "nab-machine-temperature.yaml", ',', fahrenheit, machine},
		{"nab/ambient_temperature_system_failure.csv", "nab-ambient-temperature.yaml", ',', fahrenheit, office},
	}
}

// TestReplayedRecordingsEqualTheTruth sends every recording with its original times through "iotmon replay", and compares every
// window of the archive with a simple computation from the files. The recordings are years old and years apart, repeat themselves
// and go back in time, so most windows are recomputed from late readings.
func TestReplayedRecordingsEqualTheTruth(t *testing.T) {
	inTurn(t)
	data := testenv.Recordings(t, "")
	t.Run("iotmon", func(t *testing.T) {
		s := newServer(t, t.TempDir(), replayConfig(t), "-no-simulator")
		s.start()
		compareReplayed(t, s, data)
	})
	t.Run("services", func(t *testing.T) {
		if testing.Short() {
			t.Skip("needs real servers; make test brings them")
		}
		config := joinCluster(t).config("readings") + fmt.Sprintf("postgres: {url: %q}\nredis: {url: %q}\n", testenv.Postgres(t), testenv.Redis(t)) + replayConfig(t)
		newProgram(t, "consumer", config).start()
		web := newProgram(t, "web", config)
		web.start()
		compareReplayed(t, web, data)
	})
}

// replayConfig returns a configuration with the types of the recordings, which accepts readings that are years old.
func replayConfig(t *testing.T) string {
	t.Helper()
	types, err := os.ReadFile(examples + "skab-types.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(types) + "archive: {retention: {readings: 0s, summaries: 0s}}\n"
}

// compareReplayed replays every recording into a running system.
func compareReplayed(t *testing.T, s *server, data string) {
	t.Helper()
	var samples []sample
	for _, r := range recordings() {
		path := filepath.Join(data, r.file)
		replay(t, s, "-mapping", examples+r.mapping, path)
		samples = append(samples, r.samples(t, path)...)
	}
	truth := summarize(samples, 30*time.Second)
	everything := url.Values{"from": {"2010-01-01T00:00:00Z"}, "to": {"2100-01-01T00:00:00Z"}, "limit": {"3000"}, "alerts": {"false"}}
	var wrong []string
	// A busy machine may take long to recompute all windows, but not to recompute another one.
	fewer := true
	for left := len(truth) + 1; fewer && left > 0; left = len(wrong) {
		fewer = eventually(patience, func() bool {
			wrong = compareSummaries(list[wire.Aggregate](t, s.base(), "/api/v1/summaries", clone(everything)), truth)
			return len(wrong) < left
		})
	}
	if !fewer {
		t.Errorf("%d of %d windows are wrong; the first: %q", len(wrong), len(truth), wrong[:min(5, len(wrong))])
	}
	t.Logf("%d readings in %d windows", len(samples), len(truth))
}

// replay runs "iotmon replay", which must succeed.
func replay(t *testing.T, s *server, args ...string) {
	t.Helper()
	dir, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	iotmon := filepath.Join(dir, "iotmon")
	out, err := exec.Command(iotmon, append([]string{"replay", "-to", s.base()}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("iotmon replay: %v\n%s", err, out)
	}
	t.Logf("%s:\n%s", filepath.Base(args[len(args)-1]), out)
}

// samples reads the recording with plain code, sharing none of the product's.
func (r *recorded) samples(t *testing.T, path string) []sample {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	reader := csv.NewReader(file)
	reader.Comma = r.delimiter
	rows, err := reader.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var samples []sample
	for _, row := range rows[1:] {
		at, err := time.Parse(time.DateTime, row[0])
		if err != nil {
			t.Fatal(err)
		}
		for i, name := range rows[0] {
			s, mapped := r.columns[name]
			if !mapped {
				continue
			}
			value, err := strconv.ParseFloat(row[i], 64)
			if err != nil {
				t.Fatal(err)
			}
			s.at, s.value = at, r.convert(value)
			samples = append(samples, s)
		}
	}
	return samples
}
