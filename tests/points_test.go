package tests

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"iotmon/internal/config"
)

// sendAt sends a value of a device of a machine.
func (p *plant) sendAt(machine, device string, value float64) {
	p.t.Helper()
	body := fmt.Sprintf(`[{"device_id":%q,"device_type":"temperature_sensor","timestamp":%q,"value":%v,"unit":"°C","status":"online","location":{"building":%q}}]`,
		device, time.Now().UTC().Format(time.RFC3339Nano), value, machine)
	if status, _ := p.do(http.MethodPost, "/api/v1/readings", "application/json", body); status != http.StatusOK {
		p.t.Fatalf("send: got %d", status)
	}
}

// The devices of two machines are in several partitions. A device is judged by another one of its own machine, over a restart, and not while that one is
// silent.
func TestADeviceIsJudgedByAnotherPointOfItsMachine(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the whole system")
	}
	t.Parallel()
	p := startPlant(t, func(cfg *config.Config) { cfg.Devices.OfflineAfter = time.Minute })
	rule := `{"name":%q,"device_type":"temperature_sensor","condition":{"kind":"expression","expression":%q},"severity":"warning"}`
	add := func(name, expression string) int {
		status, _ := p.do(http.MethodPost, "/api/v1/rules", "application/json", fmt.Sprintf(rule, name, expression))
		return status
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		status := add("hot", `device startsWith "tool" and value - point("coolant-1").value > 5 or device startsWith "bit" and value - point("coolant-2").value > 5`)
		if status == http.StatusCreated || status == http.StatusAccepted {
			break
		}
		if status != http.StatusServiceUnavailable || time.Now().After(deadline) {
			t.Fatalf("add the rule: got %d", status)
		}
	}
	if status := add("never", `point(device).value > 3`); status != http.StatusUnprocessableEntity {
		t.Errorf("a point whose name is not written there: got %d", status)
	}
	coolant := 20.0
	values := func() {
		for i := range 3 {
			p.sendAt("press 1", fmt.Sprint("tool-", i), 24+float64(i)) // The last one is too hot.
			p.sendAt("press 2", fmt.Sprint("bit-", i), 24)
		}
		p.sendAt("press 1", "coolant-1", coolant)
		p.sendAt("press 2", "coolant-2", 10)
	}
	until := func(want string) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(200 * time.Millisecond) {
			values()
			got := p.suppressions()
			if got == want {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("got the alerts %q for a minute, want %q", got, want)
			}
		}
	}
	until("bit-0, bit-1, bit-2, tool-2")
	p.stop()
	p.start()
	p.reach("bit-0, bit-1, bit-2, tool-2")
	coolant = 24
	until("bit-0, bit-1, bit-2")
}
