package process

import "iotmon/internal/iot"

// openAlerts holds the open alerts by device type and id, for the summaries that list them.
type openAlerts map[iot.DeviceType]map[string]*iot.Alert

// restore adds the open alerts of a restored state. It shares them with the state, in which they are replaced and never changed.
func (s openAlerts) restore(state *iot.DeviceState) {
	for i := range state.Alerts {
		if raised := state.Alerts[i].Raised; raised != nil && !raised.Historical && raised.Open() {
			s.put(raised)
		}
	}
}

// put adds an open alert, which nobody may change afterwards.
func (s openAlerts) put(a *iot.Alert) {
	if s[a.DeviceType] == nil {
		s[a.DeviceType] = make(map[string]*iot.Alert)
	}
	s[a.DeviceType][a.ID] = a
}

func (s openAlerts) apply(a *iot.Alert) {
	switch {
	case a.Historical:
	case a.Open():
		open := *a
		if before := s[a.DeviceType][a.ID]; before != nil && a.Transition == iot.Updated {
			// As in the device's state, from which it is restored: see iot.AlertState.Raised.
			open.Transition, open.Time, open.Reason, open.Position = iot.Raised, before.Time, "", before.Position
			if a.Reason != iot.RuleChanged { // Then its text says the new value.
				open.Value = before.Value
			}
			if !open.AckedAt.IsZero() {
				open.Transition = iot.Acknowledged
			}
		}
		s.put(&open)
	default:
		delete(s[a.DeviceType], a.ID)
	}
}

// any reports whether an alert is open.
func (s openAlerts) any() bool {
	for _, open := range s {
		if len(open) > 0 {
			return true
		}
	}
	return false
}

// top returns how many alerts are open on devices of the type, and the most urgent of them.
func (s openAlerts) top(t iot.DeviceType) (int64, []iot.Alert) {
	open := s[t]
	if len(open) == 0 {
		return 0, nil
	}
	alerts := make([]*iot.Alert, 0, len(open))
	for _, a := range open {
		alerts = append(alerts, a)
	}
	return int64(len(alerts)), iot.MostUrgent(alerts)
}

// countAreas returns how many alerts are open on devices of the type, by the tenant and first area of the device as the alert says it.
func (s openAlerts) countAreas(t iot.DeviceType) map[iot.TenantArea]int64 {
	if len(s[t]) == 0 {
		return nil
	}
	counts := make(map[iot.TenantArea]int64)
	for _, a := range s[t] {
		counts[iot.TenantArea{Tenant: a.Tenant, Area: a.FirstArea()}]++
	}
	return counts
}

// failing returns how many of the alerts say that a rule fails.
func (s openAlerts) failing() (n int64) {
	for _, open := range s {
		for _, a := range open {
			if _, failed := iot.FailedRuleOf(a.Rule); failed {
				n++
			}
		}
	}
	return n
}
