package view

import (
	"cmp"
	"slices"

	"iotmon/internal/iot"
)

// keptClosed is how many closed alerts are remembered, so that an event that a processor repeats does not reopen one.
const keptClosed = 4096

// alerts knows which alerts are open. It reads two topics: the alert events, and the device states, which list the open alerts of
// their device. Neither topic is enough alone: the event that raised an old alert may have been deleted from the log, and a state
// may be older than the newest event.
type alerts struct {
	byID     map[string]*Alert
	byDevice map[iot.DeviceID][]*Alert
	// open holds the open alerts in the order of their numbers. Alerts that close in a batch stay in it until endBatch.
	open []*Alert
	// closed holds the remembered closed alerts in the order in which they closed: at most keptClosed after endBatch.
	closed []*Alert
	// forgotten holds, by partition, the highest position of a closed alert that is no longer remembered. An event of an unknown
	// alert at or below that position is a repetition.
	forgotten map[int32]iot.Position
	// opened is the number of the alert that opened last.
	opened uint64
	// counts counts the open alerts by severity.
	counts map[iot.Severity]int64
}

// Alert is an alert that is open or has closed recently. It belongs to the View.
type Alert struct {
	// Number orders the alerts as they opened.
	Number uint64
	// Last is the newest event.
	Last iot.Alert
	// at is the position of Last, or of a newer state of the device, announced that of the last event that Apply has returned for this
	// alert. Events of an alert are ordered by position alone: one record makes at most one of them.
	at, announced iot.Position
	open          bool
}

func newAlerts() alerts {
	return alerts{
		byID:      make(map[string]*Alert),
		byDevice:  make(map[iot.DeviceID][]*Alert),
		forgotten: make(map[int32]iot.Position),
		counts:    make(map[iot.Severity]int64),
	}
}

// apply applies an event and reports whether it is to be announced. It ignores events that it knows and historical ones: a
// historical alert was over before it was found, and only the archive has it. What is noted of an alert becomes a whole event of it. over is
// whether the alert is known to be over, by the event or something newer.
func (as *alerts) apply(event *iot.Alert, over bool) bool {
	if event.Historical {
		return false
	}
	a := as.byID[event.ID]
	if event.Transition == iot.Noted && !noteOn(a, event) {
		return false
	}
	forgotten, any := as.forgotten[event.Partition]
	switch {
	case a == nil && any && event.Position.Compare(forgotten) <= 0:
		return false
	case a == nil || event.Epoch > a.Last.Epoch:
		// After the log has begun anew, an alert may have the id of one that is known.
		if a != nil {
			as.close(a)
		}
		as.add(newAlert(event, over))
		return true
	case event.Position.Compare(a.announced) <= 0:
		return false
	}
	a.announced = event.Position
	switch {
	case event.Position.Compare(a.at) < 0: // A state has shown it already.
	case a.open || over:
		as.update(a, event, over)
	default:
		as.add(newAlert(event, over))
	}
	return true
}

// applyPast applies an event from before the start: of an open alert the last. It reports whether the event is to be announced, to viewers
// that have a snapshot already: not that an alert is over that was not known to be open, nor what a state of its device has shown.
func (as *alerts) applyPast(event *iot.Alert, over bool) bool {
	a := as.byID[event.ID]
	open := a != nil && a.open
	if open && event.Epoch == a.Last.Epoch && event.Position.Compare(a.at) <= 0 {
		if event.Position.Compare(a.announced) > 0 {
			a.announced = event.Position
		}
		return false
	}
	return as.apply(event, over) && (open || !over)
}

// noteOn makes a note the event of its alert as that is after it. It returns false if the alert is not known here, or not to be over: the archive has
// the note all the same.
func noteOn(a *Alert, note *iot.Alert) bool {
	if a == nil || a.open || a.Last.Open() || a.Last.Identity() != note.Identity() || a.Last.Epoch != note.Epoch {
		return false
	}
	event := a.Last
	event.Actor, event.Comment, event.Position = note.Actor, note.Comment, note.Position
	if event.AckedAt.IsZero() && note.Reason != "" {
		event.Reason = note.Reason
	}
	*note = event
	return true
}

