package control

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
	"time"

	"iotmon/internal/alert"
	"iotmon/internal/iot"
	"iotmon/internal/retry"
)

// MachinePoints are points of a machine, for one partition that has devices of it.
type MachinePoints struct {
	iot.Machine
	Partition int32
	Points    iot.Points
}

// PointLog is the readings' log, as far as it gets the points of machines.
type PointLog interface {
	// Points appends points, each to its partition. After an error some may have been appended.
	Points(ctx context.Context, points []MachinePoints) error
}

// PointsOptions configure Points. All fields are required.
type PointsOptions struct {
	InForce *InForce
	Log     PointLog
	// Each and Complete are those of ReferencesOptions. State returns the present state of a device; false if there is none.
	Each     func(visit func(*iot.DeviceState) bool)
	Complete func() bool
	State    func(iot.Identity) (iot.DeviceState, bool)
	// OfflineAfter is how long a device of which nothing else is known may be silent.
	OfflineAfter time.Duration
	Logger       *slog.Logger
}

const (
	// pointsEvery is how often points are appended at most: what their devices send meanwhile is conflated.
	pointsEvery = time.Second
	// pointAgain is how much older a point in force may be than the state of its device until it is appended again although the value is the same: its
	// age is as exact.
	pointAgain = 5 * time.Second
	// findPointsEvery is how often the devices of the points are looked for at least: one may have come, or have sent another location.
	findPointsEvery = 10 * time.Second
	// pointsAtOnce is the maximum number of machines whose points are appended at once.
	pointsAtOnce = 2000
)

// Points appends the points of machines to the readings' log, as far as expressions of rules in force name them: to the partitions of the devices that
// such a rule watches, where the expression is evaluated.
//
// Any number of processes may run it: a point that follows from an older state than that in force changes nothing. If none does, every point that was
// appended ends. Only the times of the log count, so a process whose clock is wrong does no harm.
type Points struct {
	PointsOptions

	// machines are those of which a rule watches devices, as they were found at the time found, by the changes of devices and rules then.
	machines map[iot.Machine]*machineNow
	found    time.Time
	changes  pointChanges
	appended map[partitionMachine]appendedPoints
	leftOut  int
	// present is the storage of what find reads.
	present []presentDevice
}

// pointChanges are numbers that are others after each change of entries or rules.
type pointChanges struct{ devices, rules int64 }

// partitionMachine is a machine of which a partition has devices.
type partitionMachine struct {
	partition int32
	machine   iot.Machine
}

// machineNow is what is known of a machine: the partitions of the devices that are watched by rules that name points, and the devices of these points by name.
type machineNow struct {
	partitions map[int32]bool
	names      map[string]*alert.PointDevice
}

// appendedPoints are the points that this process has appended last of a machine to a partition.
type appendedPoints struct {
	iot.Points
	at time.Time
	// pause is how long after at they are appended again if they are not in force.
	pause time.Duration
}

// NewPoints returns Points; Run does the work.
func NewPoints(options PointsOptions) *Points {
	return &Points{PointsOptions: options, appended: make(map[partitionMachine]appendedPoints)}
}

// Run follows the points until ctx ends. A failure of the log only delays it.
func (p *Points) Run(ctx context.Context) error {
	pauses, failing := retry.NewBackoff(firstPause, longestPause), false
	for ctx.Err() == nil {
		err := p.step(ctx, time.Now())
		if err != nil && ctx.Err() == nil {
			if !failing {
				p.Logger.Warn("the values of other points, which expressions of rules name, are not appended at the moment; it is tried again", "error", err)
			}
			failing = true
			_ = pauses.Wait(ctx) // The loop checks ctx.
			continue
		}
		failing = false
		pauses.Reset()
		_ = retry.Wait(ctx, pointsEvery)
	}
	return nil
}

// step appends what has to be appended now. The time is that of a clock that goes on.
func (p *Points) step(ctx context.Context, now time.Time) error {
	if !p.InForce.Current() || !p.Complete() {
		return nil
	}
	if err := p.find(now); err != nil {
		return err
	}
	wanted := p.bound(p.wanted())
	var due []MachinePoints
	known := make(map[partitionMachine]bool, len(wanted))
	for i := range wanted {
		at := partitionMachine{wanted[i].Partition, wanted[i].Machine}
		known[at] = true
		if p.due(at, wanted[i].Points, now) {
			due = append(due, wanted[i])
		}
	}
	maps.DeleteFunc(p.appended, func(at partitionMachine, _ appendedPoints) bool { return !known[at] })
	for some := range slices.Chunk(due, pointsAtOnce) {
		if err := p.Log.Points(ctx, some); err != nil {
			return err
		}
		for i := range some {
			p.remember(&some[i], now)
		}
	}
	return nil
}

