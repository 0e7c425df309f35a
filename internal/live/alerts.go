package live

import (
	"cmp"
	"slices"

	"iotmon/internal/iot"
)

// keptClosed is how many closed alerts are remembered, so that a processor that repeats itself does not reopen one.
const keptClosed = 4096

// alerts knows which alerts are open. Two topics tell of that: the events of each alert, and the states of the devices.
// Events alone would not do, because the log may have forgotten the event that raised an old alert; nor would states,
// because one may be behind the events.
type alerts struct {
	byID     map[string]*alert
	byDevice map[iot.DeviceID][]*alert
	// open holds the open alerts by number, and until settle also those that have just closed.
	open []*alert
	// closed holds the closed alerts that are remembered, first closed first: at most keptClosed of them after settle.
	closed []*alert
	// forgotten holds, by partition, the position up to which closed alerts have been forgotten: what is said of an
	// unknown one from before is a repetition.
	forgotten map[int32]iot.Position
	opened    uint64
	// counts counts the open alerts by severity.
	counts map[iot.Severity]int64
}

// alert is the life of one alert.
type alert struct {
	// number orders the alerts as they opened.
	number uint64
	// last is the newest event; told is the stage of life that has been announced.
	last iot.Alert
	told stage
	open bool
}

// stage orders the events in the life of an alert. A later stage never gives way to an earlier one, whatever their
// positions: a zombie that raises what its successor has cleared is only late.
type stage int

const (
	untold stage = iota
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
		byID:      make(map[string]*alert),
		byDevice:  make(map[iot.DeviceID][]*alert),
		forgotten: make(map[int32]iot.Position),
		counts:    make(map[iot.Severity]int64),
	}
}

// apply takes in an event and reports whether it is news to be told. A historical event is not: it was over before it
// was found, and belongs to the archive.
func (as *alerts) apply(event *iot.Alert) bool {
	if event.Historical {
		return false
	}
	a := as.byID[event.ID]
	forgotten, any := as.forgotten[event.Partition]
	switch {
	case a == nil && any && event.Position.Compare(forgotten) <= 0:
		return false
	case a == nil || event.Epoch > a.last.Epoch:
		// In a log that began anew the same may happen again.
		if a != nil {
			as.close(a)
		}
		as.add(&alert{last: *event, told: stageOf(event.Transition), open: event.Open()})
		return true
	case !a.news(event):
		return false
	}
	if a.open {
		as.counts[a.last.Severity]--
		as.counts[event.Severity]++
	}
	a.last, a.told = *event, stageOf(event.Transition)
	if !event.Open() {
		as.close(a)
	}
	return true
}

// news reports whether the event tells more than what has been told of the alert.
func (a *alert) news(event *iot.Alert) bool {
	s := stageOf(event.Transition)
	switch {
	case event.Epoch < a.last.Epoch:
		return false
	case s != a.told:
		return s > a.told
	default:
		return s == updated && event.Position.Compare(a.last.Position) > 0 && event.Time.After(a.last.Time)
	}
}

// reconcile takes over what a newer state says of its device: alerts whose event has not come, or will never come again,
// open, and those that the state knows nothing of any more close. Neither is announced; the events do that.
func (as *alerts) reconcile(s *iot.DeviceState) {
	for _, a := range slices.Clone(as.byDevice[s.Latest.ID]) {
		if a.last.Position.Compare(s.Position) <= 0 && !holds(s, a.last.ID) {
			as.close(a)
		}
	}
	for i := range s.Alerts {
		event := s.Alerts[i].Raised
		if event == nil || as.byID[event.ID] != nil {
			continue
		}
		a := &alert{last: *event, open: true}
		a.last.Position = s.Position
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
func (as *alerts) add(a *alert) {
	as.byID[a.last.ID] = a
	if !a.open {
		as.closed = append(as.closed, a)
		return
	}
	as.counts[a.last.Severity]++
	as.opened++
	a.number = as.opened
	as.open = append(as.open, a)
	as.byDevice[a.last.DeviceID] = append(as.byDevice[a.last.DeviceID], a)
}

// close marks an open alert closed.
func (as *alerts) close(a *alert) {
	if !a.open {
		return
	}
	a.open = false
	as.counts[a.last.Severity]--
	as.closed = append(as.closed, a)
	device := a.last.DeviceID
	rest := slices.DeleteFunc(as.byDevice[device], func(other *alert) bool { return other == a })
	if len(rest) == 0 {
		delete(as.byDevice, device)
	} else {
		as.byDevice[device] = rest
	}
}

// settle ends a batch: closed alerts leave the list of the open ones in one pass, because a whole plant may clear at
// once, and the oldest of them are forgotten.
func (as *alerts) settle() {
	if len(as.closed) == 0 {
		return
	}
	as.open = slices.DeleteFunc(as.open, func(a *alert) bool { return !a.open })
	if len(as.closed) <= keptClosed {
		return
	}
	excess := len(as.closed) - keptClosed
	for _, a := range as.closed[:excess] {
		as.forget(a)
	}
	as.closed = slices.Delete(as.closed, 0, excess)
}

func (as *alerts) forget(a *alert) {
	if as.byID[a.last.ID] == a {
		delete(as.byID, a.last.ID)
	}
	position := a.last.Position
	if forgotten, any := as.forgotten[position.Partition]; !any || position.Compare(forgotten) > 0 {
		as.forgotten[position.Partition] = position
	}
}

// from returns the open alerts with at least the given number, in the order in which they opened.
func (as *alerts) from(number uint64) []*alert {
	i, _ := slices.BinarySearchFunc(as.open, number, func(a *alert, number uint64) int {
		return cmp.Compare(a.number, number)
	})
	return as.open[i:]
}
