package simulate

import (
	"math"
	"time"
)

// FaultRates are the expected numbers of faults per device and day. Zero means never. A rate beyond one episode per slot
// (see episode) is limited to that.
type FaultRates struct {
	// Offline: the device falls silent for 2 to 14 minutes; in three of ten cases it announces it with status offline. With
	// an interval of minutes too few readings may be missing to be noticed.
	Offline float64
	// Drift: the sensor's error grows for 1 to 5 hours, then it is recalibrated.
	Drift float64
	// Stick: the sensor repeats one value for 10 to 40 minutes.
	Stick float64
	// Spike: a single reading is far off.
	Spike float64
	// Excursion: the plant itself leaves its bounds for 4 to 16 minutes. These are what the thresholds are for.
	Excursion float64
}

// DefaultFaultRates returns the rates of a believable plant: of 1,000 devices of the built-in types about 15 are offline
// and a handful beyond a documented threshold at any time, and about every minute one joins or leaves.
func DefaultFaultRates() FaultRates {
	return FaultRates{Offline: 2.7, Drift: 0.05, Stick: 0.2, Spike: 0.5, Excursion: 2.4}
}

// episode is a kind of fault that lasts. Time is cut into slots, shifted for each device so that the fleet's slots never
// begin together; a slot holds one episode, whole, or none.
type episode struct {
	stream stream
	// slot, shortest and longest are in µs; chance is the probability that a slot holds an episode.
	slot, shortest, longest int64
	chance                  float64
}

// episodes holds the kinds of fault that last.
type episodes struct {
	offline, drift, stick, excursion episode
	// spikes is how many spikes a µs of a device's time holds on average.
	spikes float64
}

func newEpisodes(rates FaultRates) episodes {
	kind := func(s stream, perDay float64, slot, shortest, longest time.Duration) episode {
		return episode{
			stream: s, slot: slot.Microseconds(), shortest: shortest.Microseconds(), longest: longest.Microseconds(),
			chance: perDay * slot.Hours() / 24,
		}
	}
	const minute, hour = time.Minute, time.Hour
	return episodes{
		offline:   kind(streamOffline, rates.Offline, hour, 2*minute, 14*minute),
		drift:     kind(streamDrift, rates.Drift, 12*hour, hour, 5*hour),
		stick:     kind(streamStick, rates.Stick, 2*hour, 10*minute, 40*minute),
		excursion: kind(streamExcursion, rates.Excursion, hour, 4*minute, 16*minute),
		spikes:    rates.Spike / float64((24 * hour).Microseconds()),
	}
}

// spell is an episode that is going on.
type spell struct {
	start, length int64
	// bits are random and stay the same throughout the spell.
	bits uint64
}

// during returns the device's episode of this kind at a moment, if there is one.
func (e *episode) during(k key, micros int64) (spell, bool) {
	if e.chance <= 0 {
		return spell{}, false
	}
	shifted := micros + int64(k.at(e.stream, -1)>>1)%e.slot
	slot := shifted / e.slot
	bits := k.at(e.stream, slot)
	if unit(bits) >= e.chance {
		return spell{}, false
	}
	bits = mix(bits)
	length := e.shortest + int64(unit(bits)*float64(e.longest-e.shortest))
	bits = mix(bits)
	start := int64(unit(bits) * float64(e.slot-length))
	inside := shifted - slot*e.slot
	return spell{start: micros - inside + start, length: length, bits: mix(bits)}, inside >= start && inside < start+length
}

// value returns what the device's sensor shows at a moment, in the type's unit, rounded to its decimals and within its
// range. The tick counts the device's readings and selects its noise.
func (d *device) value(faults *episodes, micros, tick, interval int64) float64 {
	p := d.profile
	at := micros
	stuck, isStuck := faults.stick.during(d.key, micros)
	if isStuck {
		at, tick = stuck.start, -stuck.start
	}
	if p.states > 0 {
		return d.state(faults, at, tick, interval)
	}
	v := d.undisturbed(at)
	if e, ok := faults.excursion.during(d.key, at); ok {
		peak := d.scale * (p.peakLow + (p.peakHigh-p.peakLow)*unit(e.bits))
		v += (peak - v) * e.plateau(at)
	}
	v += d.scale * p.noise * d.key.normal(streamNoise, tick)
	if e, ok := faults.drift.during(d.key, at); ok {
		v += d.scale * p.drift * (2*unit(e.bits) - 1) * float64(at-e.start) / float64(e.length)
	}
	if !isStuck && d.spikes(faults, tick, interval) {
		v += d.scale * p.spike * sign(d.key.at(streamSpike, -tick))
	}
	// Adding 0 makes -0 a 0.
	v = math.Round(v*p.round)/p.round + 0
	if math.IsNaN(v) {
		v = p.spec.Min // Infinities met: only in a range that is about as wide as float64 itself.
	}
	return min(max(v, p.floor, p.spec.Min), p.spec.Max)
}

// undisturbed is the value before noise and faults: baseline, daily cycle and slow trend.
func (d *device) undisturbed(micros int64) float64 {
	const day = 24 * 60 * 60 * 1_000_000
	angle := 2*math.Pi*float64(micros%day)/day - d.peak
	trend := 0.7*d.slow.at(micros) + 0.3*d.fast.at(micros)
	return d.baseline + d.daily*math.Cos(angle) + d.scale*d.profile.wander*trend
}

// state is what a discrete device shows: a state kept for a while, then another draw.
func (d *device) state(faults *episodes, micros, tick, interval int64) float64 {
	p := d.profile
	state := d.key.at(streamState, micros/d.dwell) % uint64(p.states)
	if d.spikes(faults, tick, interval) {
		state = (state + 1) % uint64(p.states)
	}
	return min(max(float64(state), p.spec.Min), p.spec.Max)
}

// spikes reports whether this one reading is far off.
func (d *device) spikes(faults *episodes, tick, interval int64) bool {
	return faults.spikes > 0 && d.key.unit(streamSpike, tick) < faults.spikes*float64(interval)
}

// plateau is the course of a spell: a steep rise to 1 over the first sixth, a stay, a steep fall over the last sixth.
func (s *spell) plateau(micros int64) float64 {
	passed := float64(micros-s.start) / float64(s.length)
	return min(1, 6*passed, 6*(1-passed))
}

// announces reports whether the device announces the silence that the spell is with a last reading.
func (s *spell) announces() bool { return unit(s.bits) < 0.3 }

// battery is the device's battery level in percent. It falls from 100 to 5, then somebody changes the battery.
func (d *device) battery(micros int64) int {
	age := (micros + d.batteryAge) % d.batteryLife
	return 100 - int(95*age/d.batteryLife)
}

// sign maps random bits to -1 or 1.
func sign(bits uint64) float64 {
	if bits&1 == 0 {
		return -1
	}
	return 1
}
