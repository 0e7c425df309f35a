package bench

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/retry"
)

// Log accepts readings, as a producer does.
type Log interface {
	// Enqueue sends readings, and blocks while too many are unacknowledged.
	Enqueue(ctx context.Context, readings []iot.Reading) error
	// Flush returns when all of them have been acknowledged or refused.
	Flush(ctx context.Context) error
}

const (
	// readingsAtOnce is how many readings are sent at once at the maximum rate.
	readingsAtOnce = 2_000
	// pace is how often readings are sent at a given rate.
	pace = 5 * time.Millisecond
	// ahead is how many readings may be sent and not yet reported as processed: more would only wait in the log. The
	// processor reports twice a second.
	ahead = 1_000_000
	// violators is the share of temperature sensors that violate a rule now and then: one in so many.
	violators = 50
	// excursion is how long they do, and how long they do not.
	excursion = 3 * time.Second
)

// Load sends the readings of a fleet, at a given rate or as fast as the log accepts them.
type Load struct {
	// Rate is in readings a second, all devices together; 0 for as many as possible.
	Rate int
	// Truth records every reading.
	Truth *Truth
	// Processed is the number of processed readings.
	Processed *atomic.Int64
	// Registered is how many devices, the first ones, have the entries that Entry returns.
	Registered int

	devices []iot.Reading
	next    int
	last    time.Time
	batch   []iot.Reading
	sent    atomic.Int64
}

// NewLoad returns a load of so many devices, with the built-in types in turn.
func NewLoad(devices int) *Load {
	l := &Load{devices: make([]iot.Reading, devices)}
	types := iot.BuiltinTypes()
	for i := range l.devices {
		spec := types[i%len(types)]
		level := float64(40 + i%60)
		l.devices[i] = iot.Reading{
			Device: iot.Device{
				ID:   iot.DeviceID(fmt.Sprintf("device_%06d", i+1)),
				Type: spec.Name,
				Unit: spec.Unit,
				Location: iot.Location{
					Building: string(rune('A'+i%8)) + "栋", Floor: 1 + i/8%5, Room: fmt.Sprint(100*(1+i/8%5) + i%20),
				},
				Metadata: iot.Metadata{Model: "IOT-BENCH-V1", Firmware: "1.0.0", BatteryLevel: &level},
			},
			Status: iot.Online,
		}
	}
	return l
}

// registeredAreas is how the areas of registered devices begin. No location of a device does.
const registeredAreas = "plant "

// Device returns the device with an index.
func (l *Load) Device(i int) iot.Device { return l.devices[i].Device }

// Entry returns the registry entry of a device, by its index: as much as an entry of a plant has. Its own limits differ from those of the rules,
// and the same readings violate them.
func (l *Load) Entry(i int) (iot.DeviceID, iot.DeviceEntry) {
	return l.devices[i].ID, iot.DeviceEntry{
		Version: 1, Name: fmt.Sprint("Machine ", i+1), Area: iot.Area(fmt.Sprint(registeredAreas, i%8, "/hall ", i%40, "/line ", i%200)),
		Labels: map[string]string{"line": fmt.Sprint("line ", i%200), "vendor": fmt.Sprint("vendor ", i%7)},
		Limits: map[string]float64{"temperature_high": 28.25, "temperature_critical": 36},
	}
}

// Sent returns how many readings have been sent.
func (l *Load) Sent() int64 { return l.sent.Load() }

// Run sends until ctx ends.
func (l *Load) Run(ctx context.Context, log Log) error {
	begun := time.Now()
	due := int64(0)
	for ctx.Err() == nil {
		size := readingsAtOnce
		if l.Rate > 0 {
			due = int64(time.Since(begun).Seconds() * float64(l.Rate))
			size = int(min(due-l.Sent(), 10*readingsAtOnce))
		}
		if size <= 0 || l.Sent()-l.Processed.Load() > ahead {
			_ = retry.Wait(ctx, pace)
			continue
		}
		first := l.next
		l.fill(size)
		// A batch is sent as a whole, because a partial one could not be verified.
		if err := log.Enqueue(context.WithoutCancel(ctx), l.batch); err != nil {
			return fmt.Errorf("send readings: %w", err)
		}
		l.Truth.add(l.batch)
		if l.Registered > 0 {
			l.Truth.addRegistered(l.batch, func(i int) bool { return (first+i)%len(l.devices) < l.Registered })
		}
		l.sent.Add(int64(size))
	}
	return nil
}

// fill sets the batch to the next size readings of the fleet, all with the present time. If a device would repeat a
// timestamp, it is moved by a microsecond, because two readings with the same device and time count as one.
func (l *Load) fill(size int) {
	now := iot.CutTime(time.Now())
	rounds := time.Duration(size/len(l.devices) + 1)
	if !now.After(l.last) {
		now = l.last
	}
	l.last = now.Add(rounds * time.Microsecond)
	l.batch = l.batch[:0]
	for i := range size {
		device := &l.devices[l.next]
		reading := *device
		reading.Time = now.Add(time.Duration(i/len(l.devices)) * time.Microsecond)
		reading.Value = l.value(l.next, device.Type, reading.Time)
		l.batch = append(l.batch, reading)
		if l.next++; l.next == len(l.devices) {
			l.next = 0
		}
	}
}

// value returns a device's value, which violates a rule only for some devices and times.
func (l *Load) value(device int, kind iot.DeviceType, at time.Time) float64 {
	tenth := float64((at.UnixMicro()/1000 + int64(device)*7) % 50)
	switch kind {
	case iot.Temperature:
		if device/5%violators == 0 && at.UnixNano()/int64(excursion)%2 == 0 {
			return 29 + tenth/100
		}
		return 20 + tenth/10
	case iot.Humidity:
		return 45 + tenth/10
	case iot.Pressure:
		return 1010 + tenth/100
	case iot.Current:
		return 8 + tenth/100
	default:
		return float64(int64(tenth) % 2)
	}
}
