package live

import (
	"encoding/json"
	"errors"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

func fromCatalog(c *iot.Catalog) (out []wire.TypeSpec) {
	for _, t := range c.Types() {
		s := c.Spec(t)
		out = append(out, wire.TypeSpec{Name: s.Name, Unit: s.Unit, Decimals: s.Decimals, Min: s.Min, Max: s.Max, Labels: s.Labels, States: s.States})
	}
	return out
}

func fromAlert(a *iot.Alert) wire.Alert {
	return wire.Alert{ID: a.ID, DeviceID: a.DeviceID, DeviceType: a.DeviceType, AlertType: a.Rule, Severity: a.Severity, State: a.Transition,
		Message: a.Message, CurrentValue: a.Value, Threshold: a.Threshold, Unit: a.Unit, Location: a.Location, Onset: a.Onset, Timestamp: a.Time, Historical: a.Historical}
}

func fromState(s *iot.DeviceState) wire.Device {
	r := &s.Latest
	return wire.Device{Reading: wire.Reading{DeviceID: r.ID, DeviceType: r.Type, Timestamp: r.Time, Value: r.Value, Unit: r.Unit, Location: r.Location,
		Status: s.Status, Metadata: r.Metadata, Quality: r.Quality, Historical: r.Historical}, Since: s.Since, OpenAlerts: len(s.OpenAlerts())}
}

func fromSummary(s *iot.WindowSummary) (a wire.Aggregate) {
	a.Data = wire.AggregateData{Count: s.Count, DeviceCount: s.Devices, Online: s.Online, Offline: s.Offline, AlertCount: s.AlertCount}
	if s.Count > 0 {
		avg := s.Average()
		a.Data.Average, a.Data.Min, a.Data.Max = &avg, &s.Min, &s.Max
	}
	return a
}

func (h *Hub) decodeFilter(data []byte) (f wire.Filter, err error) {
	if err = json.Unmarshal(data, &f); err == nil && f.Type != "" && f.Type != wire.TypeFilter {
		err = errors.New("type")
	}
	return f, err
}
