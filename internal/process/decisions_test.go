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

// decide appends a record of a kind about a device, which is named as its Kafka key.
func (j *journal) decide(appended float64, kind iot.Kind, key string, value []byte) {
	*j = append(*j, process.Record{
		Offset: int64(len(*j)), Appended: at(appended), Key: []byte(key), Value: value, RecordKind: iot.RecordKind{Kind: kind, Level: 1},
	})
}

func (j *journal) entry(appended float64, key string, e iot.DeviceEntry) {
	j.decide(appended, iot.KindDevice, key, wire.AppendDeviceEntry(nil, &e))
}

// command appends a command. Its id and actor may be left out, and its time.
func (j *journal) command(appended float64, key string, c iot.Command) {
	if c.ID == "" {
		c.ID = fmt.Sprint("c-", len(*j))
	}
	if c.Actor == "" {
		c.Actor = "u-17"
	}
	if c.Time.IsZero() {
		c.Time = at(appended)
	}
	j.decide(appended, iot.KindCommand, key, wire.AppendCommand(nil, &c))
}

// decided are the devices that people decide about: also one that never sends a reading, one of a tenant, and no device.
var decided = []string{"a", "a", "b", "c", "unseen", "acme\x1fa", "\x1f"}

func drawEntry(t *rapid.T, j *journal, now float64) {
	e := iot.DeviceEntry{Version: rapid.Int64Range(0, 9).Draw(t, "version"), Forget: rapid.IntRange(0, 5).Draw(t, "forget") == 0}
	if !e.Forget {
		e.Name = rapid.SampledFrom([]string{"", "Oven"}).Draw(t, "name")
		e.Area = rapid.SampledFrom([]iot.Area{"", "north", "north/hall 2", "south"}).Draw(t, "area")
		e.Interval = rapid.SampledFrom([]time.Duration{0, time.Second, 5 * time.Second, 20 * time.Second}).Draw(t, "interval")
		e.Retired = rapid.IntRange(0, 2).Draw(t, "retired") == 0
		e.Parent = rapid.SampledFrom([]iot.DeviceID{"", "a", "gateway", "gateway"}).Draw(t, "parent")
		if limit := rapid.SampledFrom([]float64{0, 20, 29}).Draw(t, "limit"); limit != 0 {
			e.Limits = map[string]float64{"temperature_high": limit, "another": 1}
		}
	}
	j.entry(now, rapid.SampledFrom(decided).Draw(t, "registered"), e)
}

// drawCommand has a person act on an alert that a reading of the log may have raised, or on what the person last saw of the shelvings of
// a device.
func drawCommand(t *rapid.T, j *journal, now float64) {
	c := iot.Command{
		ID:     rapid.SampledFrom([]string{"c-1", "c-2", "c-3", fmt.Sprint("c of ", len(*j)), fmt.Sprint("c of ", len(*j))}).Draw(t, "id"),
		Action: rapid.SampledFrom([]iot.Action{iot.Acknowledge, iot.Acknowledge, iot.AddComment, iot.AddComment, iot.Reset, iot.Shelve, iot.Unshelve, iot.TakeOutOfService, iot.ReturnToService}).Draw(t, "action"),
		Reason: rapid.SampledFrom([]string{"", "as planned"}).Draw(t, "reason"),
		Time:   at(now + rapid.SampledFrom([]float64{0, -30}).Draw(t, "given")),
	}
	device := rapid.SampledFrom(decided).Draw(t, "commanded")
	switch c.Action {
	case iot.Acknowledge, iot.AddComment, iot.Reset:
		if c.Action == iot.AddComment {
			c.Reason = rapid.SampledFrom([]string{"bearing worn", "as planned"}).Draw(t, "comment")
		}
		c.Alert = drawAlertOf(t, *j, &device)
	case iot.Shelve:
		c.Until = at(now + rapid.SampledFrom([]float64{-20, 2, 10, 40}).Draw(t, "until"))
		fallthrough
	default:
		c.Rule = rapid.SampledFrom([]string{"", "temperature_high", "temperature_critical", iot.RuleOffline}).Draw(t, "rule")
		c.Revision = rapid.SampledFrom([]int64{0, lastShelving(*j, device), int64(len(*j)) / 2}).Draw(t, "revision")
	}
	if rapid.Bool().Draw(t, "with origin") { // An older program says no origin.
		c.Key = rapid.SampledFrom([]string{"k-1", "k-2", c.ID}).Draw(t, "key")
		c.Request = rapid.SampledFrom([]string{"r-1", "r-1", "r-2"}).Draw(t, "request")
	}
	j.command(now, device, c)
}

