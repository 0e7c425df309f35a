package push

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"net/url"
	"os"
	"reflect"
	"regexp"
	"slices"
	"testing"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/view"
	"iotmon/internal/view/viewtest"
	"iotmon/internal/wire"
)

var update = flag.Bool("update", false, "write the golden files anew")

// What a connection is sent, byte for byte: the greeting, the snapshot, and one change of each kind.
func TestEveryMessageOfAConnection(t *testing.T) {
	clock := func() time.Time { return noon }
	p := build(t, func(o *HubOptions) {
		o.Now = clock
		o.View = view.New(view.Options{WindowLength: windowLength, Now: clock})
	})
	battery := 85.0
	first := p.Says("device_001", iot.Temperature, "A栋", 21.5)
	first.Latest.Metadata = iot.Metadata{Model: "IOT-TEMP-V2", Firmware: "1.2.3", BatteryLevel: &battery}
	alarm := p.Alarm(1, iot.Temperature, "A栋", iot.Warning, iot.Raised)
	first.Alerts = []iot.AlertState{{Rule: alarm.Rule, Raised: &alarm}}
	p.Apply(view.Batch{
		States:    []iot.DeviceState{first, p.Says("device_002", iot.Humidity, "B栋", 40)},
		Summaries: []iot.WindowSummary{p.Sums(0, iot.Temperature, true, 20, 22), p.Sums(1, iot.Humidity, false)},
		Alerts:    []iot.Alert{alarm},
	})
	rules := []iot.Rule{
		{Name: "temperature_high", Selector: iot.Selector{Type: iot.Temperature}, Severity: iot.Warning, Condition: iot.Condition{Threshold: 28}},
		{Name: iot.RuleOffline, Severity: iot.Warning},
	}
	p.SetRules(rules)
	p.enter(hasDevice("device_002", 40)).conn.Close() // By now everything has been numbered.
	v := p.open(nil)
	var sent [][]byte
	read := func(kinds ...string) {
		t.Helper()
		for _, kind := range kinds {
			data := v.readBytes()
			var e wire.Envelope
			if err := json.Unmarshal(data, &e); err != nil || e.Type != kind {
				t.Fatalf("got %s (%v), want %s", data, err, kind)
			}
			sent = append(sent, data)
		}
	}
	read(wire.TypeHello, wire.TypeDeviceStatus, wire.TypeAlert, wire.TypeAggregatedData, wire.TypeAggregatedData, wire.TypeDeviceData)
	read(wire.TypeDeviceStatus) // Two devices came before the client; the first second ends with that.
	p.Apply(view.Batch{Alerts: []iot.Alert{p.Alarm(1, iot.Temperature, "A栋", iot.Warning, iot.Cleared)}})
	read(wire.TypeAlert)
	p.Apply(view.Batch{Summaries: []iot.WindowSummary{p.Sums(1, iot.Humidity, true, 40.5)}})
	read(wire.TypeAggregatedData)
	gone := p.Says("device_002", iot.Humidity, "B栋", 41)
	gone.Status, gone.Since = iot.Offline, noon.Add(time.Minute)
	p.Apply(view.Batch{States: []iot.DeviceState{gone}})
	read(wire.TypeDeviceData, wire.TypeDeviceStatus)
	rules[0].Threshold = 30
	p.SetRules(rules)
	read(wire.TypeAlertRules)
	v.send("[]")
	read(wire.TypeError)
	compareGolden(t, "testdata/connection.json", sent)
}

var numbers = regexp.MustCompile(`"seq":\d+`)

// compareGolden compares messages with a file that holds them indented, for people to read, and numbered from 1.
func compareGolden(t *testing.T, file string, messages [][]byte) {
	t.Helper()
	var got bytes.Buffer
	for i, m := range messages {
		m = numbers.ReplaceAll(m, fmt.Appendf(nil, `"seq":%d`, i+1))
		if err := json.Indent(&got, m, "", "  "); err != nil {
			t.Fatal(err)
		}
		got.WriteByte('\n')
	}
	if *update {
		if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("got\n%s\nwant\n%s", got.Bytes(), want)
	}
}

