// Package kpi computes the key figures of alarm management, as ISA-18.2 / IEC 62682 and EEMUA 191 name them, from the alerts that were
// raised in a time. It is pure.
package kpi

import (
	"cmp"
	"slices"
	"time"

	"iotmon/internal/iot"
)

const (
	// Period is the length of the periods that alerts are counted in. They begin at whole multiples of it in UTC.
	Period = 10 * time.Minute
	// FloodBegins is how many alerts of one operator in a period are more than can be handled: with more a flood begins, and it ends with
	// the first period with less than FloodEnds.
	FloodBegins = 10
	FloodEnds   = 5
	// BusyHour is how many alerts of one operator in an hour are too many.
	BusyHour = 30
	// MaxSpan is the maximum length of the time.
	MaxSpan = 92 * 24 * time.Hour
	// MaxAlerts is the maximum number of alerts that are counted: the first of the time.
	MaxAlerts = 500_000
	// mostFrequent is the length of Figures.Most.
	mostFrequent = 10
)

// Raised is an alert that was raised. Past violations found in a backlog are none.
type Raised struct {
	Rule     string
	Device   iot.DeviceID
	Severity iot.Severity
	// Time is when it was raised. Acknowledged and Cleared are zero if it is not.
	Time, Acknowledged, Cleared time.Time
	// Suppressed means that it was shelved, out of service or suppressed by design when it was raised: nobody was notified.
	Suppressed bool
}

// Query selects alerts that were raised in [From, To).
type Query struct {
	Tenant iot.Tenant
	// Area limits them to devices of the area and those below it, of unregistered ones to those in this building; empty is everything.
	Area     iot.Area
	From, To time.Time
}

// Figures are the key figures of a time. All but Suppressed and Stale are about alerts that were not suppressed when they were raised.
type Figures struct {
	Alerts, Suppressed int64
	// Truncated means that there are more than MaxAlerts: the figures are about the time until Counted.
	Truncated bool
	Counted   time.Time
	// AveragedFrom and AveragedUntil bound the periods that averages and parts of the time are about: those that are over, and for the whole of which
	// there is data. If there is none, they are all.
	AveragedFrom, AveragedUntil time.Time
	// PerDay, PerHour and PerPeriod are averages for one operator.
	PerDay, PerHour, PerPeriod float64
	// Peak is the most alerts in one period, which begins at PeakAt, for one operator.
	Peak   float64
	PeakAt time.Time
	// BusyPeriods and BusyHours are the parts of periods, and of hours, with more than FloodBegins and BusyHour alerts for one operator.
	BusyPeriods, BusyHours float64
	// Flood is the part of the periods in floods, Floods how many there were.
	Flood  float64
	Floods int
	// Most are the rules and devices with the most alerts, MostShare is their part of all.
	Most      []Frequent
	MostShare float64
	// Chattering is how many rules on a device have raised iot.ChatterAlerts within iot.ChatterSpan, Fleeting how many alerts have
	// cleared within iot.FleetingSpan.
	Chattering, Fleeting int64
	// Severities is how many alerts each has.
	Severities map[iot.Severity]int64
	// Acknowledged is how many of the alerts were acknowledged, and how long that took: half of them at most Median, nine of ten at most Late.
	Acknowledged int64
	Median, Late time.Duration
	// Stale is how many alerts were open for more than iot.StaleSpan at the end. Tally does not count them.
	Stale int64
	// Periods are the alerts in each period.
	Periods []int64
}

// Frequent is how many alerts a rule has raised on a device.
type Frequent struct {
	Rule       string
	Device     iot.DeviceID
	Alerts     int64
	Chattering bool
}

// Tally counts alerts, which must come in the order of their times.
type Tally struct {
	from, to   time.Time
	since, now time.Time
	operators  float64
	figures    Figures
	byAlarm    map[alarm]*counted
	took       []time.Duration
}

type alarm struct {
	rule   string
	device iot.DeviceID
}

// counted is how many alerts a rule has raised on a device, and when the last ones.
type counted struct {
	alerts     int64
	recent     [iot.ChatterAlerts]time.Time
	chattering bool
}

// Span is the time of a tally.
type Span struct {
	// From and To are widened to whole periods.
	From, To time.Time
	// Since is from when there is data, Now up to when.
	Since, Now time.Time
}

// New returns a tally for a time and a number of operators, who share the alerts.
func New(span Span, operators int) *Tally {
	from, to := span.From.UTC().Truncate(Period), wholePeriod(span.To)
	return &Tally{
		from: from, to: to, since: wholePeriod(span.Since), now: span.Now.UTC().Truncate(Period), operators: float64(max(operators, 1)), byAlarm: make(map[alarm]*counted),
		figures: Figures{
			Severities: make(map[iot.Severity]int64), Periods: make([]int64, to.Sub(from)/Period), Counted: to,
		},
	}
}

// wholePeriod returns the beginning of the first whole period at or after t.
func wholePeriod(t time.Time) time.Time { return t.UTC().Add(Period - 1).Truncate(Period) }

// From returns the beginning of the first period, To the end of the last.
func (t *Tally) From() time.Time { return t.from }

