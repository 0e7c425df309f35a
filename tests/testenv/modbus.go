package testenv

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"testing"
)

// StartModbus starts a Modbus server by pymodbus at an address, or at any free one if that is empty. testdata/pymodbus_server.py says what
// is configured and what the commands are. environment is more of the server's environment. The caller ends the server.
func StartModbus(t testing.TB, address string, environment []string, config map[string]any) *Commanded {
	t.Helper()
	python := Python(t, "pymodbus")
	return startCommanded(t, address, func(address string) (*exec.Cmd, string) {
		config := maps.Clone(config)
		config["port"] = portOf(t, address)
		first, err := json.Marshal(config)
		if err != nil {
			t.Fatal(err)
		}
		command := exec.Command(python, ofTestenv(t, "pymodbus_server.py"))
		command.Env = append(os.Environ(), environment...)
		return command, string(first)
	})
}
