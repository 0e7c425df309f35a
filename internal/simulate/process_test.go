package simulate

import (
	"math"
	"testing"
	"time"

	"iotmon/internal/iot"
)

// moments sums up numbers of which only mean and deviation matter.
type moments struct{ n, sum, squares float64 }

func (m *moments) add(x float64) { m.n, m.sum, m.squares = m.n+1, m.sum+x, m.squares+x*x }

func (m *moments) mean() float64 { return m.sum / m.n }

func (m *moments) deviation() float64 { return math.Sqrt(m.squares/m.n - m.mean()*m.mean()) }

func TestNoiseIsNormal(t *testing.T) {
	var all moments
	within := 0
	const n = 200_000
	for i := range int64(n) {
		x := deviceKey(7, 1).normal(streamNoise, i)
		all.add(x)
		if math.Abs(x) < 1 {
			within++
		}
	}
	if math.Abs(all.mean()) > 0.01 || math.Abs(all.deviation()-1) > 0.01 {
		t.Errorf("got mean %.4f and deviation %.4f, want 0 and 1", all.mean(), all.deviation())
	}
	if share := float64(within) / n; math.Abs(share-0.6827) > 0.005 {
		t.Errorf("got %.4f within one deviation, want 0.6827", share)
	}
}

func TestValuesFollowTheProfile(t *testing.T) {
	o := options(t)
	o.Devices, o.Interval, o.Faults = 2000, 40*time.Minute, FaultRates{}
	byType := make(map[iot.DeviceType]*moments)
	for _, r := range newFleet(t, o).next(48 * time.Hour) {
		m := byType[r.Type]
		if m == nil {
			m = new(moments)
			byType[r.Type] = m
		}
		m.add(r.Value)
	}
	for _, want := range []struct {
		t                    iot.DeviceType
		mean, low, high, off float64
	}{
		{iot.Temperature, 23.5, 1.0, 1.6, 0.2},
		{iot.Humidity, 52, 6, 8.5, 1},
		{iot.Pressure, 1013, 4.5, 8, 1},
		{iot.Current, 12.5, 4.5, 7, 1},
		{iot.Switch, 0.5, 0.49, 0.51, 0.02},
	} {
		m := byType[want.t]
		if math.Abs(m.mean()-want.mean) > want.off || m.deviation() < want.low || m.deviation() > want.high {
			t.Errorf("%s: got mean %.2f and deviation %.2f, want %v±%v and %v to %v",
				want.t, m.mean(), m.deviation(), want.mean, want.off, want.low, want.high)
		}
	}
}

func TestDaysAreWarmerThanNights(t *testing.T) {
	o := options(t)
	o.Types, o.Interval, o.Faults = []iot.DeviceType{iot.Temperature}, time.Hour, FaultRates{}
	o.Start = noon.Truncate(24 * time.Hour)
	var byHour [24]moments
	for _, r := range newFleet(t, o).next(24 * time.Hour) {
		byHour[r.Time.Hour()].add(r.Value)
	}
	if day, night := byHour[peakHour].mean(), byHour[(peakHour+12)%24].mean(); day-night < 0.8 {
		t.Errorf("got %.2f °C in the afternoon and %.2f °C at night, want a difference of about 1.2", day, night)
	}
}

func TestFaultsOccurAtTheirRates(t *testing.T) {
	for name, kind := range map[string]struct {
		rates FaultRates
		of    func(*episodes) *episode
		// share is rate × mean length.
		share float64
	}{
		"offline":   {FaultRates{Offline: 6}, func(e *episodes) *episode { return &e.offline }, 6 * 8.0 / 1440},
		"drift":     {FaultRates{Drift: 0.5}, func(e *episodes) *episode { return &e.drift }, 0.5 * 180 / 1440},
		"stick":     {FaultRates{Stick: 3}, func(e *episodes) *episode { return &e.stick }, 3 * 25.0 / 1440},
		"excursion": {FaultRates{Excursion: 6}, func(e *episodes) *episode { return &e.excursion }, 6 * 10.0 / 1440},
	} {
		faults := newEpisodes(kind.rates)
		var during, asked float64
		for number := range 500 {
			for micros := int64(0); micros < 4*24*3600*1e6; micros += 600 * 1e6 {
				asked++
				if s, ok := kind.of(&faults).during(deviceKey(3, number), micros); ok {
					during++
					if micros < s.start || micros >= s.start+s.length {
						t.Fatalf("%s: moment %d got the spell %+v, want one around it", name, micros, s)
					}
				}
			}
		}
		if got := during / asked; math.Abs(got-kind.share) > 0.07*kind.share {
			t.Errorf("%s: got %.4f of the time, want %.4f", name, got, kind.share)
		}
	}
}

