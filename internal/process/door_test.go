package process_test

import (
	"fmt"
	"strings"
	"testing"

	"iotmon/internal/iot"
	"iotmon/internal/process"
	"iotmon/internal/wire"
)

// Another producer writes records to the log that no source would accept. Each becomes a dead letter with a short reason, and
// other readings are counted.
func TestRecordsThatNoDoorLetsInAreDeadLetteredWithAShortReason(t *testing.T) {
	long := strings.Repeat("<", 60_000)
	reading := func(change string) string {
		return `{"device_id":"x","device_type":"temperature_sensor","timestamp":"2024-01-30T10:30:01Z","value":99` + change + `}`
	}
	for field, text := range map[string]string{
		"location.building": reading(`,"location":{"building":"` + long + `"}`),
		"location.room":     reading(`,"location":{"room":"A\u0000B"}`),
		"metadata.firmware": reading(`,"metadata":{"firmware":"` + long + `"}`),
		"unit":              reading(`,"unit":"` + long + `"`),
		"status":            reading(`,"status":"` + long + `"`),
		"quality":           reading(`,"quality":"` + long + `"`),
		"device_id":         strings.Replace(reading(""), `"x"`, `"`+long+`"`, 1),
		"device_type":       strings.Replace(reading(""), "temperature_sensor", long, 1),
		"timestamp":         strings.Replace(reading(""), "2024-01-30T10:30:01Z", long, 1),
		"value":             strings.Replace(reading(""), "99", `"`+long+`"`, 1),
		"":                  reading(`,"more":"` + long + long + `"`),
	} {
		var j journal
		for i := range 100 {
			j.add(float64(i)/100, []byte(text))
			j.reading(float64(i)/100, fmt.Sprintf("good %d", i), float64(i)/100, 20)
		}
		j.tick(40)
		out := &doorkeeper{recorder: newRecorder()}
		p := process.New(options(t), 3, process.Checkpoint{}, false)
		p.Process(j, out)
		p.PublishStates(out)
		if out.rejects != 100 || out.field != field || out.longest > 500 {
			t.Errorf("%s: got %d rejected for %q, a reason of %d bytes, want 100 and at most 500 bytes", field, out.rejects, out.field, out.longest)
		}
		if len(out.finals) != 1 {
			t.Fatalf("%s: got %d closed windows, want 1", field, len(out.finals))
		}
		if got, err := wire.DecodeWindowSummary([]byte(out.finals[0])); err != nil || got.Count != 100 || got.Max != 20 {
			t.Errorf("%s: got %+v, %v, want the 100 good readings", field, got, err)
		}
	}
}

// doorkeeper records the rejected records.
type doorkeeper struct {
	*recorder
	rejects, longest int
	field            string
}

func (d *doorkeeper) Reject(r *process.Reject) {
	d.rejects++
	d.field, d.longest = r.Field, max(d.longest, len(r.Reason))
}

var _ process.Output = (*doorkeeper)(nil)

// The largest texts that admission lets through, in an alert for each of a thousand devices, make no message that is too long.
func TestTheLargestReadingsMakeNoLongMessage(t *testing.T) {
	text := strings.Repeat(`"`, iot.DefaultMaxText)
	var j journal
	for i := range 1000 {
		r := iot.Reading{
			Device: iot.Device{ID: iot.DeviceID(fmt.Sprintf("%s%04d", text[:iot.MaxIDLength-4], i)),
				Location: iot.Location{Building: text, Floor: -iot.MaxFloor, Room: text}, Metadata: iot.Metadata{Model: text, Firmware: text}},
			Time: at(1), Value: 99,
		}
		j.write(1, r)
	}
	j.tick(40)
	out := onePass(t, j)
	const most = 256 << 10
	for _, message := range append(append([]string{}, out.finals...), out.alerts...) {
		if len(message) > most {
			t.Errorf("got a message of %d bytes, want at most %d", len(message), most)
		}
	}
	if len(out.finals) != 1 || len(out.alerts) < 1000 {
		t.Errorf("got %d windows and %d alerts, want 1 and at least 1000", len(out.finals), len(out.alerts))
	}
}

// keyed appends a reading of a device under a key.
func (j *journal) keyed(seconds float64, key, device string) {
	j.reading(seconds, device, seconds, 20)
	(*j)[len(*j)-1].Key = []byte(key)
}

// Sequence: a program writes the readings of a device under another key, so into another partition than that of the device's own
// records. Two processors then each take the device for silent while it sends to the other one, and both count its reading.
func TestAReadingOfAnotherDeviceThanItsKeyIsADeadLetter(t *testing.T) {
	var j journal
	j.keyed(1, "a", "a")
	j.keyed(2, "e\u0301", "\u00e9") // The same id in Unicode's form NFD.
	j.keyed(3, "", "c")             // Another producer has no keys.
	j.keyed(4, "b", "a")
	j.keyed(5, "acme\x1fb", "a")
	j.keyed(6, "\x1fa", "a")
	j.keyed(7, "acme\x1f\x1fa", "a")
	j.keyed(8, "\x00", "a")
	j.keyed(9, strings.Repeat("k", 60_000), "a")
	out := onePass(t, j)
	if len(out.states) != 3 || len(out.rejects) != 6 {
		t.Fatalf("got %d devices and the rejects %q, want 3 and 6", len(out.states), out.rejects)
	}
	for i, reject := range out.rejects {
		if want := fmt.Sprintf("%d device_id the record's key names another device", i+3); !strings.HasPrefix(reject, want) || len(reject) > 500 {
			t.Errorf("got reject %q, want %q", reject, want)
		}
	}
	if got := stateOf(t, out, "a").Latest.Time; !got.Equal(at(1)) {
		t.Errorf("got latest reading at %v, want that of the record under the device's key", got)
	}
}
