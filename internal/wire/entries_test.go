package wire_test

import (
	"bytes"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// form is one kind of value on the wire, with what its tests need. Wants are values as Normalize leaves them.
type form struct {
	name string
	// limit is the maximum size of the text in bytes.
	limit  int
	append func(any) []byte
	decode func([]byte) (any, error)
	draw   func(*rapid.T) any
	// golden is a value with every field set, largest one with every text at its limit.
	golden, largest func() any
}

func formOf[T any](
	name string, limit int, appendTo func([]byte, *T) []byte, decode func([]byte) (T, error),
	draw func(*rapid.T) T, golden, largest func() T,
) form {
	return form{
		name, limit,
		func(v any) []byte { value := v.(T); return appendTo(nil, &value) },
		func(text []byte) (any, error) { return decode(text) },
		func(t *rapid.T) any { return draw(t) },
		func() any { return golden() }, func() any { return largest() },
	}
}

var admission = iot.Admission{Skew: 10 * time.Second}

func decodeStatus(text []byte) (iot.StatusReport, error) {
	return wire.DecodeStatusReport(text, time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), &admission)
}

var forms = []form{
	formOf("status", wire.MaxMessage, wire.AppendStatusReport, decodeStatus, drawStatus, goldenStatus, largestStatus),
	formOf("status_interval", wire.MaxMessage, wire.AppendStatusReport, decodeStatus, drawInterval, goldenInterval,
		func() iot.StatusReport { return iot.StatusReport{Interval: iot.MaxInterval, Time: at} }),
	formOf("device", wire.MaxMessage, wire.AppendDeviceEntry, wire.DecodeDeviceEntry, drawEntry, goldenEntry, largestEntry),
	formOf("command", wire.MaxMessage, wire.AppendCommand, wire.DecodeCommand, drawCommand, goldenCommand, largestCommand),
	formOf("rule", wire.MaxRecord, wire.AppendRuleEntry, wire.DecodeRuleEntry, drawRule, goldenRule, largestRule),
	formOf("settings", wire.MaxRecord, wire.AppendSettings, wire.DecodeSettings, drawSettings, goldenSettings, largestSettings),
	formOf("settings_types", wire.MaxRecord, wire.AppendSettings, wire.DecodeSettings, drawTypes, goldenTypes, largestTypes),
	formOf("in_force_rule", wire.MaxRecord, wire.AppendRuleInForce, wire.DecodeRuleInForce,
		func(t *rapid.T) iot.RuleInForce {
			return iot.RuleInForce{RuleEntry: drawRule(t), Position: drawPosition(t)}
		},
		func() iot.RuleInForce {
			return iot.RuleInForce{RuleEntry: goldenRule(), Position: goldenAlert().Position}
		},
		func() iot.RuleInForce { return iot.RuleInForce{RuleEntry: largestRule(), Position: lastPosition} }),
	formOf("in_force_settings", wire.MaxRecord, wire.AppendSettingsInForce, wire.DecodeSettingsInForce,
		func(t *rapid.T) iot.SettingsInForce {
			return iot.SettingsInForce{Settings: drawSettings(t), Since: rapid.Int64().Draw(t, "since"), Position: drawPosition(t)}
		},
		func() iot.SettingsInForce {
			return iot.SettingsInForce{Settings: goldenSettings(), Since: 1200, Position: goldenAlert().Position}
		},
		func() iot.SettingsInForce {
			return iot.SettingsInForce{Settings: largestSettings(), Since: math.MaxInt64, Position: lastPosition}
		}),
	formOf("in_force_device", wire.MaxRecord, wire.AppendEntryInForce, wire.DecodeEntryInForce, drawEntryInForce, goldenEntryInForce, largestEntryInForce),
	formOf("device_areas", wire.MaxRecord, wire.AppendDeviceAreas, wire.DecodeDeviceAreas, drawDeviceAreas, goldenDeviceAreas,
		func() iot.DeviceAreas { return areasOf(largestEntryInForce()) }),
	formOf("in_force_shelved", wire.MaxRecord, wire.AppendShelvedInForce, wire.DecodeShelvedInForce, drawShelved, goldenShelved, largestShelved),
	formOf("in_force_comments", wire.MaxRecord, wire.AppendCommentsInForce, wire.DecodeCommentsInForce, drawComments, goldenComments, largestComments),
	formOf("outage", wire.MaxMessage, wire.AppendOutage, wire.DecodeOutage, drawOutage, goldenOutage, largestOutage),
	formOf("in_force_outage", wire.MaxRecord, wire.AppendOutageInForce, wire.DecodeOutageInForce, drawOutageInForce, goldenOutageInForce,
		func() iot.OutageInForce { return outageInForce(largestOutage(), lastPosition) }),
	formOf("in_force_outcome", wire.MaxRecord, wire.AppendOutcome, wire.DecodeOutcome, drawOutcome, goldenOutcome, largestOutcome),
	formOf("reference", wire.MaxMessage, wire.AppendReference, wire.DecodeReference, drawReference, goldenReference, largestReference),
	formOf("in_force_reference", wire.MaxRecord, wire.AppendReferenceInForce, wire.DecodeReferenceInForce,
		func(t *rapid.T) iot.ReferenceInForce {
			return iot.ReferenceInForce{Reference: drawReference(t), Position: drawPosition(t)}
		},
		func() iot.ReferenceInForce {
			return iot.ReferenceInForce{Reference: goldenReference(), Position: goldenAlert().Position}
		},
		func() iot.ReferenceInForce {
			return iot.ReferenceInForce{Reference: largestReference(), Position: lastPosition}
		}),
	formOf("points", wire.MaxRecord, wire.AppendPoints, wire.DecodePoints, drawPoints, goldenPoints, largestPoints),
	formOf("in_force_points", wire.MaxRecord, wire.AppendPointsInForce, wire.DecodePointsInForce,
		func(t *rapid.T) iot.PointsInForce {
			return iot.PointsInForce{Points: drawPoints(t), Position: drawPosition(t)}
		},
		func() iot.PointsInForce {
			return iot.PointsInForce{Points: goldenPoints(), Position: goldenAlert().Position}
		},
		func() iot.PointsInForce { return iot.PointsInForce{Points: largestPoints(), Position: lastPosition} }),
	formOf("in_force_level", wire.MaxMessage, wire.AppendLevelInForce, wire.DecodeLevelInForce,
		func(t *rapid.T) iot.LevelInForce {
			return iot.LevelInForce{Level: rapid.Uint8Min(1).Draw(t, "level"), Position: drawPosition(t)}
		},
		func() iot.LevelInForce { return iot.LevelInForce{Level: 8, Position: goldenAlert().Position} },
		func() iot.LevelInForce { return iot.LevelInForce{Level: math.MaxUint8, Position: lastPosition} }),
}

