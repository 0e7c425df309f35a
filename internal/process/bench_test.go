package process_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/process"
	"iotmon/internal/wire"
)

// fleetLog makes the records of devices that send every five seconds, evenly, batch after batch.
type fleetLog struct {
	devices int
	sent    int64
	records []process.Record
	text    []byte
}

// next returns the next records; they hold until the next call.
func (l *fleetLog) next(n int) []process.Record {
	l.records, l.text = l.records[:0], l.text[:0]
	ends := make([]int, n)
	for i := range n {
		number := int(l.sent+int64(i)) % l.devices
		l.text = wire.AppendReading(l.text, &iot.Reading{
			Device: iot.Device{
				ID: iot.DeviceID(fmt.Sprintf("device_%05d", number)), Type: iot.Temperature, Unit: "°C",
				Location: iot.Location{Building: "A栋", Floor: 1 + number%9, Room: fmt.Sprint(101 + number%40)},
				Metadata: iot.Metadata{Model: "IOT-TEMP-V2", Firmware: "1.2.3"},
			},
			Time: l.at(i), Value: 20 + float64((l.sent+int64(i))%70)/10, Status: iot.Online,
		})
		ends[i] = len(l.text)
	}
	start := 0
	for i, end := range ends {
		value := l.text[start:end:end]
		key := value[len(`{"device_id":"`):][:len("device_00000")]
		l.records = append(l.records, process.Record{Offset: l.sent + int64(i), Appended: l.at(i), Key: key, Value: value})
		start = end
	}
	l.sent += int64(n)
	return l.records
}

func (l *fleetLog) at(i int) time.Time {
	return epoch.Add(time.Duration(l.sent+int64(i)) * 5 * time.Second / time.Duration(l.devices)).Truncate(time.Microsecond)
}

// ignored accepts everything and keeps nothing.
type ignored struct{}

func (ignored) Summary(*iot.WindowSummary)          {}
func (ignored) Alert(*iot.Alert)                    {}
func (ignored) Areas(*iot.DeviceAreas)              {}
func (ignored) State(*iot.DeviceState)              {}
func (ignored) Forget(iot.Identity, iot.Position)   {}
func (ignored) Reject(*process.Reject)              {}
func (ignored) InForce(_, _ []byte, _ iot.Position) {}

const benchBatch = 2000

// BenchmarkProcess processes fetched records: decoding, admission, duplicates, window, alerts, device state. States and windows
// are published twice for every 2,000 readings, to an Output that ignores them.
func BenchmarkProcess(b *testing.B) {
	for _, devices := range []int{1000, 10_000, 100_000} {
		b.Run(fmt.Sprintf("devices=%d", devices), func(b *testing.B) {
			log, p := warm(b, devices)
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				records := log.next(benchBatch)
				b.StartTimer()
				step(p, records)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchBatch, "ns/reading")
		})
	}
}

// warm returns a partition that knows its devices and has closed windows.
func warm(t fatal, devices int) (*fleetLog, *process.Partition) {
	log, p := &fleetLog{devices: devices}, process.New(options(t), 0, process.Checkpoint{}, false)
	for log.sent < int64(devices)*15 {
		step(p, log.next(benchBatch))
	}
	return log, p
}

func step(p *process.Partition, records []process.Record) {
	half := len(records) / 2
	for _, part := range [][]process.Record{records[:half], records[half:]} {
		p.Process(part, ignored{})
		p.PublishStates(ignored{})
		p.PublishWindows(ignored{})
	}
}

// TestReadingsAreNotAllocatedFor counts the allocations from the fetched record to the window, over whole windows, opening and
// closing included.
func TestReadingsAreNotAllocatedFor(t *testing.T) {
	log, p := warm(t, 1000)
	const batches = 12 // Two minutes.
	all := make([][]process.Record, batches+1)
	for i := range all {
		all[i] = append(all[i], log.next(benchBatch)...)
		for k := range all[i] {
			all[i][k].Key, all[i][k].Value = bytes.Clone(all[i][k].Key), bytes.Clone(all[i][k].Value)
		}
	}
	next := 0
	allocations := testing.AllocsPerRun(batches, func() {
		step(p, all[next])
		next++
	})
	if perReading := allocations / benchBatch; perReading > 0.01 {
		t.Errorf("got %.3f allocations for a reading (%v for %d), want none but for what a window takes", perReading, allocations, benchBatch)
	}
}