// lastShelving returns the revision after the last reversible command about the device, if that was executed.
func lastShelving(j journal, device string) int64 {
	for i := len(j) - 1; i >= 0; i-- {
		if j[i].Kind != iot.KindCommand || string(j[i].Key) != device {
			continue
		}
		if c, err := wire.DecodeCommand(j[i].Value); err == nil && c.Alert == "" {
			return j[i].Offset + 1
		}
	}
	return 0
}

// drawAlertOf returns the id of an alert that one of the log's last readings may have raised, and its device.
func drawAlertOf(t *rapid.T, j journal, device *string) string {
	var readings []iot.Reading
	for _, rec := range j[max(0, len(j)-rapid.SampledFrom([]int{20, 20, 150}).Draw(t, "far back")):] { // Some of them are over.
		var r iot.Reading
		if rec.Kind == iot.KindReading && wire.DecodeReading(rec.Value, &r) == nil && r.Value > 28 {
			if of, err := wire.DecodeDeviceKey(rec.Key); err == nil {
				r.Tenant = of.Tenant
			}
			readings = append(readings, r)
		}
	}
	if len(readings) == 0 {
		return "none"
	}
	r := rapid.SampledFrom(readings).Draw(t, "violation")
	*device = r.Identity().String()
	return iot.AlertID(rapid.SampledFrom([]string{"temperature_high", "temperature_critical", "high"}).Draw(t, "alert of"), r.Identity(), r.Time)
}

// Sequence: a record makes two events of an alert, which have the same position. A reader that gets the second one first ignores the
// other one, or the one that it should keep.
func TestARecordMakesAtMostOneEventOfAnAlert(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type event struct {
			id     string
			offset int64
		}
		seen, last := make(map[event]string), make(map[string]iot.Transition)
		for _, text := range onePass(t, drawJournal(t)).alerts {
			a, err := wire.DecodeAlert([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			if a.Historical {
				continue
			}
			if other := seen[event{a.ID, a.Offset}]; other != "" {
				t.Fatalf("got two events at one position:\n%s\n%s", other, text)
			}
			seen[event{a.ID, a.Offset}] = text
			open := last[a.ID] != "" && last[a.ID] != iot.Cleared
			switch {
			case a.Rule == iot.RuleClock:
			case a.Transition == iot.Noted && !open: // Whether there is such an alert the archive knows.
				continue
			case a.Transition == iot.Raised && open, a.Transition != iot.Raised && last[a.ID] == "":
				t.Fatalf("got %s after %q: %s", a.Transition, last[a.ID], text)
			case a.Transition != iot.Raised && !open && (a.Transition != iot.Cleared || a.Actor == "" && !a.Reason.Waives()):
				t.Fatalf("got another event of an alert that has cleared: %s", text)
			}
			last[a.ID] = a.Transition
		}
	})
}

// Sequence: a producer appends a record again because the acknowledgement was lost, behind records that change what it was about. Taken
// a second time, it would bring back an entry that has been replaced, a shelving that has been ended, or a comment that has been changed.
func TestDecisionsThatComeAgainChangeNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var once, again journal
		var executed []process.Record
		p := process.New(options(t), 3, process.Checkpoint{}, false)
		now := 0.0
		for range rapid.IntRange(1, 60).Draw(t, "records") {
			now += rapid.Float64Range(0, 3).Draw(t, "pause")
			switch kind := rapid.IntRange(0, 6).Draw(t, "kind"); {
			case kind == 0:
				drawEntry(t, &once, now)
			case kind <= 2:
				drawCommand(t, &once, now)
			case kind <= 4 && len(executed) > 0: // At the same place one log has a record again, and the other one a record that is skipped.
				once.kind(now, iot.RecordKind{Kind: "vibration", Level: 1}, "")
				repeated := rapid.SampledFrom(executed).Draw(t, "again")
				repeated.Offset, repeated.Appended = int64(len(again)), at(now)
				again = append(again, repeated)
			default:
				once.reading(now, rapid.SampledFrom([]string{"a", "b"}).Draw(t, "device"), now,
					rapid.SampledFrom([]float64{20, 29.3, 36}).Draw(t, "value"))
			}
			again = append(again, once[len(again):]...)
			last := once[len(once)-1]
			p.Process([]process.Record{last}, newRecorder())
			if counts := p.ResetCounts(); counts.Refused == 0 && counts.Rejected == nil && last.Kind.Deciding() {
				executed = append(executed, last)
			}
		}
		if diff := onePass(t, again).difference(onePass(t, once)); diff != "" {
			t.Fatal(diff)
		}
	})
}
