package push

import (
	"cmp"
	"iter"
	"slices"

	"iotmon/internal/iot"
)

// changeKey is the number up to which a viewer has seen the changes, and its filter: all viewers with the same key are sent the same.
type changeKey struct {
	filter *filter
	seen   uint64
}

// changeSet is what has changed since the viewers with one key have seen the changes.
type changeSet struct {
	frameBatch
	// compressed is the same for viewers that agreed on compression; nil until the first of them is sent it.
	compressed *frameBatch
	// devices counts the devices in the messages. postponedUntil is the number up to which there may be others, that would
	// have been too many for one round; 0 if there are none.
	devices        int
	postponedUntil uint64
}

// addShared adds messages that other viewers may be sent too.
func (cp *composer) addShared(b *frameBatch, v *viewer, messages []*message) {
	if !v.deflate {
		b.add(plainFrame, messages...)
		return
	}
	for _, m := range messages {
		cp.deflater.deflate(m)
	}
	b.add(deflatedFrame, messages...)
}

// changesSince returns what has changed for the viewers with a key. It is made once in a round.
func (cp *composer) changesSince(key changeKey) *changeSet {
	set := cp.changes[key]
	if set == nil {
		set = cp.makeChanges(key)
		cp.changes[key] = set
	}
	return set
}

// makeChanges makes the messages about what has changed, in the order of their numbers.
func (cp *composer) makeChanges(key changeKey) *changeSet {
	set := new(changeSet)
	messages := append(cp.alertMessages(key), cp.removalMessages(key)...)
	for _, start := range cp.feed.windowsAfter(key.seen) {
		if data := cp.windowData(key.filter, start); data != nil {
			messages = append(messages, cp.windowMessage(data, cp.feed.windows[start], false))
		}
	}
	entries, postponedUntil := cp.newest(key, cp.allowance)
	set.devices, set.postponedUntil = len(entries), postponedUntil
	for chunk := range divide(entries, devicesPerMessage, func(e entry) uint64 { return e.seq }) {
		messages = append(messages, cp.deviceMessage(chunk, chunk[len(chunk)-1].seq, false))
	}
	if cp.feed.status > key.seen {
		messages = append(messages, cp.statusMessage(key.filter, cp.changedStatus(key), cp.feed.status, false))
	}
	if cp.feed.history > key.seen {
		messages = append(messages, cp.historyMessage(cp.feed.history))
	}
	slices.SortFunc(messages, func(a, b *message) int { return cmp.Compare(a.seq, b.seq) })
	set.frameBatch = pack(messages, plainFrame)
	return set
}

// alertMessages makes the messages about alert events.
func (cp *composer) alertMessages(key changeKey) []*message {
	var matching []numberedAlert
	for _, a := range cp.feed.alertsAfter(key.seen) {
		if key.filter.alert(&a.event) {
			matching = append(matching, a)
		}
	}
	var messages []*message
	for chunk := range divide(matching, alertsPerMessage, func(a numberedAlert) uint64 { return a.seq }) {
		events := make([]*iot.Alert, len(chunk))
		for i := range chunk {
			events[i] = &chunk[i].event
		}
		messages = append(messages, cp.alertMessage(events, chunk[len(chunk)-1].seq, false))
	}
	return messages
}

// removalMessages makes the messages about devices that were forgotten, one for each number. Numbers are not put together: the new state
// of a device that was forgotten and has sent again must come after the message about its removal.
func (cp *composer) removalMessages(key changeKey) []*message {
	var messages []*message
	var ids []iot.DeviceID
	removals := cp.feed.removalsAfter(key.seen)
	for i := range removals {
		r := &removals[i]
		if key.filter.Removal(&r.Removal) {
			ids = append(ids, r.ID)
		}
		if last := i == len(removals)-1 || removals[i+1].seq != r.seq; last && len(ids) > 0 {
			messages = append(messages, cp.removalMessage(ids, r.seq))
			ids = nil
		}
	}
	return messages
}

// divide divides items, which are in the order of their numbers, into messages of at most limit items. Items with the same number
// stay together, so that a viewer that resumes after that number has seen all of them, even if it lost its connection between two
// messages. No number has more than limit items.
func divide[T any](items []T, limit int, number func(T) uint64) iter.Seq[[]T] {
	return func(yield func([]T) bool) {
		for len(items) > limit {
			cut := limit
			for cut > 0 && number(items[cut-1]) == number(items[limit]) {
				cut--
			}
			if !yield(items[:cut:cut]) {
				return
			}
			items = items[cut:]
		}
		if len(items) > 0 {
			yield(items)
		}
	}
}

// changedStatus returns the devices whose status has changed, newest last. If they are more than one message lists, the oldest are left
// out.
func (cp *composer) changedStatus(key changeKey) []entry {
	var changed []entry
	for _, e := range slices.Backward(cp.feed.statuses.between(key.seen+1, cp.feed.status)) {
		if len(changed) == statusesPerMessage {
			break
		}
		if cp.feed.statuses.current(e) && key.filter.Device(cp.held.Device(e.device)) {
			changed = append(changed, e)
		}
	}
	slices.Reverse(changed)
	return changed
}

// newest returns the entries of the devices that have changed, at most limit. If there are more, the oldest are left out:
// postponedUntil is the number up to which devices may be left out, 0 if none are.
func (cp *composer) newest(key changeKey, limit int) (entries []entry, postponedUntil uint64) {
	changed := cp.candidates(key.filter, key.seen+1, cp.feed.head)
	for i := len(changed) - 1; i >= 0; i-- {
		if len(entries) == limit {
			postponedUntil = changed[i].seq
			report(cp.options.Metrics.Postponed, i+1)
			break
		}
		if cp.passes(key.filter, changed[i]) {
			entries = append(entries, changed[i])
		}
	}
	slices.Reverse(entries)
	return entries, postponedUntil
}

// candidates returns the entries numbered from first to last. If the filter names few devices, only their entries are among them;
// otherwise some may not pass the filter.
func (cp *composer) candidates(f *filter, first, last uint64) []entry {
	readings := &cp.feed.readings
	changed := readings.between(first, last)
	if f.IDs == nil || len(f.IDs) >= len(changed) {
		return changed
	}
	// Looking up a few devices is faster than going through many changes.
	var entries []entry
	for id := range f.IDs {
		number, known := cp.held.Number(id)
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
func (cp *composer) passes(f *filter, e entry) bool {
	return cp.feed.readings.current(e) && f.Device(cp.held.Device(e.device))
}
