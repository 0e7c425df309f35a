package app

import (
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"iotmon/internal/config"
	"iotmon/tests/testenv"
)

// The recipes for OPC UA receive from asyncua and node-opcua, set up with the identifiers, namespaces, paths and security of the devices.
func TestTheRecipesForOPCUAReceive(t *testing.T) {
	if testing.Short() {
		t.Skip("needs servers of OPC UA")
	}
	t.Parallel()
	examples := recipesOf(t, "opcua.md")
	// All devices are one server, but for the one with a path in its address. The first has the namespace 2, which its recipe names by that number.
	servers := []struct{ path, nodes string }{
		{"/", `[
			{"uri": "KEPServerEX", "id": "s=Channel1.Device1.Temp", "path": ["Channel1", "Device1", "Temp"], "value": 23.5},
			{"uri": "http://www.siemens.com/simatic-s7-opcua", "id": "s=\"Data\".\"Temperature\"", "path": ["PLC_1", "DataBlocksGlobal", "Data", "Temperature"], "value": 21.5},
			{"uri": "urn:BeckhoffAutomation:Ua:PLC1", "id": "s=MAIN.fTemp", "path": ["PLC1", "MAIN", "fTemp"], "value": 22.5},
			{"uri": "urn:BeckhoffAutomation:Ua:PLC1", "id": "s=GVL.fOther", "path": ["PLC1", "GVL", "fOther"], "value": 1}]`},
		{"/OPCUA/SimulationServer", `[
			{"uri": "http://www.prosysopc.com/OPCUA/SimulationNodes/", "id": "i=1003", "path": ["Simulation", "Sinusoid"], "value": 24.5}]`},
	}
	shapes := []struct {
		name, want string
		server     int
	}{
		{"Siemens", `"press-1" temperature_sensor 21.5`, 0},
		{"Beckhoff", `"fTemp" temperature_sensor 22.5`, 0},
		{"Kepware", `"kiln-1" temperature_sensor 23.5`, 0},
		{"Prosys", `"Sinusoid" temperature_sensor 24.5`, 1},
	}
	if len(examples) != len(shapes) {
		t.Fatalf("got %d recipes, want %d", len(examples), len(shapes))
	}
	for _, product := range []string{testenv.Asyncua, testenv.NodeOPCUA} {
		var addresses, certificates []string
		for _, server := range servers {
			directory := t.TempDir()
			certificate, arguments := testenv.OPCUASecurity(t, directory)
			running := testenv.StartOPCUA(t, product, "", directory, nil, append(arguments, "--path", server.path, "--nodes", server.nodes)...)
			t.Cleanup(running.Kill)
			addresses, certificates = append(addresses, running.Address), append(certificates, certificate)
		}
		for i, shape := range shapes {
			t.Run(shape.name+"/"+product, func(t *testing.T) {
				t.Parallel()
				directory := t.TempDir()
				if err := os.WriteFile(filepath.Join(directory, "password"), []byte(testenv.OPCUAPassword+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
				recipe := regexp.MustCompile(`opc\.tcp://[^"/]+`).ReplaceAllString(examples[i][1], "opc.tcp://"+addresses[shape.server])
				recipe = strings.ReplaceAll(recipe, "/run/secrets/plc", filepath.Join(directory, "password"))
				recipe = "sources:\n  - name: recipe\n    " + strings.ReplaceAll(strings.TrimSpace(recipe), "\n", "\n    ") +
					"\n      trust: " + certificates[shape.server] + "\n    map: [{field: \"*\", device: \"{field}\", type: temperature_sensor}]\n"
				file := filepath.Join(directory, "config.yaml")
				if err := os.WriteFile(file, []byte(recipe), 0o600); err != nil {
					t.Fatal(err)
				}
				cfg, err := config.Load(config.LoadOptions{Service: config.Iotmon, Builtin: Builtin(), Args: []string{"-config", file}, Dir: directory})
				if err != nil {
					t.Fatalf("%v\n%s", err, recipe)
				}
				cfg.DataDir = directory
				var out strings.Builder
				err = TrySource(t.Context(), cfg, TryOptions{Name: "recipe", For: time.Minute, Count: 1, Out: &out, Logger: slog.New(slog.DiscardHandler)})
				if err != nil || !strings.Contains(out.String(), shape.want) || strings.Contains(out.String(), "Other") {
					t.Errorf("got %v\n%s\nwant %s", err, out.String(), shape.want)
				}
			})
		}
	}
}