func TestFilterNarrowsEverything(t *testing.T) {
	const first, second, third = iot.DeviceID("device_001"), iot.DeviceID("device_002"), iot.DeviceID("device_003")
	both := []iot.DeviceType{iot.Humidity, iot.Temperature}
	for _, test := range []struct {
		name, filter string
		// What gets through.
		devices []iot.DeviceID
		types   []iot.DeviceType
		alerts  []iot.DeviceID
	}{
		{"nothing", `{"type":"filter"}`,
			[]iot.DeviceID{first, second, third}, both, []iot.DeviceID{first, second, third}},
		{"type", `{"type":"filter","device_types":["humidity_sensor"]}`,
			[]iot.DeviceID{third}, []iot.DeviceType{iot.Humidity}, []iot.DeviceID{third}},
		{"device", `{"type":"filter","device_ids":["device_002","device_003","device_999"]}`,
			[]iot.DeviceID{second, third}, both, []iot.DeviceID{second, third}},
		{"one device", `{"type":"filter","device_ids":["device_002"]}`,
			[]iot.DeviceID{second}, both, []iot.DeviceID{second}},
		{"building", `{"type":"filter","buildings":["A"]}`,
			[]iot.DeviceID{first}, both, []iot.DeviceID{first}},
		{"area", `{"type":"filter","areas":["A"]}`,
			[]iot.DeviceID{first}, []iot.DeviceType{iot.Temperature}, []iot.DeviceID{first}},
		{"areas", `{"type":"filter","areas":["A","B"],"device_types":["humidity_sensor"]}`,
			[]iot.DeviceID{third}, []iot.DeviceType{iot.Humidity}, []iot.DeviceID{third}},
		{"severity", `{"type":"filter","min_severity":"critical"}`,
			[]iot.DeviceID{first, second, third}, both, []iot.DeviceID{second}},
		{"all of them", `{"type":"filter","device_types":["temperature_sensor"],"buildings":["B"],"device_ids":["device_001","device_002"],"min_severity":"info"}`,
			[]iot.DeviceID{second}, []iot.DeviceType{iot.Temperature}, []iot.DeviceID{second}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := build(t, nil)
			change := func(status iot.Status, transition iot.Transition) {
				b := view.Batch{
					States: []iot.DeviceState{
						p.Says("device_001", iot.Temperature, "A", 20),
						p.Says("device_002", iot.Temperature, "B", 20),
						p.Says("device_003", iot.Humidity, "B", 20),
					},
					Summaries: []iot.WindowSummary{p.Sums(0, iot.Temperature, false, 20), p.Sums(0, iot.Humidity, false, 20)},
					Alerts: []iot.Alert{
						p.Alarm(1, iot.Temperature, "A", iot.Info, transition),
						p.Alarm(2, iot.Temperature, "B", iot.Critical, transition),
						p.Alarm(3, iot.Humidity, "B", iot.Warning, transition),
					},
				}
				viewtest.Divide(&b.Summaries[0], map[iot.Area][]float64{"A": {20}})
				viewtest.Divide(&b.Summaries[1], map[iot.Area][]float64{"B": {20}})
				for i := range b.States {
					b.States[i].Status = status
				}
				p.Apply(b)
			}
			want := &sight{devices: test.devices, types: test.types, alerts: test.alerts, totals: []int64{int64(len(test.devices))}}
			change(iot.Online, iot.Raised)
			v := p.connect(nil)
			v.readUntil(isChange(wire.TypeDeviceStatus))
			v.send(test.filter)
			compareSights(t, "snapshot", v.readUntil(isSnapshot(wire.TypeDeviceData)), want)
			other := p.connect(url.Values{"filter": {test.filter}})
			compareSights(t, "snapshot of another client", other.readUntil(isSnapshot(wire.TypeDeviceData)), want)

			want.changed = test.devices
			change(iot.Offline, iot.Cleared)
			compareSights(t, "changes", v.readUntil(isChange(wire.TypeDeviceStatus)), want)
			compareSights(t, "changes of another client", other.readUntil(isChange(wire.TypeDeviceStatus)), want)
		})
	}
}

// sight is all that messages name.
type sight struct {
	devices, changed, alerts []iot.DeviceID
	types                    []iot.DeviceType
	totals                   []int64
}

