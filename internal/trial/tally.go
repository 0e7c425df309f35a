package trial

import (
	"cmp"
	"slices"
	"time"

	"iotmon/internal/iot"
)

// Tally counts the alerts of one rule.
type Tally struct {
	// Alerts is how many were raised, Devices on how many devices, and Open how many were open at the end of the span.
	Alerts, Devices, Open int64
	// Alone is how many overlap none of the other rule; all of them if there is none.
	Alone int64
	// Total is how long alerts were open, added up, and Longest the longest. What was open at the end counts until then.
	Total, Longest time.Duration
	// Chattering is how many devices have raised iot.ChatterAlerts or more within iot.ChatterSpan, and Fleeting how many alerts have
	// cleared within iot.FleetingSpan.
	Chattering, Fleeting int64
	// Failed is on how many devices the condition has failed.
	Failed int64
	// Days has the alerts raised on each day of the span, in UTC.
	Days []Day
	// Most are the devices that have raised most, at most ten.
	Most []DeviceAlerts
}

// Day is how many alerts were raised on a day, which begins at Start.
type Day struct {
	Start  time.Time
	Alerts int64
}

// DeviceAlerts is how many alerts a device has raised.
type DeviceAlerts struct {
	iot.Identity
	Alerts     int64
	Chattering bool
}

// mostDevices is the maximum length of Tally.Most.
const mostDevices = 10

const dayLength = 24 * time.Hour

// tally is a Tally that is being counted.
type tally struct {
	Tally
	to time.Time
	// of is the device that is evaluated; recent are the times at which its last alerts were raised, by the alerts' rule, which differs for
	// levels.
	of     DeviceAlerts
	recent map[string]recentTimes
}

// recentTimes are the last times, the oldest first.
type recentTimes [iot.ChatterAlerts]time.Time

func newTally(from, to time.Time) *tally {
	t := &tally{to: to, recent: make(map[string]recentTimes)}
	for day := from.UTC().Truncate(dayLength); day.Before(to); day = day.Add(dayLength) {
		t.Days = append(t.Days, Day{Start: day})
	}
	return t
}

func (t *tally) raised(a *iot.Alert) {
	t.Alerts++
	t.of.Alerts++
	if day := int(a.Time.Sub(t.Days[0].Start) / dayLength); day >= 0 && day < len(t.Days) {
		t.Days[day].Alerts++
	}
	recent := t.recent[a.Rule]
	copy(recent[:], recent[1:])
	recent[len(recent)-1] = a.Time
	t.recent[a.Rule] = recent
	if !recent[0].IsZero() && a.Time.Sub(recent[0]) <= iot.ChatterSpan {
		t.of.Chattering = true
	}
}

func (t *tally) cleared(a *iot.Alert, at time.Time, shared bool) {
	if !shared {
		t.Alone++
	}
	if at.IsZero() {
		t.Open++
		at = t.to
	} else if at.Sub(a.Time) <= iot.FleetingSpan {
		t.Fleeting++
	}
	open := at.Sub(a.Time)
	t.Total += open
	t.Longest = max(t.Longest, open)
}

func (t *tally) endDevice(device iot.Identity) {
	if t.of.Alerts > 0 {
		t.Devices++
		if t.of.Chattering {
			t.Chattering++
		}
		t.of.Identity = device
		t.Most = append(t.Most, t.of)
		if len(t.Most) >= 2*mostDevices {
			t.rank()
		}
	}
	t.of = DeviceAlerts{}
	clear(t.recent)
}

// add adds what was counted of other devices in the same span.
func (t *tally) add(other *tally) {
	t.Alerts += other.Alerts
	t.Devices += other.Devices
	t.Open += other.Open
	t.Alone += other.Alone
	t.Total += other.Total
	t.Longest = max(t.Longest, other.Longest)
	t.Chattering += other.Chattering
	t.Fleeting += other.Fleeting
	t.Failed += other.Failed
	for i := range t.Days {
		t.Days[i].Alerts += other.Days[i].Alerts
	}
	if t.Most = append(t.Most, other.Most...); len(t.Most) >= 2*mostDevices {
		t.rank()
	}
}

// rank keeps the devices with the most alerts.
func (t *tally) rank() {
	slices.SortFunc(t.Most, func(a, b DeviceAlerts) int {
		return cmp.Or(cmp.Compare(b.Alerts, a.Alerts), a.Compare(b.Identity))
	})
	t.Most = t.Most[:min(len(t.Most), mostDevices)]
}

func (t *tally) finish() Tally {
	t.rank()
	return t.Tally
}

// newest keeps the newest alerts, at most limit.
type newest struct {
	limit  int
	alerts []Alert
}

func (n *newest) add(a Alert) {
	if n.limit <= 0 {
		return
	}
	if n.alerts = append(n.alerts, a); len(n.alerts) >= 2*n.limit+64 {
		n.trim()
	}
}

func (n *newest) trim() {
	slices.SortFunc(n.alerts, func(a, b Alert) int {
		return cmp.Or(b.Raised.Compare(a.Raised), a.Compare(b.Identity), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.By, b.By))
	})
	n.alerts = n.alerts[:min(len(n.alerts), n.limit)]
}

func (n *newest) all() []Alert {
	n.trim()
	return n.alerts
}
