package push

import (
	"slices"

	"iotmon/internal/view"
)

// candidates returns the entries numbered from first to last. If the filter names few devices, only their entries are among them;
// otherwise some may not pass the filter.
func (f *feed) candidates(held view.Held, wanted *filter, first, last uint64) []entry {
	readings := &f.readings
	changed := readings.between(first, last)
	if wanted.IDs == nil || len(wanted.IDs) >= len(changed) {
		return changed
	}
	// Looking up a few devices is faster than going through many changes.
	var entries []entry
	for id := range wanted.IDs {
		number, known := held.Number(id)
		if !known || int(number) >= len(readings.latest) {
			continue
		}
		if seq := readings.latest[number]; seq >= first && seq <= last {
			entries = append(entries, entry{seq, number})
		}
	}
	slices.SortFunc(entries, entry.compare)
	return entries
}

// passes reports whether the entry is its device's newest and the filter lets the device through.
func (f *feed) passes(held view.Held, wanted *filter, e entry) bool {
	return f.readings.current(e) && wanted.Device(held.Device(e.device))
}
