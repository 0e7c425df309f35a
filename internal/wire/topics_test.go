package wire_test

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

func drawPosition(t *rapid.T) iot.Position {
	return iot.Position{
		Partition: rapid.Int32Range(0, 100).Draw(t, "partition"),
		Epoch:     rapid.Int32Range(0, 3).Draw(t, "epoch"),
		Offset:    rapid.Int64Range(0, 1<<60).Draw(t, "position"),
	}
}

func drawHandling(t *rapid.T) (h iot.Handling) {
	if rapid.Bool().Draw(t, "acknowledged") {
		h.AckedAt, h.AckedBy = drawTime(t, "acknowledged at"), rapid.String().Draw(t, "by")
	}
	h.Suppressed = rapid.SampledFrom([]iot.Suppression{"", iot.Shelved, iot.OutOfService, iot.ByDesign, iot.ByParent}).Draw(t, "suppressed")
	if h.Suppressed == iot.Shelved {
		h.SuppressedUntil = drawTime(t, "until")
	}
	if h.Suppressed != "" {
		h.SuppressedBy, h.SuppressedReason, h.SuppressedActor = rapid.String().Draw(t, "what"), rapid.String().Draw(t, "why"), rapid.String().Draw(t, "who")
	}
	h.Actor, h.Comment = rapid.String().Draw(t, "actor"), rapid.String().Draw(t, "comment")
	return h
}

func drawAlert(t *rapid.T) iot.Alert {
	return iot.Alert{
		ID:         rapid.StringMatching(`[0-9a-f]{24}`).Draw(t, "id"),
		Rule:       "temperature_high",
		DeviceID:   iot.DeviceID(rapid.StringN(1, 20, 128).Draw(t, "device")),
		DeviceType: iot.Temperature,
		Severity:   rapid.SampledFrom(iot.Severities[:]).Draw(t, "severity"),
		Transition: rapid.SampledFrom([]iot.Transition{iot.Raised, iot.Updated, iot.Acknowledged, iot.Cleared}).Draw(t, "transition"),
		Message:    rapid.String().Draw(t, "message"),
		Value:      rapid.Float64().Draw(t, "value"),
		Threshold:  28,
		Below:      rapid.Bool().Draw(t, "below"),
		Unit:       "°C",
		Location:   iot.Location{Building: "A栋", Floor: 3},
		Onset:      drawTime(t, "onset"),
		Time:       drawTime(t, "time"),
		Historical: rapid.Bool().Draw(t, "historical"),
		Reason:     rapid.SampledFrom([]iot.ClearReason{"", iot.NotSelected, iot.RuleChanged}).Draw(t, "reason"),
		Handling:   drawHandling(t),
		Position:   drawPosition(t),
	}
}

func drawState(t *rapid.T) iot.DeviceState {
	s := iot.DeviceState{
		Latest:   drawReading(t),
		Status:   rapid.SampledFrom([]iot.Status{iot.Online, iot.Offline}).Draw(t, "state"),
		Since:    drawTime(t, "since"),
		LastSeen: drawTime(t, "last seen"),
		Position: drawPosition(t),
	}
	for range rapid.IntRange(0, 3).Draw(t, "alerts") {
		state := iot.AlertState{Rule: "temperature_high", Condition: rapid.SampledFrom([]iot.ConditionKind{"", iot.Rise}).Draw(t, "condition")}
		if rapid.Bool().Draw(t, "pending") {
			state.Onset = drawTime(t, "pending since")
		}
		if rapid.Bool().Draw(t, "raised") {
			raised := drawAlert(t)
			state.Raised = &raised
		}
		s.Alerts = append(s.Alerts, state)
	}
	s.Conditions = drawConditions(t)
	s.Age = s.LastSeen.Sub(s.Latest.Time).Truncate(time.Microsecond)
	if rapid.Bool().Draw(t, "unusual age") {
		s.Age = time.Duration(rapid.Int64Range(-1<<40, 1<<40).Draw(t, "age")) * time.Microsecond
	}
	if rapid.Bool().Draw(t, "past") {
		raised := drawAlert(t)
		s.Past = &iot.PastRun{
			Last: drawTime(t, "last"), Arrived: drawTime(t, "arrived"), Forward: rapid.Bool().Draw(t, "forward"),
			RuleStates: iot.RuleStates{Alerts: []iot.AlertState{{Rule: "temperature_high", Onset: drawTime(t, "past onset"), Raised: &raised}}},
		}
	}
	if s.Past != nil {
		s.Past.Conditions = drawConditions(t)
	}
	if rapid.Bool().Draw(t, "reported") {
		report := drawStatus(t)
		report.Historical = false
		s.Session, s.Report = rapid.Int64Range(0, 9).Draw(t, "last session"), &report
	}
	if rapid.Bool().Draw(t, "clock") {
		s.Clock = &iot.ClockRun{Began: drawTime(t, "began"), Age: time.Hour, Count: rapid.IntRange(1, 9).Draw(t, "count")}
	}
	return s
}

