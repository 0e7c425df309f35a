package push

import (
	"cmp"
	"slices"
)

// changelog lists which device changed at which number of the feed. Of each device only the newest entry counts; older ones are outdated. So a
// reader that has seen all changes up to some number finds every device that has changed since, once.
type changelog struct {
	// latest holds the number of each device's newest entry, by device; 0 for none.
	latest []uint64
	// entries are in the order of their numbers, and of their devices where the number is the same. Outdated entries are removed when
	// they outnumber the devices.
	entries []entry
}

// entry says that a device changed at the number seq of the feed.
type entry struct {
	seq    uint64
	device int32
}

func (e entry) compare(other entry) int {
	return cmp.Or(cmp.Compare(e.seq, other.seq), cmp.Compare(e.device, other.device))
}

// addAll adds an entry for each of the devices, which are in ascending order. seq must be above all numbers before.
func (l *changelog) addAll(devices []int32, seq uint64) {
	for _, device := range devices {
		l.add(device, seq)
	}
}

func (l *changelog) add(device int32, seq uint64) {
	if missing := int(device) + 1 - len(l.latest); missing > 0 {
		l.latest = append(l.latest, make([]uint64, missing)...)
	}
	l.latest[device] = seq
	if len(l.entries) > 2*len(l.latest)+1024 {
		l.entries = slices.DeleteFunc(l.entries, func(e entry) bool { return !l.current(e) })
	}
	l.entries = append(l.entries, entry{seq, device})
}

// current reports whether the entry is the newest of its device.
func (l *changelog) current(e entry) bool { return l.latest[e.device] == e.seq }

// between returns the entries numbered from first to last, outdated ones among them.
func (l *changelog) between(first, last uint64) []entry {
	return l.entries[l.index(first):l.index(last+1)]
}

// index returns the position in entries of the first one numbered seq or higher.
func (l *changelog) index(seq uint64) int {
	i, _ := slices.BinarySearchFunc(l.entries, seq, func(e entry, seq uint64) int { return cmp.Compare(e.seq, seq) })
	return i
}