func compareSights(t *testing.T, what string, messages []*received, want *sight) {
	t.Helper()
	var got sight
	for _, m := range messages {
		for _, d := range m.Devices {
			got.devices = append(got.devices, d.DeviceID)
		}
		for _, c := range m.Changed {
			got.changed = append(got.changed, c.DeviceID)
		}
		for _, a := range m.Alerts {
			got.alerts = append(got.alerts, a.DeviceID)
		}
		got.types = slices.AppendSeq(got.types, maps.Keys(m.Data))
		switch m.Type {
		case wire.TypeAggregatedData:
			got.totals = append(got.totals, m.DeviceStatus.Total)
		case wire.TypeDeviceStatus:
			got.totals = append(got.totals, m.Total)
		}
	}
	got = sight{sorted(got.devices), sorted(got.changed), sorted(got.alerts), sorted(got.types), sorted(got.totals)}
	if !reflect.DeepEqual(&got, want) {
		t.Errorf("%s: got %+v, want %+v", what, got, *want)
	}
}

func TestClientThatComesBackGetsWhatItMissed(t *testing.T) {
	p := build(t, nil)
	p.Apply(view.Batch{States: []iot.DeviceState{p.Says("device_001", iot.Temperature, "A", 20), p.Says("device_002", iot.Temperature, "A", 20)}})
	v := p.connect(nil)
	v.readUntil(isSnapshot(wire.TypeDeviceData))
	v.readUntil(isChange(wire.TypeDeviceStatus))
	v.conn.Close()

	p.Apply(view.Batch{
		States:    []iot.DeviceState{p.Says("device_001", iot.Temperature, "A", 21)},
		Summaries: []iot.WindowSummary{p.Sums(0, iot.Temperature, false, 21)},
		Alerts:    []iot.Alert{p.Alarm(1, iot.Temperature, "A", iot.Info, iot.Raised), p.Alarm(1, iot.Temperature, "A", iot.Info, iot.Cleared)},
	})
	p.Apply(view.Batch{States: []iot.DeviceState{p.Says("device_001", iot.Temperature, "A", 22)}})

	for _, test := range []struct {
		name    string
		query   url.Values
		resumed bool
	}{
		{"the session and the last message", v.resume(), true},
		{"once more", v.resume(), true},
		{"the session with another filter", with(v.resume(), "filter", `{"type":"filter","buildings":["A"]}`), false},
		{"another server's session", with(v.resume(), "session", "abc-1"), false},
		{"no session", with(v.resume(), "session", ""), false},
		{"a message of the snapshot", with(v.resume(), "since", fmt.Sprint(v.seq-3)), false},
		{"a message that was never sent", with(v.resume(), "since", fmt.Sprint(v.seq+1000)), false},
	} {
		back := p.connect(test.query)
		if back.resumed != test.resumed {
			t.Errorf("%s: resumed: got %v, want %v", test.name, back.resumed, test.resumed)
		}
		if !back.resumed {
			continue
		}
		var missed []string
		for _, m := range back.readUntil(hasDevice("device_001", 22)) {
			if m.Snapshot || len(m.Devices) > 1 {
				t.Errorf("%s: got more than was missed: %+v", test.name, m)
			}
			for _, a := range m.Alerts {
				missed = append(missed, string(a.State))
			}
			if m.Type == wire.TypeAggregatedData {
				missed = append(missed, "window")
			}
		}
		if want := []string{"raised", "cleared", "window"}; !slices.Equal(missed, want) {
			t.Errorf("%s: got %v, want %v", test.name, missed, want)
		}
	}
}

func with(query url.Values, key, value string) url.Values {
	query.Set(key, value)
	return query
}

// At its start the server reads alerts that are an hour old: clients that connect meanwhile are not sent them as news.
func TestWhatHappenedBeforeTheStartIsNoNews(t *testing.T) {
	p := prepare(t, nil)
	p.Apply(view.Batch{Alerts: []iot.Alert{
		p.Alarm(1, iot.Temperature, "A", iot.Info, iot.Raised), p.Alarm(1, iot.Temperature, "A", iot.Info, iot.Cleared),
		p.Alarm(2, iot.Temperature, "A", iot.Info, iot.Raised),
	}})
	v := p.connect(nil)
	p.start()
	v.readUntil(isSnapshot(wire.TypeDeviceStatus))
	p.Apply(view.Batch{Alerts: []iot.Alert{p.Alarm(3, iot.Temperature, "A", iot.Info, iot.Raised)}})
	open, news := 0, 0
	for news == 0 || open == 0 {
		m := v.read()
		for _, a := range m.Alerts {
			switch {
			case !m.Snapshot && a.DeviceID == "device_003":
				news++
			case m.Snapshot && a.DeviceID != "device_001":
				open++
			default:
				t.Errorf("got alert %+v, snapshot %v", a, m.Snapshot)
			}
		}
	}
}