func TestSpikesOccurAtTheirRate(t *testing.T) {
	o := options(t)
	o.Devices, o.Interval = 300, 10*time.Second
	o.Types, o.Faults = []iot.DeviceType{iot.Temperature}, FaultRates{}
	quiet := newFleet(t, o).next(time.Hour)
	o.Faults.Spike = 48
	spiky := newFleet(t, o).next(time.Hour)
	got := 0
	for i := range quiet {
		if math.Abs(quiet[i].Value-spiky[i].Value) > 5 {
			got++
		}
	}
	if want := 600; math.Abs(float64(got-want)) > 80 {
		t.Errorf("got %d spikes in 300 device hours at 48 a day, want about %d", got, want)
	}
}

func TestAStuckSensorRepeatsItself(t *testing.T) {
	o := options(t)
	o.Types, o.Faults = []iot.DeviceType{iot.Temperature}, FaultRates{Stick: 12}
	f := newFleet(t, o)
	stuck := make(map[iot.DeviceID]map[float64]bool)
	for _, r := range f.next(30 * time.Second) {
		if stuck[r.ID] == nil {
			stuck[r.ID] = make(map[float64]bool)
		}
		stuck[r.ID][r.Value] = true
	}
	checked := 0
	for i := range f.devices {
		d := &f.devices[i]
		first, ok := f.faults.stick.during(d.key, noon.UnixMicro())
		if ok && first.start+first.length > f.reached {
			checked++
			if len(stuck[d.ID]) != 1 {
				t.Errorf("stuck %s: got values %v, want a single one", d.ID, stuck[d.ID])
			}
		}
	}
	if checked < 50 {
		t.Errorf("got %d stuck devices of 1,000, want about 200", checked)
	}
}

func TestBatteriesDrainAndAreChanged(t *testing.T) {
	o := options(t)
	f := newFleet(t, o)
	const hour = 3600 * 1e6
	d := &f.devices[0]
	drops, changes := 0, 0
	level := d.battery(0)
	for micros := int64(0); micros < 500*24*hour; micros += hour {
		switch now := d.battery(micros); {
		case now == level-1:
			drops++
			level = now
		case now == 100 && level < 10:
			changes++
			level = now
		case now != level:
			t.Fatalf("got a step from %d to %d", level, now)
		}
	}
	if drops < 90 || changes < 1 {
		t.Errorf("got %d drops by a percent and %d changes in 500 days, want at least 90 and 1", drops, changes)
	}
}

// watch sees the fleet through the documented thresholds.
type watch struct {
	high              map[iot.DeviceID]bool
	seen              map[iot.DeviceID]time.Time
	raised, announced int
}

func (w *watch) check(readings []iot.Reading) {
	thresholds := map[iot.DeviceType]float64{iot.Temperature: 28, iot.Humidity: 80, iot.Pressure: 1050}
	for _, r := range readings {
		w.seen[r.ID] = r.Time
		if r.Status == iot.Offline {
			w.announced++
		}
		threshold, watched := thresholds[r.Type]
		switch {
		case watched && r.Value > threshold && !w.high[r.ID]:
			w.high[r.ID] = true
			w.raised++
		case watched && r.Value < threshold*0.99:
			delete(w.high, r.ID)
		}
	}
}

// silent counts the devices that have sent nothing for longer than d.
func (w *watch) silent(now time.Time, d time.Duration) (n int) {
	for _, at := range w.seen {
		if now.Sub(at) > d {
			n++
		}
	}
	return n
}

func TestThePlantIsBelievable(t *testing.T) {
	o := options(t)
	o.Start = noon.Add(-time.Minute)
	f := newFleet(t, o)
	w := watch{high: make(map[iot.DeviceID]bool), seen: make(map[iot.DeviceID]time.Time)}
	w.check(f.next(time.Minute))
	var open, offline moments
	for f.Reached().Before(noon.Add(time.Hour)) {
		w.check(f.next(o.Interval))
		open.add(float64(len(w.high)))
		offline.add(float64(w.silent(f.Reached(), 3*o.Interval)))
	}
	if open.mean() < 5 || open.mean() > 12 || open.deviation() > 5 {
		t.Errorf("got %.1f±%.1f open alerts, want 3 to 15", open.mean(), open.deviation())
	}
	if perMinute := float64(w.raised) / 61; perMinute < 0.5 || perMinute > 2 {
		t.Errorf("got %.2f alerts a minute, want about 1", perMinute)
	}
	if offline.mean() < 10 || offline.mean() > 20 {
		t.Errorf("got %.1f devices offline of 1,000, want 10 to 20", offline.mean())
	}
	if w.announced < 20 || w.announced > 50 {
		t.Errorf("got %d announced shutdowns in an hour, want about 33", w.announced)
	}
}