var lastPosition = iot.Position{Partition: math.MaxInt32, Epoch: math.MaxInt32, Offset: math.MaxInt64}

func TestEntriesArePinned(t *testing.T) {
	for _, f := range forms {
		text := f.append(f.golden())
		golden(t, "record_"+f.name, text)
		if got, err := f.decode(text); err != nil || !reflect.DeepEqual(got, f.golden()) {
			t.Errorf("%s: read back %+v, %v, want %+v", f.name, got, err, f.golden())
		}
	}
	short := iot.Settings{Revision: 7, Window: time.Minute, From: at}
	golden(t, "record_settings_level_1", wire.AppendSettings(nil, &short))
	forget := iot.DeviceEntry{Version: 8, Forget: true}
	golden(t, "record_device_forget", wire.AppendDeviceEntry(nil, &forget))
	deleted := iot.RuleEntry{Version: 8, Deleted: true, Rule: iot.Rule{Name: "temperature_high"}}
	statistic := iot.RuleEntry{Version: 9, Rule: iot.Rule{
		Name: "current_of_last", Version: 9, Severity: iot.Warning, Latch: true, Text: "过载 {value}", TextEN: "overload {value}",
		Procedure: "https://plant.example/overload",
		Selector:  iot.Selector{Type: iot.Current}, Except: []iot.Selector{{Area: "A栋/test bench"}},
		Condition: iot.Condition{Kind: iot.OfLast, Threshold: 2, Limit: 16, Last: 5},
	}}
	golden(t, "record_rule_statistic", wire.AppendRuleEntry(nil, &statistic))
	begins := time.Date(2026, 7, 1, 14, 0, 0, 0, time.UTC)
	maintenance := iot.RuleEntry{Version: 2, Rule: iot.Rule{
		Name: "overhaul", Selector: iot.Selector{Area: "A栋"}, Severity: iot.Info, Text: "大修", DecidedBy: "u-17", Condition: iot.Condition{Kind: iot.Maintenance},
		Schedule: &iot.Schedule{
			Periods:  []iot.Period{{From: begins, Until: begins.Add(8 * time.Hour)}},
			Calendar: iot.Calendar{TimeZone: "Asia/Shanghai", Weekly: []iot.WeeklyPeriod{{Day: time.Wednesday, Start: 22 * 60, Minutes: 8 * 60}}},
		},
	}}
	golden(t, "record_rule_maintenance", wire.AppendRuleEntry(nil, &maintenance))
	silence := iot.RuleEntry{Version: 9, Rule: iot.Rule{
		Name: "quiet", Severity: iot.Critical, ClearFor: time.Second, Condition: iot.Condition{Kind: iot.NoData, Within: 2 * time.Minute},
	}}
	golden(t, "record_rule_no_data", wire.AppendRuleEntry(nil, &silence))
	levels := iot.RuleEntry{Version: 9, Rule: iot.Rule{
		Name: "tank", Version: 9, Severity: iot.Warning, Selector: iot.Selector{Type: iot.Current},
		Condition: iot.Condition{Kind: iot.LevelLimits, Hysteresis: 1, Levels: iot.Levels{{On: true, Severity: iot.Critical}, {}, {On: true, Limit: 90}}},
	}}
	text := wire.AppendRuleEntry(nil, &levels)
	golden(t, "record_rule_levels", text)
	if got, err := wire.DecodeRuleEntry(text); err != nil || !reflect.DeepEqual(got, levels) {
		t.Errorf("read back %+v, %v, want %+v", got, err, levels)
	}
	expression := iot.RuleEntry{Version: 9, Rule: iot.Rule{
		Name: "jump", Version: 9, Severity: iot.Warning,
		Condition: iot.Condition{Kind: iot.Expression, Threshold: 3, Within: time.Minute, Expression: "value > average +\n\tthreshold and labels.line != \"测试\""},
	}}
	expressed := wire.AppendRuleEntry(nil, &expression)
	golden(t, "record_rule_expression", expressed)
	if got, err := wire.DecodeRuleEntry(expressed); err != nil || !reflect.DeepEqual(got, expression) {
		t.Errorf("read back %+v, %v, want %+v", got, err, expression)
	}
	if _, err := wire.DecodeRuleEntry(bytes.Replace(text, []byte(`"high"`), []byte(`"highest"`), 1)); err == nil {
		t.Error("a level that is none was accepted")
	}
	golden(t, "record_rule_deleted", wire.AppendRuleEntry(nil, &deleted))
	configured := iot.RuleEntry{Version: 8, Provisioned: true, Rule: iot.Rule{Name: iot.RuleOffline, Version: 8, Severity: iot.Warning}}
	golden(t, "record_rule_provisioned", wire.AppendRuleEntry(nil, &configured))
}

// Whatever validation lets through is read as it was written, and fits into a record.
func TestEntriesSurviveTheWire(t *testing.T) {
	for _, f := range forms {
		t.Run(f.name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) { mustSurvive(t, f, f.draw(t)) })
			mustSurvive(t, f, f.largest())
		})
	}
}

type failer interface{ Fatalf(string, ...any) }

func mustSurvive(t failer, f form, want any) {
	text := f.append(want)
	if len(text) > f.limit {
		t.Fatalf("%s: got %d bytes, want at most %d", f.name, len(text), f.limit)
	}
	got, err := f.decode(text)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("%s: %.2000s: got %+v, %v, want %+v", f.name, text, got, err, want)
	}
	if strings.Contains(string(text), `\u003c`) {
		t.Fatalf("%s: %s is escaped for HTML", f.name, text)
	}
}

// A newer version may add fields that this one does not know. What is not an entry at all is refused.
func TestEntriesAreDecodedStrictly(t *testing.T) {
	for _, f := range forms {
		text := f.append(f.golden())
		extended := append([]byte(`{"added_later":{"a":[1,"x"]},`), text[1:]...)
		if got, err := f.decode(extended); err != nil || !reflect.DeepEqual(got, f.golden()) {
			t.Errorf("%s: got %+v, %v with an unknown field, want it ignored", f.name, got, err)
		}
		long := append([]byte(`{"added_later":"`+strings.Repeat("x", f.limit)+`",`), text[1:]...)
		for name, bad := range map[string][]byte{
			"nothing": nil, "cut off": text[:len(text)-1], "two": append(text[:len(text):len(text)], text...),
			"a list": []byte("[]"), "a text": []byte(`"x"`), "too long": long, "another type": []byte(`{"version":"1","status":1,"id":1,"revision":"x","shelvings":1,"comments":1}`),
			"no UTF-8": append([]byte("{\"reason\":\"\xff\","), text[1:]...),
		} {
			if got, err := f.decode(bad); err == nil {
				t.Errorf("%s: %s: got %+v, want it refused", f.name, name, got)
			}
		}
	}
	for _, text := range []string{`null`, `{}`} { // A list of what is in force may be empty.
		for _, f := range forms[:8] {
			if got, err := f.decode([]byte(text)); err == nil {
				t.Errorf("%s: %s: got %+v, want it refused", f.name, text, got)
			}
		}
	}
}

