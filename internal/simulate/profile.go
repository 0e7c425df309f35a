package simulate

import "iotmon/internal/iot"

// profile says how the devices of one type behave. All but the baseline's four numbers are in units of the device's
// scale: 1, or the baseline itself where the profile is relative.
type profile struct {
	// baseline and spread are mean and deviation of the devices' baselines, which never leave [low, high].
	baseline, spread, low, high float64
	// relative makes a device that reads more also vary more, as a motor's current does.
	relative bool
	// daily is the largest amplitude of the daily cycle, wander that of the slow trend, noise the deviation of the
	// normally distributed noise.
	daily, wander, noise float64
	// drift is the furthest a sensor drifts off; spike is how far a single false reading lies away.
	drift, spike float64
	// An excursion takes the value to a level between peakLow and peakHigh.
	peakLow, peakHigh float64
	// floor is the least a device of this kind reads, within the type's own range.
	floor float64
	// states is the number of discrete values; 0 for a measurement. Nothing above applies to a discrete type.
	states int
	// round is 10 to the power of the type's decimals.
	round float64
	spec  *iot.TypeSpec
}

// measured holds the profiles of the built-in measurements. Undisturbed values stay clear of the documented thresholds
// (28 °C, 80 %, 1050 hPa) and excursions pass them, so an alert means that something happened.
func measured(t iot.DeviceType) (profile, bool) {
	switch t {
	case iot.Temperature:
		return profile{
			baseline: 23.6, spread: 1.2, low: 20, high: 25.4, daily: 0.8, wander: 0.5, noise: 0.15,
			drift: 3, spike: 6, peakLow: 28.4, peakHigh: 32, floor: -40,
		}, true
	case iot.Humidity:
		return profile{
			baseline: 52, spread: 7, low: 35, high: 66, daily: 4, wander: 3, noise: 0.5,
			drift: 8, spike: 25, peakLow: 81.5, peakHigh: 92,
		}, true
	case iot.Pressure:
		return profile{
			baseline: 1013, spread: 5, low: 1000, high: 1026, daily: 1.2, wander: 6, noise: 0.4,
			drift: 12, spike: 40, peakLow: 1052, peakHigh: 1065,
		}, true
	case iot.Current:
		return profile{
			baseline: 12, spread: 6, low: 2, high: 30, relative: true, daily: 0.15, wander: 0.05, noise: 0.02,
			drift: 0.2, spike: 1, peakLow: 1.4, peakHigh: 1.9,
		}, true
	}
	return profile{}, false
}

// profileOf returns the profile of a type: made by hand for the built-in measurements, otherwise derived from the type's
// states or from its range, of which the devices use the middle.
func profileOf(spec *iot.TypeSpec) *profile {
	p, ok := measured(spec.Name)
	if !ok {
		// Halving first keeps the widest of ranges finite.
		middle, half := spec.Min/2+spec.Max/2, spec.Max/2-spec.Min/2
		p = profile{
			baseline: middle, spread: 0.12 * half, low: middle - 0.3*half, high: middle + 0.3*half,
			daily: 0.04 * half, wander: 0.04 * half, noise: 0.008 * half,
			drift: 0.16 * half, spike: 0.4 * half, peakLow: middle + 0.6*half, peakHigh: middle + 0.8*half, floor: spec.Min,
		}
	}
	p.states = len(spec.States)
	p.round = 1
	for range spec.Decimals {
		p.round *= 10
	}
	p.spec = spec
	return &p
}