// find finds the machines, and the devices of their points, if that may have changed.
func (p *Points) find(now time.Time) error {
	changes := p.InForce.pointChanges()
	if changes == p.changes && now.Sub(p.found) < findPointsEvery {
		return nil
	}
	rules, err := p.InForce.pointRules()
	if err != nil {
		return err
	}
	p.changes, p.found, p.machines = changes, now, make(map[iot.Machine]*machineNow)
	if len(rules) == 0 {
		return nil
	}
	p.present = p.present[:0]
	p.Each(func(state *iot.DeviceState) bool {
		p.present = append(p.present, presentDevice{state.Latest.Device, state.Partition})
		return true
	})
	for i := range p.present {
		p.watch(rules, &p.present[i])
	}
	for i := range p.present {
		p.match(&p.present[i])
	}
	return nil
}

// presentDevice is a device that has a state, in that partition.
type presentDevice struct {
	iot.Device
	partition int32
}

// watch adds the points that the rules for a device name to its machine.
func (p *Points) watch(rules []pointRule, of *presentDevice) {
	entry := p.InForce.Device(of.Identity())
	peers := alert.PeersOf(entry, &of.Device)
	if peers.Area == "" || entry != nil && entry.Retired {
		return
	}
	at := iot.Machine{Tenant: peers.Tenant, Area: peers.Area}
	for i := range rules {
		if !alert.SelectsPeer(&rules[i].Rule, entry, peers, of.ID) {
			continue
		}
		machine := p.machines[at]
		if machine == nil {
			machine = &machineNow{partitions: make(map[int32]bool), names: make(map[string]*alert.PointDevice)}
			p.machines[at] = machine
		}
		machine.partitions[of.partition] = true
		for _, name := range rules[i].points {
			machine.names[name] = new(alert.PointDevice)
		}
	}
}

// match makes a device a point of its machine if a rule names it.
func (p *Points) match(of *presentDevice) {
	entry := p.InForce.Device(of.Identity())
	peers := alert.PeersOf(entry, &of.Device)
	machine := p.machines[iot.Machine{Tenant: peers.Tenant, Area: peers.Area}]
	if machine == nil {
		return
	}
	for name, point := range machine.names {
		point.Offer(name, entry, &of.Device)
	}
}

// wanted returns the points that partitions need, ordered by partition and then by machine.
func (p *Points) wanted() (wanted []MachinePoints) {
	for machine, of := range p.machines {
		points := p.points(of)
		if len(points) == 0 {
			continue
		}
		for partition := range of.partitions {
			wanted = append(wanted, MachinePoints{machine, partition, points})
		}
	}
	slices.SortFunc(wanted, func(a, b MachinePoints) int {
		return cmp.Or(cmp.Compare(a.Partition, b.Partition), a.Machine.Compare(b.Machine))
	})
	return wanted
}

// points returns the points of a machine by the present states of their devices: the first iot.MaxMachinePoints by name.
func (p *Points) points(of *machineNow) (points iot.Points) {
	for _, name := range slices.Sorted(maps.Keys(of.names)) {
		device, ok := of.names[name].Device()
		if !ok || len(points) == iot.MaxMachinePoints {
			continue
		}
		state, ok := p.State(device.Identity())
		if !ok {
			continue
		}
		interval := state.Interval
		if entry := p.InForce.Device(device.Identity()); entry != nil && entry.Interval > 0 {
			interval = entry.Interval
		}
		point := iot.Point{
			Name: name, Device: device.ID, Seen: state.LastSeen, Evidence: state.Position,
			Good: state.Status == iot.Online && (state.Latest.Quality == "" || state.Latest.Quality == iot.Good),
			For:  min(max(iot.PointLasts, p.OfflineAfter, iot.PointIntervals*interval), iot.MaxPointFor),
		}
		if point.Good {
			point.Value = state.Latest.Value
		}
		if point.Normalize() == nil {
			points = append(points, point)
		}
	}
	return points
}

