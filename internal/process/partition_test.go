package process_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"iotmon/internal/iot"
	"iotmon/internal/process"
	"iotmon/internal/wire"
)

var epoch = time.Date(2024, 1, 30, 10, 30, 0, 0, time.UTC)

func at(seconds float64) time.Time {
	return iot.CutTime(epoch.Add(time.Duration(seconds * float64(time.Second))))
}

// fatal has the methods that testing.T and rapid.T share.
type fatal interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

func options(t fatal) *process.Options {
	t.Helper()
	catalog, err := iot.NewCatalog(iot.BuiltinTypes()...)
	if err != nil {
		t.Fatal(err)
	}
	rules := []iot.Rule{
		{Name: "temperature_high", Selector: iot.Selector{Type: iot.Temperature}, Severity: iot.Warning, Condition: iot.Condition{Threshold: 28, Hysteresis: 0.5}, For: 3 * time.Second, ClearFor: 5 * time.Second},
		{Name: "temperature_critical", Selector: iot.Selector{Type: iot.Temperature}, Severity: iot.Critical, Condition: iot.Condition{Threshold: 35}},
		{Name: iot.RuleOffline, Severity: iot.Warning},
	}
	return &process.Options{
		Admission:    &iot.Admission{Catalog: catalog, Skew: 10 * time.Second, Retention: time.Hour},
		Rules:        rules,
		Window:       30 * time.Second,
		Lateness:     5 * time.Second,
		OfflineAfter: 15 * time.Second,
		ForgetAfter:  5 * time.Minute,
		ParentGrace:  20 * time.Second,
	}
}

// tick is the kind of a tick.
var tick = iot.RecordKind{Kind: iot.KindTick}

// journal is a partition's log in the making.
type journal []process.Record

func (j *journal) add(appended float64, value []byte) {
	*j = append(*j, process.Record{Offset: int64(len(*j)), Appended: at(appended), Value: value})
}

func (j *journal) reading(appended float64, device string, stamped, value float64) {
	j.write(appended, iot.Reading{Device: iot.Device{ID: iot.DeviceID(device)}, Time: at(stamped), Value: value})
}

// write adds a temperature.
func (j *journal) write(appended float64, r iot.Reading) {
	r.Type, r.Unit, r.Status = iot.Temperature, "°C", iot.Online
	j.add(appended, wire.AppendReading(nil, &r))
}

func (j *journal) forget(appended float64, device string) {
	*j = append(*j, process.Record{
		Offset: int64(len(*j)), Appended: at(appended), Key: []byte(device), RecordKind: iot.RecordKind{Kind: iot.KindDevice},
	})
}

func (j *journal) settings(appended float64, s iot.Settings) {
	*j = append(*j, process.Record{
		Offset: int64(len(*j)), Appended: at(appended), Value: wire.AppendSettings(nil, &s), RecordKind: iot.RecordKind{Kind: iot.KindSettings},
	})
}

func (j *journal) tick(appended float64) {
	*j = append(*j, process.Record{Offset: int64(len(*j)), Appended: at(appended), RecordKind: tick})
}

// onePass processes the whole journal without a fault.
func onePass(t fatal, j journal) *recorder {
	out := newRecorder()
	p := process.New(options(t), 3, process.Checkpoint{}, false)
	p.Process(j, out)
	p.PublishStates(out)
	return out
}

func TestAWindowClosesWhenTheWatermarkPassesItsEnd(t *testing.T) {
	var j journal
	j.reading(1, "a", 1, 20)
	j.reading(2, "b", 2, 24)
	j.reading(34.9, "a", 34.9, 21)
	if out := onePass(t, j); len(out.finals) != 0 {
		t.Errorf("got %d closed windows before the lateness ran out, want none", len(out.finals))
	}
	j.tick(35)
	out := onePass(t, j)
	if len(out.finals) != 1 {
		t.Fatalf("got %d closed windows, want 1", len(out.finals))
	}
	got, err := wire.DecodeWindowSummary([]byte(out.finals[0]))
	if err != nil {
		t.Fatal(err)
	}
	if got.Count != 2 || got.Average() != 22 || got.Online+got.Offline != 2 || got.Offset != 4 || got.Partition != 3 {
		t.Errorf("got %+v, want two readings, average 22, two devices, position 4 of partition 3", got)
	}
}

// A device whose first reading is after a window is not counted in that window, even if its reading closes the window.
func TestAWindowDoesNotKnowWhoCameLater(t *testing.T) {
	var j journal
	j.reading(1, "a", 1, 20)
	j.add(60, wire.AppendReading(nil, &iot.Reading{
		Device: iot.Device{ID: "humid", Type: iot.Humidity, Unit: "%"}, Time: at(60), Value: 50, Status: iot.Online,
	}))
	out := onePass(t, j)
	if len(out.finals) != 1 {
		t.Fatalf("got %q, want one closed window", out.finals)
	}
	if got, err := wire.DecodeWindowSummary([]byte(out.finals[0])); err != nil || got.Type != iot.Temperature || got.Online != 1 {
		t.Errorf("got %+v, %v, want that of the one device there was", got, err)
	}
}

