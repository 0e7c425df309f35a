package tests

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"iotmon/internal/config"
)

// placedReading is a reading that was posted, with the building in it.
type placedReading struct {
	device, building string
	at               time.Time
}

func (r *placedReading) post(t *testing.T, addr string) {
	t.Helper()
	body := fmt.Sprintf(`{"device_id":%q,"device_type":"temperature_sensor","timestamp":%q,"value":20,"location":{"building":%q}}`,
		r.device, r.at.UTC().Format(time.RFC3339Nano), r.building)
	response, err := http.Post("http://"+addr+"/api/v1/readings", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("post a reading: %s", response.Status)
	}
}

// countsIn returns the number of readings of each window, by its start in seconds, as the REST interface says; area may be empty.
func countsIn(t *testing.T, addr, area string) map[int64]int {
	t.Helper()
	query := url.Values{"from": {"2020-01-01T00:00:00Z"}, "to": {"2100-01-01T00:00:00Z"}, "limit": {"500"}, "area": {area}}
	response, err := http.Get("http://" + addr + "/api/v1/summaries?" + query.Encode())
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var page struct {
		Items []struct {
			Timestamp time.Time `json:"timestamp"`
			Data      struct {
				Count int `json:"count"`
			} `json:"aggregated_data"`
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&page); err != nil {
		t.Fatal(err)
	}
	counts := make(map[int64]int)
	for _, item := range page.Items {
		if item.Data.Count > 0 {
			counts[item.Timestamp.Unix()] += item.Data.Count
		}
	}
	return counts
}

// eventually waits for at most a minute until check returns "".
func eventually(t *testing.T, check func() string) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		problem := check()
		if problem == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(problem)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// A device is moved to another area while it sends, and readings of windows from before and from after come late. The processor, the archive
// that recomputes the windows, the REST interface and what a viewer gets who has narrowed to an area must agree: a reading counts in the
// area that held at its time, though all of them say the same building.
func TestAreasAgreeWhereADeviceMoves(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the whole system")
	}
	t.Parallel()
	addr := startWith(t, func(cfg *config.Config) {
		quiet(cfg)
		cfg.Aggregation.MaxClockSkew = time.Second
	})
	p := &plant{t: t, addr: addr}
	var sent []placedReading
	post := func(readings ...placedReading) {
		for _, r := range readings {
			r.post(t, addr)
			sent = append(sent, r)
		}
	}
	for round := range 36 {
		at := time.Now().Truncate(time.Millisecond)
		post(placedReading{"moved", "A", at}, placedReading{"other", "A", at})
		if round == 5 {
			p.decide(http.MethodPut, "/api/v1/devices/moved", "application/json", `{"area":"north/hall 2"}`)
			p.await("moved", 1)
		}
		time.Sleep(200 * time.Millisecond)
	}
	// The boundary is where the first window of the new area begins.
	var since int64
	eventually(t, func() string {
		since = 0
		for start := range countsIn(t, addr, "north") {
			if since == 0 || start < since {
				since = start
			}
		}
		if since == 0 {
			return "no window is in the new area"
		}
		return ""
	})
	want := func() (north, a map[int64]int) {
		north, a = make(map[int64]int), make(map[int64]int)
		for _, r := range sent {
			start := r.at.Truncate(2 * time.Second).Unix()
			if r.device == "moved" && start >= since {
				north[start]++
			} else {
				a[start]++
			}
		}
		return north, a
	}
	agree := func() {
		t.Helper()
		north, a := want()
		eventually(t, func() string {
			if got := countsIn(t, addr, "north"); !maps.Equal(got, north) {
				return fmt.Sprintf("north: got %v, want %v", got, north)
			}
			if got := countsIn(t, addr, "A"); !maps.Equal(got, a) {
				return fmt.Sprintf("A: got %v, want %v", got, a)
			}
			return ""
		})
	}
	agree()
	first, last := sent[0].at, sent[len(sent)-1].at
	if first.Unix() >= since || last.Unix() < since {
		t.Fatalf("the device was to be moved from %v to %v, got %v", first, last, time.Unix(since, 0))
	}
	post(placedReading{"moved", "A", first.Add(time.Millisecond)}, placedReading{"moved", "A", time.Unix(since, 1e6)})
	agree()

	for area, device := range map[string]string{"north": "moved", "A": "other"} {
		viewed := make(map[int64]int)
		v := visit(t, addr, nil)
		if err := v.conn.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, `{"type":"filter","areas":[%q]}`, area)); err != nil {
			t.Fatal(err)
		}
		v.await(func(m *message) bool { return m.Type == "device_status" && m.Snapshot && m.Total == 1 })
		north, a := want()
		wanted := map[string]map[int64]int{"north": north, "A": a}[area]
		found := false
		v.await(func(m *message) bool {
			for _, d := range m.Devices {
				if found = true; d.ID != device {
					t.Errorf("%s: got device %s, want only %s", area, d.ID, device)
				}
			}
			if m.Type == "aggregated_data" {
				viewed[m.WindowStart.Unix()] = m.Data["temperature_sensor"].Count
			}
			for start, count := range wanted {
				if viewed[start] != count {
					return false
				}
			}
			return found
		})
	}
	if got := p.await("moved", 1); got.Area != "north/hall 2" {
		t.Errorf("got area %q of the device", got.Area)
	}
}
