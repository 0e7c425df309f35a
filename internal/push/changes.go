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

// changeSets chooses what viewers are sent of the changes that they have not seen. The lock of shared guards it.
type changeSets struct {
	options *HubOptions
	feed    *feed
	present *present
	windows *mergedWindows
	encoder *encoder
	// allowance is how many changed devices a viewer may be sent in this round.
	allowance int
	// made holds the sets that were made since the round began.
	made map[changeKey]*changeSet
}

func newChangeSets(o *HubOptions, f *feed, p *present, ws *mergedWindows, en *encoder) *changeSets {
	return &changeSets{
		options: o, feed: f, present: p, windows: ws, encoder: en, allowance: minAllowance, made: make(map[changeKey]*changeSet),
	}
}

// begin drops the sets of the round before.
func (cs *changeSets) begin(allowance int) {
	cs.allowance = allowance
	clear(cs.made)
}

// since returns what has changed for the viewers with a key. It is made once in a round.
func (cs *changeSets) since(key changeKey) *changeSet {
	set := cs.made[key]
	if set == nil {
		set = cs.compose(key)
		cs.made[key] = set
	}
	return set
}

// compose makes the messages about what has changed, in the order of their numbers.
func (cs *changeSets) compose(key changeKey) *changeSet {
	set := new(changeSet)
	messages := append(cs.alerts(key), cs.removals(key)...)
	for _, start := range cs.feed.windowsAfter(key.seen) {
		if data := cs.windows.filtered(key.filter, start); data != nil {
			messages = append(messages, cs.encoder.window(data, cs.feed.windows[start], false))
		}
	}
	entries, postponedUntil := cs.newest(key, cs.allowance)
	set.devices, set.postponedUntil = len(entries), postponedUntil
	for chunk := range divide(entries, devicesPerMessage, func(e entry) uint64 { return e.seq }) {
		messages = append(messages, cs.encoder.devices(chunk, chunk[len(chunk)-1].seq, false))
	}
	if cs.feed.status > key.seen {
		messages = append(messages, cs.encoder.status(key.filter, cs.changedStatus(key), cs.feed.status, false))
	}
	if cs.feed.types > key.seen {
		messages = append(messages, cs.encoder.types(cs.feed.types))
	}
	if cs.feed.rules > key.seen {
		messages = append(messages, cs.encoder.alertRules(cs.feed.rules))
	}
	if cs.feed.history > key.seen {
		messages = append(messages, cs.encoder.history(cs.feed.history))
	}
	slices.SortFunc(messages, func(a, b *message) int { return cmp.Compare(a.seq, b.seq) })
	set.frameBatch = pack(messages, plainFrame)
	return set
}

// alerts makes the messages about alert events.
func (cs *changeSets) alerts(key changeKey) []*message {
	var matching []numberedAlert
	for _, a := range cs.feed.alertsAfter(key.seen) {
		if key.filter.event(&a.event) {
			matching = append(matching, a)
		}
	}
	var messages []*message
	for chunk := range divide(matching, alertsPerMessage, func(a numberedAlert) uint64 { return a.seq }) {
		events := make([]*iot.Alert, len(chunk))
		for i := range chunk {
			events[i] = &chunk[i].event
		}
		messages = append(messages, cs.encoder.alerts(events, chunk[len(chunk)-1].seq, false))
	}
	return messages
}

// removals makes the messages about devices that were forgotten, one for each number. Numbers are not put together: the new state
// of a device that was forgotten and has sent again must come after the message about its removal.
func (cs *changeSets) removals(key changeKey) []*message {
	var messages []*message
	var ids []iot.DeviceID
	removals := cs.feed.removalsAfter(key.seen)
	for i := range removals {
		r := &removals[i]
		if key.filter.Removal(&r.Removal) {
			ids = append(ids, r.ID)
		}
		if last := i == len(removals)-1 || removals[i+1].seq != r.seq; last && len(ids) > 0 {
			messages = append(messages, cs.encoder.removals(ids, r.seq))
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
func (cs *changeSets) changedStatus(key changeKey) []entry {
	var changed []entry
	for _, e := range slices.Backward(cs.feed.statuses.between(key.seen+1, cs.feed.status)) {
		if len(changed) == statusesPerMessage {
			break
		}
		if cs.feed.statuses.current(e) && key.filter.Device(cs.present.Device(e.device)) {
			changed = append(changed, e)
		}
	}
	slices.Reverse(changed)
	return changed
}

// newest returns the entries of the devices that have changed, at most limit. If there are more, the oldest are left out:
// postponedUntil is the number up to which devices may be left out, 0 if none are.
func (cs *changeSets) newest(key changeKey, limit int) (entries []entry, postponedUntil uint64) {
	changed := cs.feed.candidates(cs.present.Held, key.filter, key.seen+1, cs.feed.head)
	for i := len(changed) - 1; i >= 0; i-- {
		if len(entries) == limit {
			postponedUntil = changed[i].seq
			report(cs.options.Metrics.Postponed, i+1)
			break
		}
		if cs.feed.passes(cs.present.Held, key.filter, changed[i]) {
			entries = append(entries, changed[i])
		}
	}
	slices.Reverse(entries)
	return entries, postponedUntil
}