func TestKeysOfPartitionState(t *testing.T) {
	plain, owned := iot.Identity{ID: "device_001"}, iot.Identity{Tenant: "acme", ID: "device_001"}
	for _, test := range []struct {
		key      []byte
		want     string
		of       wire.InForce
		rest     string
		identity iot.Identity
	}{
		{wire.AppendRuleKey(nil, "temperature_high"), "rule\x1ftemperature_high", wire.RuleInForce, "temperature_high", iot.Identity{}},
		{wire.AppendSettingsKey(nil, 1234), "settings\x1f1234", wire.SettingsInForce, "1234", iot.Identity{}},
		{wire.AppendLimitsKey(nil, 1234), "limits\x1f1234", wire.LimitsInForce, "1234", iot.Identity{}},
		{wire.AppendInForceKey(nil, wire.EntryInForce, plain), "device\x1fdevice_001", wire.EntryInForce, "device_001", plain},
		{wire.AppendInForceKey(nil, wire.ShelvedInForce, owned), "shelved\x1facme\x1fdevice_001", wire.ShelvedInForce, "acme\x1fdevice_001", owned},
		{wire.AppendInForceKey(nil, wire.CommentsInForce, owned), "comments\x1facme\x1fdevice_001", wire.CommentsInForce, "acme\x1fdevice_001", owned},
		{wire.AppendInForceKey(nil, wire.OutageInForce, owned), "outage\x1facme\x1fdevice_001", wire.OutageInForce, "acme\x1fdevice_001", owned},
		{wire.AppendReferenceKey(nil, iot.Peers{Area: "hall/line", Type: "pump"}), "reference\x1f\x1fpump\x1fhall/line", wire.ReferenceInForce, "\x1fpump\x1fhall/line", iot.Identity{}},
		{wire.AppendPointsKey(nil, iot.Machine{Tenant: "acme", Area: "hall/line"}), "points\x1facme\x1fhall/line", wire.PointsInForce, "acme\x1fhall/line", iot.Identity{}},
		{wire.AppendReturnedKey(nil, "0123"), "returned\x1f0123", wire.ReturnedInForce, "0123", iot.Identity{}},
		{wire.AppendLevelKey(nil), "level\x1f", wire.LevelInForce, "", iot.Identity{}},
	} {
		of, rest, ok := wire.SplitInForceKey(test.key)
		if string(test.key) != test.want || of != test.of || string(rest) != test.rest || !ok {
			t.Errorf("got key %q, split into %q and %q, %v, want %q", test.key, of, rest, ok, test.want)
		}
		if test.identity == (iot.Identity{}) {
			continue
		}
		if device, err := wire.DecodeDeviceKey(rest); err != nil || device != test.identity {
			t.Errorf("%q: got device %+v, %v, want %+v", rest, device, err, test.identity)
		}
	}
	for _, key := range []string{"", "rule", "rule\x1f", "\x1fx", "calendar\x1fx", "device_001", "level\x1fx"} {
		if of, rest, ok := wire.SplitInForceKey([]byte(key)); ok {
			t.Errorf("%q: got %q and %q, want it refused", key, of, rest)
		}
	}
	for _, key := range []string{"", "\x1fd", "t\x1f", "t\x1fd\x1fe", "\xff", " d"} {
		if device, err := wire.DecodeDeviceKey([]byte(key)); err == nil {
			t.Errorf("%q: got %+v, want it refused", key, device)
		}
	}
}

func FuzzDecodeDeviceKey(f *testing.F) {
	for _, key := range []string{"device_001", "acme\x1fdevice_001", "\x1f", "e\u0301"} {
		f.Add([]byte(key))
	}
	f.Fuzz(func(t *testing.T, key []byte) {
		device, err := wire.DecodeDeviceKey(key)
		if err != nil {
			return
		}
		if again, err := wire.DecodeDeviceKey(wire.AppendDeviceKey(nil, device)); err != nil || again != device {
			t.Fatalf("first: %+v, again: %+v, %v", device, again, err)
		}
	})
}

// fuzzForm sees that what is accepted is written within the limit and then read the same.
func fuzzForm(f *testing.F, name string) {
	for _, form := range forms {
		if form.name != name {
			continue
		}
		f.Add(form.append(form.golden()))
		f.Add([]byte(`{"version":1e9,"labels":{"e\u0301":" ","é":""},"areas":[{"area":"a/b"}]}`))
		f.Fuzz(func(t *testing.T, data []byte) {
			if value, err := form.decode(data); err == nil {
				mustSurvive(t, form, value)
			}
		})
	}
}

func FuzzDecodeStatusReport(f *testing.F)    { fuzzForm(f, "status") }
func FuzzDecodeInterval(f *testing.F)        { fuzzForm(f, "status_interval") }
func FuzzDecodeDeviceEntry(f *testing.F)     { fuzzForm(f, "device") }
func FuzzDecodeCommand(f *testing.F)         { fuzzForm(f, "command") }
func FuzzDecodeRuleEntry(f *testing.F)       { fuzzForm(f, "rule") }
func FuzzDecodeSettings(f *testing.F)        { fuzzForm(f, "settings") }
func FuzzDecodeTypes(f *testing.F)           { fuzzForm(f, "settings_types") }
func FuzzDecodeRuleInForce(f *testing.F)     { fuzzForm(f, "in_force_rule") }
func FuzzDecodeSettingsInForce(f *testing.F) { fuzzForm(f, "in_force_settings") }
func FuzzDecodeEntryInForce(f *testing.F)    { fuzzForm(f, "in_force_device") }
func FuzzDecodeDeviceAreas(f *testing.F)     { fuzzForm(f, "device_areas") }
func FuzzDecodeShelvedInForce(f *testing.F)  { fuzzForm(f, "in_force_shelved") }
func FuzzDecodeCommentsInForce(f *testing.F) { fuzzForm(f, "in_force_comments") }
func FuzzDecodeOutage(f *testing.F)          { fuzzForm(f, "outage") }
func FuzzDecodeOutageInForce(f *testing.F)   { fuzzForm(f, "in_force_outage") }
func FuzzDecodeReference(f *testing.F)       { fuzzForm(f, "reference") }
func FuzzDecodeReferenceInForce(f *testing.F) {
	fuzzForm(f, "in_force_reference")
}

func FuzzDecodePoints(f *testing.F)        { fuzzForm(f, "points") }
func FuzzDecodePointsInForce(f *testing.F) { fuzzForm(f, "in_force_points") }
func FuzzDecodeLevelInForce(f *testing.F)  { fuzzForm(f, "in_force_level") }