func TestAFastClockClosesNobodysWindow(t *testing.T) {
	var j journal
	j.reading(1, "a", 1, 20)
	j.reading(2, "fast", 11.9, 20)
	j.reading(3, "faster", 3600, 20)
	j.reading(4, "a", 4, 20)
	out := onePass(t, j)
	if len(out.finals) != 0 || len(out.late) != 0 {
		t.Errorf("got finals %q and late %v, want none", out.finals, out.late)
	}
	if len(out.rejects) != 1 || !strings.Contains(out.rejects[0], "timestamp") {
		t.Errorf("got rejects %q, want the reading from the future, naming its timestamp", out.rejects)
	}
}

func TestBadInputIsRejectedWithFieldAndReason(t *testing.T) {
	for _, test := range []struct{ value, field string }{
		{`not json`, ""},
		{`{"device_id":"a","device_type":"temperature_sensor","timestamp":"2024-01-30T10:30:00Z"}`, "value"},
		{`{"device_id":"a","device_type":"smell_sensor","timestamp":"2024-01-30T10:30:00Z","value":1}`, "device_type"},
		{`{"device_id":"a","device_type":"temperature_sensor","timestamp":"2024-01-30T10:30:00Z","value":-300}`, "value"},
		{`{"device_type":"temperature_sensor","timestamp":"2024-01-30T10:30:00Z","value":1}`, "device_id"},
		{`{"device_id":"a","device_type":"temperature_sensor","timestamp":"2024-01-30T08:30:00Z","value":1}`, "timestamp"},
		{``, ""},
	} {
		var j journal
		j.add(0, []byte(test.value))
		j.reading(1, "a", 1, 20)
		out := onePass(t, j)
		if want := fmt.Sprint("0 ", test.field, " "); len(out.rejects) != 1 || !strings.HasPrefix(out.rejects[0], want) {
			t.Errorf("%s: got rejects %q, want one for field %q", test.value, out.rejects, test.field)
		}
		if len(out.states) != 1 {
			t.Errorf("%s: got %d states, want the next reading to be accepted", test.value, len(out.states))
		}
	}
}

func TestALateReadingIsAnnounced(t *testing.T) {
	var j journal
	j.reading(1, "a", 1, 20)
	j.tick(40)
	j.reading(41, "b", 2, 20)
	j.reading(42, "b", 3, 20)
	out := onePass(t, j)
	if len(out.late) != 1 {
		t.Fatalf("got %v, want one window announced", out.late)
	}
	for key, position := range out.late {
		if position != 4 {
			t.Errorf("%s: got position %d, want 4, behind the last late reading", key, position)
		}
	}
}

func TestSilenceIsFoundByTicks(t *testing.T) {
	var j journal
	j.reading(0, "a", 0, 20)
	for second := 1.0; second <= 15; second++ {
		j.tick(second)
	}
	out := onePass(t, j)
	if len(out.alerts) != 1 || !strings.Contains(out.alerts[0], "device_offline") {
		t.Errorf("got %q, want the offline alert", out.alerts)
	}
}

func TestAStandstillRaisesNoOfflineAlerts(t *testing.T) {
	var j journal
	j.reading(0, "a", 0, 20)
	j.reading(1, "b", 1, 20)
	j.reading(3601, "a", 3601, 20)
	j.tick(3602)
	if out := onePass(t, j); len(out.alerts) != 0 {
		t.Errorf("got %q after an hour without any record, want no alert", out.alerts)
	}
}

func TestLostRecordsMarkTheirWindows(t *testing.T) {
	out := newRecorder()
	from := process.Checkpoint{Offset: 10, Position: 20, Watermark: at(10), Clock: at(15)}
	if !from.Reconcile(25, 30) || from.Position != 25 || from.Offset != 25 {
		t.Fatalf("got %+v, want a loss that moves the checkpoint to the log's start", from)
	}
	p := process.New(options(t), 0, from, true)
	p.Process([]process.Record{{Offset: 25, Appended: at(65), RecordKind: tick}}, out)
	for _, start := range []string{"10:30:00", "10:30:30", "10:31:00"} {
		if out.late[" "+start] != 26 {
			t.Errorf("window %s: got %v, want it marked at position 26", start, out.late)
		}
	}
}

func TestALogThatBeganAnewStartsAnEpoch(t *testing.T) {
	c := process.Checkpoint{Offset: 90, Position: 100, Epoch: 2, Watermark: at(10)}
	if !c.Reconcile(0, 7) || c.Epoch != 3 || c.Position != 0 || c.Offset != 0 || !c.Watermark.Equal(at(10)) {
		t.Errorf("got %+v, want epoch 3 from offset 0 under the same watermark", c)
	}
}

func TestCheckpointSurvivesItsMetadata(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		micros := rapid.Int64Range(1, 1<<50)
		want := process.Checkpoint{
			Offset:    rapid.Int64Range(0, 1<<40).Draw(t, "offset"),
			Level:     uint8(rapid.IntRange(1, process.MaxLevel).Draw(t, "level")),
			Epoch:     rapid.Int32Range(0, 1<<20).Draw(t, "epoch"),
			Watermark: time.UnixMicro(micros.Draw(t, "watermark")).UTC(),
			Clock:     time.UnixMicro(micros.Draw(t, "clock")).UTC(),
			Devices:   rapid.IntRange(-1, 3).Draw(t, "devices"),
		}
		want.Position = want.Offset + rapid.Int64Range(0, 1000).Draw(t, "ahead")
		got, err := process.ParseCheckpoint(want.Offset, want.Metadata())
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("got %+v, %v, want %+v", got, err, want)
		}
	})
}