// To returns the end of the last period.
func (t *Tally) To() time.Time { return t.to }

// Add counts an alert. It returns false if there are too many: then the figures are about the time before the period of this one.
func (t *Tally) Add(a *Raised) bool {
	f := &t.figures
	period := int(a.Time.Sub(t.from) / Period)
	if a.Time.Before(t.from) || period >= len(f.Periods) {
		return true
	}
	if f.Alerts+f.Suppressed == MaxAlerts {
		f.Truncated, f.Counted = true, t.from.Add(time.Duration(max(period, 1))*Period)
		return false
	}
	if a.Suppressed {
		f.Suppressed++
		return true
	}
	f.Alerts++
	f.Periods[period]++
	f.Severities[a.Severity]++
	if !a.Cleared.IsZero() && a.Cleared.Sub(a.Time) <= iot.FleetingSpan {
		f.Fleeting++
	}
	if !a.Acknowledged.IsZero() {
		t.took = append(t.took, max(a.Acknowledged.Sub(a.Time), 0))
	}
	t.count(a)
	return true
}

func (t *Tally) count(a *Raised) {
	key := alarm{a.Rule, a.Device}
	c := t.byAlarm[key]
	if c == nil {
		c = new(counted)
		t.byAlarm[key] = c
	}
	c.alerts++
	copy(c.recent[:], c.recent[1:])
	c.recent[len(c.recent)-1] = a.Time
	if !c.recent[0].IsZero() && a.Time.Sub(c.recent[0]) <= iot.ChatterSpan && !c.chattering {
		c.chattering = true
		t.figures.Chattering++
	}
}

// Figures returns the figures. Call it once, after the last Add.
func (t *Tally) Figures() Figures {
	f := &t.figures
	periods := f.Periods[:f.Counted.Sub(t.from)/Period]
	f.Periods = periods
	whole := t.average(len(periods))
	if n := float64(whole.until - whole.from); n > 0 {
		var alerts int64
		for _, count := range periods[whole.from:whole.until] {
			alerts += count
		}
		f.PerPeriod = float64(alerts) / t.operators / n
		f.PerHour, f.PerDay = f.PerPeriod*6, f.PerPeriod*6*24
	}
	t.rates(periods, whole)
	t.rank()
	slices.Sort(t.took)
	if n := len(t.took); n > 0 {
		f.Acknowledged, f.Median, f.Late = int64(n), t.took[(n-1)/2], t.took[(n*9+9)/10-1]
	}
	return *f
}

// averaged are the indexes of the periods that averages are about, until exclusive.
type averaged struct{ from, until int }

// average returns which of the first n periods averages are about, and sets AveragedFrom and AveragedUntil.
func (t *Tally) average(n int) averaged {
	at := func(x time.Time) int { return min(max(int(x.Sub(t.from)/Period), 0), n) }
	whole := averaged{at(t.since), at(t.now)}
	if whole.from >= whole.until {
		whole = averaged{0, n}
	}
	t.figures.AveragedFrom, t.figures.AveragedUntil = t.from.Add(time.Duration(whole.from)*Period), t.from.Add(time.Duration(whole.until)*Period)
	return whole
}

// rates finds the peak and floods of all periods, and the parts of those of whole that are busy or in floods. Hours are counted from the first of those;
// the rest of an hour is none, unless there is nothing else.
func (t *Tally) rates(periods []int64, whole averaged) {
	f := &t.figures
	busy, busyHours, hours, inFlood := 0, 0, 0, 0
	var flood bool
	var hour int64
	for i, alerts := range periods {
		rate := float64(alerts) / t.operators
		if rate > f.Peak {
			f.Peak, f.PeakAt = rate, t.from.Add(time.Duration(i)*Period)
		}
		switch {
		case rate > FloodBegins && !flood:
			flood = true
			f.Floods++
		case rate < FloodEnds:
			flood = false
		}
		if i < whole.from || i >= whole.until {
			continue
		}
		if rate > FloodBegins {
			busy++
		}
		if flood {
			inFlood++
		}
		hour += alerts
		if last := i == whole.until-1; (i-whole.from)%6 == 5 || last && hours == 0 {
			hours++
			if float64(hour)/t.operators > BusyHour {
				busyHours++
			}
			hour = 0
		}
	}
	if n := float64(whole.until - whole.from); n > 0 {
		f.BusyPeriods, f.Flood, f.BusyHours = float64(busy)/n, float64(inFlood)/n, float64(busyHours)/float64(hours)
	}
}

// rank finds what has raised most.
func (t *Tally) rank() {
	f := &t.figures
	for key, c := range t.byAlarm {
		f.Most = append(f.Most, Frequent{key.rule, key.device, c.alerts, c.chattering})
	}
	slices.SortFunc(f.Most, func(a, b Frequent) int {
		return cmp.Or(cmp.Compare(b.Alerts, a.Alerts), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Device, b.Device))
	})
	f.Most = f.Most[:min(len(f.Most), mostFrequent)]
	var most int64
	for i := range f.Most {
		most += f.Most[i].Alerts
	}
	if f.Alerts > 0 {
		f.MostShare = float64(most) / float64(f.Alerts)
	}
}