func FuzzDecodeMachineKey(f *testing.F) {
	for _, machine := range []iot.Machine{{Area: "hall"}, {Tenant: "acme", Area: "hall/line 2"}} {
		f.Add(wire.AppendMachineKey(nil, machine))
	}
	f.Add([]byte("\x1f"))
	f.Fuzz(func(t *testing.T, key []byte) {
		machine, err := wire.DecodeMachineKey(key)
		if err != nil {
			return
		}
		again := wire.AppendMachineKey(nil, machine)
		if got, err := wire.DecodeMachineKey(again); err != nil || got != machine {
			t.Errorf("%q: got %+v, %v, want %+v", again, got, err, machine)
		}
	})
}

func FuzzDecodePeersKey(f *testing.F) {
	for _, peers := range []iot.Peers{{Type: "pump"}, {Tenant: "acme", Area: "hall/line 2", Type: "pump"}} {
		f.Add(wire.AppendPeersKey(nil, peers))
	}
	f.Add([]byte("\x1f\x1f"))
	f.Fuzz(func(t *testing.T, key []byte) {
		peers, err := wire.DecodePeersKey(key)
		if err != nil {
			return
		}
		again := wire.AppendPeersKey(nil, peers)
		if got, err := wire.DecodePeersKey(again); err != nil || got != peers {
			t.Errorf("%q: got %+v, %v, want %+v", again, got, err, peers)
		}
	})
}

// Values for the golden files.

func goldenStatus() iot.StatusReport {
	return iot.StatusReport{Status: iot.ReportedOffline, Reason: "last will", Time: at.Add(1500 * time.Microsecond), Session: 17, Historical: true}
}

func goldenEntry() iot.DeviceEntry {
	return iot.DeviceEntry{
		Version: 7, Name: "压机 4 <主轴>", Area: "A栋/line 2/press 4", Labels: map[string]string{"owner": "maintenance", "criticality": "high"},
		Limits: map[string]float64{"temperature_high": 65.5, "temperature_critical": 80}, Unit: "°F", Interval: 10 * time.Second, Retired: true,
		Parent: "gateway-7",
	}
}

func goldenOutage() iot.Outage {
	return iot.Outage{Silent: true, For: 10 * time.Minute, Evidence: iot.Position{Partition: 2, Epoch: 1, Offset: 77}}
}

func goldenOutageInForce() iot.OutageInForce {
	return outageInForce(goldenOutage(), goldenAlert().Position)
}

func outageInForce(o iot.Outage, position iot.Position) iot.OutageInForce {
	return iot.OutageInForce{Silent: o.Silent, Evidence: o.Evidence, Since: at, Until: at.Add(o.For), Position: position}
}

func goldenReference() iot.Reference {
	return iot.Reference{Median: 21.75, Devices: 12, Newest: at, For: 3 * time.Minute}
}

func largestReference() iot.Reference {
	return iot.Reference{Median: -math.MaxFloat64, Devices: 1 << 30, Newest: at.Add(time.Microsecond), For: iot.MaxReferenceFor}
}

func goldenPoints() iot.Points {
	return iot.Points{
		{Name: "pressure", Device: "device_002", Good: true, Value: 4.25, Seen: at, For: time.Minute, Evidence: iot.Position{Partition: 2, Epoch: 1, Offset: 77}},
		{Name: "阀门", Device: "device_003", Seen: at, For: 3 * time.Minute, Evidence: iot.Position{Offset: 5}},
	}
}

func largestPoints() iot.Points {
	points := make(iot.Points, iot.MaxMachinePoints)
	for i := range points {
		name := strings.Repeat("<", iot.MaxIDLength-2) + fmt.Sprintf("%02d", i)
		points[i] = iot.Point{
			Name: name, Device: iot.DeviceID(name), Good: true, Value: -math.MaxFloat64, Seen: at.Add(time.Microsecond), For: iot.MaxPointFor, Evidence: lastPosition,
		}
	}
	return points
}

func goldenCommand() iot.Command {
	return iot.Command{
		ID: "c-0001", Action: iot.Shelve, Actor: "u-17", Reason: "sensor is being replaced", Time: at, Rule: "temperature_high",
		Until: at.Add(8 * time.Hour), Revision: 1234, Key: "7f1c", Request: iot.Fingerprint("shelve"),
	}
}

// A program of an older version says of no command which request it is from.
func TestTheOriginOfAnOlderCommandIsItself(t *testing.T) {
	older := func() iot.Command {
		c := goldenCommand()
		c.Key, c.Request = "", ""
		return c
	}
	c := older()
	text := wire.AppendCommand(nil, &c)
	if got, err := wire.DecodeCommand(text); err != nil || got != c || bytes.Contains(text, []byte(`"key"`)) {
		t.Errorf("got %+v, %v of %s, want no key", got, err, text)
	}
	again, other := older(), older()
	again.Time, again.Until, again.Revision = again.Time.Add(time.Minute), again.Until.Add(time.Minute), 9
	other.Reason = "another one"
	device, another := iot.Identity{ID: "a"}, iot.Identity{ID: "b"}
	id, key, request := c.Origin(device)
	if againID, againKey, againRequest := again.Origin(device); againID != id || againKey != key || againRequest != request {
		t.Errorf("got %s %s %s, then %s %s %s, want the same request", id, key, request, againID, againKey, againRequest)
	}
	if _, _, otherRequest := other.Origin(device); otherRequest == request {
		t.Error("got the same request for another reason")
	}
	if anotherID, anotherKey, _ := c.Origin(another); anotherID == id || anotherKey == key {
		t.Error("got the same id for another device, of which an older version has not known it")
	}
	for _, half := range []iot.Command{{Key: "k"}, {Request: "r"}} {
		c := older()
		c.Key, c.Request = half.Key, half.Request
		if got, err := wire.DecodeCommand(wire.AppendCommand(nil, &c)); err == nil {
			t.Errorf("got %+v, want half an origin refused", got)
		}
	}
}

func goldenOutcome() iot.Outcome {
	return iot.Outcome{
		ID: "c-0002", Key: "7f1c", Request: iot.Fingerprint("acknowledge"), Refused: iot.AlreadyAcknowledged, By: "u-9", At: at,
		State: iot.AcknowledgedState, Remains: iot.DeviceShelved, Time: at.Add(time.Minute), Position: goldenAlert().Position,
	}
}

func largestOutcome() iot.Outcome {
	o := goldenOutcome()
	o.ID, o.Key, o.Request, o.By, o.Position = longest(iot.MaxCommandID), longest(iot.MaxCommandID), longest(iot.MaxCommandID), longest(iot.MaxCommandID), lastPosition
	return o
}

