package control

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"math"
	"slices"
	"time"

	"iotmon/internal/alert"
	"iotmon/internal/iot"
	"iotmon/internal/retry"
)

// Reference is the median of peers, for one partition that has devices of them.
type Reference struct {
	Peers     iot.Peers
	Partition int32
	iot.Reference
}

// ReferenceLog is the readings' log, as far as it gets the medians of peers.
type ReferenceLog interface {
	// References appends references, each to its partition. After an error some may have been appended.
	References(ctx context.Context, references []Reference) error
}

// ReferencesOptions configure References. All fields are required.
type ReferencesOptions struct {
	InForce *InForce
	Log     ReferenceLog
	// Each calls visit with the present state of each device until visit returns false; visit neither changes nor keeps it, and is quick. Complete reports
	// whether Each knows all devices by now. They may be called concurrently.
	Each     func(visit func(*iot.DeviceState) bool)
	Complete func() bool
	// OfflineAfter is how long a device of which nothing else is known may be silent.
	OfflineAfter time.Duration
	Logger       *slog.Logger
}

const (
	// referencesEvery is how often the medians are computed.
	referencesEvery = 3 * time.Second
	// referenceAgain is how old a reference in force may be until it is appended again although the median is the same.
	referenceAgain = iot.ReferenceLasts / 3
	// referencePart is which part of the smallest limit a median may differ from that in force until it is appended.
	referencePart = 1.0 / 20
	// referencesAtOnce is the maximum number of references that are appended at once.
	referencesAtOnce = 2000
)

// References appends the medians of peers to the readings' log, for the rules of the kind iot.Deviation in force: to the partitions of the devices that
// such a rule watches, where they are compared with the median.
//
// Any number of processes may run it: a median that follows from older states than that in force changes nothing. If none does, every reference that was
// appended ends. Only the times of the log count, so a process whose clock is wrong does no harm.
type References struct {
	ReferencesOptions

	appended map[partitionPeers]appendedReference
	// leftOut is how many references bound has left out last.
	leftOut int
	// present is the storage of what medians reads.
	present []presentValue
}

// appendedReference is what this process has appended last of peers to a partition.
type appendedReference struct {
	iot.Reference
	at time.Time
	// pause is how long after at it is appended again if it is not in force: firstRepeat, doubling up to referenceAgain.
	pause time.Duration
}

// NewReferences returns References; Run does the work.
func NewReferences(options ReferencesOptions) *References {
	return &References{ReferencesOptions: options, appended: make(map[partitionPeers]appendedReference)}
}

// Run follows the medians until ctx ends. A failure of the log only delays it.
func (r *References) Run(ctx context.Context) error {
	pauses, failing := retry.NewBackoff(firstPause, longestPause), false
	for ctx.Err() == nil {
		err := r.step(ctx, time.Now())
		if err != nil && ctx.Err() == nil {
			if !failing {
				r.Logger.Warn("values are not compared with those of other devices at the moment; it is tried again", "error", err)
			}
			failing = true
			_ = pauses.Wait(ctx) // The loop checks ctx.
			continue
		}
		failing = false
		pauses.Reset()
		_ = retry.Wait(ctx, referencesEvery)
	}
	return nil
}

// step appends what has to be appended now. The time is that of a clock that goes on.
func (r *References) step(ctx context.Context, now time.Time) error {
	if !r.InForce.Current() || !r.Complete() {
		return nil
	}
	rules, err := r.InForce.deviations()
	if err != nil {
		return err
	}
	if len(rules) == 0 {
		clear(r.appended)
		return nil
	}
	wanted := r.bound(r.wanted(rules))
	var due []Reference
	known := make(map[partitionPeers]bool, len(wanted))
	for i := range wanted {
		at := partitionPeers{wanted[i].Partition, wanted[i].Peers}
		known[at] = true
		if r.due(at, &wanted[i].Reference.Reference, wanted[i].tolerance, now) {
			due = append(due, wanted[i].Reference)
		}
	}
	maps.DeleteFunc(r.appended, func(at partitionPeers, _ appendedReference) bool { return !known[at] })
	for some := range slices.Chunk(due, referencesAtOnce) {
		if err := r.Log.References(ctx, some); err != nil {
			return err
		}
		for i := range some {
			r.remember(&some[i], now)
		}
	}
	return nil
}