// newAlert returns the alert of an event that is announced.
func newAlert(event *iot.Alert, over bool) *Alert {
	return &Alert{Last: *event, at: event.Position, announced: event.Position, open: !over}
}

// update makes an event the last of an alert, which is closed if it is over.
func (as *alerts) update(a *Alert, event *iot.Alert, over bool) {
	if a.open {
		as.counts[a.Last.Severity]--
		as.counts[event.Severity]++
	}
	a.Last, a.at = *event, event.Position
	if over {
		as.close(a)
	}
}

// reconcile makes the open alerts of a device equal to those that its new state lists. It opens alerts whose event has not
// arrived or no longer exists, and closes alerts that the state no longer lists. It announces neither: only events are announced.
func (as *alerts) reconcile(s *iot.DeviceState) {
	for _, a := range slices.Clone(as.byDevice[s.Latest.ID]) {
		if a.at.Compare(s.Position) <= 0 && !holds(s, a.Last.ID) {
			a.at = s.Position
			as.close(a)
		}
	}
	for i := range s.Alerts {
		event := s.Alerts[i].Raised
		if event == nil || as.byID[event.ID] != nil {
			continue
		}
		as.add(&Alert{Last: *event, at: s.Position, open: true})
	}
}

// drop closes the alerts of a forgotten device. Normally its processor has cleared them; drop closes those whose clearing event
// was not seen.
func (as *alerts) drop(device iot.DeviceID) {
	for _, a := range slices.Clone(as.byDevice[device]) {
		as.close(a)
	}
}

// holds reports whether a state lists the alert as open.
func holds(s *iot.DeviceState, id string) bool {
	return slices.ContainsFunc(s.Alerts, func(state iot.AlertState) bool {
		return state.Raised != nil && state.Raised.ID == id
	})
}

// add adds a new alert, open or closed. An open one gets the next number.
func (as *alerts) add(a *Alert) {
	as.byID[a.Last.ID] = a
	if !a.open {
		as.closed = append(as.closed, a)
		return
	}
	as.counts[a.Last.Severity]++
	as.opened++
	a.Number = as.opened
	as.open = append(as.open, a)
	as.byDevice[a.Last.DeviceID] = append(as.byDevice[a.Last.DeviceID], a)
}

// close closes an alert; if it is closed already, close does nothing.
func (as *alerts) close(a *Alert) {
	if !a.open {
		return
	}
	a.open = false
	as.counts[a.Last.Severity]--
	as.closed = append(as.closed, a)
	device := a.Last.DeviceID
	rest := slices.DeleteFunc(as.byDevice[device], func(other *Alert) bool { return other == a })
	if len(rest) == 0 {
		delete(as.byDevice, device)
	} else {
		as.byDevice[device] = rest
	}
}

// endBatch must be called after each batch. It removes closed alerts from the list of open ones, in one pass because all alerts
// of a plant may clear at once, and forgets all but the last keptClosed closed alerts.
func (as *alerts) endBatch() {
	if len(as.closed) == 0 {
		return
	}
	as.open = slices.DeleteFunc(as.open, func(a *Alert) bool { return !a.open })
	if len(as.closed) <= keptClosed {
		return
	}
	excess := len(as.closed) - keptClosed
	for _, a := range as.closed[:excess] {
		as.forget(a)
	}
	as.closed = slices.Delete(as.closed, 0, excess)
}

// forget forgets a closed alert. Only the highest position of forgotten alerts remains.
func (as *alerts) forget(a *Alert) {
	if as.byID[a.Last.ID] == a {
		delete(as.byID, a.Last.ID)
	}
	position := a.at
	if forgotten, any := as.forgotten[position.Partition]; !any || position.Compare(forgotten) > 0 {
		as.forgotten[position.Partition] = position
	}
}

// from returns the open alerts with at least the given number, in the order in which they opened.
func (as *alerts) from(number uint64) []*Alert {
	i, _ := slices.BinarySearchFunc(as.open, number, func(a *Alert, number uint64) int {
		return cmp.Compare(a.Number, number)
	})
	return as.open[i:]
}