// bound returns those of the wanted points that a partition keeps: of more than iot.MaxPoints those of machines that have points in force already and then, in
// their order, those of as many as there is room for.
func (p *Points) bound(wanted []MachinePoints) []MachinePoints {
	room, leftOut := make(map[int32]int), 0
	kept := slices.DeleteFunc(wanted, func(w MachinePoints) bool {
		if _, known := room[w.Partition]; !known {
			room[w.Partition] = iot.MaxPoints - p.InForce.CountPoints(w.Partition)
		}
		more := len(w.Points)
		if inForce := p.InForce.points(partitionMachine{w.Partition, w.Machine}); inForce != nil {
			more -= len(inForce.Points)
		}
		if more > max(room[w.Partition], 0) {
			leftOut++
			return true
		}
		room[w.Partition] -= max(more, 0)
		return false
	})
	if leftOut > 0 && p.leftOut == 0 {
		p.Logger.Warn("expressions of rules name points of too many machines: those beyond the maximum are not known to them",
			"machines_left_out", leftOut, "maximum_of_points_per_partition", iot.MaxPoints)
	}
	p.leftOut = leftOut
	return kept
}

// due reports whether points of a machine have to be appended now.
func (p *Points) due(at partitionMachine, own iot.Points, now time.Time) bool {
	var inForce iot.Points
	if known := p.InForce.points(at); known != nil {
		inForce = known.Points
	}
	if !news(own, inForce) {
		return false
	}
	last := p.appended[at]
	return news(own, last.Points) || now.Sub(last.at) >= last.pause
}

// news reports whether one of the points is not among the known ones as it is, or not as new.
func news(own, known iot.Points) bool {
	for i := range own {
		point := &own[i]
		before := known.Find(point.Name)
		switch {
		case before == nil:
			return true
		case !point.After(before): // Another process knows more, or as much.
		case point.Device != before.Device, point.Good != before.Good, point.Value != before.Value, point.Seen.Sub(before.Seen) >= pointAgain:
			return true
		}
	}
	return false
}

// remember remembers what was appended.
func (p *Points) remember(points *MachinePoints, now time.Time) {
	at := partitionMachine{points.Partition, points.Machine}
	pause := firstRepeat
	if last := p.appended[at]; !last.at.IsZero() && !news(points.Points, last.Points) {
		pause = min(2*last.pause, iot.PointLasts)
	}
	p.appended[at] = appendedPoints{points.Points, now, pause}
}

// pointRule is a rule whose expression names points.
type pointRule struct {
	iot.Rule
	points []string
}

// pointRules returns the rules in force whose expressions name points, and that are not disabled.
func (f *InForce) pointRules() ([]pointRule, error) {
	entries, err := f.ruleEntries()
	var rules []pointRule
	for i := range entries {
		rule := &entries[i].Rule
		if rule.Disabled || entries[i].Level() < iot.RuleLevelPoints {
			continue
		}
		if points := alert.ExpressionPoints(rule); len(points) > 0 {
			rules = append(rules, pointRule{*rule, points})
		}
	}
	return rules, err
}

func (f *InForce) pointChanges() pointChanges {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return pointChanges{f.changes, f.ruleChanges}
}

// SetPoints sets the points of a machine that a partition has in force, unless those of a higher position are known.
func (f *InForce) SetPoints(machine iot.Machine, p *iot.PointsInForce) {
	f.mu.Lock()
	defer f.mu.Unlock()
	at := partitionMachine{p.Partition, machine}
	if known := f.machines[at]; known == nil || known.Position.Compare(p.Position) <= 0 {
		f.machines[at] = p
	}
}

// RemovePoints says that a partition does not have points of a machine any more.
func (f *InForce) RemovePoints(machine iot.Machine, partition int32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.machines, partitionMachine{partition, machine})
}

// points returns the points of a machine that a partition has in force; nil if there are none.
func (f *InForce) points(at partitionMachine) *iot.PointsInForce {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.machines[at]
}

// Points returns the points of a machine that a partition has in force, which must not be changed; nil if there are none.
func (f *InForce) Points(machine iot.Machine, partition int32) *iot.PointsInForce {
	return f.points(partitionMachine{partition, machine})
}

// CountPoints returns how many points a partition has in force.
func (f *InForce) CountPoints(partition int32) (n int) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	for at, of := range f.machines {
		if at.partition == partition {
			n += len(of.Points)
		}
	}
	return n
}
