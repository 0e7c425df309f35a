package control

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/retry"
)

// Outage is what is said of a parent in one partition that has devices of it.
type Outage struct {
	Parent    iot.Identity
	Partition int32
	iot.Outage
}

// OutageLog is the readings' log, as far as it is said there that parents are silent.
type OutageLog interface {
	// Outages appends outages, each to its partition. After an error some may have been appended.
	Outages(ctx context.Context, outages []Outage) error
}

// ParentsOptions configure Parents. All fields are required.
type ParentsOptions struct {
	InForce *InForce
	Log     OutageLog
	// State returns the present state of a device; false if there is none. Complete reports whether State knows all devices by now. They may be called
	// concurrently.
	State    func(iot.Identity) (iot.DeviceState, bool)
	Complete func() bool
	Logger   *slog.Logger
}

const (
	// outageLasts is how long an outage lasts unless it is said again, which is done every outageAgain.
	outageLasts = 15 * time.Minute
	outageAgain = outageLasts / 3
	// parentsEvery is how often the states of the parents are looked at.
	parentsEvery = time.Second
	// outagesAtOnce is the maximum number of outages that are appended at once.
	outagesAtOnce = 2000
)

// Parents says in the log which parents are silent, in the partitions of their devices, where alerts about the silence of these devices are suppressed
// meanwhile. A parent is silent while an alert about its silence is open, so nothing is suppressed without one alert that stands for it.
//
// Any number of processes may run it: what one says twice, or has known earlier, changes nothing. If none does, every outage that was said ends.
type Parents struct {
	ParentsOptions

	// parents are those of devices as of the given number of changes; see InForce.parents.
	parents map[partitionParent]bool
	changes int64
	said    map[partitionParent]said
}

// said is what this process has said last of a parent in a partition.
type said struct {
	silent bool
	at     time.Time
	// pause is how long after at it is said again if it is not in force: firstRepeat, doubling up to outageAgain.
	pause time.Duration
}

// NewParents returns a Parents; Run does the work.
func NewParents(options ParentsOptions) *Parents {
	return &Parents{ParentsOptions: options, changes: -1, said: make(map[partitionParent]said)}
}

// Run follows the states of the parents until ctx ends. A failure of the log only delays it.
func (p *Parents) Run(ctx context.Context) error {
	pauses, failing := retry.NewBackoff(firstPause, longestPause), false
	for ctx.Err() == nil {
		err := p.step(ctx, time.Now())
		if err != nil && ctx.Err() == nil {
			if !failing {
				p.Logger.Warn("the devices of silent parents are not silenced at the moment; it is tried again", "error", err)
			}
			failing = true
			_ = pauses.Wait(ctx) // The loop checks ctx.
			continue
		}
		failing = false
		pauses.Reset()
		_ = retry.Wait(ctx, parentsEvery)
	}
	return nil
}

// step says what has to be said now. The time is that of a clock that goes on.
func (p *Parents) step(ctx context.Context, now time.Time) error {
	if !p.InForce.Current() || !p.Complete() {
		return nil // Otherwise a parent would seem to be forgotten.
	}
	p.follow()
	var due []Outage
	for at := range p.parents {
		if o := p.outage(at, now); o != nil {
			due = append(due, *o)
		}
	}
	slices.SortFunc(due, func(a, b Outage) int {
		return cmp.Or(cmp.Compare(a.Partition, b.Partition), a.Parent.Compare(b.Parent))
	})
	for some := range slices.Chunk(due, outagesAtOnce) {
		if err := p.Log.Outages(ctx, some); err != nil {
			return err
		}
		for i := range some {
			p.remember(&some[i], now)
		}
	}
	return nil
}

// follow follows the changes of registry entries.
func (p *Parents) follow() {
	parents, changes := p.InForce.parents(p.changes)
	if parents == nil {
		return
	}
	p.parents, p.changes = parents, changes
	for at := range p.said {
		if !parents[at] {
			delete(p.said, at)
		}
	}
}

// outage returns what has to be said of a parent in a partition now; nil if there is nothing.
func (p *Parents) outage(at partitionParent, now time.Time) *Outage {
	state, known := p.State(at.parent)
	o := Outage{Parent: at.parent, Partition: at.partition, Outage: iot.Outage{Silent: known && state.AboutSilence()}}
	if known {
		o.Evidence = state.Position
	}
	inForce, last := p.InForce.outage(at), p.said[at]
	switch since := now.Sub(last.at); {
	case inForce == nil && !o.Silent:
		return nil
	case inForce != nil && inForce.Silent == o.Silent:
		if !o.Silent || last.silent && since < outageAgain {
			return nil
		}
	case inForce != nil && inForce.After(o.Evidence):
		return nil // Another process knows more.
	case last.silent == o.Silent && since < last.pause:
		return nil
	}
	if o.Silent {
		o.For = outageLasts
	}
	return &o
}

// remember remembers what was said.
func (p *Parents) remember(o *Outage, now time.Time) {
	at := partitionParent{o.Partition, o.Parent}
	last, pause := p.said[at], firstRepeat
	if inForce := p.InForce.outage(at); last.silent == o.Silent && (inForce == nil || inForce.Silent != o.Silent) {
		pause = min(max(2*last.pause, firstRepeat), outageAgain)
	}
	p.said[at] = said{silent: o.Silent, at: now, pause: pause}
}
