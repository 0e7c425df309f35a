package command

import (
	"testing"

	"iotmon/internal/app"
	"iotmon/internal/bench"
	"iotmon/internal/iot"
)

// The rules are valid in a configuration, and each watches a tenth of the devices.
func TestEachRuleOfABenchIsForATenthOfTheDevices(t *testing.T) {
	const devices = 1000
	rules := benchRules(mostBenchRules)
	for i := range rules {
		if key, reason := app.Builtin().CheckRule(&rules[i]); reason != "" {
			t.Fatalf("%s: %s: %s", rules[i].Name, key, reason)
		}
	}
	load := bench.NewLoad(devices)
	for i := range rules {
		selected := 0
		for d := range devices {
			device := load.Device(d)
			if string(device.Type) != rules[i].DeviceType {
				continue
			}
			excepted := false
			for _, except := range rules[i].Except {
				excepted = excepted || device.Location.Area().Within(iot.Area(except.Area))
			}
			if !excepted {
				selected++
			}
		}
		if selected != devices/10 {
			t.Errorf("%s: got %d devices, want %d", rules[i].Name, selected, devices/10)
		}
	}
}
