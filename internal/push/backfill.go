package push

import (
	"slices"
	"time"

	"iotmon/internal/iot"
)

// backfill is where a client stands in the snapshot: the state that it found when it connected or changed its filter, and changes of
// devices that were too many for one message since. The snapshot is sent in chunks, after what has changed: a client is up to date at
// once and complete soon. Clients get their chunks in turn, as many in a round as it has time and bytes left for: however many connect
// at once, the others wait no longer for what changes.
type backfill struct {
	section section
	// next is where to go on: the number of an open alert, the start of a window in Unix microseconds, or the number of an
	// entry about a device; among entries of that number, device is the first.
	next   uint64
	device int32
	// until is the number up to which changes of devices belong to the backfill.
	until uint64
	// alertsAfter is the number after which the client is sent the events of alerts anyway: the snapshot leaves those alerts out.
	alertsAfter uint64
}

// section is the part of the snapshot that comes next.
type section int

const (
	noSection section = iota
	statusSection
	alertsSection
	windowsSection
	devicesSection
)

// chunkKey is a backfill under a filter: all clients with the same key are sent the same chunk.
type chunkKey struct {
	filter   *filter
	backfill backfill
}

// chunk is a part of a backfill, and what remains after it.
type chunk struct {
	messages  []*message
	remaining backfill
}

// devices returns how many devices would need as many bytes.
func (c *chunk) devices() int {
	n := 0
	for _, m := range c.messages {
		n += 1 + len(m.data)/deviceBytes
	}
	return n
}

const (
	windowsPerChunk = 32
	// scannedPerChunk bounds how many devices are looked at for a filter that lets few of them through.
	scannedPerChunk = 8192
	// minQuota is how many devices a client may be sent in a turn, if the budget allows, however many clients wait: one client that
	// has its whole snapshot is better than two with half of it.
	minQuota = 1024
	// minBackfill is the budget for backfills that every round has, whatever else there is to send.
	minBackfill = 64
)

// backfills is the queue of the clients that still need a part of the snapshot. The hub's lock guards it.
type backfills struct {
	waiting []*client
	// budget is how many devices may still be sent in this round.
	budget int
	// wake has the hub begin another round.
	wake chan<- struct{}
}

// enqueue has the client wait for its turn.
func (b *backfills) enqueue(c *client) {
	if !c.waiting {
		c.waiting = true
		b.waiting = append(b.waiting, c)
		signal(b.wake)
	}
}

// next returns the client whose turn it is, with a quota of devices: a fair share of the budget if so many clients have a turn in
// this round. It returns nil when the budget or the queue is used up.
func (b *backfills) next(turns int, connected func(*client) bool) *client {
	for len(b.waiting) > 0 && b.budget > 0 {
		c := b.waiting[0]
		b.waiting[0] = nil
		b.waiting = b.waiting[1:]
		if !connected(c) {
			continue
		}
		c.quota = min(b.budget, max(minQuota, b.budget/turns))
		return c
	}
	return nil
}

// use returns the messages for which the client's quota is enough, made by chunk, and has the client wait for another turn if there
// are more.
func (b *backfills) use(c *client, chunk func(c *client, limit int) *chunk) []*message {
	var messages []*message
	for c.quota > 0 && c.backfill.section != noSection {
		made := chunk(c, c.quota)
		messages = append(messages, made.messages...)
		c.quota -= made.devices()
		b.budget -= made.devices()
		if len(made.messages) == 0 {
			break // The filter matches few devices: looking through all takes several turns.
		}
		c.last = made.messages[len(made.messages)-1].seq
	}
	c.quota, c.waiting = 0, false
	if c.backfill.section != noSection {
		b.enqueue(c)
	}
	return messages
}

// startBackfill has the client sent the whole present state. The caller holds mu.
func (h *Hub) startBackfill(c *client) {
	c.backfill = backfill{section: statusSection, until: h.feed.head, alertsAfter: c.cursor}
	c.resumeFrom = notResumable
	h.backfills.enqueue(c)
}

