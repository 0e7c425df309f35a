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

// largePlant returns the API of a plant with that many devices, of two types in ten buildings, every tenth with an open alert.
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
	catalog, err := iot.NewCatalog(iot.BuiltinTypes()...)
	if err != nil {
		b.Fatal(err)
	}
	handler, err := api.New(api.Options{
		Fleet: present, History: nothingArchived{}, Catalog: catalog, Version: "bench", Now: time.Now, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.Fatal(err)
	}
	return handler
}

// nothingArchived is a history that must not be queried.
type nothingArchived struct{ api.History }