// wantedReference is a reference that a partition needs. A median that differs from it by no more than tolerance is the same.
type wantedReference struct {
	Reference
	tolerance float64
}

// wanted returns the references that partitions need, ordered by partition and then by peers.
func (r *References) wanted(rules []iot.Rule) (wanted []wantedReference) {
	for peers, of := range r.medians(rules) {
		reference, ok := of.reference()
		if !ok {
			continue
		}
		for partition := range of.partitions {
			wanted = append(wanted, wantedReference{Reference{peers, partition, reference}, of.limit * referencePart})
		}
	}
	slices.SortFunc(wanted, func(a, b wantedReference) int {
		return cmp.Or(cmp.Compare(a.Partition, b.Partition), a.Peers.Compare(b.Peers))
	})
	return wanted
}

// bound returns those of the wanted references that a partition keeps: of more than iot.MaxReferences those that are in force already and then, in their
// order, as many as there is room for. Appending any other one would be in vain, again and again.
func (r *References) bound(wanted []wantedReference) []wantedReference {
	room := make(map[int32]int)
	kept := slices.DeleteFunc(wanted, func(w wantedReference) bool {
		if r.InForce.reference(partitionPeers{w.Partition, w.Peers}) != nil {
			return false
		}
		if _, known := room[w.Partition]; !known {
			room[w.Partition] = iot.MaxReferences - r.InForce.CountReferences(w.Partition)
		}
		room[w.Partition]--
		return room[w.Partition] < 0
	})
	if left := len(wanted) - len(kept); left > 0 && r.leftOut == 0 {
		r.Logger.Warn("rules of the kind deviation watch devices of too many areas and types: those beyond the maximum are not compared with one another",
			"left_out", left, "maximum_per_partition", iot.MaxReferences)
	}
	r.leftOut = len(wanted) - len(kept)
	return kept
}

// due reports whether a reference has to be appended now. A median that differs from that in force by no more than the tolerance is the same.
func (r *References) due(at partitionPeers, own *iot.Reference, tolerance float64, now time.Time) bool {
	inForce, last := r.InForce.reference(at), r.appended[at]
	same := func(other *iot.Reference) bool { return math.Abs(own.Median-other.Median) <= tolerance }
	switch {
	case inForce != nil && !own.Newest.After(inForce.Newest):
		return false // Another process knows more, or as much.
	case inForce != nil && same(&inForce.Reference) && own.Newest.Sub(inForce.Newest) < referenceAgain:
		return false
	}
	return last.at.IsZero() || own.Newest.After(last.Newest) && (!same(&last.Reference) || now.Sub(last.at) >= last.pause)
}

// remember remembers what was appended.
func (r *References) remember(reference *Reference, now time.Time) {
	at := partitionPeers{reference.Partition, reference.Peers}
	pause := firstRepeat
	if last := r.appended[at]; !last.at.IsZero() {
		if inForce := r.InForce.reference(at); inForce == nil || inForce.Newest.Before(last.Newest) {
			pause = min(2*last.pause, referenceAgain)
		}
	}
	r.appended[at] = appendedReference{reference.Reference, now, pause}
}

// peersNow is what is known of peers at present.
type peersNow struct {
	values []peerValue
	// lasts is how long a reference of them holds. limit is the smallest one of those that watched devices must not differ by, and partitions are those of
	// the watched devices.
	lasts      time.Duration
	limit      float64
	partitions map[int32]bool
}

// peerValue is the newest good value of an online device, and when it was appended.
type peerValue struct {
	value float64
	seen  time.Time
}

// medians returns what is known of the peers of which rules watch devices.
func (r *References) medians(rules []iot.Rule) map[iot.Peers]*peersNow {
	types := make(map[iot.DeviceType]bool)
	for i := range rules {
		types[rules[i].Type] = true
	}
	r.present = r.present[:0]
	r.Each(func(state *iot.DeviceState) bool {
		if types[state.Latest.Type] {
			good := state.Status == iot.Online && (state.Latest.Quality == "" || state.Latest.Quality == iot.Good)
			r.present = append(r.present, presentValue{state.Latest.Device, state.Latest.Value, good, state.LastSeen, state.Interval, state.Partition})
		}
		return true
	})
	all := make(map[iot.Peers]*peersNow)
	for i := range r.present {
		r.add(all, rules, &r.present[i])
	}
	maps.DeleteFunc(all, func(_ iot.Peers, of *peersNow) bool { return len(of.partitions) == 0 })
	return all
}

