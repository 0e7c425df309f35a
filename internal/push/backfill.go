package push

import (
	"slices"
	"time"

	"iotmon/internal/iot"
)

// debt is what a client has still to be told of the state that it found when it came or changed its filter, or that was
// too much at once since. It is paid in instalments, after what has changed: so a client is up to date at once, and complete
// soon. Clients are paid in turn, as many in a round as it has time and bytes left for: however many come at once, those who
// are there wait no longer for what changes.
type backfill struct {
	section section
	// next is where to go on: the number of an open alert, the start of a window in Unix microseconds, or the number of an
	// entry about a device; among entries of that number, device is the first.
	next   uint64
	device int32
	// until is the number up to which changes of devices are owed.
	until uint64
	// heard is the number after which the client is told of alerts as they happen: those need not be told again.
	alertsAfter uint64
}

// due is what is owed next.
type section int

const (
	noSection section = iota
	statusSection
	alertsSection
	windowsSection
	devicesSection
)

// owing is a debt under a filter: all clients that owe the same are paid with the same messages.
type chunkKey struct {
	filter   *filter
	backfill backfill
}

// instalment is what pays off a part of a debt.
type chunk struct {
	messages  []*message
	remaining backfill
}

// devices returns how many devices would take up as much.
func (c *chunk) devices() int {
	n := 0
	for _, m := range c.messages {
		n += 1 + len(m.data)/deviceBytes
	}
	return n
}

const (
	windowsPerChunk = 32
	// scannedPerInstalment bounds how many devices are looked at for a filter that lets few of them through.
	scannedPerChunk = 8192
	// wholeTurn is up to how many devices are paid to one client before the next has its turn: two that are each told half
	// know less than one who knows all.
	minQuota = 1024
	// leastPaid is how many devices at least are paid in a round, whatever else there is to send.
	minBackfill = 64
)

// owe makes the whole state due to the client. The caller holds mu.
func (h *Hub) startBackfill(c *client) {
	c.backfill = backfill{section: statusSection, until: h.feed.head, alertsAfter: c.cursor}
	c.resumeFrom = notResumable
	h.enqueue(c)
}

// queue has the client wait for its turn to be paid. The caller holds mu.
func (h *Hub) enqueue(c *client) {
	if !c.waiting {
		c.waiting = true
		h.waiting = append(h.waiting, c)
		signal(h.urgent)
	}
}

// settle pays clients what they are owed, each at most once, until it has taken as long as it may.
func (h *Hub) runBackfills() {
	h.mu.Lock()
	turns, most := len(h.waiting), h.pace.backfillTime(len(h.clients))
	h.mu.Unlock()
	for until := time.Now().Add(most); turns > 0; turns-- {
		c := h.nextTurn(turns)
		if c == nil {
			return
		}
		c.serve()
		if time.Now().After(until) {
			return
		}
	}
}

// turn returns the client whose turn it is of so many; nil when this round has nothing left.
func (h *Hub) nextTurn(turns int) *client {
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(h.waiting) > 0 && h.budget > 0 {
		c := h.waiting[0]
		h.waiting[0] = nil
		h.waiting = h.waiting[1:]
		if h.clients[c.number] != c {
			continue // It has left.
		}
		c.quota = min(h.budget, max(minQuota, h.budget/turns))
		return c
	}
	return nil
}

// payTurn returns what the client is paid now that it has its turn.
func (h *Hub) useQuota(c *client) []*message {
	var messages []*message
	for c.quota > 0 && c.backfill.section != noSection {
		made := h.nextChunk(c, c.quota)
		messages = append(messages, made.messages...)
		c.quota -= made.devices()
		h.budget -= made.devices()
		if len(made.messages) == 0 {
			break // What there is to look through takes several turns.
		}
		c.last = made.messages[len(made.messages)-1].seq
	}
	c.quota, c.waiting = 0, false
	if c.backfill.section != noSection {
		h.enqueue(c)
	}
	return messages
}

// postpone adds the changes of devices numbered after < seq <= until.
func (d *backfill) postpone(after, until uint64) {
	if d.section == noSection {
		*d = backfill{section: devicesSection, next: after + 1}
	}
	d.until = max(d.until, until)
}

// pay returns the next instalment of what the client is owed, with at most about limit devices.
func (h *Hub) nextChunk(c *client, limit int) *chunk {
	o := chunkKey{c.filter, c.backfill}
	made := h.chunks[o]
	// What was made for another client may be numbered below what this one has had in between.
	if made == nil || len(made.messages) > 0 && made.messages[0].seq <= c.last {
		made = h.makeChunk(o, limit)
		h.chunks[o] = made
	}
	c.backfill = made.remaining
	return made
}

// instalment pays off one kind of what is owed, and passes over kinds of which there is nothing.
func (h *Hub) makeChunk(o chunkKey, limit int) *chunk {
	made := &chunk{remaining: o.backfill}
	d := &made.remaining
	for len(made.messages) == 0 {
		switch d.section {
		case statusSection:
			made.messages = []*message{h.statusMessage(o.filter, nil, h.feed.next(), true)}
			d.section = alertsSection
		case alertsSection:
			made.messages = h.alertChunk(o.filter, d)
		case windowsSection:
			made.messages = h.windowChunk(o.filter, d)
		case devicesSection:
			// A round may well find none that the filter lets through: the next one looks further.
			made.messages = h.deviceChunk(o.filter, d, limit)
			return made
		case noSection:
			return made
		}
	}
	return made
}

func (h *Hub) alertChunk(f *filter, d *backfill) []*message {
	var events []*iot.Alert
	heard := h.feed.alertIDsAfter(d.alertsAfter)
	for _, a := range h.held.AlertsFrom(d.next) {
		if len(events) == alertsPerMessage {
			d.next = a.Number
			return []*message{h.alertMessage(events, h.feed.next(), true)}
		}
		if _, twice := heard[a.Last.ID]; !twice && f.alert(&a.Last) {
			events = append(events, &a.Last)
		}
	}
	*d = backfill{section: windowsSection, until: d.until}
	if len(events) == 0 {
		return nil
	}
	return []*message{h.alertMessage(events, h.feed.next(), true)}
}

func (h *Hub) windowChunk(f *filter, d *backfill) []*message {
	var messages []*message
	for _, w := range h.held.Windows() {
		start := w.Start.UnixMicro()
		if uint64(start) < d.next {
			continue
		}
		if len(messages) == windowsPerChunk {
			d.next = uint64(start)
			return messages
		}
		if data := h.windowData(f, start); data != nil {
			messages = append(messages, h.windowMessage(data, h.feed.next(), true))
		}
	}
	*d = backfill{section: devicesSection, until: d.until}
	return messages
}

func (h *Hub) deviceChunk(f *filter, d *backfill, limit int) []*message {
	var entries []entry
	from := *d
	*d = backfill{}
	for i, e := range h.candidates(f, from.next, from.until) {
		if e.seq == from.next && e.device < from.device {
			continue
		}
		if len(entries) >= limit || i >= scannedPerChunk {
			*d = backfill{section: devicesSection, next: e.seq, device: e.device, until: from.until}
			break
		}
		if h.lets(f, e) {
			entries = append(entries, e)
		}
	}
	var messages []*message
	for chunk := range slices.Chunk(entries, devicesPerMessage) {
		messages = append(messages, h.deviceMessage(chunk, h.feed.next(), true))
	}
	return messages
}
