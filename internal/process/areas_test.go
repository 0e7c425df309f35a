package process_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"iotmon/internal/iot"
	"iotmon/internal/process"
	"iotmon/internal/wire"
)

// longOpen are options under which far more windows are open than a device has areas.
func longOpen(t fatal) *process.Options {
	opts := *options(t)
	opts.Window, opts.Lateness = 5*time.Second, 3*time.Minute
	return &opts
}

func passOf(t fatal, opts *process.Options, j journal) *recorder {
	out, _ := owned(t, opts, j, process.Checkpoint{}, newRecorder())
	return out
}

// move registers a device in an area.
func (j *journal) move(appended float64, version int, area iot.Area) {
	j.entry(appended, "a", iot.DeviceEntry{Version: int64(version), Area: area})
}

// Sequence: a device on a vehicle is moved every ten seconds. After the ninth move the processor is killed, while the windows from before the
// first one are still open. Their readings, counted again, must fall into the areas in which they were counted before.
func TestMovesAreDelayedWhileAnOpenWindowNeedsTheFirstArea(t *testing.T) {
	var j journal
	for i := range 20 {
		now := float64(10 * i)
		j.move(now, i+1, iot.Area(fmt.Sprintf("hall %02d", i)))
		j.reading(now+1, "a", now+1, 20)
		j.reading(now+6, "a", now+6, 20)
	}
	for now := 200.0; now < 500; now += 5 {
		j.reading(now, "a", now, 20)
	}
	want := passOf(t, longOpen(t), j)
	if diff := killedAt(t, longOpen(t), j, 50).difference(want); diff != "" {
		t.Error(diff)
	}
	areas := make(map[int64]string)
	for _, text := range want.finals {
		s, err := wire.DecodeWindowSummary([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		for i := range s.Groups {
			if s.Groups[i].Count > 0 {
				areas[int64(s.Window.Start.Sub(at(0)).Seconds())] = string(s.Groups[i].Area)
			}
		}
	}
	// The area of 0 s holds from 15 s. Seven areas fill the history; the last one is delayed until the windows before 15 s have closed.
	for second, area := range map[int64]string{5: "", 15: "hall 00", 25: "hall 01", 75: "hall 06", 195: "hall 06", 300: "hall 19"} {
		if areas[second] != area {
			t.Errorf("window at %d s: got area %q, want %q", second, areas[second], area)
		}
	}
	if got := entryInForce(t, want, "a"); got.Areas[len(got.Areas)-1].Area != "hall 19" {
		t.Errorf("got areas %v, want the last one in force in the end", got.Areas)
	}
}

// Sequence: a move is delayed, and the device falls silent before the windows close that the move waits for.
func TestADelayedMoveTakesEffectWithoutReadings(t *testing.T) {
	var j journal
	j.reading(0, "a", 0, 20)
	for i := range 9 {
		j.move(float64(10*i), i+1, iot.Area(fmt.Sprintf("hall %02d", i)))
	}
	_, p := owned(t, longOpen(t), j, process.Checkpoint{}, newRecorder())
	out := newRecorder()
	for now := 85.0; now < 600 && p.NeedsTicks(at(now)); now += 5 {
		j.tick(now)
		p.Process(j[p.Next():], out)
	}
	p.PublishStates(out)
	if got := entryInForce(t, out, "a"); got.Areas[len(got.Areas)-1].Area != "hall 08" || got.Areas[0].Area != "hall 00" {
		t.Errorf("got areas %v, want the last ones", got.Areas)
	}
}

// drawMoves draws a log with more moves than a device has areas, readings that come late for windows that are still open, a log's clock that
// runs ahead, and windows of another length.
func drawMoves(t *rapid.T) journal {
	var j journal
	now, version := 0.0, 0
	for range rapid.IntRange(1, 120).Draw(t, "records") {
		now += rapid.Float64Range(0, 8).Draw(t, "pause")
		switch rapid.IntRange(0, 39).Draw(t, "kind") {
		case 0:
			version++
			j.entry(now, "a", iot.DeviceEntry{Version: int64(version), Forget: true})
		case 1:
			now += rapid.Float64Range(0, 240).Draw(t, "silence")
			j.tick(now)
		case 2:
			j.settings(now, iot.Settings{
				Revision: rapid.Int64Range(0, 5).Draw(t, "revision"), From: at(now + 30),
				Window: rapid.SampledFrom([]time.Duration{5, 10, 15, 60}).Draw(t, "length") * time.Second,
			})
		case 3:
			now = drawFastLog(t, &j, now)
		case 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21:
			version++
			area := rapid.SampledFrom([]iot.Area{"", "north", "north/hall 2", "south", "east", "west"}).Draw(t, "area")
			j.entry(now, rapid.SampledFrom([]string{"a", "a", "a", "b"}).Draw(t, "moved"), iot.DeviceEntry{Version: int64(version), Area: area})
		default:
			back := rapid.SampledFrom([]float64{0, 0, 5, 60, 120, 170, 400}).Draw(t, "back")
			j.reading(now, rapid.SampledFrom([]string{"a", "a", "a", "b"}).Draw(t, "device"), now-back, 20)
		}
	}
	for range 30 {
		now += 15
		j.tick(now)
	}
	return j
}

// Any moves, any crash: the groups of the windows are those of one undisturbed pass.
func TestCrashesChangeNothingOfDevicesThatMove(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		j := drawMoves(t)
		if diff := run(t, j, owners{longOpen(t)}).difference(passOf(t, longOpen(t), j)); diff != "" {
			t.Fatal(diff)
		}
	})
}