func drawOutcome(t *rapid.T) iot.Outcome {
	return drawValid(t, func() iot.Outcome {
		o := iot.Outcome{ID: drawKey(t, "id"), Key: drawKey(t, "key"), Request: drawKey(t, "request"), Time: drawMoment(t, "time"), Position: drawPosition(t)}
		o.Refused = rapid.SampledFrom([]iot.Refusal{"", iot.AlertOver, iot.ChangedMeanwhile, "of a newer version"}).Draw(t, "refused")
		o.State = rapid.SampledFrom([]iot.LifeState{"", iot.NormalState}).Draw(t, "state")
		o.Remains = rapid.SampledFrom([]iot.Remaining{"", iot.RuleOutOfService}).Draw(t, "remains")
		if rapid.Bool().Draw(t, "by somebody") {
			o.By, o.At = drawKey(t, "by"), drawMoment(t, "at")
		}
		return o
	}, (*iot.Outcome).Normalize)
}

func goldenRule() iot.RuleEntry {
	return iot.RuleEntry{Version: 7, Rule: iot.Rule{
		Name: "current_low", Version: 7, Severity: iot.Info, Text: "no load",
		Selector: iot.Selector{
			Tenant: "acme", Area: "A栋/line 2", Type: iot.Current, Labels: map[string]string{"criticality": "high"},
			Devices: []iot.DeviceID{"device_001", "device_002"},
		},
		Condition: iot.Condition{Below: true, Threshold: 0.5, Hysteresis: 0.1},
		For:       30 * time.Second, ClearFor: time.Minute,
	}}
}

func goldenSettings() iot.Settings {
	return iot.Settings{Revision: 7, Window: time.Minute, From: at, Limits: &iot.Limits{
		Lateness: 5 * time.Second, Skew: 10 * time.Second, Retention: 24 * time.Hour,
		MaxText: 200, Earliest: time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC), Types: iot.BuiltinTypes(),
	}}
}

func goldenEntryInForce() iot.EntryInForce {
	return iot.EntryInForce{
		DeviceEntry: goldenEntry(), Areas: []iot.AreaFrom{{Area: "A栋"}, {From: at, Area: goldenEntry().Area}}, Position: goldenAlert().Position,
	}
}

func goldenDeviceAreas() iot.DeviceAreas {
	d := areasOf(goldenEntryInForce())
	d.Tenant = "acme"
	return d
}

// areasOf returns the areas of an entry.
func areasOf(e iot.EntryInForce) iot.DeviceAreas {
	return iot.DeviceAreas{Identity: iot.Identity{ID: "device_001"}, Areas: e.Areas, Position: e.Position}
}

func goldenShelved() iot.ShelvedInForce {
	return iot.ShelvedInForce{Revision: 1234, Commands: []string{"k-7f1c", "k-7f1d"}, Position: goldenAlert().Position, Shelvings: []iot.Shelving{
		{Rule: "temperature_high", Until: at.Add(8 * time.Hour), Actor: "u-17", Reason: "sensor is being replaced", Since: at, Revision: 1234},
		{OutOfService: true, Actor: "u-17", Since: at, Revision: 1200},
	}}
}

func goldenComments() iot.CommentsInForce {
	return iot.CommentsInForce{Position: goldenAlert().Position, Comments: []iot.Comment{
		{ID: "c-0002", Alert: goldenAlert().ID, Actor: "u-17", Text: "bearing ordered", Time: at},
	}}
}

// The largest values that validation lets through, of texts that JSON writes with an escape for every byte.

func longest(bytes int) string { return strings.Repeat(`"`, bytes) }

func numbered(i, bytes int) string { return fmt.Sprintf("%04d", i) + longest(bytes-4) }

const longNumber = -1.2345678901234567e-300

func largestStatus() iot.StatusReport {
	s := goldenStatus()
	s.Reason, s.Session = longest(iot.MaxReason), math.MaxInt64
	return s
}

func largestEntry() iot.DeviceEntry {
	e := iot.DeviceEntry{
		Version: iot.MaxVersion, Name: longest(iot.DefaultMaxText), Area: largestArea(), Unit: longest(iot.MaxUnit), Interval: iot.MaxInterval, Retired: true,
		Parent: iot.DeviceID(longest(iot.MaxIDLength)), Labels: make(map[string]string), Limits: make(map[string]float64),
	}
	for i := range iot.MaxLabels {
		e.Labels[numbered(i, iot.MaxLabelName)] = longest(iot.DefaultMaxText)
	}
	for i := range iot.MaxRules {
		e.Limits[numbered(i, iot.MaxRuleName)] = longNumber
	}
	return e
}

func largestArea() iot.Area {
	return iot.Area(strings.Repeat(longest(63)+"/", iot.MaxAreaLevels-1) + longest(64))
}

func largestCommand() iot.Command {
	c := goldenCommand()
	c.ID, c.Actor, c.Reason, c.Rule = longest(iot.MaxCommandID), longest(iot.MaxCommandID), longest(iot.MaxReason), longest(iot.MaxRuleName)
	c.Key, c.Request = longest(iot.MaxCommandID), longest(iot.MaxCommandID)
	c.Revision = math.MaxInt64
	return c
}

func largestRule() iot.RuleEntry {
	e := goldenRule()
	e.Version, e.Rule.Version = iot.MaxVersion, iot.MaxVersion
	e.Rule.Name, e.Rule.Text, e.Rule.Type = longest(iot.MaxRuleName), longest(iot.MaxRuleText), iot.DeviceType(longest(iot.DefaultMaxText))
	e.Rule.Tenant, e.Rule.Area, e.Rule.Labels, e.Rule.Devices = iot.Tenant(longest(iot.MaxTenant)), largestArea(), largestEntry().Labels, nil
	for range iot.MaxRuleDevices {
		e.Rule.Devices = append(e.Rule.Devices, iot.DeviceID(longest(iot.MaxIDLength)))
	}
	e.Rule.TextEN, e.Rule.Latch, e.Rule.DecidedBy = longest(iot.MaxRuleText), true, longest(iot.MaxCommandID)
	e.Rule.Procedure = "https://plant.example/" + strings.Repeat("&", iot.MaxRuleText-len("https://plant.example/"))
	for range iot.MaxRuleExcept {
		e.Rule.Except = append(e.Rule.Except, iot.Selector{Area: e.Rule.Area, Labels: e.Rule.Labels})
	}
	e.Rule.Threshold, e.Rule.For, e.Rule.ClearFor = longNumber, iot.MaxRuleDelay, iot.MaxRuleDelay
	e.Rule.Condition = iot.Condition{
		Kind: iot.Expression, Threshold: longNumber, Within: iot.MaxWithin, Expression: strings.Repeat("\t", iot.MaxExpression),
	}
	return e
}

func goldenTypes() iot.Settings {
	return iot.Settings{Types: []iot.TypeSpec{{Name: "flow_sensor", Unit: "L/min", Decimals: 1, Max: 400, Labels: map[string]string{"en": "Flow", "zh": "流量"}}}}
}

