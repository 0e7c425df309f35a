package control

import (
	"fmt"
	"math"
	"testing"
	"time"

	"iotmon/internal/iot"
)

// areas sets the newest values of five devices in each of so many areas, all in one partition.
func (h *hall) areas(from, to int, value float64) {
	for area := from; area < to; area++ {
		for i := range iot.MinPeers {
			h.state(fmt.Sprintf("%05d-%d", area, i), 0, value, func(s *iot.DeviceState) { s.Latest.Location.Building = fmt.Sprintf("%05d", area) })
		}
	}
}

// A partition keeps a limited number of medians. Those for which it has no room are not appended, neither once nor again each minute.
func TestMediansForWhichThereIsNoRoomAreNotAppended(t *testing.T) {
	h := newHall()
	h.rule(3, nil)
	appended := make(map[iot.Area]int)
	step := func(value float64) {
		h.areas(0, 10_000, value)
		h.after(t, referenceAgain, true)
		for i := range h.log.appended {
			appended[h.log.appended[i].Peers.Area]++
		}
	}
	for minute := range 3 {
		step(float64(20 + 10*minute))
	}
	if len(appended) != iot.MaxReferences || appended["00000"] != 3 || appended["00999"] != 3 {
		t.Fatalf("got medians of %d areas, want three of each of the first %d", len(appended), iot.MaxReferences)
	}
	// Those in force stay in force when areas appear that come before them.
	for i := range iot.MinPeers {
		h.state(fmt.Sprint("first", i), 0, 20, func(s *iot.DeviceState) { s.Latest.Location.Building = "0" })
	}
	if step(90); appended["0"] != 0 || appended["00999"] != 4 {
		t.Fatalf("got %d medians of a new area, and %d of the last one that was in force", appended["0"], appended["00999"])
	}
	// Where one has ended there is room again.
	h.InForce.RemoveReference(iot.Peers{Area: "00500", Type: iot.Temperature}, 0)
	if step(20); appended["0"] != 1 || appended["00500"] != 4 || len(appended) != iot.MaxReferences+1 {
		t.Fatalf("got %d medians of a new area, and %d of the one that had ended", appended["0"], appended["00500"])
	}
}

// Values may be as great as numbers are, on both sides of zero.
func TestMediansOfTheGreatestValues(t *testing.T) {
	h := newHall()
	h.rule(1e308, nil)
	h.sends(-math.MaxFloat64, -math.MaxFloat64, math.MaxFloat64, math.MaxFloat64, math.MaxFloat64)
	h.mustAppend(t, time.Second, true, "hall@0 1.7976931348623157e+308 of 5, hall@1 1.7976931348623157e+308 of 5")
	h.sends(-math.MaxFloat64, -math.MaxFloat64, -math.MaxFloat64, math.MaxFloat64, math.MaxFloat64)
	h.mustAppend(t, time.Second, true, "hall@0 -1.7976931348623157e+308 of 5, hall@1 -1.7976931348623157e+308 of 5")
	h.sends(-math.MaxFloat64, -math.MaxFloat64, -math.MaxFloat64, math.MaxFloat64, math.MaxFloat64, math.MaxFloat64)
	h.mustAppend(t, time.Second, true, "hall@0 0 of 6, hall@1 0 of 6")
}

// A device that moves counts where it is now, from then on. An area that is left with too few devices gets no further median.
func TestADeviceThatMovesIsAPeerOfItsNewAreaOnly(t *testing.T) {
	h := newHall()
	h.rule(3, nil)
	h.sends(20, 21, 22, 23, 90)
	h.mustAppend(t, time.Second, true, "hall@0 22 of 5, hall@1 22 of 5")
	for _, moved := range []iot.DeviceID{"e", "one", "two", "three", "four"} {
		h.state(string(moved), 1, 70, nil)
		h.InForce.SetDevice(iot.Identity{ID: moved}, &iot.EntryInForce{DeviceEntry: iot.DeviceEntry{Version: 1, Area: "yard"}})
	}
	h.mustAppend(t, time.Second, true, "yard@1 70 of 5")
	h.sends(20, 21, 22, 23)
	h.mustAppend(t, referenceAgain, true, "") // The hall has four, and the yard has sent nothing.
}

func BenchmarkReferences(b *testing.B) {
	for _, areas := range []int{100, 10_000} {
		b.Run(fmt.Sprint(areas, "areas"), func(b *testing.B) {
			h := newHall()
			h.rule(3, nil)
			for i := range 100_000 {
				h.state(fmt.Sprint(i), int32(i%4), 20, func(s *iot.DeviceState) { s.Latest.Location.Building = fmt.Sprint(i % areas) })
			}
			for b.Loop() {
				if err := h.step(b.Context(), h.now); err != nil {
					b.Fatal(err)
				}
				h.log.appended = h.log.appended[:0]
			}
		})
	}
}
