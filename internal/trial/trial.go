// Package trial runs alert rules over archived readings and counts the alerts that they would have raised. The alerts are those of package
// alert, which also decides live.
//
// The archive keeps neither the order nor the moment in which readings arrived, so a trial differs from what happened live:
// each device's readings come in the order of its own time, also those that arrived late or from a backlog; nothing is remembered from
// before the span; and the registry's entries, and a device's location, are those of now.
package trial

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"iotmon/internal/alert"
	"iotmon/internal/iot"
)

// Archive is where readings come from.
type Archive interface {
	// DevicesOf returns up to limit devices of a tenant, of every type if t is empty, in the order of their ids.
	DevicesOf(ctx context.Context, tenant iot.Tenant, t iot.DeviceType, limit int) ([]iot.Device, error)
	// EachReading calls visit for each archived reading in [from, to) that the devices have sent as devices of their types: one device
	// after another, each oldest first. index is that of the device. If visit returns false, EachReading returns nil.
	EachReading(ctx context.Context, devices []iot.Device, from, to time.Time, visit func(index int, r Reading) bool) error
}

// Reading is what the archive knows of one reading.
type Reading struct {
	Time    time.Time
	Value   float64
	Quality iot.Quality
}

// Limits of a trial.
const (
	// MaxSpan is the maximum length of the span.
	MaxSpan = 31 * 24 * time.Hour
	// MaxDevices is the maximum number of devices of which the rule's are chosen.
	MaxDevices = 100_000
	// MaxReadings is the maximum number of readings, and MaxTime that of time that a trial takes.
	MaxReadings = 20_000_000
	MaxTime     = 20 * time.Second
	// MaxAlerts is the maximum number of alerts in a result.
	MaxAlerts = 1000

	// chunk is of how many devices readings are read in one transaction.
	chunk = 32
	// checkEvery is after how many readings the context and the time are checked.
	checkEvery = 4096
)

// Trial is what is tried.
type Trial struct {
	Tenant iot.Tenant
	// Rule is tried, and Other, nil for none, is what it is compared with: another version of the same name. Rule must not be iot.RuleOffline
	// or of the kind iot.NoData, since silence is not archived; it is not compared with one that is.
	Rule  iot.Rule
	Other *iot.Rule
	// Entry returns the registry entry of a device, nil if there is none.
	Entry    func(iot.Identity) *iot.DeviceEntry
	Catalog  *iot.Catalog
	From, To time.Time
	// Alerts is how many alerts the result lists: the newest.
	Alerts int
	// MaxReadings bounds the trial; 0 means MaxReadings.
	MaxReadings int64
	// Now is the clock by which MaxTime passes.
	Now func() time.Time
}

// Result is what a trial has found.
type Result struct {
	// Devices is how many devices were tried of the Selected, which are those that the rule or the other one selects, and Readings how
	// many readings they have sent. They are fewer if MaxReadings or MaxTime was reached: Stopped says which.
	Devices, Selected int
	Readings          int64
	Stopped           Limit
	// Tried are the alerts of the rule, Other those of the other rule; nil if there is none.
	Tried Tally
	Other *Tally
	// Alerts are the newest alerts of both, the newest first. Those that are alike are listed once.
	Alerts []Alert
}

// Limit is what has stopped a trial.
type Limit string

// The limits that stop a trial.
const (
	StoppedByReadings Limit = "readings"
	StoppedByTime     Limit = "time"
	StoppedByDevices  Limit = "devices"
)

// Run runs a trial. The error is an *iot.InvalidError if the rules cannot be tried, that of ctx, or the archive's.
func (t *Trial) Run(ctx context.Context, archive Archive) (*Result, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	r := &run{Trial: t, ctx: ctx, deadline: t.Now().Add(MaxTime)}
	if r.MaxReadings <= 0 {
		r.MaxReadings = MaxReadings
	}
	if err := r.begin(); err != nil {
		return nil, err
	}
	devices, err := r.devices(archive)
	if err != nil {
		return nil, err
	}
	r.result.Selected = len(devices)
	for some := range slices.Chunk(devices, chunk) {
		r.some, r.at = some, -1
		err := archive.EachReading(ctx, some, t.From, t.To, r.visit)
		if err := errors.Join(err, ctx.Err()); err != nil {
			return nil, fmt.Errorf("try a rule: %w", err)
		}
		if r.stopped != "" {
			r.endDevice() // Its readings are counted, although there are more.
			break
		}
		r.advanceTo(len(some))
		r.result.Devices += len(some)
	}
	return r.finish(), nil
}

