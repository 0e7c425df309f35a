package sqlite_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"iotmon/internal/api"
	"iotmon/internal/archive"
	"iotmon/internal/iot"
	"iotmon/internal/store/storetest"
)

var benchStart = time.Date(2024, 1, 30, 0, 0, 0, 0, time.UTC)

// fleetReadings fills readings with those of devices that send every five seconds from at on, and returns the time after the
// last.
func fleetReadings(readings []archive.Reading, devices int, at time.Time) time.Time {
	described := make([]iot.Device, devices)
	for i := range described {
		described[i] = iot.Device{ID: iot.DeviceID(fmt.Sprintf("device_%03d", i)), Type: iot.Temperature, Unit: "°C"}
	}
	for i := range readings {
		if i > 0 && i%devices == 0 {
			at = at.Add(5 * time.Second)
		}
		readings[i] = archive.Reading{
			Partition: int32(i % devices % 10), Device: &described[i%devices], Time: at, Value: 20 + float64(i%100)/10,
		}
	}
	return at.Add(5 * time.Second)
}

func BenchmarkWrite(b *testing.B) {
	const rows = 20_000
	for _, devices := range []int{1000, 10_000} {
		b.Run(fmt.Sprintf("devices=%d", devices), func(b *testing.B) {
			store := open(b, filepath.Join(b.TempDir(), "iotmon.db"))
			at := benchStart
			readings := make([]archive.Reading, rows)
			var offset archive.Offset
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				at = fleetReadings(readings, devices, at)
				b.StartTimer()
				next := archive.Offset{Next: offset.Next + rows}
				err := store.Write(b.Context(), &archive.Batch{Readings: readings, Moves: []archive.Move{
					{Source: archive.Source{Topic: storetest.Topic}, Old: offset, New: next, Appended: at},
				}})
				if err != nil {
					b.Fatal(err)
				}
				offset = next
			}
			b.ReportMetric(rows*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

// BenchmarkReadingsOfADay asks for a day of one device that sends every second, as its chart does.
func BenchmarkReadingsOfADay(b *testing.B) {
	const seconds = 24 * 60 * 60
	store := open(b, filepath.Join(b.TempDir(), "iotmon.db"))
	readings := make([]archive.Reading, seconds)
	device := &iot.Device{ID: "a", Type: iot.Temperature}
	for i := range readings {
		readings[i] = archive.Reading{
			Device: device, Time: benchStart.Add(time.Duration(i) * time.Second), Value: float64(i % 777),
		}
	}
	if err := store.Write(b.Context(), &archive.Batch{Readings: readings}); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		points, err := store.Readings(b.Context(), api.ReadingsQuery{Device: "a", From: benchStart, To: benchStart.Add(24 * time.Hour), MaxPoints: 250})
		if err != nil || len(points) < 250 {
			b.Fatal(len(points), err)
		}
	}
}

// BenchmarkSummariesOfADay asks for a day of one type in ten partitions, as the aggregated chart does.
func BenchmarkSummariesOfADay(b *testing.B) {
	const windows = 24 * 60 * 2
	store := open(b, filepath.Join(b.TempDir(), "iotmon.db"))
	alert := iot.Alert{ID: iot.AlertID("temperature_high", iot.Identity{ID: "a"}, benchStart), Rule: "temperature_high", DeviceID: "a", Message: "温度超过阈值: 28.1°C > 28°C"}
	for window := range windows {
		var batch archive.Batch
		for partition := range int32(10) {
			for _, spec := range iot.BuiltinTypes() {
				s := iot.WindowSummary{Type: spec.Name, Window: iot.Window{Start: benchStart.Add(time.Duration(window) * 30 * time.Second), Length: 30 * time.Second}, Final: true}
				s.Partition = partition
				s.Add(0.1)
				s.Alerts = []iot.Alert{alert, alert}
				batch.Summaries = append(batch.Summaries, s)
			}
		}
		if err := store.Write(b.Context(), &batch); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		got, err := store.Summaries(b.Context(), api.SummariesQuery{
			Type: iot.Temperature, From: benchStart, To: benchStart.Add(24 * time.Hour), WithoutAlerts: true, Limit: 3000,
		})
		if err != nil || len(got) != windows {
			b.Fatal(len(got), err)
		}
	}
}

// BenchmarkTrial tries a rule on a day of 1,000 devices.
func BenchmarkTrial(b *testing.B) {
	storetest.BenchmarkTrial(b, open(b, filepath.Join(b.TempDir(), "iotmon.db")), 1000)
}

// BenchmarkKPIs computes the key figures of 500,000 alerts.
func BenchmarkKPIs(b *testing.B) {
	storetest.BenchmarkKPIs(b, open(b, filepath.Join(b.TempDir(), "iotmon.db")))
}

// BenchmarkDeliveries reads pages of 100,000 deliveries.
func BenchmarkDeliveries(b *testing.B) {
	storetest.BenchmarkDeliveries(b, open(b, filepath.Join(b.TempDir(), "iotmon.db")).Notify())
}
