package postgres_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"iotmon/internal/api"
	"iotmon/internal/archive"
	"iotmon/internal/iot"
	"iotmon/internal/store/storetest"
)

// fleet makes batches of the readings of a plant, at the plant's rate.
type fleet struct {
	devices  []iot.Device
	interval time.Duration
	sent     int
	batch    archive.Batch
}

// plantRate is how many readings a second the fleets send by their own clocks: the rate that the archive has to keep up with.
const plantRate = 50_000

func newFleet(devices, rows int) *fleet {
	f := &fleet{interval: time.Second / plantRate, batch: archive.Batch{Readings: make([]archive.Reading, rows)}}
	for i := range devices {
		f.devices = append(f.devices, iot.Device{
			ID: iot.DeviceID(fmt.Sprintf("device_%03d", i)), Type: iot.BuiltinTypes()[i%5].Name, Unit: "°C", Location: iot.Location{Building: "A栋", Floor: 3},
		})
	}
	for partition := range int32(10) {
		f.batch.Moves = append(f.batch.Moves, archive.Move{Source: archive.Source{Topic: storetest.Topic, Partition: partition}})
	}
	return f
}

// next fills the batch again.
func (f *fleet) next() *archive.Batch {
	rows := len(f.batch.Readings)
	for i := range f.batch.Readings {
		n := f.sent + i
		device := n % len(f.devices)
		f.batch.Readings[i] = archive.Reading{
			Partition: int32(device % 10), Device: &f.devices[device], Time: iot.CutTime(start.Add(time.Duration(n) * f.interval)), Value: 20 + float64(n%100)/10,
		}
	}
	f.sent += rows
	for i := range f.batch.Moves {
		m := &f.batch.Moves[i]
		m.Old, m.New, m.Appended = m.New, archive.Offset{Next: m.New.Next + int64(rows/10)}, f.now()
	}
	return &f.batch
}

func (f *fleet) now() time.Time { return start.Add(time.Duration(f.sent) * f.interval) }

// BenchmarkArchive writes batches as an archiver does, with a server on the same machine, while readings are rolled up
// beside it, once a minute of the plant's time.
func BenchmarkArchive(b *testing.B) {
	const rows = 20_000
	for _, devices := range []int{1000, 10_000, 100_000} {
		b.Run(fmt.Sprintf("devices=%d", devices), func(b *testing.B) {
			store := open(b, ownServer(b).url("postgres"))
			f := newFleet(devices, rows)
			var pruning sync.WaitGroup
			pruned := start
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				batch := f.next()
				b.StartTimer()
				if err := store.Write(b.Context(), batch); err != nil {
					b.Fatal(err)
				}
				if f.now().Sub(pruned) >= time.Minute {
					// Pruning that lasts longer than its minute holds this up: it belongs to what is measured.
					pruning.Wait()
					pruned = f.now()
					pruning.Go(func() {
						if _, err := store.Prune(context.Background(), archive.Retention{}); err != nil {
							b.Error(err)
						}
					})
				}
			}
			pruning.Wait()
			b.ReportMetric(rows*float64(b.N)/b.Elapsed().Seconds(), "readings/s")
		})
	}
}

// BenchmarkReplay writes readings that are already stored, as after the loss of the database's offsets.
func BenchmarkReplay(b *testing.B) {
	const rows = 20_000
	store := open(b, ownServer(b).url("postgres"))
	f := newFleet(10_000, rows)
	batch := f.next()
	for b.Loop() {
		if err := store.Write(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
		for i := range batch.Moves {
			batch.Moves[i].Old = batch.Moves[i].New
		}
	}
	b.ReportMetric(rows*float64(b.N)/b.Elapsed().Seconds(), "readings/s")
}

// BenchmarkReadings asks for the history of one device, as its chart does, with readings every five seconds.
func BenchmarkReadings(b *testing.B) {
	store := open(b, newURL(b))
	const seconds = 5
	f := &feed{}
	f.write(b, store, 0)
	for day := range 7 {
		var readings []archive.Reading
		for i := range 24 * 60 * 60 / seconds {
			readings = append(readings, reading("a", 0, float64(day*24*60*60+i*seconds), float64(i*7919%997)))
		}
		f.write(b, store, float64((day+1)*24*60*60), readings...)
	}
	ask := func(b *testing.B, length time.Duration) {
		for b.Loop() {
			points, err := store.Readings(b.Context(), api.ReadingsQuery{Device: "a", From: start, To: start.Add(length), MaxPoints: 250})
			if err != nil || len(points) < 250 {
				b.Fatal(len(points), err)
			}
		}
	}
	for _, rolled := range []bool{false, true} {
		if rolled {
			if _, err := store.Prune(b.Context(), archive.Retention{}); err != nil {
				b.Fatal(err)
			}
		}
		for _, length := range []time.Duration{24 * time.Hour, 7 * 24 * time.Hour} {
			b.Run(fmt.Sprintf("of=%v/rolled=%v", length, rolled), func(b *testing.B) { ask(b, length) })
		}
	}
}

// BenchmarkTrial tries a rule on a day of 1,000 devices. Its figure leaves out what the server uses.
func BenchmarkTrial(b *testing.B) {
	storetest.BenchmarkTrial(b, open(b, newURL(b)), 1000)
}

// BenchmarkKPIs computes the key figures of 500,000 alerts. Its figure of processor time leaves out what the server uses.
func BenchmarkKPIs(b *testing.B) {
	storetest.BenchmarkKPIs(b, open(b, newURL(b)))
}

// BenchmarkDeliveries reads pages of 100,000 deliveries.
func BenchmarkDeliveries(b *testing.B) {
	storetest.BenchmarkDeliveries(b, open(b, newURL(b)).Notify())
}
