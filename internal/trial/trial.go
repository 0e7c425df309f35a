// Package trial runs alert rules over archived readings and counts the alerts that they would have raised. The alerts are those of package
// alert, which also decides live.
//
// The archive keeps neither the order nor the moment in which readings arrived, so a trial differs from what happened live:
// each device's readings come in the order of its own time, also those that arrived late or from a backlog; nothing is remembered from
// before the span; and the registry's entries, and a device's location, are those of now. So silence begins with a device's first reading in the
// span, and is that between the times of readings: what came later out of a buffer, or a report that the device is online, is not known.
package trial

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"iotmon/internal/alert"
	"iotmon/internal/iot"
)

// Archive is where readings come from. Its methods may be called concurrently.
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

	// chunk is of how many devices readings are read in one transaction, and workers how many such transactions there are at a time. Stores have
	// more connections than that: a trial must not make other queries wait.
	chunk, workers = 32, 2
	// checkEvery is after how many readings the context and the time are checked.
	checkEvery = 4096
)

// Trial is what is tried.
type Trial struct {
	Tenant iot.Tenant
	// Rule is tried, and Other, nil for none, is what it is compared with: another version of the same name. Rule must not be iot.RuleOffline,
	// which also goes by reports and settings of sources.
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
	// Medians is nil if no rule compares values with medians.
	Medians *Medians
	// Points is nil if no rule has an expression that names points.
	Points *PointsFound
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
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := &run{Trial: t, ctx: ctx, archive: archive, deadline: t.Now().Add(MaxTime), most: t.MaxReadings}
	if r.most <= 0 {
		r.most = MaxReadings
	}
	if err := r.begin(); err != nil {
		return nil, err
	}
	all, devices, err := r.devices()
	if err != nil {
		return nil, err
	}
	r.result.Selected = len(devices)
	if ok, err := r.findMedians(all, devices); err != nil {
		return nil, fmt.Errorf("try a rule: %w", err)
	} else if !ok {
		devices = nil
	}
	if ok, err := r.findPoints(devices); err != nil {
		return nil, fmt.Errorf("try a rule: %w", err)
	} else if !ok {
		devices = nil
	}
	if err := r.evaluate(slices.Collect(slices.Chunk(devices, chunk))); err != nil {
		return nil, fmt.Errorf("try a rule: %w", err)
	}
	return r.finish(), nil
}

func (t *Trial) check() error {
	switch {
	case t.Rule.Name == iot.RuleOffline:
		return iot.Invalid("kind", "%s cannot be tried: it also goes by reports, which are not archived; a rule of the kind %q can", iot.RuleOffline, iot.NoData)
	case !t.From.Before(t.To) || t.To.Sub(t.From) > MaxSpan:
		return iot.Invalid("from", "must be before to, by at most %v", MaxSpan)
	}
	return nil
}

// run is a trial that is running.
type run struct {
	*Trial
	ctx      context.Context //nolint:containedctx // It ends with the call of Run.
	archive  Archive
	deadline time.Time
	// most is MaxReadings, or its default.
	most int64
	// engines are those of the rule and, if there is one to compare with, of the other.
	engines           []*alert.Engine
	leveled, deviates []bool
	points            [][]string
	result            Result
	// total is what all parts so far have found.
	total *part
}

func (r *run) begin() error {
	rules := []*iot.Rule{&r.Rule}
	if r.Other != nil {
		rules = append(rules, r.Other)
	}
	for _, rule := range rules {
		engine, err := alert.New([]iot.Rule{tried(rule)}, r.Catalog)
		if err != nil {
			return err
		}
		r.engines = append(r.engines, engine)
		r.leveled, r.deviates = append(r.leveled, rule.Kind == iot.LevelLimits), append(r.deviates, rule.Kind == iot.Deviation)
		r.points = append(r.points, alert.ExpressionPoints(rule))
	}
	r.total = r.newPart(nil, 0)
	return nil
}

// tried returns the rule as if it was enabled, and without latching: nobody resets alerts in a trial, so they would never end.
func tried(rule *iot.Rule) iot.Rule {
	r := *rule
	r.Latch, r.Disabled = false, false
	return r
}

// devices returns all devices of the rules' type, and those of them that a rule selects.
func (r *run) devices() (all, selected []iot.Device, err error) {
	t := r.Rule.Type
	if r.Other != nil && r.Other.Type != t {
		t = "" // Both types are needed.
	}
	all, err = r.archive.DevicesOf(r.ctx, r.Tenant, t, MaxDevices+1)
	if err != nil {
		return nil, nil, fmt.Errorf("try a rule: %w", err)
	}
	if len(all) > MaxDevices {
		all, r.result.Stopped = all[:MaxDevices], StoppedByDevices
	}
	for i := range all {
		if slices.ContainsFunc(r.total.sides, func(s *side) bool { return s.selects(&all[i]) }) {
			selected = append(selected, all[i])
		}
	}
	return all, selected, nil
}

// evaluate evaluates the readings of all devices, some of them at a time.
func (r *run) evaluate(chunks [][]iot.Device) error {
	for p := range r.evaluateParts(chunks) {
		if remaining := r.most - r.total.readings; p.err == nil && p.readings >= remaining && r.total.readings > 0 {
			p = r.newPart(p.devices, remaining) // Not all of its readings, which are read again, fit into the maximum.
			p.evaluate()
		}
		if p.err != nil {
			return p.err
		}
		r.total.add(p)
		if p.stopped != "" {
			r.result.Stopped = p.stopped
			break
		}
	}
	return r.ctx.Err()
}

// evaluateParts yields the results of the chunks in their order, while workers evaluate the next ones. Once yield returns false, it ends the context and
// returns when the workers have ended.
func (r *run) evaluateParts(chunks [][]iot.Device) iter.Seq[*part] {
	return func(yield func(*part) bool) {
		ctx, cancel := context.WithCancel(r.ctx)
		var running sync.WaitGroup
		defer running.Wait()
		defer cancel()
		results := make([]chan *part, len(chunks))
		for i := range results {
			results[i] = make(chan *part, 1)
		}
		// Parts that are being evaluated, or that the loop below has not come to: not more than twice the workers.
		ahead := make(chan struct{}, 2*workers)
		var next atomic.Int64
		for range min(workers, len(chunks)) {
			running.Go(func() {
				for {
					select {
					case ahead <- struct{}{}:
					case <-ctx.Done():
						return
					}
					i := int(next.Add(1)) - 1
					if i >= len(chunks) {
						return
					}
					p := r.newPart(chunks[i], r.most)
					p.ctx = ctx
					p.evaluate()
					results[i] <- p
				}
			})
		}
		for _, result := range results {
			select {
			case p := <-result:
				if !yield(p) {
					return
				}
			case <-ctx.Done():
				return
			}
			<-ahead
		}
	}
}

func (r *run) finish() *Result {
	r.result.Devices, r.result.Readings = r.total.tried, r.total.readings
	r.result.Tried = r.total.sides[0].tally.finish()
	if len(r.total.sides) == 2 {
		other := r.total.sides[1].tally.finish()
		r.result.Other = &other
	}
	r.result.Alerts = r.total.found.all()
	return &r.result
}
