package app

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"iotmon/internal/api"
	"iotmon/internal/control"
	"iotmon/internal/control/controltest"
	"iotmon/internal/iot"
	"iotmon/internal/store/sqlite"
	"iotmon/internal/view"
)

// BenchmarkImport imports a table of 100,000 rows, each of which changes, while somebody else changes one device again and again. It
// reports the longest wait of the others, and how many of their changes were refused.
func BenchmarkImport(b *testing.B) {
	store, err := sqlite.OpenControl(b.Context(), filepath.Join(b.TempDir(), "control.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close() //nolint:errcheck // It is removed.
	inForce := control.NewInForce()
	log := controltest.NewLog(inForce)
	registry := control.NewRegistry(control.RegistryOptions{Store: store, InForce: inForce, Now: time.Now, Decided: func(objects []control.Object) {
		if _, err := log.Append(context.Background(), objects); err != nil {
			b.Error(err)
		}
	}})
	catalog, err := iot.NewCatalog(iot.BuiltinTypes()...)
	if err != nil {
		b.Fatal(err)
	}
	handler, err := api.New(api.Options{
		Fleet: view.New(view.Options{WindowLength: 30 * time.Second}), History: nothingArchived{}, Catalog: catalog, Version: "bench", Now: time.Now,
		Logger: slog.New(slog.DiscardHandler), Registry: registry, Entries: inForce,
	})
	if err != nil {
		b.Fatal(err)
	}
	longest, refused := time.Duration(0), 0
	for n := 0; b.Loop(); n++ {
		ctx, cancel := context.WithCancel(b.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			for i := 0; ctx.Err() == nil; i++ {
				edit := control.Edit{Device: iot.Identity{ID: "other"}, To: func(e iot.DeviceEntry) (iot.DeviceEntry, error) { e.Name = fmt.Sprint(n, i); return e, nil }}
				from := time.Now()
				if _, err := registry.Change(context.Background(), []control.Edit{edit}, control.By{Actor: "other"}); err != nil {
					refused++
				}
				longest = max(longest, time.Since(from))
			}
		}()
		r := httptest.NewRequest(http.MethodPost, "/api/v1/registry", strings.NewReader(manyRows(100_000, n)))
		r.Header.Set("Content-Type", "text/csv")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		cancel()
		<-done
		if w.Code != http.StatusOK {
			b.Fatal(w.Code, w.Body)
		}
	}
	b.ReportMetric(longest.Seconds(), "s-longest-wait")
	b.ReportMetric(float64(refused), "refused")
}

// manyRows returns a table of entries, which differ from those of another round.
func manyRows(rows, round int) string {
	var table strings.Builder
	table.WriteString("device_id,name,area,label.line,label.shift,limit.temperature_high\r\n")
	for i := range rows {
		fmt.Fprintf(&table, "device_%06d,Press %d-%d,hall %d/line %d,%d,a,%d\r\n", i, round, i, i%7, i%11, i%13, 20+i%10)
	}
	return table.String()
}
