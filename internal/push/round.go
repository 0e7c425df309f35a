package push

import (
	"cmp"
	"iter"
	"slices"

	"iotmon/internal/iot"
)

// place is what a client has seen, under its filter: all clients at one place are sent the same.
type changeKey struct {
	filter *filter
	cursor uint64
}

// round is what has changed since a place.
type changeSet struct {
	frameBatch
	// compressed is the parcel for clients that take it so; nil until there is one.
	compressed *frameBatch
	// devices counts the devices in messages. postponedUntil is the number up to which there may be others, that would
	// have been too much for one round; 0 if there are none.
	devices        int
	postponedUntil uint64
}

// take returns what the client is to be sent now; false if alerts that it has not seen are gone.
func (h *Hub) nextBatch(c *client) (frameBatch, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.held = h.view.Hold()
	defer h.held.Release()
	if c.cursor < h.feed.forgotten {
		return frameBatch{}, false
	}
	var p frameBatch
	if !c.greeted {
		c.greeted = true
		p.add(plainFrame, h.helloMessage(c))
	}
	if c.cursor < h.feed.head {
		r := h.catchUp(c)
		if c.deflate {
			p.join(r.deflated(&h.deflater))
		} else {
			p.join(r.frameBatch)
		}
		h.budget -= r.devices
	}
	if c.quota > 0 {
		h.addShared(&p, c, h.useQuota(c))
	}
	if c.fault != nil {
		p.add(plainFrame, h.errorMessage(*c.fault))
		c.fault = nil
	}
	if len(p.messages) > 0 {
		c.last = p.messages[len(p.messages)-1].seq
	}
	if c.resumeFrom == notResumable && c.backfill.section == noSection {
		c.resumeFrom = c.last
	}
	return p, true
}

// addShared adds messages that other clients may be sent too.
func (h *Hub) addShared(p *frameBatch, c *client, messages []*message) {
	if !c.deflate {
		p.add(plainFrame, messages...)
		return
	}
	for _, m := range messages {
		h.deflater.deflate(m)
	}
	p.add(deflatedFrame, messages...)
}

// catchUp brings the client to the head of the sequence.
func (h *Hub) catchUp(c *client) *changeSet {
	at := changeKey{c.filter, c.cursor}
	r := h.changes[at]
	if r == nil {
		r = h.compose(at, h.allowance())
		h.changes[at] = r
	}
	if c.cursor < h.feed.previous {
		// Several rounds in one: a message can stand before another with changes of a lower number, so the client can be
		// resumed only from the last.
		c.resumeFrom = notResumable
	}
	if r.postponedUntil > 0 {
		c.backfill.postpone(c.cursor, r.postponedUntil)
		c.resumeFrom = notResumable
		h.enqueue(c)
	}
	c.cursor = h.feed.head
	return r
}

// compose makes the messages that tell what has changed since a place, in the order of their numbers.
func (h *Hub) compose(at changeKey, allowance int) *changeSet {
	r := new(changeSet)
	messages := append(h.alertMessages(at), h.removalMessages(at)...)
	for _, start := range h.feed.windowsAfter(at.cursor) {
		if data := h.windowData(at.filter, start); data != nil {
			messages = append(messages, h.windowMessage(data, h.feed.windows[start], false))
		}
	}
	entries, postponedUntil := h.newest(at, allowance)
	r.devices, r.postponedUntil = len(entries), postponedUntil
	for chunk := range together(entries, devicesPerMessage, func(e entry) uint64 { return e.seq }) {
		messages = append(messages, h.deviceMessage(chunk, chunk[len(chunk)-1].seq, false))
	}
	if h.feed.status > at.cursor {
		messages = append(messages, h.statusMessage(at.filter, h.changedStatus(at), h.feed.status, false))
	}
	if h.feed.history > at.cursor {
		messages = append(messages, h.historyMessage(h.feed.history))
	}
	slices.SortFunc(messages, func(a, b *message) int { return cmp.Compare(a.seq, b.seq) })
	r.frameBatch = pack(messages, plainFrame)
	return r
}

func (h *Hub) alertMessages(at changeKey) []*message {
	var matching []numberedAlert
	for _, a := range h.feed.alertsAfter(at.cursor) {
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
		messages = append(messages, h.alertMessage(events, chunk[len(chunk)-1].seq, false))
	}
	return messages
}

// removalMessages tells which devices were forgotten: one message for each number, for a device that has spoken since comes
// behind its removal.
func (h *Hub) removalMessages(at changeKey) []*message {
	var messages []*message
	var ids []iot.DeviceID
	removals := h.feed.removalsAfter(at.cursor)
	for i := range removals {
		r := &removals[i]
		if at.filter.Removal(&r.Removal) {
			ids = append(ids, r.ID)
		}
		if last := i == len(removals)-1 || removals[i+1].seq != r.seq; last && len(ids) > 0 {
			messages = append(messages, h.removalMessage(ids, r.seq))
			ids = nil
		}
	}
	return messages
}

// together cuts items, which are in the order of their numbers, into messages of at most so many. What bears the same number
// stays together: a client that is resumed after it has the whole of it, though it lost its connection between two messages.
// No number is borne by more than one message holds.
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

// changedStatus returns the devices that came or went since a place: the newest, and as many as one message lists.
func (h *Hub) changedStatus(at changeKey) []entry {
	var changed []entry
	for _, e := range slices.Backward(h.feed.statuses.between(at.cursor+1, h.feed.status)) {
		if len(changed) == statusesPerMessage {
			break
		}
		if h.feed.statuses.current(e) && at.filter.Device(h.held.Device(e.device)) {
			changed = append(changed, e)
		}
	}
	slices.Reverse(changed)
	return changed
}

// newest returns the entries of the devices that have changed since a place, at most limit. If there are more, the oldest
// are left out and postponedUntil is the number up to which they go.
func (h *Hub) newest(at changeKey, limit int) (entries []entry, postponedUntil uint64) {
	changed := h.candidates(at.filter, at.cursor+1, h.feed.head)
	for i := len(changed) - 1; i >= 0; i-- {
		if len(entries) == limit {
			postponedUntil = changed[i].seq
			report(h.options.Metrics.Postponed, i+1)
			break
		}
		if h.lets(at.filter, changed[i]) {
			entries = append(entries, changed[i])
		}
	}
	slices.Reverse(entries)
	return entries, postponedUntil
}

// candidates returns the entries numbered from first to last, but for some that the filter does not let through.
func (h *Hub) candidates(f *filter, first, last uint64) []entry {
	readings := &h.feed.readings
	changed := readings.between(first, last)
	if f.IDs == nil || len(f.IDs) >= len(changed) {
		return changed
	}
	// Among many changes the few devices that matter are found by their ids.
	var entries []entry
	for id := range f.IDs {
		number, known := h.held.Number(id)
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
func (h *Hub) lets(f *filter, e entry) bool {
	return h.feed.readings.current(e) && f.Device(h.held.Device(e.device))
}
