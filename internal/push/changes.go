package push

import (
	"cmp"
	"iter"
	"slices"

	"iotmon/internal/iot"
)

// changeKey is what a client has seen, and its filter: all clients with the same key are sent the same.
type changeKey struct {
	filter *filter
	cursor uint64
}

// changeSet is what has changed since a client's cursor.
type changeSet struct {
	frameBatch
	// compressed is the same for clients that accept compression; nil until there is one.
	compressed *frameBatch
	// devices counts the devices in messages. postponedUntil is the number up to which there may be others, that would
	// have been too much for one round; 0 if there are none.
	devices        int
	postponedUntil uint64
}

// addShared adds messages that other clients may be sent too.
func (cp *composer) addShared(p *frameBatch, c *client, messages []*message) {
	if !c.deflate {
		p.add(plainFrame, messages...)
		return
	}
	for _, m := range messages {
		cp.deflater.deflate(m)
	}
	p.add(deflatedFrame, messages...)
}

// changesSince returns what has changed since the client's cursor, with allowance devices at most.
func (cp *composer) changesSince(at changeKey, allowance int) *changeSet {
	r := cp.changes[at]
	if r == nil {
		r = cp.compose(at, allowance)
		cp.changes[at] = r
	}
	return r
}

// compose makes the messages about what has changed, in the order of their numbers.
func (cp *composer) compose(at changeKey, allowance int) *changeSet {
	r := new(changeSet)
	messages := append(cp.alertMessages(at), cp.removalMessages(at)...)
	for _, start := range cp.feed.windowsAfter(at.cursor) {
		if data := cp.windowData(at.filter, start); data != nil {
			messages = append(messages, cp.windowMessage(data, cp.feed.windows[start], false))
		}
	}
	entries, postponedUntil := cp.newest(at, allowance)
	r.devices, r.postponedUntil = len(entries), postponedUntil
	for chunk := range together(entries, devicesPerMessage, func(e entry) uint64 { return e.seq }) {
		messages = append(messages, cp.deviceMessage(chunk, chunk[len(chunk)-1].seq, false))
	}
	if cp.feed.status > at.cursor {
		messages = append(messages, cp.statusMessage(at.filter, cp.changedStatus(at), cp.feed.status, false))
	}
	if cp.feed.history > at.cursor {
		messages = append(messages, cp.historyMessage(cp.feed.history))
	}
	slices.SortFunc(messages, func(a, b *message) int { return cmp.Compare(a.seq, b.seq) })
	r.frameBatch = pack(messages, plainFrame)
	return r
}

func (cp *composer) alertMessages(at changeKey) []*message {
	var matching []numberedAlert
	for _, a := range cp.feed.alertsAfter(at.cursor) {
		if at.filter.alert(&a.event) {
			matching = append(matching, a)
		}
	}
	var messages []*message
	for chunk := range together(matching, alertsPerMessage, func(a numberedAlert) uint64 { return a.seq }) {
		events := make([]*iot.Alert, len(chunk))
		for i := range chunk {
			events[i] = &chunk[i].event
		}
		messages = append(messages, cp.alertMessage(events, chunk[len(chunk)-1].seq, false))
	}
	return messages
}

// removalMessages makes the messages about devices that were forgotten: one message for each number, for a device that has spoken since comes
// behind its removal.
func (cp *composer) removalMessages(at changeKey) []*message {
	var messages []*message
	var ids []iot.DeviceID
	removals := cp.feed.removalsAfter(at.cursor)
	for i := range removals {
		r := &removals[i]
		if at.filter.Removal(&r.Removal) {
			ids = append(ids, r.ID)
		}
		if last := i == len(removals)-1 || removals[i+1].seq != r.seq; last && len(ids) > 0 {
			messages = append(messages, cp.removalMessage(ids, r.seq))
			ids = nil
		}
	}
	return messages
}

// together divides items, which are in the order of their numbers, into messages of at most so many items. Items with the same number
// stay together: a client that resumes after that number has seen all of them, even if it lost its connection between two messages.
// No number has more items than one message holds.
func together[T any](items []T, most int, number func(T) uint64) iter.Seq[[]T] {
	return func(yield func([]T) bool) {
		for len(items) > most {
			cut := most
			for cut > 0 && number(items[cut-1]) == number(items[most]) {
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

// changedStatus returns the devices that came or went since the cursor: the newest, and as many as one message lists.
func (cp *composer) changedStatus(at changeKey) []entry {
	var changed []entry
	for _, e := range slices.Backward(cp.feed.statuses.between(at.cursor+1, cp.feed.status)) {
		if len(changed) == statusesPerMessage {
			break
		}
		if cp.feed.statuses.current(e) && at.filter.Device(cp.held.Device(e.device)) {
			changed = append(changed, e)
		}
	}
	slices.Reverse(changed)
	return changed
}

// newest returns the entries of the devices that have changed since the cursor, at most limit. If there are more, the oldest
// are left out and postponedUntil is the number up to which they go.
func (cp *composer) newest(at changeKey, limit int) (entries []entry, postponedUntil uint64) {
	changed := cp.candidates(at.filter, at.cursor+1, cp.feed.head)
	for i := len(changed) - 1; i >= 0; i-- {
		if len(entries) == limit {
			postponedUntil = changed[i].seq
			report(cp.options.Metrics.Postponed, i+1)
			break
		}
		if cp.lets(at.filter, changed[i]) {
			entries = append(entries, changed[i])
		}
	}
	slices.Reverse(entries)
	return entries, postponedUntil
}

// candidates returns the entries numbered from first to last, but for some that the filter does not let through.
func (cp *composer) candidates(f *filter, first, last uint64) []entry {
	readings := &cp.feed.readings
	changed := readings.between(first, last)
	if f.IDs == nil || len(f.IDs) >= len(changed) {
		return changed
	}
	// Among many changes the few devices that matter are found by their ids.
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

// lets reports whether the entry is its device's newest and the filter lets the device through.
func (cp *composer) lets(f *filter, e entry) bool {
	return cp.feed.readings.current(e) && f.Device(cp.held.Device(e.device))
}
