package process_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"iotmon/internal/iot"
	"iotmon/internal/process"
	"iotmon/internal/wire"
)

func (j *journal) readingIn(appended float64, device, building string, value float64) {
	j.write(appended, iot.Reading{
		Device: iot.Device{ID: iot.DeviceID(device), Location: iot.Location{Building: building}}, Time: at(appended), Value: value,
	})
}

// groups describes the groups of a summary: area, readings, online and offline devices, open alerts.
func groups(t *testing.T, text string) string {
	t.Helper()
	s, err := wire.DecodeWindowSummary([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, g := range s.Groups {
		list = append(list, fmt.Sprint(g.Area, " ", g.Count, " ", g.Online, "/", g.Offline, " ", g.AlertCount))
	}
	return strings.Join(list, ", ")
}

// A window that closes is divided by the areas of its readings, of the devices, silent ones too, and of the open alerts.
func TestAClosedWindowIsDividedByArea(t *testing.T) {
	var j journal
	j.readingIn(1, "a", "A", 20)
	j.readingIn(2, "b", "B", 40)
	j.readingIn(3, "c", "C", 20)
	for now := 5.0; now < 70; now += 5 {
		j.readingIn(now, "a", "A", 20)
	}
	out := onePass(t, j)
	want := []string{"A 6 1/0 0, B 1 0/1 2, C 1 0/1 1", "A 6 1/0 0, B 0 0/1 2, C 0 0/1 1"}
	if len(out.finals) != 2 {
		t.Fatalf("got %d closed windows, want 2", len(out.finals))
	}
	for i := range want {
		if got := groups(t, out.finals[i]); got != want[i] {
			t.Errorf("window %d: got %s, want %s", i, got, want[i])
		}
	}
}

func TestAPlantWithoutAreasIsNotDivided(t *testing.T) {
	var j journal
	j.reading(1, "a", 1, 20)
	j.reading(2, "b", 2, 40)
	j.tick(40)
	for _, text := range onePass(t, j).finals {
		if strings.Contains(text, "groups") {
			t.Errorf("got %s, want no groups", text)
		}
	}
}

// More areas than have groups of their own: those with readings come first, and of those without the last ones share a group.
func TestAreasWithoutReadingsShareWhatIsLeft(t *testing.T) {
	var j journal
	for i := range iot.MaxAreas {
		j.readingIn(1, fmt.Sprint("before", i), fmt.Sprintf("s%03d", i), 20)
	}
	for i := range 5 {
		j.readingIn(31, fmt.Sprint("now", i), fmt.Sprintf("z%d", i), 20)
	}
	j.tick(70)
	finals := onePass(t, j).finals
	last := groups(t, finals[len(finals)-1])
	if !strings.HasPrefix(last, "/other 0 5/0 0, s000 0 1/0 0, ") || !strings.HasSuffix(last, "s094 0 1/0 0, z0 1 1/0 0, z1 1 1/0 0, z2 1 1/0 0, z3 1 1/0 0, z4 1 1/0 0") {
		t.Errorf("got %s, want five areas together", last)
	}
}

// Windows in progress are divided, too.
func TestAnOpenWindowIsDivided(t *testing.T) {
	var j journal
	j.readingIn(1, "a", "A", 20)
	j.readingIn(2, "b", "B", 20)
	p := process.New(options(t), 3, process.Checkpoint{}, false)
	out := newRecorder()
	if err := p.Process(j, out); err != nil {
		t.Fatal(err)
	}
	p.PublishWindows(out)
	if out.open != 1 {
		t.Fatalf("got %d summaries, want one of both areas", out.open)
	}
}

// The area of the registry replaces the location in the readings: for readings from the next boundary on, for the device and its alerts
// at once, and from then on also where the location changes.
func TestTheAreaOfTheRegistryComesFirst(t *testing.T) {
	var j journal
	j.readingIn(1, "a", "A", 40)
	j.readingIn(2, "b", "A", 20)
	j.entry(3, "a", iot.DeviceEntry{Version: 1, Area: "north/hall 2"})
	for now := 5.0; now < 100; now += 5 {
		j.readingIn(now, "a", "A", 40)
		j.readingIn(now+1, "b", "B", 20)
	}
	out := onePass(t, j)
	want := []string{"A 7 0/0 0, B 5 1/0 0, north 0 1/0 2", "B 6 1/0 0, north 6 1/0 2", "B 6 1/0 0, north 6 1/0 2"}
	for i := range want {
		if got := groups(t, out.finals[i]); got != want[i] {
			t.Errorf("window %d: got %s, want %s", i, got, want[i])
		}
	}
	if want := []string{`{"device_areas":[{"area":""},{"from":"2024-01-30T10:30:30Z","area":"north/hall 2"}],"device_id":"a","partition":3,"epoch":0,"position":3}`}; !slices.Equal(out.areas, want) {
		t.Errorf("got announced %q, want %q", out.areas, want)
	}
	for _, text := range out.alerts {
		a, err := wire.DecodeAlert([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if moved := a.Offset >= 3; moved != (a.Area == "north/hall 2") || a.FirstArea() != map[bool]iot.Area{true: "north", false: "A"}[moved] {
			t.Errorf("got %s, want the area from the entry on", text)
		}
	}
	if got := stateOf(t, out, "a"); got.Area != "north/hall 2" || got.FirstArea() != "north" {
		t.Errorf("got a state of the area %q, want that of the registry", got.Area)
	}
}

// Sequence: a window is open when its device is moved, and the processor is killed after the step with the move. It goes on from the offset
// of the window's first reading, with the new area in force already. Counted by that, the window would be divided otherwise than before,
// and than in the archive.
func TestADeviceThatMovesIsCountedAgainWhereItWas(t *testing.T) {
	var j journal
	j.readingIn(21, "a", "A", 20)
	j.entry(22, "a", iot.DeviceEntry{Version: 1, Area: "north"})
	j.readingIn(25, "a", "A", 20)
	j.entry(61, "a", iot.DeviceEntry{Version: 2, Area: "south"})
	j.readingIn(62, "a", "A", 20)
	j.entry(63, "a", iot.DeviceEntry{Version: 3, Forget: true})
	j.readingIn(64, "a", "A", 20) // Of another device of that name, in the same window.
	j.readingIn(95, "a", "A", 20)
	j.tick(130)
	want := killedAnywhere(t, j)
	var divided []string
	for _, text := range want.finals {
		divided = append(divided, groups(t, text))
	}
	if want := "A 2 0/0 0, south 0 1/0 0|A 0 1/0 0, north 2 0/0 0|A 1 1/0 0"; strings.Join(divided, "|") != want {
		t.Errorf("got %q, want %s", divided, want)
	}
}

// killedAnywhere returns the outputs of one pass, which those of a processor that is killed before any record, after a step, must equal.
func killedAnywhere(t *testing.T, j journal) *recorder {
	t.Helper()
	want := onePass(t, j)
	for killed := range len(j) {
		committed := newRecorder()
		p := process.New(options(t), 3, process.Checkpoint{}, false)
		p.Process(j[:killed], committed)
		p.PublishStates(committed)
		p = restore(t, options(t), p.Checkpoint(), committed)
		p.Process(j[p.Next():], committed)
		p.PublishStates(committed)
		if diff := committed.difference(want); diff != "" {
			t.Errorf("killed before record %d: %s", killed, diff)
		}
	}
	return want
}

// Sequence: a device with an area is forgotten while the log's clock is ahead by an hour, and sends again. When the clock is set back, it
// must lose the area of the one before at the next boundary, not in an hour.
func TestTheAreaOfAForgottenDeviceEndsWhenTheClockIsSetBack(t *testing.T) {
	var j journal
	j.entry(0, "a", iot.DeviceEntry{Version: 1, Area: "north"})
	j.readingIn(31, "a", "A", 20)
	j.tick(3600)
	j.entry(3600, "a", iot.DeviceEntry{Version: 2, Forget: true})
	j.readingIn(3600, "a", "A", 20)
	for second := 40.0; second <= 80; second++ {
		j.tick(second)
	}
	j.readingIn(125, "a", "A", 20)
	j.tick(200)
	finals := killedAnywhere(t, j).finals
	if got := groups(t, finals[len(finals)-1]); got != "A 1 0/1 0" && got != "A 1 1/0 0" {
		t.Errorf("got %s, want the reading where its location is", got)
	}
}
