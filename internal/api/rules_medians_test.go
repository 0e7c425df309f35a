package api_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"iotmon/internal/iot"
)

// A rule about deviations says what it compares values with, and which devices have nothing to be compared with, and why.
func TestARuleShowsItsMedians(t *testing.T) {
	r := newRegistry()
	r.SetRule(&iot.RuleInForce{RuleEntry: iot.RuleEntry{Version: 1, Rule: iot.Rule{
		Name: "odd", Selector: iot.Selector{Type: iot.Temperature}, Severity: iot.Warning, Condition: iot.Condition{Kind: iot.Deviation, Threshold: 3},
		Except: []iot.Selector{{Devices: []iot.DeviceID{"hall-1"}}},
	}}})
	var devices plant
	add := func(hall string, count int, change func(*iot.DeviceState)) {
		for i := range count {
			state := iot.DeviceState{
				Latest: iot.Reading{Device: iot.Device{ID: iot.DeviceID(fmt.Sprint(hall, "-", i)), Type: iot.Temperature, Location: iot.Location{Building: hall}}},
				Status: iot.Online, Position: iot.Position{Partition: int32(i % 2)},
			}
			if change != nil {
				change(&state)
			}
			devices = append(devices, state)
		}
	}
	add("hall", 6, nil)
	add("yard", 4, nil)
	add("other", 5, func(s *iot.DeviceState) { s.Latest.Type = iot.Humidity })
	add("shed", 5, func(s *iot.DeviceState) { s.Partition = 2 })
	add("full", 5, func(s *iot.DeviceState) { s.Partition = 3 })
	r.SetDevice(iot.Identity{ID: "hall-2"}, &iot.EntryInForce{DeviceEntry: iot.DeviceEntry{Version: 1, Retired: true}})
	median := func(peers iot.Peers, partition int32, value float64, newest time.Time) {
		r.SetReference(peers, &iot.ReferenceInForce{
			Reference: iot.Reference{Median: value, Devices: 5, Newest: newest, For: time.Minute}, Position: iot.Position{Partition: partition},
		})
	}
	median(iot.Peers{Area: "hall", Type: iot.Temperature}, 0, 20, noon)
	median(iot.Peers{Area: "hall", Type: iot.Temperature}, 1, 20.5, noon.Add(time.Second))
	for i := range iot.MaxReferences {
		median(iot.Peers{Area: iot.Area(fmt.Sprint("area ", i)), Type: iot.Temperature}, 3, 1, noon)
	}
	h := newAPI(t, devices, &archive{}, r.use)
	got := send(h, "GET", "/api/v1/rules/odd", "").Body.String()
	for _, want := range []string{
		`"medians":{"groups":1,"items":[{"device_type":"temperature_sensor","area":"hall","median":20.5,"devices":5,"watched":4,"newest":"2026-03-01T12:00:01Z","until":"2026-03-01T12:01:01Z"}],"devices_without":14,`,
		`{"device_id":"full-0","area":"full","reason":"many_groups","online":5}`,
		`{"device_id":"shed-4","area":"shed","reason":"none_in_force","online":5}`,
		`{"device_id":"yard-3","area":"yard","reason":"few_devices","online":4}]`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
