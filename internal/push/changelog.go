package push

import (
	"cmp"
	"slices"
)

// changelog is a log of which device changed when, compacted: of each device only the newest entry counts. Whoever has
// read up to some number finds all that changed since, and no device twice.
type changelog struct {
	// latest holds the number of each device's newest entry, by device; 0 for none.
	latest []uint64
	// entries are in the order of their numbers, those of one number in the order of their devices; outdated ones are removed when they outnumber the devices.
	entries []entry
}

type entry struct {
	seq    uint64
	device int32
}

func (e entry) compare(other entry) int {
	return cmp.Or(cmp.Compare(e.seq, other.seq), cmp.Compare(e.device, other.device))
}

// addAll notes that the devices, in ascending order, changed. seq must be above all before.
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

// current reports whether the device has not changed since the entry was made.
func (l *changelog) current(e entry) bool { return l.latest[e.device] == e.seq }

// between returns the entries numbered from first to last, outdated ones among them.
func (l *changelog) between(first, last uint64) []entry {
	return l.entries[l.index(first):l.index(last+1)]
}

// index returns where the entries with at least the given number begin.
func (l *changelog) index(seq uint64) int {
	i, _ := slices.BinarySearchFunc(l.entries, seq, func(e entry, seq uint64) int { return cmp.Compare(e.seq, seq) })
	return i
}
