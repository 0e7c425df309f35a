package browser

import (
	"os"
	"path/filepath"
	"testing"
)

// A device type of the configuration need not have names for people, as the example of the configuration has none. Every page that lists types, and the page of
// one of its devices, then writes the name that the type has on the wire.
func TestATypeWithoutLabelsIsShown(t *testing.T) {
	config := filepath.Join(t.TempDir(), "iotmon.yaml")
	settings := `device_types: [{name: valve, min: 0, max: 2, states: ["CLOSED", "MOVING", "OPEN"]}]
alerts: {rules: [{name: valve_open, device_type: valve, above: 1, severity: warning}]}
`
	if err := os.WriteFile(config, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	plant := startPlant(t, "-no-simulator", "-config", config)
	plant.post(reading{ID: "gate", Type: "valve", Value: 2})
	for _, page := range []string{"/", "/devices", "/devices/gate", "/alerts", "/rules", "/rules/valve_open"} {
		tab := plant.open(options{addr: plant.addr, path: page})
		tab.until(`document.querySelector("#connection").dataset.phase === "open"`)
		tab.until(`document.querySelector("main").innerText.includes("valve") || document.querySelector("main option[value=valve]") !== null`)
	}
}