func (t *Trial) check() error {
	switch {
	case t.Rule.Name == iot.RuleOffline || t.Rule.Kind == iot.NoData:
		return iot.Invalid("kind", "silence cannot be tried: the archive does not know when readings arrived")
	case !t.From.Before(t.To) || t.To.Sub(t.From) > MaxSpan:
		return iot.Invalid("from", "must be before to, by at most %v", MaxSpan)
	}
	return nil
}

// run is a trial that is running.
type run struct {
	*Trial
	ctx      context.Context //nolint:containedctx // It ends with the call of Run.
	deadline time.Time
	result   Result
	stopped  Limit
	sides    []*side
	found    newest

	// some are the devices that are being read, at is the index of the one that is evaluated, which has sent reading last.
	some    []iot.Device
	at      int
	reading iot.Reading
}

func (r *run) begin() error {
	rules := []*iot.Rule{&r.Rule}
	if r.Other != nil && r.Other.Kind != iot.NoData {
		rules = append(rules, r.Other)
	}
	r.found = newest{limit: r.Alerts}
	for _, rule := range rules {
		engine, err := alert.New([]iot.Rule{tried(rule)}, r.Catalog)
		if err != nil {
			return err
		}
		s := &side{run: r, engine: engine, tally: newTally(r.From, r.To), leveled: rule.Kind == iot.LevelLimits}
		r.sides = append(r.sides, s)
	}
	if len(r.sides) == 2 {
		r.sides[0].other, r.sides[1].other = r.sides[1], r.sides[0]
	}
	return nil
}

// tried returns the rule as if it was enabled, and without latching: nobody resets alerts in a trial, so they would never end.
func tried(rule *iot.Rule) iot.Rule {
	r := *rule
	r.Latch, r.Disabled = false, false
	return r
}

// devices returns the devices that a rule selects.
func (r *run) devices(archive Archive) ([]iot.Device, error) {
	t := r.Rule.Type
	if r.Other != nil && r.Other.Type != t {
		t = "" // Both types are needed.
	}
	all, err := archive.DevicesOf(r.ctx, r.Tenant, t, MaxDevices+1)
	if err != nil {
		return nil, fmt.Errorf("try a rule: %w", err)
	}
	if len(all) > MaxDevices {
		all, r.result.Stopped = all[:MaxDevices], StoppedByDevices
	}
	return slices.DeleteFunc(all, func(d iot.Device) bool {
		return !slices.ContainsFunc(r.sides, func(s *side) bool { return s.selects(&d) })
	}), nil
}

// visit evaluates a reading of the device with the given index.
func (r *run) visit(index int, reading Reading) bool {
	if index != r.at {
		r.advanceTo(index)
		r.reading = iot.Reading{Device: r.some[index]}
		for _, s := range r.sides {
			s.begin(&r.reading.Device)
		}
	}
	if r.result.Readings++; r.result.Readings%checkEvery == 0 && (r.ctx.Err() != nil || r.Now().After(r.deadline)) {
		r.stopped = StoppedByTime
		return false
	}
	r.reading.Time, r.reading.Value, r.reading.Quality = reading.Time, reading.Value, reading.Quality
	for _, s := range r.sides {
		s.engine.Evaluate(s.set, &s.states, &r.reading, s)
	}
	if r.result.Readings == r.MaxReadings {
		r.stopped = StoppedByReadings
		return false
	}
	return true
}

// advanceTo ends the device that is evaluated.
func (r *run) advanceTo(index int) {
	r.endDevice()
	r.at = index
}

func (r *run) endDevice() {
	if r.at < 0 {
		return
	}
	for _, s := range r.sides {
		s.end()
	}
	if r.stopped != "" {
		r.result.Devices += r.at + 1
	}
	r.at = -1
}

func (r *run) finish() *Result {
	if r.stopped != "" {
		r.result.Stopped = r.stopped
	}
	r.result.Tried = r.sides[0].tally.finish()
	if len(r.sides) == 2 {
		other := r.sides[1].tally.finish()
		r.result.Other = &other
	}
	r.result.Alerts = r.found.all()
	return &r.result
}