func drawConditions(t *rapid.T) []iot.ConditionState {
	var states []iot.ConditionState
	for range rapid.IntRange(0, 2).Draw(t, "conditions") {
		c := iot.ConditionState{
			Rule: "r", Condition: rapid.SampledFrom([]iot.ConditionKind{"", iot.Rise, iot.Stuck}).Draw(t, "kind"),
			Version: rapid.Int64().Draw(t, "version"),
		}
		for range rapid.IntRange(0, iot.MaxConditionPoints).Draw(t, "points") {
			c.Points = append(c.Points, iot.ConditionPoint{At: rapid.Int64().Draw(t, "at"), Value: rapid.Float64().Draw(t, "value")})
		}
		states = append(states, c)
	}
	return states
}

// The last release does not know conditions: what a program with only thresholds writes has nothing of them.
func TestStatesOfThresholdsAreThoseOfTheLastRelease(t *testing.T) {
	s := alarmedState()
	s.Past = &iot.PastRun{Last: at, Arrived: at, Forward: true, RuleStates: iot.RuleStates{Alerts: s.Alerts}}
	if text := wire.AppendDeviceState(nil, &s); bytes.Contains(text, []byte("condition")) || bytes.Contains(text, []byte("reason")) {
		t.Errorf("got %s", text)
	}
}

func TestTooMuchMemoryOfAConditionIsRefused(t *testing.T) {
	s := goldenState()
	s.Conditions = []iot.ConditionState{{Rule: "r", Condition: iot.Rise, Points: make([]iot.ConditionPoint, iot.MaxConditionPoints+1)}}
	if _, err := wire.DecodeDeviceState(wire.AppendDeviceState(nil, &s)); err == nil {
		t.Error("got no error")
	}
}

func TestDeviceStatesSurviveTheWire(t *testing.T) {
	decoder := wire.NewStreamDecoder()
	rapid.Check(t, func(t *rapid.T) {
		want := drawState(t)
		text := wire.AppendDeviceState(nil, &want)
		got, err := decoder.DeviceState(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%s: got %+v, want %+v", text, got, want)
		}
		if position, ok := wire.StatePosition(text); !ok || position != want.Position {
			t.Fatalf("%s: got position %+v, %v", text, position, ok)
		}
	})
}

// A source that reports bad data is shown as one that sends bad data.
func TestAClientSeesABadReportAsBadQuality(t *testing.T) {
	s := goldenState()
	s.Report = &iot.StatusReport{Status: iot.ReportedBad, Time: at}
	if got := wire.FromState(&s); got.Quality != iot.Bad || s.Latest.Quality == iot.Bad {
		t.Errorf("got quality %q of a latest reading of quality %q, want bad", got.Quality, s.Latest.Quality)
	}
	s.Report.Status = iot.ReportedOnline
	if got := wire.FromState(&s); got.Quality != s.Latest.Quality {
		t.Errorf("got quality %q, want that of the reading", got.Quality)
	}
}

func TestAlertsSurviveTheWire(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawAlert(t)
		got, err := wire.DecodeAlert(wire.AppendAlert(nil, &want))
		if err != nil || got != want {
			t.Fatalf("got %+v, %v, want %+v", got, err, want)
		}
	})
}