// Who wants critical alerts only must not go on showing one whose rule was made a warning.
func TestWhoSawAnAlertIsSentThatItIsLessSevere(t *testing.T) {
	p := build(t, nil)
	p.Apply(view.Batch{Alerts: []iot.Alert{p.Alarm(1, iot.Temperature, "A", iot.Critical, iot.Raised)}})
	v := p.connect(url.Values{"filter": {`{"type":"filter","min_severity":"critical"}`}})
	v.readUntil(func(m *received) bool { return len(m.Alerts) == 1 && m.Alerts[0].Severity == iot.Critical })
	p.Apply(view.Batch{Alerts: []iot.Alert{p.Alarm(1, iot.Temperature, "A", iot.Warning, iot.Updated)}})
	v.readUntil(func(m *received) bool { return len(m.Alerts) == 1 && m.Alerts[0].Severity == iot.Warning })

	later := p.connect(url.Values{"filter": {`{"type":"filter","min_severity":"critical"}`}})
	p.Apply(view.Batch{Alerts: []iot.Alert{p.Alarm(2, iot.Temperature, "A", iot.Critical, iot.Raised)}})
	later.readUntil(func(m *received) bool {
		for _, a := range m.Alerts {
			if a.Severity != iot.Critical {
				t.Errorf("got %+v, want only what is critical now", a)
			}
		}
		return len(m.Alerts) > 0
	})
}

func TestMoreThanAllCanBeSentArrivesNewestFirstAndComplete(t *testing.T) {
	p := build(t, func(o *HubOptions) { o.Limits.BytesPerSecond = 1 })
	v := p.enter(isSnapshot(wire.TypeDeviceStatus))
	var b view.Batch
	for n := range 1000 {
		b.States = append(b.States, p.Says(fmt.Sprint(n), iot.Temperature, "A", float64(n)))
	}
	p.Apply(b)
	received := make(map[iot.DeviceID]bool)
	first := true
	for len(received) < len(b.States) {
		m := v.read()
		for _, d := range m.Devices {
			received[d.DeviceID] = true
		}
		if first && m.Type == wire.TypeDeviceData {
			first = false
			if got := m.Devices[len(m.Devices)-1].DeviceID; got != "999" || m.Snapshot {
				t.Errorf("first message ends with device %s, want the newest, 999", got)
			}
		}
	}
}

func TestDevicesAreWrittenAsTheWireHasThem(t *testing.T) {
	var p viewtest.Script
	level := 85.5
	plain := p.Says("device_001", iot.Temperature, `A "栋"`, 21.25)
	full := plain
	full.Status, full.Since = iot.Offline, noon.Add(1500*time.Microsecond)
	full.Latest.Quality, full.Latest.Historical, full.Latest.ReceivedAt = iot.Uncertain, true, noon
	full.Latest.Metadata = iot.Metadata{Model: "m", Firmware: "f", BatteryLevel: &level}
	full.Alerts = []iot.AlertState{{Rule: "pending"}, {Rule: "raised", Raised: &iot.Alert{}}}
	for _, s := range []iot.DeviceState{plain, full} {
		want, err := json.Marshal(wire.FromState(&s))
		if err != nil {
			t.Fatal(err)
		}
		var g, w any
		got := appendDevice(nil, &s)
		if err := errors.Join(json.Unmarshal(got, &g), json.Unmarshal(want, &w)); err != nil || !reflect.DeepEqual(g, w) {
			t.Errorf("got %s (%v), want %s", got, err, want)
		}
	}
}

func TestEnvelopesAreWrittenAsTheWireHasThem(t *testing.T) {
	for _, e := range []wire.Envelope{
		{Type: wire.TypeDeviceData, Seq: 1, Timestamp: noon},
		{Type: wire.TypeDeviceData, Seq: 1<<64 - 1, Timestamp: noon.Add(123456 * time.Microsecond), Snapshot: true},
	} {
		if got, want := append(appendEnvelope(nil, e), '}'), marshal(e); !bytes.Equal(got, want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
