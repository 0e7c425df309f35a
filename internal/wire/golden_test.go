package wire_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

// golden compares JSON with testdata/<name>.json. The file has line breaks and indents beside, nothing else may differ:
// neither the order of the keys nor the writing of a number.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	var indented bytes.Buffer
	if err := json.Indent(&indented, got, "", "  "); err != nil {
		t.Fatalf("%s: %v in %s", name, err, got)
	}
	indented.WriteByte('\n')
	path := filepath.Join("testdata", name+".json")
	if *update {
		if err := os.WriteFile(path, indented.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(indented.Bytes(), want) {
		t.Errorf("%s: got %s, want %s", name, indented.Bytes(), want)
	}
}

var at = time.Date(2024, 1, 30, 10, 30, 0, 0, time.UTC)

func envelope(kind string, seq uint64) wire.Envelope {
	return wire.Envelope{Type: kind, Seq: seq, Timestamp: at.Add(12345 * time.Microsecond)}
}

func goldenAlert() iot.Alert {
	return iot.Alert{
		ID: iot.AlertID("temperature_high", iot.Identity{ID: "device_001"}, at), Rule: "temperature_high",
		DeviceID: "device_001", DeviceType: iot.Temperature,
		Severity: iot.Warning, Transition: iot.Raised, Message: "温度 30.5 °C 高于 28 °C",
		Value: 30.5, Threshold: 28, Unit: "°C", Location: iot.Location{Building: "A栋", Floor: 3, Room: "301"},
		Onset: at, Time: at.Add(time.Second), Position: iot.Position{Partition: 4, Epoch: 1, Offset: 1234},
	}
}

// offlineAlert is an alert without value, unit and place, which cleared in the past.
func offlineAlert() iot.Alert {
	return iot.Alert{
		ID: iot.HistoricalAlertID(iot.RuleOffline, iot.Identity{ID: "device_002"}, at), Rule: iot.RuleOffline,
		DeviceID: "device_002", DeviceType: iot.Switch, Severity: iot.Critical, Transition: iot.Cleared,
		Message: "设备离线", Below: true, Onset: at, Time: at, Historical: true,
	}
}

// handledAlert is an alert that somebody has acknowledged, of a rule that is shelved.
func handledAlert() iot.Alert {
	a := goldenAlert()
	a.Transition, a.Time, a.Area = iot.Acknowledged, at.Add(2*time.Minute), "north/hall 2"
	a.Handling = iot.Handling{
		AckedAt: at.Add(2 * time.Minute), AckedBy: "u-17", Suppressed: iot.Shelved, SuppressedUntil: at.Add(8 * time.Hour), SuppressedBy: "u-9", SuppressedAt: at.Add(time.Minute),
		SuppressedReason: "sensor is being replaced",
		Actor:            "u-17", Comment: "bearing ordered",
	}
	return a
}

// maintainedAlert is an alert of a device that is under maintenance.
func maintainedAlert() iot.Alert {
	a := goldenAlert()
	belt := iot.Rule{Name: "hall 3", Text: "大修", DecidedBy: "u-17"}
	a.SuppressByDesign(&belt, iot.Period{From: at.Add(-time.Hour), Until: at.Add(7 * time.Hour)})
	return a
}

func goldenSummary() iot.WindowSummary {
	s := iot.WindowSummary{
		Type:     iot.Temperature,
		Window:   iot.WindowOf(at, 30*time.Second),
		Position: iot.Position{Partition: 4, Epoch: 1, Offset: 1234},
		Final:    true,
	}
	for _, v := range []float64{25.1, 25.6, 30.5, 1e-15} {
		s.Add(v)
	}
	s.Devices, s.Online, s.Offline, s.AlertCount = 2, 2, 1, 1
	s.Alerts = []iot.Alert{goldenAlert()}
	return s
}

// groupedSummary is of two areas, one tenant's, and one more whose devices are silent.
func groupedSummary() iot.WindowSummary {
	s := goldenSummary()
	part := func(tenant, area string, values ...float64) iot.GroupSummary {
		g := iot.GroupSummary{Group: iot.Group{Tenant: iot.Tenant(tenant), Area: iot.Area(area), Type: s.Type}}
		for _, v := range values {
			g.Add(v)
		}
		g.Devices = int64(len(values))
		return g
	}
	s.Groups = []iot.GroupSummary{part("", string(iot.OtherAreas)), part("", "A栋", 25.1, 1e-15), part("acme", "", 25.6, 30.5)}
	s.Groups[0].Offline = 1
	s.Groups[1].Online, s.Groups[1].AlertCount = 1, 1
	s.Groups[2].Online = 1
	return s
}

func goldenState() iot.DeviceState {
	return iot.DeviceState{
		Latest: documentedReading(), Status: iot.Offline, Since: at.Add(15 * time.Second), LastSeen: at.Add(20 * time.Millisecond), Age: 20 * time.Millisecond,
		Position: iot.Position{Partition: 4, Epoch: 1, Offset: 1234},
	}
}

func alarmedState() iot.DeviceState {
	raised := goldenAlert()
	s := goldenState()
	s.Alerts = []iot.AlertState{
		{Rule: "temperature_high", Onset: at, Safe: at.Add(2 * time.Second), Raised: &raised},
		{Rule: "temperature_critical", Onset: at.Add(time.Second)},
	}
	return s
}

// rememberingState is of a device with an open alert of a rate of rise, a rule that remembers nothing, and a backlog that conditions remember.
func rememberingState() iot.DeviceState {
	raised := goldenAlert()
	raised.Rule = "temperature_rise"
	points := []iot.ConditionPoint{{At: at.UnixMicro(), Value: 21.5}, {At: at.Add(time.Second).UnixMicro(), Value: 29}}
	s := goldenState()
	s.Alerts = []iot.AlertState{{Rule: "temperature_rise", Condition: iot.Rise, Onset: at, Raised: &raised}}
	s.Conditions = []iot.ConditionState{
		{Rule: "temperature_rise", Condition: iot.Rise, Version: 3, Points: points},
		{Rule: "temperature_stuck", Condition: iot.Stuck},
	}
	s.Past = &iot.PastRun{Last: at, Arrived: at.Add(time.Hour), Backward: true, RuleStates: iot.RuleStates{
		Conditions: []iot.ConditionState{{Rule: "temperature_rise", Condition: iot.Rise, Version: 3, Points: []iot.ConditionPoint{{At: -at.UnixMicro(), Value: 21.5}}}},
	}}
	return s
}

func reportedState() iot.DeviceState {
	s := goldenState()
	s.Interval = 90 * time.Second
	s.Area, s.Session, s.Report = "north/hall 2", 17, &iot.StatusReport{Status: iot.ReportedOffline, Reason: "last will", Time: at.Add(15 * time.Second), Session: 17}
	return s
}

func helloMessage() wire.Hello {
	return wire.Hello{
		Envelope: envelope(wire.TypeHello, 41), ServerVersion: "1.2.3", Session: "3f2a-7", WindowSeconds: 30,
		DeviceTypes: []wire.TypeSpec{
			wire.FromTypeSpec(&iot.BuiltinTypes()[0]),
			wire.FromTypeSpec(&iot.BuiltinTypes()[4]),
		},
		AlertRulesInForce: wire.FromRules([]iot.Rule{
			{Name: "temperature_high", Selector: iot.Selector{Type: iot.Temperature}, Severity: iot.Warning, Condition: iot.Condition{Threshold: 28, Hysteresis: 0.5}},
			{Name: iot.RuleOffline, Severity: iot.Warning},
			{Name: "current_low", Selector: iot.Selector{Type: iot.Current}, Severity: iot.Info, Condition: iot.Condition{Threshold: 0.5, Below: true}},
		}, ""),
		Limits: wire.Limits{
			MessageBytes: 65536, FilterItems: 1000, PingSeconds: 30, MaxConnections: 10000, ResumeMessages: 4096, SnapshotWindows: 120,
		},
	}
}

func aggregatedMessage() wire.AggregatedData {
	full, none := goldenSummary(), iot.Summary{Offline: 3}
	return wire.AggregatedData{
		Envelope: envelope(wire.TypeAggregatedData, 42), WindowStart: at, WindowSeconds: 30, Final: true,
		Data: map[iot.DeviceType]wire.AggregateData{
			iot.Temperature: wire.AggregateDataOf(&full.Summary),
			iot.Humidity:    wire.AggregateDataOf(&none),
		},
		DeviceStatus: wire.StatusCounts{Total: 6, Online: 2, Offline: 4},
	}
}

func deviceMessage() wire.DeviceData {
	state, alarmed := goldenState(), alarmedState()
	reading := &state.Latest
	reading.Device = iot.Device{ID: "device_002", Type: iot.Switch}
	reading.Value, reading.Quality, reading.ReceivedAt, reading.Historical = 1, iot.Uncertain, at.Add(time.Hour), true
	return wire.DeviceData{
		Envelope: envelope(wire.TypeDeviceData, 43),
		Devices:  []wire.Device{wire.FromState(&alarmed), wire.FromState(&state)},
	}
}

func statusMessage() wire.DeviceStatus {
	return wire.DeviceStatus{
		Envelope:     envelope(wire.TypeDeviceStatus, 44),
		StatusCounts: wire.StatusCounts{Total: 3, Online: 2, Offline: 1},
		ByType: map[iot.DeviceType]wire.StatusCounts{
			iot.Temperature: {Total: 2, Online: 2}, iot.Switch: {Total: 1, Offline: 1},
		},
		Changed:           []wire.StatusChange{{DeviceID: "device_002", Status: iot.Offline, Since: at}},
		ReadingsPerSecond: 1234.5,
	}
}

func alertMessage() wire.AlertMessage {
	e := envelope(wire.TypeAlert, 45)
	e.Snapshot = true
	return wire.AlertMessage{Envelope: e, Alerts: wire.FromAlerts([]iot.Alert{goldenAlert(), offlineAlert()})}
}

// pin compares a message with its golden file, and sees that a client in Go reads the same from it.
func pin[T any](t *testing.T, name string, message T) {
	t.Helper()
	text, err := json.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, name, text)
	var read T
	if err := json.Unmarshal(text, &read); err != nil || !reflect.DeepEqual(read, message) {
		t.Errorf("%s: read back %+v, %v, want %+v", name, read, err, message)
	}
}

