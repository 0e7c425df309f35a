package app

import (
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"iotmon/internal/config"
	"iotmon/tests/testenv"
)

// registers are the contents of a table of registers, by the address on the wire.
type registers map[string][]uint16

// float32Registers returns a number as a meter holds it, the high register first unless low is set.
func float32Registers(value float32, low bool) []uint16 {
	bits := math.Float32bits(value)
	if low {
		return []uint16{uint16(bits), uint16(bits >> 16)}
	}
	return []uint16{uint16(bits >> 16), uint16(bits)}
}

func float64Registers(value float64) []uint16 {
	bits := math.Float64bits(value)
	return []uint16{uint16(bits >> 48), uint16(bits >> 32), uint16(bits >> 16), uint16(bits)}
}

// The recipes for Modbus receive from pymodbus, which has the registers that the manuals and drivers of the devices name, and no others.
func TestTheRecipesForModbusReceive(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a server of Modbus")
	}
	t.Parallel()
	examples := recipesOf(t, "modbus.md")
	devices := []struct {
		name, table string
		registers   registers
		want        []string
	}{
		{"PAC", "holding", registers{
			"1": float32Registers(230.5, false), "13": float32Registers(4.5, false), "65": float32Registers(-1250, false), "801": float64Registers(123456789),
		}, []string{`"pac/voltage-l1" voltage 230.5 V`, `"pac/current-l1" current_sensor 4.5 A`, `"pac/power" power -1250 W`, `"pac/energy-import" energy 123456.789 kWh`}},
		{"SDM630", "input", registers{
			"0": float32Registers(230.5, false), "6": float32Registers(4.5, false), "52": float32Registers(-1250, false), "72": float32Registers(1234.5, false),
		}, []string{`"sdm/voltage-l1" voltage 230.5 V`, `"sdm/current-l1" current_sensor 4.5 A`, `"sdm/power" power -1250 W`, `"sdm/energy-import" energy 1234.5 kWh`}},
		{"Shelly", "input", registers{"1013": float32Registers(-1250, true), "1020": float32Registers(230.5, true), "1022": float32Registers(4.5, true)},
			[]string{`"shelly/voltage-a" voltage 230.5 V`, `"shelly/current-a" current_sensor 4.5 A`, `"shelly/power" power -1250 W`}},
	}
	if len(examples) != len(devices)+1 { // The last one is the device types.
		t.Fatalf("got %d examples, want %d", len(examples), len(devices)+1)
	}
	for i, device := range devices {
		t.Run(device.name, func(t *testing.T) {
			t.Parallel()
			server := testenv.StartModbus(t, "", nil, map[string]any{
				"records": filepath.Join(t.TempDir(), "records"), "units": map[string]any{"1": map[string]registers{device.table: device.registers}}, "behaviour": nil,
			})
			t.Cleanup(server.Kill)
			recipe := regexp.MustCompile(`tcp://[^"]+`).ReplaceAllString(examples[i][1], "tcp://"+server.Address)
			recipe = "sources:\n  - name: recipe\n    " + strings.ReplaceAll(strings.TrimSpace(recipe), "\n", "\n    ") + "\n" + examples[len(devices)][1]
			directory := t.TempDir()
			file := filepath.Join(directory, "config.yaml")
			if err := os.WriteFile(file, []byte(recipe), 0o600); err != nil {
				t.Fatal(err)
			}
			cfg, err := config.Load(config.LoadOptions{Service: config.Iotmon, Builtin: Builtin(), Args: []string{"-config", file}, Dir: directory})
			if err != nil {
				t.Fatalf("%v\n%s", err, recipe)
			}
			var out strings.Builder
			err = TrySource(t.Context(), cfg, TryOptions{
				Name: "recipe", For: time.Minute, Count: len(device.want), Out: &out, Logger: slog.New(slog.DiscardHandler),
			})
			if err != nil {
				t.Errorf("got %v", err)
			}
			for _, want := range device.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("got\n%swant %s", out.String(), want)
				}
			}
		})
	}
}
