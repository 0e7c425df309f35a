package push

import (
	"testing"

	"iotmon/internal/iot"
	"iotmon/internal/view"
	"iotmon/internal/wire"
)

func TestViewersAreSentCorrections(t *testing.T) {
	p := build(t, nil)
	p.Apply(view.Batch{Summaries: []iot.WindowSummary{p.Sums(0, iot.Temperature, true, 20, 21), p.Sums(1, iot.Temperature, false, 20)}})
	v := p.enter(isSnapshot(wire.TypeAggregatedData))
	gone := p.connect(nil)
	gone.readUntil(isSnapshot(wire.TypeAggregatedData))
	gone.conn.Close()

	isCorrected := func(m *received) bool {
		return m.Type == wire.TypeAggregatedData && m.Corrected && m.Final && m.WindowStart.Equal(noon) && m.Data[iot.Temperature].Count == 3
	}
	p.Apply(view.Batch{Summaries: []iot.WindowSummary{p.Corrects(0, iot.Temperature, 20, 21, 22)}})
	v.readUntil(isCorrected)
	for name, later := range map[string]*browser{"anew": p.connect(nil), "again": p.connect(gone.resume())} {
		if found := later.readUntil(isCorrected); len(found) == 0 {
			t.Errorf("a client that connects %s is not sent the correction", name)
		}
	}
	p.Apply(view.Batch{Summaries: []iot.WindowSummary{p.Corrects(-300, iot.Temperature, 20)}})
	v.readUntil(isChange(wire.TypeHistoryChanged))
}

// People decide a device type: the open page knows it before its first reading, and so does one that was away.
func TestViewersAreSentNewTypes(t *testing.T) {
	p := build(t, nil)
	p.Apply(view.Batch{Summaries: []iot.WindowSummary{p.Sums(0, iot.Temperature, true, 20)}})
	v := p.enter(isSnapshot(wire.TypeAggregatedData))
	gone := p.connect(nil)
	gone.readUntil(isSnapshot(wire.TypeAggregatedData))
	gone.conn.Close()
	if added, err := p.shared.options.Catalog.Add(iot.TypeSpec{Name: "flow", Unit: "L", Max: 1}); !added || err != nil {
		t.Fatal(added, err)
	}
	p.TypesChanged()
	hasType := func(m *received) bool {
		types := m.DeviceTypes
		return m.Type == wire.TypeDeviceTypes && len(types) == 7 && types[6].Name == "flow" && types[6].Unit == "L"
	}
	for name, viewer := range map[string]*browser{"stays": v, "comes back": p.connect(gone.resume())} {
		if found := viewer.readUntil(hasType); len(found) == 0 {
			t.Errorf("a client that %s does not know the type", name)
		}
	}
}

// Other rules come into force: the open page knows them, one that was away too, and one that comes now is greeted with them.
func TestViewersAreSentTheRulesInForce(t *testing.T) {
	p := build(t, nil)
	p.Apply(view.Batch{Summaries: []iot.WindowSummary{p.Sums(0, iot.Temperature, true, 20)}})
	v := p.enter(isSnapshot(wire.TypeAggregatedData))
	gone := p.connect(nil)
	if hello := p.open(nil).read(); hello.AlertRules == nil || len(hello.AlertRules) > 0 {
		t.Errorf("got the rules %v, want an empty list while none are known", hello.AlertRules)
	}
	gone.readUntil(isSnapshot(wire.TypeAggregatedData))
	gone.conn.Close()
	p.SetRules([]iot.Rule{{Name: "hot", Selector: iot.Selector{Type: iot.Temperature}, Severity: iot.Critical, Condition: iot.Condition{Threshold: 90}}})
	has := func(kind string) func(*received) bool {
		return func(m *received) bool {
			return m.Type == kind && len(m.AlertRules) == 1 && m.AlertRules[0].AlertType == "hot" && m.AlertRules[0].Threshold == 90
		}
	}
	for name, viewer := range map[string]*browser{"stays": v, "comes back": p.connect(gone.resume())} {
		if found := viewer.readUntil(has(wire.TypeAlertRules)); len(found) == 0 {
			t.Errorf("a client that %s does not know the rule", name)
		}
	}
	if found := p.open(nil).readUntil(has(wire.TypeHello)); len(found) == 0 {
		t.Error("a client that comes now does not know the rule")
	}
	p.SetRules(nil)
	v.readUntil(func(m *received) bool {
		return m.Type == wire.TypeAlertRules && m.AlertRules != nil && len(m.AlertRules) == 0
	})
}