// largestTypes has as many types as people may decide.
func largestTypes() iot.Settings {
	var s iot.Settings
	for i := range iot.MaxDecidedTypes {
		s.Types = append(s.Types, iot.TypeSpec{Name: iot.DeviceType(numbered(i, 120)), Unit: longest(100), Decimals: 15, Min: longNumber * 2, Max: -longNumber})
	}
	return s
}

// largestSettings has as many types as there may be, and texts up to their limit.
func largestSettings() iot.Settings {
	s := goldenSettings()
	s.Revision, s.Limits.MaxText, s.Limits.Types = iot.MaxVersion, 1024, nil
	const each = iot.MaxCatalog/iot.MaxTypes - 2*8 // Every text counts with 8 bytes more than it has.
	for i := range iot.MaxTypes {
		s.Limits.Types = append(s.Limits.Types, iot.TypeSpec{
			Name: iot.DeviceType(numbered(i, 120)), Unit: longest(each - 120), Decimals: 15, Min: longNumber * 2, Max: -longNumber,
		})
	}
	s.Limits.Decided = largestTypes().Types
	return s
}

func largestEntryInForce() iot.EntryInForce {
	e := iot.EntryInForce{DeviceEntry: largestEntry(), Position: lastPosition}
	for i := range iot.MaxAreaHistory {
		e.Areas = append(e.Areas, iot.AreaFrom{From: at.Add(time.Duration(i)*time.Hour + time.Microsecond), Area: largestArea()})
	}
	return e
}

func largestShelved() iot.ShelvedInForce {
	s := iot.ShelvedInForce{Revision: math.MaxInt64, Position: lastPosition}
	for range iot.MaxShelvings {
		s.Shelvings = append(s.Shelvings, iot.Shelving{
			Rule: longest(iot.MaxRuleName), Until: at.Add(time.Hour + time.Microsecond), Actor: longest(iot.MaxCommandID),
			Reason: longest(iot.MaxReason), Since: at.Add(time.Microsecond), Revision: math.MaxInt64,
		})
	}
	for range iot.MaxShelvingCommands {
		s.Commands = append(s.Commands, longest(iot.MaxCommandID))
	}
	return s
}

func largestComments() iot.CommentsInForce {
	c := iot.CommentsInForce{Position: lastPosition}
	for range iot.MaxComments {
		id := longest(iot.MaxCommandID)
		c.Comments = append(c.Comments, iot.Comment{ID: id, Alert: id, Actor: id, Text: longest(iot.MaxReason), Time: at.Add(time.Microsecond)})
	}
	return c
}

func largestOutage() iot.Outage {
	return iot.Outage{Silent: true, For: iot.MaxOutage, Evidence: lastPosition}
}

// Values as strange as validation lets through. Each is drawn and normalized; what cannot be is drawn again.

func drawValid[T any](t *rapid.T, draw func() T, normalize func(*T) error) T {
	for range 50 {
		if value := draw(); normalize(&value) == nil {
			return value
		}
	}
	t.Skip("nothing valid was drawn")
	panic("unreachable")
}

func drawText(t *rapid.T, label string) string {
	return rapid.OneOf(rapid.Just(""), rapid.StringN(0, 20, 60), rapid.StringMatching(`[<>&"\\/ '=é栋𝒳ﬀ]{1,30}`)).Draw(t, label)
}

func drawKey(t *rapid.T, label string) string {
	return rapid.OneOf(rapid.StringMatching(`[a-z<>&"\\é栋]{1,20}`), rapid.StringN(1, 10, 40)).Draw(t, label)
}

func drawMoment(t *rapid.T, label string) time.Time {
	return time.UnixMicro(rapid.Int64Range(iot.DefaultEarliest*1e6, 253_370_764_800_000_000-1).Draw(t, label)).UTC()
}

func goldenInterval() iot.StatusReport { return iot.StatusReport{Interval: 90 * time.Second, Time: at} }

func drawInterval(t *rapid.T) iot.StatusReport {
	return drawValid(t, func() iot.StatusReport {
		return iot.StatusReport{Interval: time.Duration(rapid.Int64Range(1, int64(iot.MaxInterval)).Draw(t, "interval")), Time: drawMoment(t, "time"), Historical: rapid.Bool().Draw(t, "historical")}
	}, func(s *iot.StatusReport) error { return s.Normalize(s.Time, &admission) })
}

func drawStatus(t *rapid.T) iot.StatusReport {
	return drawValid(t, func() iot.StatusReport {
		return iot.StatusReport{
			Status: rapid.SampledFrom([]iot.Reported{iot.ReportedOnline, iot.ReportedOffline, iot.ReportedBad}).Draw(t, "status"),
			Reason: drawText(t, "reason"), Time: drawMoment(t, "time"), Session: rapid.Int64Range(0, math.MaxInt64).Draw(t, "session"),
			Historical: rapid.Bool().Draw(t, "historical"),
		}
	}, func(s *iot.StatusReport) error { return s.Normalize(s.Time, &admission) })
}

func drawEntry(t *rapid.T) iot.DeviceEntry {
	return drawValid(t, func() iot.DeviceEntry {
		e := iot.DeviceEntry{Version: rapid.Int64Range(1, iot.MaxVersion).Draw(t, "version"), Forget: rapid.Bool().Draw(t, "forget")}
		if e.Forget {
			return e
		}
		e.Name, e.Area = drawText(t, "name"), iot.Area(drawText(t, "area")).Canonical()
		e.Interval, e.Retired = time.Duration(rapid.Int64Range(0, 1e15).Draw(t, "interval")), rapid.Bool().Draw(t, "retired")
		if rapid.Bool().Draw(t, "below") {
			e.Parent = iot.DeviceID(drawKey(t, "parent"))
		}
		e.Unit = rapid.SampledFrom([]string{"", "°F", "K", "kPa", "rpm"}).Draw(t, "unit")
		e.Labels, e.Limits = make(map[string]string), make(map[string]float64)
		for range rapid.IntRange(0, 3).Draw(t, "labels") {
			e.Labels[drawKey(t, "label")] = drawText(t, "text")
			e.Limits[drawKey(t, "rule")] = rapid.Float64().Draw(t, "limit")
		}
		return e
	}, (*iot.DeviceEntry).Normalize)
}