func TestMessagesToAndFromClients(t *testing.T) {
	resumed := helloMessage()
	resumed.Resumed, resumed.DeviceTypes, resumed.AlertRules = true, []wire.TypeSpec{}, []wire.AlertRule{}
	summary, state := goldenSummary(), alarmedState()
	empty := iot.WindowSummary{Type: iot.Humidity, Window: iot.WindowOf(at, time.Minute)}
	pin(t, "hello", helloMessage())
	pin(t, "hello_resumed", resumed)
	pin(t, "aggregated_data", aggregatedMessage())
	corrected := aggregatedMessage()
	corrected.Corrected = true
	pin(t, "aggregated_data_corrected", corrected)
	pin(t, "alert_rules", wire.AlertRules{
		Envelope: envelope(wire.TypeAlertRules, 49), AlertRulesInForce: wire.AlertRulesInForce{AlertRules: helloMessage().AlertRules[:1], AlertRulesOmitted: 3},
	})
	pin(t, "history_changed", wire.HistoryChanged{Envelope: envelope(wire.TypeHistoryChanged, 48)})
	pin(t, "device_data", deviceMessage())
	pin(t, "device_status", statusMessage())
	pin(t, "device_removed", wire.DeviceRemoved{
		Envelope: envelope(wire.TypeDeviceRemoved, 47), DeviceIDs: []iot.DeviceID{"device_002", "site/a?b#c%2F"},
	})
	pin(t, "alert", alertMessage())
	pin(t, "error", wire.Error{Envelope: envelope(wire.TypeError, 46), Code: "bad_message", Message: `type: must be "filter" (got "")`})
	pin(t, "filter", wire.Filter{
		Type: wire.TypeFilter, DeviceTypes: []iot.DeviceType{iot.Temperature}, DeviceIDs: []iot.DeviceID{"device_001"},
		Buildings: []string{"A栋"}, MinSeverity: iot.Warning,
	})
	pin(t, "filter_of_areas", wire.Filter{Type: wire.TypeFilter, Areas: []iot.Area{"A栋", "B栋"}})
	pin(t, "filter_of_nothing", wire.Filter{Type: wire.TypeFilter})
	pin(t, "rest_aggregate", wire.FromSummary(&summary))
	pin(t, "rest_aggregate_empty", wire.FromSummary(&empty))
	pin(t, "rest_device", wire.FromState(&state))
	pin(t, "rest_ingested", wire.Ingested{Accepted: 1, Rejected: []wire.Rejection{{Index: 1, Field: "value", Reason: "missing"}}})
}

