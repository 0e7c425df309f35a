package wire

import (
	"fmt"
	"unique"

	"iotmon/internal/iot"
)

// groupSummary is the JSON of one group within a summary on topic aggregates.
type groupSummary struct {
	Tenant      iot.Tenant `json:"tenant,omitempty"`
	Area        iot.Area   `json:"area,omitempty"`
	Count       int64      `json:"count,omitempty"`
	Sum         iot.Sum    `json:"sum"`
	Min         float64    `json:"min,omitempty"`
	Max         float64    `json:"max,omitempty"`
	Uncertain   int64      `json:"uncertain_count,omitempty"`
	Bad         int64      `json:"bad_count,omitempty"`
	DeviceCount int64      `json:"device_count,omitempty"`
	Online      int64      `json:"online_devices,omitempty"`
	Offline     int64      `json:"offline_devices,omitempty"`
	AlertCount  int64      `json:"alert_count,omitempty"`
}

func toGroups(groups []iot.GroupSummary) []groupSummary {
	messages := make([]groupSummary, len(groups))
	for i := range groups {
		g := &groups[i]
		messages[i] = groupSummary{
			Tenant: g.Tenant, Area: g.Area, Count: g.Count, Sum: g.Sum, Min: g.Min, Max: g.Max, Uncertain: g.Uncertain, Bad: g.Bad,
			DeviceCount: g.Devices, Online: g.Online, Offline: g.Offline, AlertCount: g.AlertCount,
		}
	}
	return messages
}

// fromGroups decodes the groups of a summary and refuses those that do not divide it.
func fromGroups(messages []groupSummary, whole *iot.WindowSummary) ([]iot.GroupSummary, error) {
	if len(messages) == 0 {
		return nil, nil
	}
	groups := make([]iot.GroupSummary, len(messages))
	var count, bad int64
	for i := range messages {
		m := &messages[i]
		if len(m.Area) > iot.MaxArea || len(m.Tenant) > iot.MaxTenant {
			return nil, fmt.Errorf("groups[%d]: tenant, area: too long", i)
		}
		groups[i] = iot.GroupSummary{
			// The live view keeps thousands of windows with the same few areas.
			Group: iot.Group{Tenant: unique.Make(m.Tenant).Value(), Area: unique.Make(m.Area).Value(), Type: whole.Type},
			Summary: iot.Summary{
				Count: m.Count, Sum: m.Sum, Min: m.Min, Max: m.Max, Uncertain: m.Uncertain, Bad: m.Bad,
				Devices: m.DeviceCount, Online: m.Online, Offline: m.Offline, AlertCount: m.AlertCount,
			},
		}
		if i > 0 && groups[i-1].Compare(groups[i].Group) >= 0 {
			return nil, fmt.Errorf("groups[%d]: tenant, area: must ascend (got %q, %q)", i, m.Tenant, m.Area)
		}
		count, bad = count+m.Count, bad+m.Bad
	}
	if count != whole.Count || bad != whole.Bad {
		return nil, fmt.Errorf("groups: %d good and %d bad readings, of a whole of %d and %d", count, bad, whole.Count, whole.Bad)
	}
	if iot.Ungrouped(groups) {
		return nil, nil
	}
	return groups, nil
}