func TestSummariesSurviveTheWire(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := iot.WindowSummary{
			Type:     iot.Temperature,
			Window:   iot.WindowOf(drawTime(t, "window"), time.Duration(rapid.IntRange(1, 3600).Draw(t, "seconds"))*time.Second),
			Position: drawPosition(t),
			Final:    rapid.Bool().Draw(t, "final"),
			Late:     rapid.Bool().Draw(t, "late"),
		}
		if want.Late {
			want.Type = rapid.SampledFrom([]iot.DeviceType{"", iot.Temperature}).Draw(t, "type of the mark")
		}
		for _, v := range rapid.SliceOf(rapid.Float64()).Draw(t, "values") {
			want.AddReading(v, rapid.SampledFrom([]iot.Quality{"", iot.Good, iot.Uncertain, iot.Bad}).Draw(t, "quality"))
		}
		want.Devices, want.Online, want.Offline, want.AlertCount = 3, 2, 1, 7
		for range rapid.IntRange(0, 2).Draw(t, "alerts") {
			want.Alerts = append(want.Alerts, drawAlert(t))
		}
		drawGroups(t, &want)
		got, err := wire.DecodeWindowSummary(wire.AppendWindowSummary(nil, &want))
		if err != nil {
			t.Fatal(err)
		}
		for i := range want.Groups {
			if got, want := &got.Groups[i].Sum, &want.Groups[i].Sum; got.Float64() != want.Float64() {
				t.Fatalf("group %d: got sum %v, want %v", i, got.Float64(), want.Float64())
			} else {
				*got, *want = iot.Sum{}, iot.Sum{}
			}
		}
		if got.Sum.Float64() != want.Sum.Float64() {
			t.Fatalf("got sum %v, want %v", got.Sum.Float64(), want.Sum.Float64())
		}
		got.Sum, want.Sum = iot.Sum{}, iot.Sum{}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("got %+v, want %+v", got, want)
		}
	})
}

// drawGroups divides a summary, or leaves it whole.
func drawGroups(t *rapid.T, s *iot.WindowSummary) {
	areas := rapid.SliceOfDistinct(rapid.OneOf(rapid.Just(iot.OtherAreas), rapid.Custom(func(t *rapid.T) iot.Area {
		return iot.Area(rapid.StringN(0, 20, iot.MaxAreaName).Draw(t, "area"))
	})), func(a iot.Area) iot.Area { return a }).Draw(t, "areas")
	slices.Sort(areas)
	for _, area := range areas {
		s.Groups = append(s.Groups, iot.GroupSummary{Group: iot.Group{Area: area, Type: s.Type}, Summary: iot.Summary{Online: 2, AlertCount: 1}})
	}
	if len(areas) > 0 {
		first := &s.Groups[0]
		first.Summary = s.Summary.Clone()
		first.Alerts = nil
	}
	if iot.Ungrouped(s.Groups) {
		s.Groups = nil
	}
}

// TestForeignMessagesAreRefused checks that records of other programs in our topics are refused.
func TestForeignMessagesAreRefused(t *testing.T) {
	for _, text := range []string{
		``, `null`, `{}`, `[]`, `"x"`, documented,
		`{"window_seconds":30,"sum":[1]}`,
		`{"device_type":"t","window_start":"2024-01-30T10:30:00Z","window_seconds":-30}`,
		`{"device_type":"t","window_start":"2024-01-30T10:30:00Z","window_seconds":1e9}`,
		`{"device_type":"t","window_start":"2024-01-30T10:30:00Z","window_seconds":30,"sum":[1e400]}`,
		`{"device_type":"t","window_start":"9999-12-31T23:59:59-01:00","window_seconds":30}`,
		`{"device_type":"t","window_start":"2024-01-30T10:30:00Z","window_seconds":30,"alerts":[{}]}`,
		`{"device_type":"t","window_start":"2024-01-30T10:30:00Z","window_seconds":30,"count":2,"groups":[{"area":"A","count":1}]}`,
		`{"device_type":"t","window_start":"2024-01-30T10:30:00Z","window_seconds":30,"count":2,"groups":[{"area":"B","count":1},{"area":"A","count":1}]}`,
		`{"device_type":"t","window_start":"2024-01-30T10:30:00Z","window_seconds":30,"count":2,"groups":[{"area":"A","count":1},{"area":"A","count":1}]}`,
		`{"device_type":"t","window_start":"2024-01-30T10:30:00Z","window_seconds":30,"groups":[{"area":"` + strings.Repeat("x", iot.MaxArea+1) + `"}]}`,
	} {
		if got, err := wire.DecodeWindowSummary([]byte(text)); err == nil {
			t.Errorf("%s: got summary %+v, want an error", text, got)
		}
	}
	for _, text := range []string{
		``, `null`, `{}`, `[]`, `"x"`, documented,
		`{"id":"a","state":"raised"}`, `{"device_id":"d","state":"raised"}`, `{"id":"a","device_id":"d","state":"on fire"}`,
		`{"id":"a","device_id":"d","state":"raised","onset":"9999-12-31T23:59:59-01:00"}`,
	} {
		if got, err := wire.DecodeAlert([]byte(text)); err == nil {
			t.Errorf("%s: got alert %+v, want an error", text, got)
		}
	}
	for _, text := range []string{
		``, `null`, `{}`, `[]`, documented,
		`{"reading":` + documented + `,"since":"9999-12-31T23:59:59-01:00"}`,
		`{"reading":` + documented + `,"alerts":[{"rule":"r","raised":{}}]}`,
	} {
		if got, err := wire.DecodeDeviceState([]byte(text)); err == nil {
			t.Errorf("%s: got state %+v, want an error", text, got)
		}
	}
}

func TestPeekedSummariesAreWhatDecodingSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := iot.WindowSummary{
			Type:     iot.DeviceType(rapid.String().Draw(t, "type") + "x"),
			Window:   iot.Window{Start: drawTime(t, "start"), Length: 30 * time.Second},
			Position: drawPosition(t), Final: rapid.Bool().Draw(t, "final"), Late: rapid.Bool().Draw(t, "late"),
			Corrected: rapid.Bool().Draw(t, "corrected"),
		}
		text := wire.AppendWindowSummary(nil, &s)
		peeked, ok := wire.PeekSummary(text)
		if ok == (s.Late || s.Corrected) {
			t.Fatalf("peeked: got %v of %s, want a version unless it is a late mark or a correction", ok, text)
		}
		if ok && (peeked.Offset != s.Offset || peeked.Final != s.Final) {
			t.Fatalf("got %+v of %s", peeked, text)
		}
		other := s
		other.Offset, other.Final, other.Late, other.Corrected = s.Offset+1, !s.Final, false, false
		if again, _ := wire.PeekSummary(wire.AppendWindowSummary(nil, &other)); ok && string(again.Window) != string(peeked.Window) {
			t.Fatalf("another version of the window is named %s, want %s", again.Window, peeked.Window)
		}
	})
}

