package alert

import (
	"slices"
	"time"

	"iotmon/internal/iot"
)

// evaluateStatus raises or clears the offline alert by the status in the reading. A muted set raises none.
func (e *Engine) evaluateStatus(set *Set, states *iot.RuleStates, r *iot.Reading, out Output) {
	if r.Status == iot.Offline {
		if set.muted {
			return
		}
		e.RaiseOffline(states, r, r.Time, out)
		return
	}
	e.ClearOffline(states, r.Time, "", out)
}

// RaiseOffline raises the offline alert of the device of r, its newest reading, unless it is already open. Onset is the
// moment from which the device counts as offline.
func (e *Engine) RaiseOffline(states *iot.RuleStates, r *iot.Reading, onset time.Time, out Output) {
	if e.offline == nil || find(states.Alerts, iot.RuleOffline) >= 0 {
		return
	}
	raised := raise(e.offline, offlineMessage(r), 0, r, onset)
	raised.Time, raised.Threshold, raised.Unit = onset, 0, ""
	out.Alert(&raised)
	states.Alerts = append(states.Alerts, iot.AlertState{Rule: iot.RuleOffline, Onset: onset, Raised: &raised})
}

// ClearOffline clears the device's offline alert, if it is open, for a reason; "" means that the device has sent again.
func (e *Engine) ClearOffline(states *iot.RuleStates, at time.Time, reason iot.ClearReason, out Output) {
	i := find(states.Alerts, iot.RuleOffline)
	if i < 0 {
		return
	}
	out.Alert(cleared(states.Alerts[i].Raised, 0, at, reason))
	states.Alerts = slices.Delete(states.Alerts, i, i+1)
}

// ClockStepped returns the event that reports that the clock of the device of r was set back by the given duration; at is the
// log's time. Its transition is Cleared, so it never opens an alert.
func (e *Engine) ClockStepped(r *iot.Reading, back time.Duration, at time.Time) *iot.Alert {
	back = back.Round(time.Second)
	return &iot.Alert{
		ID:         iot.AlertID(iot.RuleClock, r.Identity(), at),
		Rule:       iot.RuleClock,
		Tenant:     r.Tenant,
		DeviceID:   r.ID,
		DeviceType: r.Type,
		Severity:   iot.Warning,
		Transition: iot.Cleared,
		Message:    "设备时钟落后: " + spans(back).zh,
		MessageEN:  "Device clock behind by " + spans(back).en,
		Value:      back.Seconds(),
		Unit:       "s",
		Location:   r.Location,
		Onset:      at,
		Time:       at,
	}
}
