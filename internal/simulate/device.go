package simulate

import (
	"fmt"
	"math"
	"strings"
	"time"

	"iotmon/internal/iot"
)

// device is one simulated device: its identity and the constants of its process. It does not change after newDevice.
type device struct {
	iot.Device
	key     key
	profile *profile
	// phase is when in each interval the device sends, in µs.
	phase int64
	// scale is what the profile's amplitudes are multiplied by.
	scale, baseline float64
	// daily is the amplitude of the daily cycle, peak the moment of its maximum as an angle.
	daily, peak float64
	// slow and fast are the two waves that make the trend.
	slow, fast wave
	// dwell is how long a discrete device keeps a state, in µs.
	dwell int64
	// batteryLife is how long a battery lasts, in µs; batteryAge how old the first one was in 1970.
	batteryLife, batteryAge int64
}

// wave is a sine with an amplitude of 1.
type wave struct{ perMicro, shift float64 }

func (w wave) at(micros int64) float64 { return math.Sin(float64(micros)*w.perMicro + w.shift) }

const (
	// roomDevices is how many devices with successive numbers share a room.
	roomDevices = 5
	// buildings, floors and rooms are the size of the plant: A栋 to H栋, rooms 101 to 520.
	buildings, floors, rooms = 8, 5, 20
	// peakHour is when the daily cycle is highest on average, in UTC: mid-afternoon in the time zone of China.
	peakHour = 7
)

var firmwares = [...]string{"1.0.4", "1.1.0", "1.2.3", "1.2.3", "1.2.3", "1.3.1", "2.0.0"}

// newDevice returns the device with the given number, counted from 1.
func newDevice(seed uint64, number int, p *profile, interval time.Duration) device {
	k := deviceKey(seed, number)
	d := device{
		Device: iot.Device{
			ID:       iot.DeviceID(fmt.Sprintf("device_%03d", number)),
			Type:     p.spec.Name,
			Unit:     p.spec.Unit,
			Location: locationOf(seed, number),
			Metadata: iot.Metadata{
				Model:    modelOf(p.spec.Name, k),
				Firmware: firmwares[k.at(streamIdentity, 0)%uint64(len(firmwares))],
			},
		},
		key:     k,
		profile: p,
		phase:   phaseOf(number, interval),
		scale:   1,
	}
	d.setProcess()
	return d
}

// setProcess draws the constants of the device's process.
func (d *device) setProcess() {
	const day, hour, minute = 24 * time.Hour, time.Hour, time.Minute
	draw := func(n int64, low, high float64) float64 { return d.key.between(streamProcess, n, low, high) }
	duration := func(n int64, low, high time.Duration) float64 {
		return draw(n, float64(low.Microseconds()), float64(high.Microseconds()))
	}
	p := d.profile
	d.baseline = min(max(p.baseline+p.spread*d.key.normal(streamProcess, 0), p.low), p.high)
	if p.relative {
		d.scale = d.baseline
	}
	d.daily = d.scale * p.daily * draw(1, 0.5, 1)
	d.peak = 2 * math.Pi * (peakHour + draw(2, -2, 2)) / 24
	d.slow = wave{perMicro: 2 * math.Pi / duration(3, 20*hour, 60*hour), shift: draw(4, 0, 2*math.Pi)}
	d.fast = wave{perMicro: 2 * math.Pi / duration(5, 40*minute, 150*minute), shift: draw(6, 0, 2*math.Pi)}
	d.dwell = int64(duration(7, 2*minute, 20*minute))
	d.batteryLife = int64(duration(8, 60*day, 400*day))
	d.batteryAge = int64(draw(9, 0, float64(d.batteryLife)))
}

// phaseOf spreads the devices over the interval by the golden ratio: successive numbers fall into the largest gaps left
// (the three-gap theorem), so any count is spread evenly and no device's phase depends on it.
func phaseOf(number int, interval time.Duration) int64 {
	_, fraction := math.Modf(float64(number) * (math.Phi - 1))
	return int64(fraction * float64(interval.Microseconds()))
}

// locationOf puts a room's worth of successive devices into one room of the plant.
func locationOf(seed uint64, number int) iot.Location {
	bits := deviceKey(seed, (number-1)/roomDevices).at(streamRoom, 0)
	floor := 1 + int(bits>>8%floors)
	room := 1 + int(bits>>16%rooms)
	return iot.Location{
		Building: string(rune('A'+bits%buildings)) + "栋",
		Floor:    floor,
		Room:     fmt.Sprintf("%d%02d", floor, room),
	}
}

// modelOf names the hardware after the first letters of the type: IOT-TEMP-V2 for a temperature_sensor.
func modelOf(t iot.DeviceType, k key) string {
	letters := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, strings.ToLower(string(t)))
	if letters == "" {
		letters = "unit"
	}
	return fmt.Sprintf("IOT-%s-V%d", strings.ToUpper(letters[:min(4, len(letters))]), 1+k.at(streamIdentity, 1)%3)
}
