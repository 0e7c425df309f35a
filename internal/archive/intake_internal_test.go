package archive

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

func TestMemoryOfALargeBatchIsNotKept(t *testing.T) {
	for _, c := range []struct{ rows, most, want int }{
		{10_000, 12_000, 12_000},
		{20, maxBatch, 0},
		{maxBatch / 2, maxBatch, maxBatch},
		{0, 1000, 1000},
	} {
		got := emptied(make([]int, c.rows, c.most))
		if len(got) != 0 || cap(got) != c.want {
			t.Errorf("%d rows with room for %d: got %d with room for %d, want none with room for %d", c.rows, c.most, len(got), cap(got), c.want)
		}
	}
}

// TestWaitingReadingsShareTheDescriptionOfTheirDevice also checks that the descriptions do not grow with the number of devices.
func TestWaitingReadingsShareTheDescriptionOfTheirDevice(t *testing.T) {
	source := Source{Topic: "device-data"}
	catalog, err := iot.NewCatalog(iot.BuiltinTypes()...)
	if err != nil {
		t.Fatal(err)
	}
	in := newIntake(Topics{Readings: source.Topic}, &iot.Admission{Catalog: catalog, Skew: time.Minute}, slog.New(slog.DiscardHandler), nil)
	in.begin(source, Offset{}, Offset{}, 0)
	now := time.Unix(1_700_000_000, 0).UTC()
	offset := int64(0)
	send := func(id iot.DeviceID, battery float64, room string) *iot.Device {
		now = now.Add(time.Second)
		r := iot.Reading{Device: iot.Device{ID: id, Type: iot.Temperature, Unit: "°C"}, Time: now}
		r.Metadata.BatteryLevel, r.Location.Room = &battery, room
		in.add(&Record{Source: source, Offset: offset, Appended: now, Key: []byte(id), Value: wire.AppendReading(nil, &r)})
		offset++
		return in.pending.Readings[len(in.pending.Readings)-1].Device
	}
	first, second, moved := send("a", 90, "1"), send("a", 89, "1"), send("a", 88, "2")
	if first != second || first.Metadata.BatteryLevel != nil {
		t.Errorf("got descriptions %+v and %+v, want the same without a battery level", first, second)
	}
	if first.Location.Room != "1" || moved.Location.Room != "2" {
		t.Errorf("got rooms %q and %q after the device was moved, want 1 and 2", first.Location.Room, moved.Location.Room)
	}
	for i := range maxDescribed + 10 {
		send(iot.DeviceID(fmt.Sprint("device-", i)), 50, "")
	}
	if in.described.Len() > maxDescribed {
		t.Errorf("got %d descriptions, want at most %d", in.described.Len(), maxDescribed)
	}
}
