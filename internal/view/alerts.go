package view

import (
	"cmp"
	"slices"

	"iotmon/internal/iot"
)

// keptClosed is how many closed alerts are remembered, so that a processor that repeats itself does not reopen one.
const keptClosed = 4096

// alerts knows which alerts are open, from two topics: the events of the alerts, and the states of the devices, which list their open
// alerts. Neither alone is enough: the log may no longer have the event that raised an old alert, and a state may be older than the
// newest event.
type alerts struct {
	byID     map[string]*Alert
	byDevice map[iot.DeviceID][]*Alert
	// open holds the open alerts by number, and until endBatch also those that have just closed.
	open []*Alert
	// closed holds the closed alerts that are remembered, first closed first: at most keptClosed of them after endBatch.
	closed []*Alert
	// forgotten holds, by partition, the position up to which closed alerts have been forgotten: an event of an unknown alert at or
	// below it is a repetition.
	forgotten map[int32]iot.Position
	opened    uint64
	// counts counts the open alerts by severity.
	counts map[iot.Severity]int64
}

// Alert is one alert, open or lately closed. It belongs to the View.
type Alert struct {
	// Number orders the alerts as they opened.
	Number uint64
	// Last is the newest event.
	Last iot.Alert
	// announced is the latest stage that Apply has returned an event of.
	announced stage
	open      bool
}

// stage orders the events in the life of an alert. A later stage never gives way to an earlier one, whatever their
// positions: a processor that has lost its partition and still raises what its successor has cleared is only late.
type stage int

const (
	unannounced stage = iota
	raised
	updated
	cleared
)

func stageOf(t iot.Transition) stage {
	switch t {
	case iot.Raised:
		return raised
	case iot.Cleared:
		return cleared
	default:
		return updated
	}
}

func newAlerts() alerts {
	return alerts{
		byID:      make(map[string]*Alert),
		byDevice:  make(map[iot.DeviceID][]*Alert),
		forgotten: make(map[int32]iot.Position),
		counts:    make(map[iot.Severity]int64),
	}
}

// apply applies an event and reports whether it is new. A historical event is not: the alert was over before it was found, and belongs
// to the archive.
func (as *alerts) apply(event *iot.Alert) bool {
	if event.Historical {
		return false
	}
	a := as.byID[event.ID]
	forgotten, any := as.forgotten[event.Partition]
	switch {
	case a == nil && any && event.Position.Compare(forgotten) <= 0:
		return false
	case a == nil || event.Epoch > a.Last.Epoch:
		// In a log that began anew the same may happen again.
		if a != nil {
			as.close(a)
		}
		as.add(&Alert{Last: *event, announced: stageOf(event.Transition), open: event.Open()})
		return true
	case !a.news(event):
		return false
	}
	if a.open {
		as.counts[a.Last.Severity]--
		as.counts[event.Severity]++
	}
	a.Last, a.announced = *event, stageOf(event.Transition)
	if !event.Open() {
		as.close(a)
	}
	return true
}

// news reports whether the event is later in the life of the alert than what has been announced.
func (a *Alert) news(event *iot.Alert) bool {
	s := stageOf(event.Transition)
	switch {
	case event.Epoch < a.Last.Epoch:
		return false
	case s != a.announced:
		return s > a.announced
	default:
		return s == updated && event.Position.Compare(a.Last.Position) > 0 && event.Time.After(a.Last.Time)
	}
}

// reconcile makes the open alerts of a device those that its newer state lists. Alerts whose event has not come, or never will, open;
// alerts that the state no longer lists close. Neither is announced: the events do that.
func (as *alerts) reconcile(s *iot.DeviceState) {
	for _, a := range slices.Clone(as.byDevice[s.Latest.ID]) {
		if a.Last.Position.Compare(s.Position) <= 0 && !holds(s, a.Last.ID) {
			as.close(a)
		}
	}
	for i := range s.Alerts {
		event := s.Alerts[i].Raised
		if event == nil || as.byID[event.ID] != nil {
			continue
		}
		a := &Alert{Last: *event, open: true}
		a.Last.Position = s.Position
		as.add(a)
	}
}

// drop closes the alerts of a device that was forgotten. Its processor has cleared them; this is for events that are gone.
func (as *alerts) drop(device iot.DeviceID) {
	for _, a := range slices.Clone(as.byDevice[device]) {
		as.close(a)
	}
}

func holds(s *iot.DeviceState, id string) bool {
	return slices.ContainsFunc(s.Alerts, func(state iot.AlertState) bool {
		return state.Raised != nil && state.Raised.ID == id
	})
}

// add remembers a new alert by its last event.
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

// close marks an open alert closed.
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

// endBatch ends a batch: closed alerts leave the list of the open ones in one pass, because a whole plant may clear at
// once, and the oldest of them are forgotten.
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

func (as *alerts) forget(a *Alert) {
	if as.byID[a.Last.ID] == a {
		delete(as.byID, a.Last.ID)
	}
	position := a.Last.Position
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
