package config

import (
	"errors"
	"os"
	"strings"
	"testing"
	"unicode"
)

// FuzzFile loads an arbitrary file. It is accepted and the result is valid, or it is refused with a message for the user.
func FuzzFile(f *testing.F) {
	reference, err := os.ReadFile(root + "/configs/iotmon.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{
		string(reference), "", "---\n", "kafka:", "kafka: {brokers: [[]]}", "1: 2", "server: {1: 2}", "? [a]\n: b", "a: &a [*a]",
		"alerts: {rules: [null, 3, {name: {}}]}", "device_types: [{labels: {en: 1}}]", "data_dir: !!binary aGVsbG8=",
		"websocket: {max_connections: 0x10}", "log: {level: 2001-01-01}", "<<: {data_dir: x}", "device_simulator: {seed: 1e30}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		cfg, err := load(t, text, nil)
		checkOutcome(t, cfg, err)
	})
}

// FuzzVariable does the same for the values of variables of every kind.
func FuzzVariable(f *testing.F) {
	for _, seed := range []string{"", "5", "5s", "a,b", "[a, b]", "[", "{a: b}", "off", "null", "~", "1\nx: 2", "<KAFKA_HOST>", ".nan", "-1", "9e99"} {
		f.Add(seed)
	}
	names := []string{
		"IOTMON_DATA_DIR", "IOTMON_SERVER_PORT", "IOTMON_SERVER_ADDR", "IOTMON_KAFKA_BROKERS", "IOTMON_KAFKA_TOPICS",
		"IOTMON_KAFKA_LINGER", "IOTMON_KAFKA_EMBEDDED_RETENTION", "IOTMON_DEVICE_SIMULATOR_SEED", "IOTMON_ALERTS_RULES",
		"IOTMON_ALERTS_PRESSURE_HIGH", "IOTMON_ARCHIVE_ENABLED", "IOTMON_DEVICE_TYPES",
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, name := range names {
			cfg, err := load(t, "", []string{name + "=" + text})
			checkOutcome(t, cfg, err)
		}
	})
}

func checkOutcome(t *testing.T, cfg *Config, err error) {
	t.Helper()
	if err == nil {
		if err := cfg.validate(Iotmon); err != nil {
			t.Errorf("accepted, but invalid: %v", err)
		}
		return
	}
	wrong, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("got %v, want an *Error", err)
	}
	for _, problem := range wrong.Problems {
		if strings.ContainsFunc(problem, unicode.IsControl) || strings.Contains(problem, "interface {}") {
			t.Errorf("not a line for the user: %q", problem)
		}
	}
}
