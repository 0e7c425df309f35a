package simulate

import (
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"iotmon/internal/iot"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

func catalog(t testing.TB, more ...iot.TypeSpec) *iot.Catalog {
	t.Helper()
	c, err := iot.NewCatalog(append(iot.BuiltinTypes(), more...)...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// options returns those of the default fleet: 1,000 devices that send every 5 s.
func options(t testing.TB) Options {
	t.Helper()
	return Options{
		Catalog: catalog(t), Devices: 1000, Interval: 5 * time.Second, Seed: 1, Faults: DefaultFaultRates(), Start: noon,
	}
}

func newFleet(t testing.TB, o Options) *Fleet {
	t.Helper()
	f, err := NewFleet(o)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *Fleet) next(d time.Duration) []iot.Reading { return f.Due(f.Reached().Add(d), nil) }

func TestFirstReadingsAreGolden(t *testing.T) {
	o := options(t)
	o.Devices = 12
	var got strings.Builder
	for _, r := range newFleet(t, o).next(20 * time.Second) {
		device, err := json.Marshal(r.Device)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&got, "%s %v %s %s\n", r.Time.Format(time.RFC3339Nano), r.Value, r.Status, device)
	}
	path := filepath.Join("testdata", "first_readings.txt")
	if *update {
		if err := os.WriteFile(path, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("the stream of seed 1 changed (-update rewrites it): got\n%s\nwant\n%s", got.String(), want)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for want, spoil := range map[string]func(*Options){
		"catalog":   func(o *Options) { o.Catalog = nil },
		"devices:":  func(o *Options) { o.Devices = 0 },
		"interval:": func(o *Options) { o.Interval = time.Microsecond },
		"start:":    func(o *Options) { o.Start = time.Time{} },
		"faults:":   func(o *Options) { o.Faults.Drift = math.NaN() },
		"types:":    func(o *Options) { o.Types = []iot.DeviceType{"typo_sensor"} },
	} {
		o := options(t)
		spoil(&o)
		if _, err := NewFleet(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one that says %q", err, want)
		}
	}
}

// describe renders all fields of a reading, and the battery level that it points to.
func describe(r iot.Reading) string {
	return fmt.Sprintf("%v %v %v %v %v %v %v", r.ID, r.Type, r.Location, r.Time, r.Value, r.Status, *r.Metadata.BatteryLevel)
}

func TestADeviceDependsOnNeitherCountNorStartNorSteps(t *testing.T) {
	defaults := options(t)
	rapid.Check(t, func(t *rapid.T) {
		o := defaults
		o.Seed = rapid.Uint64().Draw(t, "seed")
		o.Devices = rapid.IntRange(1, 60).Draw(t, "devices")
		o.Faults.Offline, o.Faults.Stick = 20, 10
		small, err := NewFleet(o)
		if err != nil {
			t.Fatal(err)
		}
		want := make(map[string]bool)
		for _, r := range small.next(time.Minute) {
			want[describe(r)] = true
		}

		o.Devices += rapid.IntRange(0, 60).Draw(t, "more")
		o.Start = o.Start.Add(-time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "earlier")))
		large, err := NewFleet(o)
		if err != nil {
			t.Fatal(err)
		}
		large.Seek(noon)
		found := 0
		for end := noon.Add(time.Minute); large.Reached().Before(end); {
			until := large.Reached().Add(time.Duration(rapid.Int64Range(1000, int64(time.Minute)).Draw(t, "step")))
			if until.After(end) {
				until = end
			}
			for _, r := range large.Due(until, nil) {
				if want[describe(r)] {
					found++
				}
			}
		}
		if found != len(want) {
			t.Fatalf("got %d of the small fleet's readings from the large one, want all %d", found, len(want))
		}
	})
}

func TestEveryReadingIsAdmittedInOrderAndWithinBounds(t *testing.T) {
	more := []iot.TypeSpec{
		{Name: "vibration_sensor", Unit: "mm/s", Decimals: 3, Min: 0, Max: 49.9996},
		{Name: "gauge_sensor", Unit: "bar", Decimals: 2, Min: -1, Max: 1},
		{Name: "mode_sensor", Min: 0, Max: 3, States: []string{"off", "manual", "auto", "fault"}},
		{Name: "π", Unit: "x", Decimals: 6, Min: -math.MaxFloat64, Max: math.MaxFloat64},
	}
	c := catalog(t, more...)
	admission := iot.Admission{Catalog: c, Skew: time.Millisecond, Earliest: time.Unix(0, 0)}
	rapid.Check(t, func(t *rapid.T) {
		f, err := NewFleet(Options{
			Catalog:  c,
			Devices:  rapid.IntRange(1, 40).Draw(t, "devices"),
			Types:    rapid.SliceOf(rapid.SampledFrom(c.Types())).Draw(t, "types"),
			Interval: time.Duration(rapid.Int64Range(int64(time.Second), int64(time.Hour)).Draw(t, "interval")),
			Seed:     rapid.Uint64().Draw(t, "seed"),
			Faults:   FaultRates{Offline: 5, Drift: 1, Stick: 3, Spike: 1000, Excursion: 20},
			Start:    time.UnixMicro(rapid.Int64Range(0, 4e15).Draw(t, "start")),
		})
		if err != nil {
			t.Fatal(err)
		}
		newest := make(map[iot.DeviceID]time.Time)
		previous := f.Reached()
		for _, r := range f.next(40 * time.Duration(f.interval) * time.Microsecond) {
			was := r
			if err := admission.Admit(&r, r.Time); err != nil {
				t.Fatalf("reading %s: %v", describe(r), err)
			}
			if was != r || math.Signbit(was.Value) && was.Value == 0 {
				t.Fatalf("got %v, want the canonical %v", was, r)
			}
			if r.Time.Before(previous) || !r.Time.After(newest[r.ID]) || r.Time.After(f.Reached()) {
				t.Fatalf("reading %s: out of order", describe(r))
			}
			previous, newest[r.ID] = r.Time, r.Time
		}
	})
}

// If the range of a type is as wide as float64, the terms of a value could add up to infinity.
func TestTheWidestRangeHasNumbersOnly(t *testing.T) {
	wide := iot.TypeSpec{Name: "π", Unit: "x", Decimals: 6, Min: -math.MaxFloat64, Max: math.MaxFloat64}
	f, err := NewFleet(Options{
		Catalog: catalog(t, wide), Devices: 20, Types: []iot.DeviceType{wide.Name}, Interval: time.Second, Seed: 7,
		Faults: FaultRates{Offline: 5, Drift: 1, Stick: 3, Spike: 1000, Excursion: 20}, Start: time.UnixMicro(0),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range f.next(time.Hour) {
		if math.IsNaN(r.Value) || math.IsInf(r.Value, 0) {
			t.Fatalf("reading %s: not a finite number", describe(r))
		}
	}
}

func TestSendsAreSpreadEvenly(t *testing.T) {
	for _, devices := range []int{100, 300, 1000, 5000, 10_000} {
		o := options(t)
		o.Devices, o.Faults = devices, FaultRates{}
		slots := make(map[time.Time]int)
		for _, r := range newFleet(t, o).next(o.Interval) {
			slots[r.Time.Truncate(10*time.Millisecond)]++
		}
		most, total := 0, 0
		for _, n := range slots {
			most, total = max(most, n), total+n
		}
		even := float64(devices) / 500
		if total != devices || float64(most) > even+2 {
			t.Errorf("%d devices: got %d readings in an interval and at most %d in 10 ms, want %d and about %.1f",
				devices, total, most, devices, even)
		}
	}
}

func TestSeekCountsWhatItPasses(t *testing.T) {
	o := options(t)
	o.Faults = FaultRates{}
	walked, jumped := newFleet(t, o), newFleet(t, o)
	to := noon.Add(17*time.Second + 123456*time.Microsecond)
	if got, want := jumped.Seek(to), int64(len(walked.Due(to, nil))); got != want {
		t.Errorf("got %d readings passed over, want %d", got, want)
	}
	if got, want := describe(jumped.next(time.Second)[0]), describe(walked.next(time.Second)[0]); got != want {
		t.Errorf("after the jump got %s, want %s", got, want)
	}
	if got := jumped.Seek(noon); got != 0 || !jumped.Reached().Equal(noon) {
		t.Errorf("moving back: got %d passed over and at %v, want 0 and %v", got, jumped.Reached(), noon)
	}
}

func TestTypesAreDealtInTurnAndByWeight(t *testing.T) {
	o := options(t)
	o.Types = []iot.DeviceType{iot.Temperature, iot.Temperature, iot.Switch}
	o.Faults = FaultRates{}
	o.Devices = 300
	got := make(map[iot.DeviceType]int)
	for _, r := range newFleet(t, o).next(o.Interval) {
		got[r.Type]++
	}
	if got[iot.Temperature] != 200 || got[iot.Switch] != 100 {
		t.Errorf("got %v, want 200 temperature sensors and 100 switches", got)
	}
}

func TestAHundredThousandDevicesFitInMemory(t *testing.T) {
	o := options(t)
	o.Devices = 100_000
	buffer := make([]iot.Reading, 0, 25_000)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	goroutines := runtime.NumGoroutine()
	f := newFleet(t, o)
	buffer = f.Due(f.Reached().Add(time.Second), buffer[:0])
	runtime.GC()
	runtime.ReadMemStats(&after)
	if len(buffer) < 19_000 {
		t.Errorf("got %d readings in a second, want nearly 20,000", len(buffer))
	}
	if got := (after.HeapAlloc - before.HeapAlloc) >> 20; got > 50 {
		t.Errorf("got a fleet of %d MiB, want at most 50", got)
	}
	if got := runtime.NumGoroutine(); got != goroutines {
		t.Errorf("got %d goroutines, want the %d there were", got, goroutines)
	}
	if got := testing.AllocsPerRun(10, func() { buffer = f.Due(f.Reached().Add(time.Second), buffer[:0]) }); got != 0 {
		t.Errorf("got %v allocations a second, want none", got)
	}
	runtime.KeepAlive(f)
}

func BenchmarkDue(b *testing.B) {
	for _, devices := range []int{1000, 100_000} {
		b.Run(fmt.Sprint(devices), func(b *testing.B) {
			o := options(b)
			o.Devices = devices
			f := newFleet(b, o)
			step := o.Interval / time.Duration(devices/1000)
			buffer := make([]iot.Reading, 0, 2000)
			b.ReportAllocs()
			readings := 0
			for b.Loop() {
				buffer = f.Due(f.Reached().Add(step), buffer[:0])
				readings += len(buffer)
			}
			b.ReportMetric(float64(readings)/b.Elapsed().Seconds(), "readings/s")
		})
	}
}