// presentValue is what is needed of the present state of a device.
type presentValue struct {
	iot.Device
	value float64
	// good means that the device is online, and its value good.
	good      bool
	seen      time.Time
	interval  time.Duration
	partition int32
}

// add adds a device to its peers.
func (r *References) add(all map[iot.Peers]*peersNow, rules []iot.Rule, of *presentValue) {
	entry := r.InForce.Device(of.Identity())
	if entry != nil && entry.Retired {
		return
	}
	key := alert.PeersOf(entry, &of.Device)
	peers := all[key]
	if peers == nil {
		peers = &peersNow{lasts: max(iot.ReferenceLasts, r.OfflineAfter), limit: math.Inf(1), partitions: make(map[int32]bool)}
		all[key] = peers
	}
	for i := range rules {
		if rule := &rules[i]; alert.SelectsPeer(rule, entry, key, of.ID) {
			peers.partitions[of.partition] = true
			peers.limit = min(peers.limit, rule.Threshold)
			if entry != nil && entry.Limits[rule.Name] > 0 {
				peers.limit = min(peers.limit, entry.Limits[rule.Name])
			}
		}
	}
	if !of.good {
		return
	}
	interval := of.interval
	if entry != nil && entry.Interval > 0 {
		interval = entry.Interval
	}
	peers.lasts = min(max(peers.lasts, iot.ReferenceIntervals*interval), iot.MaxReferenceFor)
	peers.values = append(peers.values, peerValue{of.value, of.seen})
}

// reference returns the reference that follows; false if there are too few devices. Values that are older than a reference may be do not count: the
// processor of their partition may have stopped.
func (of *peersNow) reference() (iot.Reference, bool) {
	reference := iot.Reference{For: of.lasts}
	for _, v := range of.values {
		if v.seen.After(reference.Newest) {
			reference.Newest = v.seen
		}
	}
	var values []float64
	for _, v := range of.values {
		if reference.Newest.Sub(v.seen) <= of.lasts {
			values = append(values, v.value)
		}
	}
	if reference.Devices = len(values); reference.Devices < iot.MinPeers {
		return iot.Reference{}, false
	}
	reference.Median = iot.Median(values)
	return reference, reference.Normalize() == nil
}

// partitionPeers are peers of which a partition has devices.
type partitionPeers struct {
	partition int32
	peers     iot.Peers
}

// SetReference sets the reference of peers that a partition has in force, unless one of a higher position is known.
func (f *InForce) SetReference(peers iot.Peers, r *iot.ReferenceInForce) {
	f.mu.Lock()
	defer f.mu.Unlock()
	at := partitionPeers{r.Partition, peers}
	if known := f.references[at]; known == nil || known.Position.Compare(r.Position) <= 0 {
		f.references[at] = r
	}
}

// RemoveReference says that a partition does not have a reference of peers any more.
func (f *InForce) RemoveReference(peers iot.Peers, partition int32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.references, partitionPeers{partition, peers})
}

// reference returns the reference of peers that a partition has in force; nil if there is none.
func (f *InForce) reference(at partitionPeers) *iot.ReferenceInForce {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.references[at]
}

// Reference returns the reference of peers that a partition has in force, which must not be changed; nil if there is none.
func (f *InForce) Reference(peers iot.Peers, partition int32) *iot.ReferenceInForce {
	return f.reference(partitionPeers{partition, peers})
}

// CountReferences returns how many references a partition has in force.
func (f *InForce) CountReferences(partition int32) (n int) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	for at := range f.references {
		if at.partition == partition {
			n++
		}
	}
	return n
}

// deviations returns the rules of the kind iot.Deviation in force that are not disabled.
func (f *InForce) deviations() ([]iot.Rule, error) {
	entries, err := f.ruleEntries()
	var rules []iot.Rule
	for i := range entries {
		if rule := &entries[i].Rule; rule.Kind == iot.Deviation && !rule.Disabled {
			rules = append(rules, *rule)
		}
	}
	return rules, err
}
