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
type debt struct {
	due due
	// next is where to go on: the number of an open alert, the start of a window in Unix microseconds, or the number of an
	// entry about a device; among entries of that number, device is the first.
	next   uint64
	device int32
	// until is the number up to which changes of devices are owed.
	until uint64
	// heard is the number after which the client is told of alerts as they happen: those need not be told again.
	heard uint64
}

// due is what is owed next.
type due int

const (
	nothing due = iota
	status
	openAlerts
	recentWindows
	devices
)

// owing is a debt under a filter: all clients that owe the same are paid with the same messages.
type owing struct {
	filter *filter
	debt   debt
}

// instalment is what pays off a part of a debt.
type instalment struct {
	messages []*message
	rest     debt
}

// devices returns how many devices would take up as much.
func (i *instalment) devices() int {
	n := 0
	for _, m := range i.messages {
		n += 1 + len(m.data)/deviceBytes
	}
	return n
}

const (
	windowsPerInstalment = 32
	// scannedPerInstalment bounds how many devices are looked at for a filter that lets few of them through.
	scannedPerInstalment = 8192
	// wholeTurn is up to how many devices are paid to one client before the next has its turn: two that are each told half
	// know less than one who knows all.
	wholeTurn = 1024
	// leastPaid is how many devices at least are paid in a round, whatever else there is to send.
	leastPaid = 64
)

// owe makes the whole state due to the client. The caller holds mu.
func (h *Hub) owe(c *client) {
	c.debt = debt{due: status, until: h.feed.head, heard: c.cursor}
	c.settled = unsettled
	h.queue(c)
}

// queue has the client wait for its turn to be paid. The caller holds mu.
func (h *Hub) queue(c *client) {
	if !c.queued {
		c.queued = true
		h.owed = append(h.owed, c)
		signal(h.urgent)
	}
}

// settle pays clients what they are owed, each at most once, until it has taken as long as it may.
func (h *Hub) settle() {
	h.mu.Lock()
	turns, most := len(h.owed), h.pace.settling(len(h.clients))
	h.mu.Unlock()
	for until := time.Now().Add(most); turns > 0; turns-- {
		c := h.turn(turns)
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
func (h *Hub) turn(turns int) *client {
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(h.owed) > 0 && h.budget > 0 {
		c := h.owed[0]
		h.owed[0] = nil
		h.owed = h.owed[1:]
		if h.clients[c.number] != c {
			continue // It has left.
		}
		c.granted = min(h.budget, max(wholeTurn, h.budget/turns))
		return c
	}
	return nil
}

// payTurn returns what the client is paid now that it has its turn.
func (h *Hub) payTurn(c *client) []*message {
	var messages []*message
	for c.granted > 0 && c.debt.due != nothing {
		paid := h.pay(c, c.granted)
		messages = append(messages, paid.messages...)
		c.granted -= paid.devices()
		h.budget -= paid.devices()
		if len(paid.messages) == 0 {
			break // What there is to look through takes several turns.
		}
		c.last = paid.messages[len(paid.messages)-1].seq
	}
	c.granted, c.queued = 0, false
	if c.debt.due != nothing {
		h.queue(c)
	}
	return messages
}

// postpone adds the changes of devices numbered after < seq <= until.
func (d *debt) postpone(after, until uint64) {
	if d.due == nothing {
		*d = debt{due: devices, next: after + 1}
	}
	d.until = max(d.until, until)
}

// pay returns the next instalment of what the client is owed, with at most about limit devices.
func (h *Hub) pay(c *client, limit int) *instalment {
	o := owing{c.filter, c.debt}
	paid := h.instalments[o]
	// What was made for another client may be numbered below what this one has had in between.
	if paid == nil || len(paid.messages) > 0 && paid.messages[0].seq <= c.last {
		paid = h.instalment(o, limit)
		h.instalments[o] = paid
	}
	c.debt = paid.rest
	return paid
}

// instalment pays off one kind of what is owed, and passes over kinds of which there is nothing.
func (h *Hub) instalment(o owing, limit int) *instalment {
	paid := &instalment{rest: o.debt}
	d := &paid.rest
	for len(paid.messages) == 0 {
		switch d.due {
		case status:
			paid.messages = []*message{h.statusMessage(o.filter, nil, h.feed.next(), true)}
			d.due = openAlerts
		case openAlerts:
			paid.messages = h.payAlerts(o.filter, d)
		case recentWindows:
			paid.messages = h.payWindows(o.filter, d)
		case devices:
			// A round may well find none that the filter lets through: the next one looks further.
			paid.messages = h.payDevices(o.filter, d, limit)
			return paid
		case nothing:
			return paid
		}
	}
	return paid
}

func (h *Hub) payAlerts(f *filter, d *debt) []*message {
	var events []*iot.Alert
	heard := h.feed.alertsHeard(d.heard)
	for _, a := range h.held.AlertsFrom(d.next) {
		if len(events) == alertsPerMessage {
			d.next = a.Number
			return []*message{h.alertMessage(events, h.feed.next(), true)}
		}
		if _, twice := heard[a.Last.ID]; !twice && f.alert(&a.Last) {
			events = append(events, &a.Last)
		}
	}
	*d = debt{due: recentWindows, until: d.until}
	if len(events) == 0 {
		return nil
	}
	return []*message{h.alertMessage(events, h.feed.next(), true)}
}

func (h *Hub) payWindows(f *filter, d *debt) []*message {
	var messages []*message
	for _, w := range h.held.Windows() {
		start := w.Start.UnixMicro()
		if uint64(start) < d.next {
			continue
		}
		if len(messages) == windowsPerInstalment {
			d.next = uint64(start)
			return messages
		}
		if data := h.windowData(f, start); data != nil {
			messages = append(messages, h.windowMessage(data, h.feed.next(), true))
		}
	}
	*d = debt{due: devices, until: d.until}
	return messages
}

func (h *Hub) payDevices(f *filter, d *debt, limit int) []*message {
	var entries []entry
	from := *d
	*d = debt{}
	for i, e := range h.candidates(f, from.next, from.until) {
		if e.seq == from.next && e.device < from.device {
			continue
		}
		if len(entries) >= limit || i >= scannedPerInstalment {
			*d = debt{due: devices, next: e.seq, device: e.device, until: from.until}
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