func drawCommand(t *rapid.T) iot.Command {
	return drawValid(t, func() iot.Command {
		c := iot.Command{
			ID: drawKey(t, "id"), Actor: drawKey(t, "actor"), Reason: drawText(t, "reason"), Time: drawMoment(t, "time"),
			Action: rapid.SampledFrom([]iot.Action{
				iot.Acknowledge, iot.AddComment, iot.Reset, iot.Shelve, iot.Unshelve, iot.TakeOutOfService, iot.ReturnToService,
			}).Draw(t, "action"),
		}
		if rapid.Bool().Draw(t, "with origin") {
			c.Key, c.Request = drawKey(t, "key"), drawKey(t, "request")
		}
		switch c.Action {
		case iot.Acknowledge, iot.AddComment, iot.Reset:
			c.Alert = drawKey(t, "alert")
		case iot.Shelve:
			c.Until = c.Time.Add(time.Duration(rapid.Int64Range(1000, 1e15).Draw(t, "span")))
			c.OneShot = rapid.Bool().Draw(t, "one shot")
			fallthrough
		default:
			c.Rule, c.Revision = drawText(t, "rule"), rapid.Int64Range(0, math.MaxInt64).Draw(t, "revision")
		}
		return c
	}, (*iot.Command).Normalize)
}

func drawRule(t *rapid.T) iot.RuleEntry {
	return drawValid(t, func() iot.RuleEntry {
		e := iot.RuleEntry{Version: rapid.Int64Range(1, iot.MaxVersion).Draw(t, "version"), Deleted: rapid.Bool().Draw(t, "deleted")}
		e.Provisioned = rapid.Bool().Draw(t, "provisioned")
		e.Rule.Name = drawKey(t, "name")
		if e.Deleted {
			return e
		}
		e.Rule.Selector = iot.Selector{
			Tenant: iot.Tenant(drawText(t, "tenant")), Area: iot.Area(drawText(t, "area")).Canonical(), Type: iot.DeviceType(drawText(t, "type")),
		}
		for range rapid.IntRange(0, 2).Draw(t, "devices") {
			e.Rule.Devices = append(e.Rule.Devices, iot.DeviceID(drawKey(t, "device")))
			e.Rule.Labels = map[string]string{drawKey(t, "label"): drawText(t, "value")}
		}
		e.Rule.DecidedBy = rapid.SampledFrom([]string{"", "u-17"}).Draw(t, "decided by")
		e.Rule.Text, e.Rule.Severity = drawText(t, "message"), rapid.SampledFrom(iot.Severities[:]).Draw(t, "severity")
		e.Rule.Below, e.Rule.Threshold = rapid.Bool().Draw(t, "below"), rapid.Float64().Draw(t, "threshold")
		e.Rule.Hysteresis = rapid.Float64Min(0).Draw(t, "hysteresis")
		e.Rule.Kind = rapid.SampledFrom([]iot.ConditionKind{
			iot.Threshold, iot.Rise, iot.Stuck, iot.Average, iot.Count, iot.Fraction, iot.OfLast, iot.NoData, iot.LevelLimits, iot.Expression,
		}).Draw(t, "kind")
		if e.Rule.Counts() {
			e.Rule.Threshold, e.Rule.Hysteresis = rapid.Float64Range(0, 1).Draw(t, "share"), 0
			e.Rule.Limit = rapid.Float64().Draw(t, "limit")
		}
		if e.Rule.Kind == iot.OfLast {
			e.Rule.Last = rapid.IntRange(1, iot.MaxConditionLast).Draw(t, "last")
		} else if e.Rule.Kind != iot.Threshold && e.Rule.Kind != iot.LevelLimits {
			e.Rule.Within = time.Duration(rapid.Int64Range(1e9, 1e15).Draw(t, "within"))
		}
		switch e.Rule.Kind {
		case iot.NoData:
			e.Rule.Within, e.Rule.Threshold = e.Rule.Within+iot.MinNoData, 0
		case iot.LevelLimits:
			e.Rule.Threshold = 0
			for i := range e.Rule.Levels {
				if e.Rule.Levels[i].On = rapid.Bool().Draw(t, "level"); e.Rule.Levels[i].On {
					e.Rule.Levels[i].Limit = float64(i) + rapid.Float64Range(0, 0.5).Draw(t, "limit of the level")
					e.Rule.Levels[i].Severity = rapid.SampledFrom([]iot.Severity{"", iot.Critical}).Draw(t, "severity of the level")
				}
			}
		case iot.Expression:
			e.Rule.Condition.Expression = drawKey(t, "expression") + "\n\t>"
		}
		if e.Rule.Kind == iot.NoData || e.Rule.Kind == iot.LevelLimits || e.Rule.Kind == iot.Expression {
			e.Rule.Hysteresis, e.Rule.Below = 0, false
		}
		e.Rule.Disabled = rapid.Bool().Draw(t, "disabled")
		e.Rule.Latch, e.Rule.TextEN = rapid.Bool().Draw(t, "latch"), drawText(t, "message in English")
		e.Rule.Procedure = rapid.SampledFrom([]string{"", "https://plant.example/高温?a=<1>"}).Draw(t, "procedure")
		for range rapid.IntRange(0, 2).Draw(t, "exceptions") {
			e.Rule.Except = append(e.Rule.Except, iot.Selector{Devices: []iot.DeviceID{iot.DeviceID(drawKey(t, "except"))}})
		}
		e.Rule.For = time.Duration(rapid.Int64Range(0, 1e15).Draw(t, "for"))
		e.Rule.ClearFor = time.Duration(rapid.Int64Range(0, 1e15).Draw(t, "clear for"))
		return e
	}, (*iot.RuleEntry).Normalize)
}

