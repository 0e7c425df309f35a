package storetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"syscall"
	"testing"
	"time"

	"iotmon/internal/archive"
	"iotmon/internal/iot"
	"iotmon/internal/trial"
)

// scanned returns what a store reads for a trial, a line for each reading.
func scanned(t *testing.T, store Store, devices []iot.Device, from, to float64, limit int) (lines []string) {
	t.Helper()
	err := store.EachReading(t.Context(), devices, at(from), at(to), func(index int, r trial.Reading) bool {
		lines = append(lines, fmt.Sprint(devices[index].Tenant, devices[index].ID, " ", r.Time.Sub(epoch).Seconds(), " ", r.Value, " ", r.Quality))
		return len(lines) < limit
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

// trialsRead reads the readings of devices for a trial.
func trialsRead(t *testing.T, store Store) {
	f := newFeed(t, store, 0)
	bad, other := reading("a", 5, 24), reading("b", 6, 55)
	bad.Quality, other.Type = iot.Bad, iot.Humidity
	f.readings(reading("b", 9, 21), bad, reading("a", 9, 1), reading("a", 4.999999, 1), reading("a", 7.000001, -0.5), ofTenant("acme", reading("a", 5, 9)), other)
	f.readings(reading("a", 5, 99), reading("a", 6, 3), reading("b", 10, 7)) // The first is a second one of that moment.
	devices, err := store.DevicesOf(t.Context(), "", iot.Temperature, 10)
	if err != nil {
		t.Fatal(err)
	}
	want := reading("a", 0, 0).Device
	want.Metadata = iot.Metadata{Model: want.Metadata.Model, Firmware: want.Metadata.Firmware}
	if len(devices) != 2 || devices[0] != want || devices[1].ID != "b" {
		t.Errorf("got the devices %+v, want a and b as they were sent last: %+v", devices, want)
	}
	for _, test := range []struct {
		tenant iot.Tenant
		of     iot.DeviceType
		limit  int
		want   int
	}{{"", "", 10, 2}, {"", "", 1, 1}, {"acme", "", 10, 1}, {"", iot.Humidity, 10, 0}, {"", "none", 10, 0}} {
		if got, err := store.DevicesOf(t.Context(), test.tenant, test.of, test.limit); err != nil || len(got) != test.want {
			t.Errorf("%+v: got %+v, %v", test, got, err)
		}
	}
	got := scanned(t, store, devices, 5, 10, 100)
	lines := []string{"a 5 24 bad", "a 6 3 good", "a 7.000001 -0.5 good", "a 9 1 good", "b 9 21 good"}
	if !slices.Equal(got, lines) {
		t.Errorf("got %q, want %q: by device and time, from included, to excluded, without another type", got, lines)
	}
	if got := scanned(t, store, devices, 5, 10, 2); !slices.Equal(got, lines[:2]) {
		t.Errorf("got %q, want that it stops", got)
	}
	acme, err := store.DevicesOf(t.Context(), "acme", "", 1)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := scanned(t, store, append(acme, iot.Device{ID: "none"}), 0, 10, 100), []string{"acmea 5 9 good"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err = store.EachReading(ctx, devices, at(0), at(10), func(int, trial.Reading) bool { cancel(); return true })
	if err == nil && ctx.Err() == nil || err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("got %v after the client has gone", err)
	}
	if got := scanned(t, store, devices, 5, 10, 100); !slices.Equal(got, lines) {
		t.Errorf("got %q after a client has gone, want %q", got, lines)
	}
}

// BenchmarkTrial tries a rule beside another version over a day of a number of devices that send every ten seconds.
func BenchmarkTrial(b *testing.B, store Store, devices int) {
	const day, interval = 24 * time.Hour, 10 * time.Second
	described := make([]iot.Device, devices)
	for i := range described {
		described[i] = iot.Device{ID: iot.DeviceID(fmt.Sprintf("device_%04d", i)), Type: iot.Temperature, Unit: "°C"}
	}
	batch, offset := make([]archive.Reading, 0, devices*360), archive.Offset{}
	for at := range int(day / interval) {
		for i := range described {
			batch = append(batch, archive.Reading{
				Device: &described[i], Time: epoch.Add(time.Duration(at) * interval), Value: 20 + 5*math.Sin(float64(at)/500) + float64(at*i%97)/500,
			})
		}
		if len(batch) < cap(batch) && at < int(day/interval)-1 {
			continue
		}
		next := archive.Offset{Next: offset.Next + int64(len(batch))}
		move := archive.Move{Source: source(0), Old: offset, New: next, Appended: batch[len(batch)-1].Time}
		if err := store.Write(b.Context(), &archive.Batch{Readings: batch, Moves: []archive.Move{move}}); err != nil {
			b.Fatal(err)
		}
		batch, offset = batch[:0], next
	}
	catalog, err := iot.NewCatalog(iot.BuiltinTypes()...)
	if err != nil {
		b.Fatal(err)
	}
	for _, kind := range []iot.Condition{
		{Threshold: 25, Hysteresis: 0.5}, {Kind: iot.Average, Threshold: 25, Hysteresis: 0.5, Within: 10 * time.Minute},
	} {
		name := string(kind.Kind)
		if name == "" {
			name = "threshold"
		}
		b.Run(name, func(b *testing.B) {
			rule := iot.Rule{Name: "hot", Selector: iot.Selector{Type: iot.Temperature}, Condition: kind, Severity: iot.Warning}
			other := rule
			other.Threshold++
			var result *trial.Result
			b.ReportAllocs()
			began := used(b)
			for b.Loop() {
				t := trial.Trial{
					Rule: rule, Other: &other, Entry: func(iot.Identity) *iot.DeviceEntry { return nil }, Catalog: catalog,
					From: epoch, To: epoch.Add(day), Alerts: 100, Now: func() time.Time { return epoch }, // A busy machine ends nothing.
				}
				if result, err = t.Run(b.Context(), store); err != nil || result.Readings != int64(devices)*int64(day/interval) || result.Tried.Alerts == 0 {
					b.Fatal(result, err)
				}
			}
			b.ReportMetric(float64(used(b)-began)/float64(b.N)/float64(result.Readings), "cpu-ns/reading")
		})
	}
}

// used returns the processor time that this process has used.
func used(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