func TestTopicMessages(t *testing.T) {
	reading, final := documentedReading(), goldenSummary()
	golden(t, "topic_reading", wire.AppendReading(nil, &reading))
	full := reading
	full.Quality, full.ReceivedAt, full.Historical = iot.Bad, at.Add(time.Millisecond), true
	golden(t, "topic_reading_full", wire.AppendReading(nil, &full))

	open := goldenSummary()
	open.Final, open.Alerts, open.AlertCount = false, nil, 0
	late := iot.WindowSummary{Type: final.Type, Window: final.Window, Position: final.Position, Late: true}
	corrected := goldenSummary()
	corrected.Corrected, corrected.Alerts = true, nil
	for name, s := range map[string]iot.WindowSummary{"final": final, "open": open, "late": late, "corrected": corrected, "groups": groupedSummary()} {
		text := wire.AppendWindowSummary(nil, &s)
		golden(t, "topic_summary_"+name, text)
		if got, err := wire.DecodeWindowSummary(text); err != nil || got.Sum.Float64() != s.Sum.Float64() || got.Position != s.Position || got.Corrected != s.Corrected || len(got.Groups) != len(s.Groups) {
			t.Errorf("%s: read back %+v, %v", name, got, err)
		}
	}
	for name, a := range map[string]iot.Alert{"raised": goldenAlert(), "historical": offlineAlert(), "handled": handledAlert(), "maintained": maintainedAlert()} {
		text := wire.AppendAlert(nil, &a)
		golden(t, "topic_alert_"+name, text)
		if got, err := wire.DecodeAlert(text); err != nil || got != a {
			t.Errorf("%s: read back %+v, %v, want %+v", name, got, err, a)
		}
	}
	for name, s := range map[string]iot.DeviceState{"quiet": goldenState(), "alarmed": alarmedState(), "remembering": rememberingState(), "reported": reportedState()} {
		text := wire.AppendDeviceState(nil, &s)
		golden(t, "topic_state_"+name, text)
		if got, err := wire.DecodeDeviceState(text); err != nil || !reflect.DeepEqual(got, s) {
			t.Errorf("%s: read back %+v, %v, want %+v", name, got, err, s)
		}
	}
}

// TestFastAndStandardEncodingAgree checks that the hand-written encoding of a reading has the shape of wire.Reading.
func TestFastAndStandardEncodingAgree(t *testing.T) {
	reading := documentedReading()
	standard, err := json.Marshal(wire.FromReading(&reading))
	if err != nil {
		t.Fatal(err)
	}
	if got := wire.AppendReading(nil, &reading); !bytes.Equal(got, standard) {
		t.Errorf("got %s, want %s", got, standard)
	}
}
