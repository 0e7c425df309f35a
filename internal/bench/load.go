package bench

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/retry"
)

// Log takes readings in, as a producer does.
type Log interface {
	// Enqueue hands readings over, and waits while too many are on their way.
	Enqueue(ctx context.Context, readings []iot.Reading) error
	// Flush returns when all of them have been acknowledged or refused.
	Flush(ctx context.Context) error
}

const (
	// chunk is how many readings are handed over at once when they are to be as many as possible.
	chunk = 2_000
	// pace is how often readings are handed over when their rate is given.
	pace = 5 * time.Millisecond
	// ahead is how many readings may be in the log and not known to be processed: more would only wait there. The processor
	// tells twice a second.
	ahead = 1_000_000
	// violators is which devices violate a rule now and then: one of so many temperature sensors.
	violators = 50
	// excursion is how long they do, and how long they do not.
	excursion = 3 * time.Second
)

// Load is a fleet of devices that say what they are to, at a given rate or as much as the log takes.
type Load struct {
	// Rate is in readings a second, all devices together; 0 for as many as possible.
	Rate int
	// Truth is told of every reading.
	Truth *Truth
	// Processed counts what has come out at the other end.
	Processed *atomic.Int64

	devices []iot.Reading
	next    int
	last    time.Time
	batch   []iot.Reading
	sent    atomic.Int64
}

// NewLoad returns a fleet of so many devices, the built-in types in turn.
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

// Sent returns how many readings have been handed over.
func (l *Load) Sent() int64 { return l.sent.Load() }

// Run sends until ctx ends.
func (l *Load) Run(ctx context.Context, log Log) error {
	begun := time.Now()
	due := int64(0)
	for ctx.Err() == nil {
		size := chunk
		if l.Rate > 0 {
			due = int64(time.Since(begun).Seconds() * float64(l.Rate))
			size = int(min(due-l.Sent(), 10*chunk))
		}
		if size <= 0 || l.Sent()-l.Processed.Load() > ahead {
			_ = retry.Wait(ctx, pace)
			continue
		}
		l.fill(size)
		// A batch is handed over whole, or nobody could say what of it counts.
		if err := log.Enqueue(context.WithoutCancel(ctx), l.batch); err != nil {
			return fmt.Errorf("send readings: %w", err)
		}
		l.Truth.add(l.batch)
		l.sent.Add(int64(size))
	}
	return nil
}

// fill makes the batch the next readings of the fleet, all of this moment. A device that comes more than once in it, or again
// within a microsecond, says it a microsecond later: two readings of one device at one time are one.
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

// value returns what a device measures: within the bounds of its rules, but for some.
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