// runBackfills gives each waiting client one turn at most, until the time that a round has for it is used up.
func (h *Hub) runBackfills() {
	h.mu.Lock()
	turns, most := len(h.backfills.waiting), h.rounds.pace.backfillTime(h.clients.count())
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

func (h *Hub) nextTurn(turns int) *client {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.backfills.next(turns, h.clients.connected)
}

// postpone adds the changes of devices numbered after < seq <= until.
func (d *backfill) postpone(after, until uint64) {
	if d.section == noSection {
		*d = backfill{section: devicesSection, next: after + 1}
	}
	d.until = max(d.until, until)
}

// nextChunk returns the next chunk of the client's backfill, with about limit devices at most.
func (cp *composer) nextChunk(c *client, limit int) *chunk {
	o := chunkKey{c.filter, c.backfill}
	made := cp.chunks[o]
	// What was made for another client may be numbered below what this one has had in between.
	if made == nil || len(made.messages) > 0 && made.messages[0].seq <= c.last {
		made = cp.makeChunk(o, limit)
		cp.chunks[o] = made
	}
	c.backfill = made.remaining
	return made
}

// makeChunk makes messages of one section, and passes over sections that are empty.
func (cp *composer) makeChunk(o chunkKey, limit int) *chunk {
	made := &chunk{remaining: o.backfill}
	d := &made.remaining
	for len(made.messages) == 0 {
		switch d.section {
		case statusSection:
			made.messages = []*message{cp.statusMessage(o.filter, nil, cp.feed.next(), true)}
			d.section = alertsSection
		case alertsSection:
			made.messages = cp.alertChunk(o.filter, d)
		case windowsSection:
			made.messages = cp.windowChunk(o.filter, d)
		case devicesSection:
			// A round may well find none that the filter lets through: the next one looks further.
			made.messages = cp.deviceChunk(o.filter, d, limit)
			return made
		case noSection:
			return made
		}
	}
	return made
}

func (cp *composer) alertChunk(f *filter, d *backfill) []*message {
	var events []*iot.Alert
	heard := cp.feed.alertIDsAfter(d.alertsAfter)
	for _, a := range cp.held.AlertsFrom(d.next) {
		if len(events) == alertsPerMessage {
			d.next = a.Number
			return []*message{cp.alertMessage(events, cp.feed.next(), true)}
		}
		if _, twice := heard[a.Last.ID]; !twice && f.alert(&a.Last) {
			events = append(events, &a.Last)
		}
	}
	*d = backfill{section: windowsSection, until: d.until}
	if len(events) == 0 {
		return nil
	}
	return []*message{cp.alertMessage(events, cp.feed.next(), true)}
}

func (cp *composer) windowChunk(f *filter, d *backfill) []*message {
	var messages []*message
	for _, w := range cp.held.Windows() {
		start := w.Start.UnixMicro()
		if uint64(start) < d.next {
			continue
		}
		if len(messages) == windowsPerChunk {
			d.next = uint64(start)
			return messages
		}
		if data := cp.windowData(f, start); data != nil {
			messages = append(messages, cp.windowMessage(data, cp.feed.next(), true))
		}
	}
	*d = backfill{section: devicesSection, until: d.until}
	return messages
}

func (cp *composer) deviceChunk(f *filter, d *backfill, limit int) []*message {
	var entries []entry
	from := *d
	*d = backfill{}
	for i, e := range cp.candidates(f, from.next, from.until) {
		if e.seq == from.next && e.device < from.device {
			continue
		}
		if len(entries) >= limit || i >= scannedPerChunk {
			*d = backfill{section: devicesSection, next: e.seq, device: e.device, until: from.until}
			break
		}
		if cp.lets(f, e) {
			entries = append(entries, e)
		}
	}
	var messages []*message
	for chunk := range slices.Chunk(entries, devicesPerMessage) {
		messages = append(messages, cp.deviceMessage(chunk, cp.feed.next(), true))
	}
	return messages
}
