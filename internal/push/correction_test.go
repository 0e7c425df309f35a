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
		return m.Type == wire.TypeDeviceTypes && len(types) == 6 && types[5].Name == "flow" && types[5].Unit == "L"
	}
	for name, viewer := range map[string]*browser{"stays": v, "comes back": p.connect(gone.resume())} {
		if found := viewer.readUntil(hasType); len(found) == 0 {
			t.Errorf("a client that %s does not know the type", name)
		}
	}
}