func BenchmarkWindowSummary(b *testing.B) {
	s := iot.WindowSummary{Type: iot.Temperature, Window: iot.Window{Start: documentedReading().Time, Length: 30 * time.Second}}
	for i := range 200 {
		s.Add(20 + float64(i)/7)
	}
	text := wire.AppendWindowSummary(nil, &s)
	b.Run("decode", func(b *testing.B) {
		for b.Loop() {
			if _, err := wire.DecodeWindowSummary(text); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("peek", func(b *testing.B) {
		for b.Loop() {
			if _, ok := wire.PeekSummary(text); !ok {
				b.Fatal("not peeked")
			}
		}
	})
}

func FuzzDecodeTopics(f *testing.F) {
	f.Add([]byte(`{"reading":{"device_id":"d","device_type":"t","timestamp":"2024-01-30T10:30:00Z","value":1},"partition":1,"epoch":0,"position":7}`))
	f.Add([]byte(`{"device_type":"t","window_start":"2024-01-30T10:30:00Z","window_seconds":30,"sum":[1,1e300],"alerts":[` +
		`{"id":"a","device_id":"d","state":"raised","onset":"9998-12-31T23:59:59-23:59"}]}`))
	f.Add([]byte(`{"device_type":"t","window_start":"2024-01-30T10:30:00Z","window_seconds":30,"count":1,"sum":[2],"groups":[` +
		`{"online_devices":1},{"area":"A","count":1,"sum":[2],"min":-0,"max":2}]}`))
	f.Add([]byte(`{"revision":7,"window_seconds":60,"from":"2024-01-30T10:31:00Z"}`))
	f.Add([]byte(`{"reading":{"device_id":"d","device_type":"t","timestamp":"2024-01-30T10:30:00Z","value":1},"age_us":5,"past":{"last":` +
		`"2024-01-30T10:30:00Z","alerts":[{"rule":"r","onset":"2024-01-30T10:30:00Z"}]},"clock":{"age_us":1,"count":2},"partition":1,"epoch":0,"position":7}`))
	f.Add([]byte(`{"reading":{"device_id":"d","device_type":"t","timestamp":"2024-01-30T10:30:00Z","value":1},"session":3,"report":{"status":` +
		`"offline","reason":"last will","time":"2024-01-30T10:30:00Z","session":3},"partition":1,"epoch":0,"position":7}`))
	for _, state := range []iot.DeviceState{goldenState(), alertedState()} {
		f.Add(wire.AppendDeviceState(nil, &state))
	}
	f.Add([]byte(`{"reading":{"device_id":"d","device_type":"t","timestamp":"2024-01-30T10:30:00Z","value":1},"alerts":[{"rule":"r","raised":{"id":"a","device_id":"d",` +
		`"state":"raised","location":{"building":"A"},"location":{"room":"1"}}}],"alerts":[{"onset":null}],"partition":1,"epoch":0,"position":7}`))
	decoder := wire.NewStreamDecoder()
	f.Fuzz(func(t *testing.T, data []byte) {
		position, found := wire.StatePosition(data)
		if state, err := decoder.DeviceState(data); err == nil {
			if found && position != state.Position {
				t.Fatalf("peeked at position %+v, decoded %+v", position, state.Position)
			}
			general, err := wire.StateGeneral(data)
			if err != nil || !reflect.DeepEqual(state, general) {
				t.Fatalf("fast: %+v, general: %+v, %v", state, general, err)
			}
			wire.AppendDeviceState(nil, &state)
		}
		// An accepted summary can be encoded, and is then decoded unchanged.
		if summary, err := wire.DecodeWindowSummary(data); err == nil {
			again, err := wire.DecodeWindowSummary(wire.AppendWindowSummary(nil, &summary))
			if err != nil || !reflect.DeepEqual(again, summary) {
				t.Fatalf("first: %+v, again: %+v, %v", summary, again, err)
			}
		}
		if settings, err := wire.DecodeSettings(data); err == nil {
			if again, err := wire.DecodeSettings(wire.AppendSettings(nil, &settings)); err != nil || !reflect.DeepEqual(again, settings) {
				t.Fatalf("first: %+v, again: %+v, %v", settings, again, err)
			}
		}
		if alert, err := wire.DecodeAlert(data); err == nil {
			if again, err := wire.DecodeAlert(wire.AppendAlert(nil, &alert)); err != nil || again != alert {
				t.Fatalf("first: %+v, again: %+v, %v", alert, again, err)
			}
		}
	})
}

func BenchmarkDeviceState(b *testing.B) {
	state := iot.DeviceState{Latest: documentedReading(), Status: iot.Online, Since: documentedReading().Time, LastSeen: documentedReading().Time}
	benchmarkState(b, &state)
}

// BenchmarkAlertedState is about the state of a device with an open alert, of which there are as many as devices in a flood.
func BenchmarkAlertedState(b *testing.B) {
	state := alertedState()
	benchmarkState(b, &state)
}

// alertedState is the state of a device with an open alert.
func alertedState() iot.DeviceState {
	raised := goldenAlert()
	raised.Transition = iot.Raised
	state := iot.DeviceState{Latest: documentedReading(), Status: iot.Online, Since: documentedReading().Time, LastSeen: documentedReading().Time}
	state.Alerts = []iot.AlertState{{Rule: raised.Rule, Onset: raised.Onset, Raised: &raised}}
	return state
}

func benchmarkState(b *testing.B, state *iot.DeviceState) {
	text := wire.AppendDeviceState(nil, state)
	b.Run("append", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			text = wire.AppendDeviceState(text[:0], state)
		}
	})
	decoder := wire.NewStreamDecoder()
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := decoder.DeviceState(text); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// What is decoded as an alert event is written and then read the same: a processor keeps events in partition-state.
func FuzzDecodeAlert(f *testing.F) {
	for _, alert := range []iot.Alert{goldenAlert(), offlineAlert(), handledAlert(), maintainedAlert()} {
		f.Add(wire.AppendAlert(nil, &alert))
	}
	f.Add([]byte(`{"id":"\ud800","device_id":"a","state":"cleared","onset":"0000-01-01T00:00:00Z","timestamp":"9998-12-31T23:59:59+01:00"}`))
	decoder := wire.NewDecoder()
	f.Fuzz(func(t *testing.T, data []byte) {
		alert, err := decoder.Alert(data)
		if general, problem := wire.AlertGeneral(data); general != alert || (err == nil) != (problem == nil) {
			t.Fatalf("fast: %+v, %v, general: %+v, %v", alert, err, general, problem)
		}
		if err != nil {
			return
		}
		text := wire.AppendAlert(nil, &alert)
		if again, err := wire.DecodeAlert(text); err != nil || again != alert {
			t.Fatalf("first: %+v, again: %+v, %v", alert, again, err)
		}
	})
}
