package app

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"iotmon/internal/api"
	"iotmon/internal/control"
	"iotmon/internal/iot"
	"iotmon/internal/view"
)

// BenchmarkDevices answers GET /api/v1/devices for a plant of 100,000 devices. The time of an answer should depend on the
// devices in it, not on those of the plant.
func BenchmarkDevices(b *testing.B) {
	handler := largePlant(b, 100_000)
	for _, page := range []struct{ name, query string }{
		{"first", "limit=100"},
		{"last", "limit=100&cursor=" + url.QueryEscape(lastCursor(b, handler))},
		{"descending", "limit=100&order=desc"},
		{"type", "limit=100&type=humidity_sensor"},
		{"text", "limit=100&q=_0999"},
		{"none", "limit=100&building=nowhere"},
		{"by_value", "limit=100&sort=value"},
		{"scrolled", "limit=100&sort=name&offset=50000&status=online"},
	} {
		b.Run(page.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if w := answered(handler, page.query); w.Code != http.StatusOK {
					b.Fatal(w.Code, w.Body)
				}
			}
		})
	}
	// Each request has another text of the same meaning, so none is answered from an order that is kept.
	for _, sort := range []string{"id", "name", "area", "value", "label.line"} {
		b.Run("offset_by_"+sort, func(b *testing.B) {
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				query := fmt.Sprintf("limit=100&offset=50000&never_sent=true&label=line&sort=%s&q=%s", sort, mixedCase("device", n))
				if w := answered(handler, query); w.Code != http.StatusOK {
					b.Fatal(w.Code, w.Body)
				}
			}
		})
	}
}

// mixedCase returns a text with those letters in upper case whose bits are set in n.
func mixedCase(text string, n int) string {
	mixed := []byte(text)
	for i := range mixed {
		if n>>i&1 != 0 {
			mixed[i] -= 'a' - 'A'
		}
	}
	return string(mixed)
}

func answered(handler http.Handler, query string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/v1/devices?"+query, nil))
	return w
}

// lastCursor returns the cursor of the page that holds the last device.
func lastCursor(b *testing.B, handler http.Handler) string {
	for cursor := ""; ; {
		var page struct {
			Items []struct{}
			Next  string
		}
		w := answered(handler, "limit=1000&cursor="+url.QueryEscape(cursor))
		if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil {
			b.Fatal(err)
		}
		if page.Next == "" {
			return cursor
		}
		cursor = page.Next
	}
}

// largePlant returns the API of a plant with that many devices, of two types in ten buildings, every tenth with an open alert. All
// have a registry entry.
func largePlant(b *testing.B, devices int) http.Handler {
	present := view.New(view.Options{WindowLength: 30 * time.Second})
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var batch view.Batch
	for n := range devices {
		s := iot.DeviceState{Status: iot.Online, Since: at, LastSeen: at, Position: iot.Position{Offset: int64(n + 1)}}
		s.Latest = iot.Reading{Time: at, Value: float64(n % 1000)}
		s.Latest.ID, s.Latest.Type, s.Latest.Unit = iot.DeviceID(fmt.Sprintf("device_%06d", n)), iot.Temperature, "°C"
		s.Latest.Location.Building = fmt.Sprintf("building %d", n%10)
		if n%100 == 0 {
			s.Latest.Type = iot.Humidity
		}
		if n%10 == 0 {
			raised := iot.Alert{
				ID: fmt.Sprint("alert ", n), DeviceID: s.Latest.ID, DeviceType: s.Latest.Type, Severity: iot.Warning,
				Transition: iot.Raised, Onset: at, Time: at,
			}
			s.Alerts = []iot.AlertState{{Rule: "high", Onset: at, Raised: &raised}}
		}
		batch.States = append(batch.States, s)
	}
	present.Apply(batch)
	inForce := control.NewInForce()
	inForce.Begin(1)
	for i := range batch.States {
		inForce.SetDevice(iot.Identity{ID: batch.States[i].Latest.ID}, &iot.EntryInForce{DeviceEntry: iot.DeviceEntry{
			Version: 1, Name: fmt.Sprintf("Press %d", i*7919%devices), Area: iot.Area(fmt.Sprintf("hall %d/line %d", i%7, i%11)),
			Labels: map[string]string{"line": fmt.Sprint(i % 11), "shift": "a"},
		}})
	}
	inForce.CaughtUp()
	catalog, err := iot.NewCatalog(iot.BuiltinTypes()...)
	if err != nil {
		b.Fatal(err)
	}
	handler, err := api.New(api.Options{
		Fleet: present, History: nothingArchived{}, Catalog: catalog, Version: "bench", Now: time.Now, Logger: slog.New(slog.DiscardHandler),
		Registry: control.NewRegistry(control.RegistryOptions{InForce: inForce}), Entries: inForce,
	})
	if err != nil {
		b.Fatal(err)
	}
	return handler
}

// nothingArchived is a history that must not be queried.
type nothingArchived struct{ api.History }
