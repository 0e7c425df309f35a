package tests

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"iotmon/internal/config"
)

// quiet is a plant without simulated devices, whose windows are short.
func quiet(cfg *config.Config) {
	cfg.Simulator.DeviceCount = 0
	cfg.Simulator.Enabled = false
	cfg.Aggregation.WindowSeconds = 2
	cfg.Aggregation.AllowedLateness = time.Second
}

// send posts a temperature.
func send(t *testing.T, addr, device string, at time.Time, value float64) {
	t.Helper()
	body, err := json.Marshal([]any{map[string]any{
		"device_id": device, "device_type": "temperature_sensor", "timestamp": at.UTC().Format(time.RFC3339Nano), "value": value,
	}})
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.Post("http://"+addr+"/api/v1/readings", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("post a reading: %s", response.Status)
	}
}

// archived asks the REST interface how many readings a window has.
func archived(t *testing.T, addr string, start time.Time) int {
	t.Helper()
	query := url.Values{"from": {start.Format(time.RFC3339)}, "to": {start.Add(2 * time.Second).Format(time.RFC3339)}}
	response, err := http.Get("http://" + addr + "/api/v1/summaries?" + query.Encode())
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var page struct {
		Items []struct {
			Data struct {
				Count int `json:"count"`
			} `json:"aggregated_data"`
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&page); err != nil || len(page.Items) != 1 {
		t.Fatalf("got %+v, %v, want one summary", page, err)
	}
	return page.Items[0].Data.Count
}

// A reading that arrives after its window has closed is in the archive, in the messages to viewers, in the snapshot of later
// viewers, and, once viewers have got it, in the answers of the REST interface.
func TestLateReadingsAreShown(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the whole system")
	}
	t.Parallel()
	addr := startWith(t, quiet)
	p := visit(t, addr, nil)
	at := time.Now().Truncate(2 * time.Second)
	send(t, addr, "d1", at, 20)
	isWindow := func(m *message) bool {
		return m.Type == "aggregated_data" && m.Final && m.WindowStart.Equal(at) && m.Data["temperature_sensor"].Count > 0
	}
	p.await(func(m *message) bool { return isWindow(m) && m.Data["temperature_sensor"].Count == 1 })
	for late := 1; late <= 3; late++ {
		send(t, addr, "d1", at.Add(time.Duration(late)*time.Millisecond), 20+10*float64(late))
		corrected := func(m *message) bool {
			return isWindow(m) && m.Corrected && m.Data["temperature_sensor"].Count == 1+late
		}
		sent := time.Now()
		var average float64
		p.await(func(m *message) bool {
			if !corrected(m) {
				return false
			}
			average = *m.Data["temperature_sensor"].Average
			return true
		})
		t.Logf("shown after %v", time.Since(sent).Round(10*time.Millisecond))
		if want := 20 + 5*float64(late); average != want {
			t.Errorf("after %d late readings: got average %v, want %v", late, average, want)
		}
		if got := archived(t, addr, at); got != 1+late {
			t.Errorf("after %d late readings: the REST interface has %d readings, want %d", late, got, 1+late)
		}
		visit(t, addr, nil).await(corrected)
	}
}

func TestForgottenDevicesDisappearAndComeBack(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the whole system")
	}
	t.Parallel()
	addr := startWith(t, quiet)
	p := visit(t, addr, nil)
	const id = "site/a?b#c%2F 设备"
	ofDevice := func(m *message) bool { return len(m.Devices) == 1 && m.Devices[0].ID == id }
	send(t, addr, id, time.Now(), 99) // An alarm, too.
	p.await(ofDevice)
	forget := func() int {
		t.Helper()
		request, err := http.NewRequest(http.MethodDelete, "http://"+addr+"/api/v1/devices/"+url.PathEscape(id), nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		return response.StatusCode
	}
	first, busy := forget(), false
	for deadline := time.Now().Add(time.Minute); first == http.StatusServiceUnavailable && time.Now().Before(deadline); first = forget() {
		busy = true // A busy machine has not done it in time: it may be done all the same.
		time.Sleep(100 * time.Millisecond)
	}
	if first != http.StatusNoContent && !(busy && first == http.StatusNotFound) {
		t.Fatalf("forget the device: got %d, want 204", first)
	}
	if again := forget(); again != http.StatusNotFound {
		t.Fatalf("forget the device again: got %d, want 404", again)
	}
	p.await(func(m *message) bool {
		return m.Type == "device_removed" && fmt.Sprint(m.DeviceIDs) == fmt.Sprint([]string{id})
	})
	var status struct {
		Total int            `json:"total_devices"`
		Open  map[string]int `json:"open_alerts"`
	}
	response, err := http.Get("http://" + addr + "/api/v1/status")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&status); err != nil || status.Total != 0 || status.Open["critical"]+status.Open["warning"] != 0 {
		t.Errorf("got %+v, %v, want no device and no alert", status, err)
	}
	send(t, addr, id, time.Now(), 21)
	p.await(ofDevice)
}