func drawSettings(t *rapid.T) iot.Settings {
	s := iot.Settings{
		Revision: rapid.Int64Range(math.MinInt64, iot.MaxVersion).Draw(t, "revision"), Window: time.Duration(rapid.IntRange(1, 86_400).Draw(t, "window")) * time.Second,
		From: drawMoment(t, "from"),
	}
	if rapid.Bool().Draw(t, "window alone") {
		return s
	}
	limits := drawValid(t, func() iot.Limits {
		l := iot.Limits{
			Lateness: time.Duration(rapid.Int64Range(0, 1e13).Draw(t, "lateness")), Skew: time.Duration(rapid.Int64Range(0, 1e13).Draw(t, "skew")),
			Retention: time.Duration(rapid.Int64Range(0, 3e18).Draw(t, "retention")),
			MaxText:   rapid.IntRange(0, 1024).Draw(t, "text"),
		}
		if rapid.Bool().Draw(t, "with an earliest time") {
			l.Earliest = time.Unix(rapid.Int64Range(0, 7_258_118_400).Draw(t, "earliest"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanoseconds"))
		}
		l.Types = drawTypeSpecs(t, 1)
		l.Decided = drawTypeSpecs(t, 0)
		return l
	}, (*iot.Limits).Normalize)
	s.Limits = &limits
	return s
}

func drawTypes(t *rapid.T) iot.Settings {
	return drawValid(t, func() iot.Settings { return iot.Settings{Types: drawTypeSpecs(t, 1)} }, func(s *iot.Settings) error { return iot.NormalizeDecided(s.Types) })
}

func drawTypeSpecs(t *rapid.T, least int) (types []iot.TypeSpec) {
	for range rapid.IntRange(least, 3).Draw(t, "types") {
		spec := iot.TypeSpec{
			Name: iot.DeviceType(drawKey(t, "name")), Unit: drawText(t, "unit"), Decimals: rapid.IntRange(0, 15).Draw(t, "decimals"),
			Min: rapid.Float64Range(-1e308, 0).Draw(t, "min"), Max: rapid.Float64Range(1e-300, 1e308).Draw(t, "max"),
			Labels: map[string]string{drawKey(t, "language"): drawText(t, "label")},
		}
		for i := range rapid.IntRange(0, 3).Draw(t, "states") {
			spec.States = append(spec.States, fmt.Sprint(i))
		}
		types = append(types, spec)
	}
	return types
}

func drawEntryInForce(t *rapid.T) iot.EntryInForce {
	return drawValid(t, func() iot.EntryInForce {
		e := iot.EntryInForce{DeviceEntry: drawEntry(t), Position: drawPosition(t)}
		from := rapid.SampledFrom([]time.Time{{}, at}).Draw(t, "first")
		for range rapid.IntRange(0, iot.MaxAreaHistory).Draw(t, "areas") {
			e.Areas = append(e.Areas, iot.AreaFrom{From: from, Area: iot.Area(drawText(t, "area")).Canonical()})
			from = at.Add(time.Duration(len(e.Areas)) * time.Hour)
		}
		return e
	}, (*iot.EntryInForce).Normalize)
}

func drawDeviceAreas(t *rapid.T) iot.DeviceAreas {
	return drawValid(t, func() iot.DeviceAreas {
		d := areasOf(drawEntryInForce(t))
		d.Identity = iot.Identity{Tenant: iot.Tenant(drawText(t, "tenant")), ID: iot.DeviceID(drawKey(t, "device"))}
		return d
	}, (*iot.DeviceAreas).Normalize)
}

func drawShelved(t *rapid.T) iot.ShelvedInForce {
	return drawValid(t, func() iot.ShelvedInForce {
		s := iot.ShelvedInForce{Revision: rapid.Int64Range(0, math.MaxInt64).Draw(t, "last revision"), Position: drawPosition(t)}
		for range rapid.IntRange(0, 3).Draw(t, "shelvings") {
			shelving := iot.Shelving{
				Rule: drawText(t, "rule"), Actor: drawKey(t, "actor"), Reason: drawText(t, "reason"), Since: drawMoment(t, "since"),
				OutOfService: rapid.Bool().Draw(t, "out of service"), Revision: rapid.Int64Range(0, math.MaxInt64).Draw(t, "revision"),
			}
			if !shelving.OutOfService {
				shelving.Until = shelving.Since.Add(time.Hour)
			}
			s.Shelvings = append(s.Shelvings, shelving)
		}
		for range rapid.IntRange(0, iot.MaxShelvingCommands).Draw(t, "commands") {
			s.Commands = append(s.Commands, drawKey(t, "command"))
		}
		return s
	}, (*iot.ShelvedInForce).Normalize)
}

func drawOutage(t *rapid.T) iot.Outage {
	return drawValid(t, func() iot.Outage {
		o := iot.Outage{Silent: rapid.Bool().Draw(t, "silent"), Evidence: drawPosition(t)}
		if o.Silent {
			o.For = time.Duration(rapid.Int64Range(1, int64(iot.MaxOutage)).Draw(t, "for"))
		}
		return o
	}, (*iot.Outage).Normalize)
}

func drawOutageInForce(t *rapid.T) iot.OutageInForce {
	return drawValid(t, func() iot.OutageInForce {
		return iot.OutageInForce{
			Silent: rapid.Bool().Draw(t, "silent"), Evidence: drawPosition(t), Since: drawMoment(t, "since"), Until: drawMoment(t, "until"), Position: drawPosition(t),
		}
	}, (*iot.OutageInForce).Normalize)
}

func drawReference(t *rapid.T) iot.Reference {
	return drawValid(t, func() iot.Reference {
		return iot.Reference{
			Median: rapid.Float64().Draw(t, "median"), Devices: rapid.IntRange(0, 1<<31).Draw(t, "devices"), Newest: drawMoment(t, "newest"),
			For: time.Duration(rapid.Int64Range(0, int64(2*iot.MaxReferenceFor)).Draw(t, "for")),
		}
	}, (*iot.Reference).Normalize)
}

func drawPoints(t *rapid.T) iot.Points {
	return drawValid(t, func() iot.Points {
		points := make(iot.Points, rapid.IntRange(1, 3).Draw(t, "points"))
		for i := range points {
			p := iot.Point{
				Name: drawKey(t, "name"), Device: iot.DeviceID(drawKey(t, "device")), Good: rapid.Bool().Draw(t, "good"), Seen: drawMoment(t, "seen"),
				For: time.Duration(rapid.Int64Range(0, int64(2*iot.MaxPointFor)).Draw(t, "for")), Evidence: drawPosition(t),
			}
			if p.Good {
				p.Value = rapid.Float64().Draw(t, "value")
			}
			points[i] = p
		}
		return points
	}, func(p *iot.Points) error { return p.Normalize() })
}

func drawComments(t *rapid.T) iot.CommentsInForce {
	return drawValid(t, func() iot.CommentsInForce {
		c := iot.CommentsInForce{Position: drawPosition(t)}
		for range rapid.IntRange(0, 3).Draw(t, "comments") {
			c.Comments = append(c.Comments, iot.Comment{
				ID: drawKey(t, "id"), Alert: drawKey(t, "alert"), Actor: drawKey(t, "actor"), Text: "x" + drawText(t, "text"), Time: drawMoment(t, "time"),
			})
		}
		return c
	}, (*iot.CommentsInForce).Normalize)
}

// A report about a device, as it is sent over HTTP, comes back whole; other objects are none.
func FuzzDecodeDeviceReport(f *testing.F) {
	f.Add([]byte(`{"device_id":"a","report":{"status":"offline","reason":"last will","time":"2026-03-01T12:00:00Z","session":7,"historical":true}}`))
	f.Add([]byte(`{"device_id":"","report":null}`))
	f.Add([]byte(`{"device_id":"a","report":[]}`))
	appended := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	admission := &iot.Admission{Skew: 10 * time.Second}
	f.Fuzz(func(t *testing.T, data []byte) {
		device, report, is, err := wire.DecodeDeviceReport(data, appended, admission)
		if !is || err != nil {
			if err != nil && !is {
				t.Fatalf("got %v of what is no report", err)
			}
			return
		}
		text := wire.AppendDeviceReport(nil, device.ID, wire.AppendStatusReport(nil, &report))
		again, same, _, err := wire.DecodeDeviceReport(text, appended, admission)
		if err != nil || again != device || same != report {
			t.Fatalf("first: %+v %+v, again: %+v %+v, %v", device, report, again, same, err)
		}
	})
}
