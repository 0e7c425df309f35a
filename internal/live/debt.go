package live

import (
	"slices"

	"iotmon/internal/iot"
)

// debt is what a client has still to be told of the state that it found when it came or changed its filter, or that was
// too much at once since. It is paid in instalments, one a round, after what has changed: so a client is up to date at
// once, and complete soon.
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

const (
	windowsPerInstalment = 32
	// scannedPerInstalment bounds how many devices are looked at for a filter that lets few of them through.
	scannedPerInstalment = 8192
)

// owe makes the whole state due to the client. The caller holds mu.
func (h *Hub) owe(c *client) {
	c.debt = debt{due: status, until: h.feed.head, heard: c.cursor}
	c.settled = unsettled
	signal(h.urgent)
}

// postpone adds the changes of devices numbered after < seq <= until.
func (d *debt) postpone(after, until uint64) {
	if d.due == nothing {
		*d = debt{due: devices, next: after + 1}
	}
	d.until = max(d.until, until)
}

// pay returns the next instalment of what the client is owed, with at most about limit devices.
func (h *Hub) pay(c *client, limit int) []*message {
	o := owing{c.filter, c.debt}
	paid := h.instalments[o]
	// What was made for another client may be numbered below what this one has had in between.
	if paid == nil || len(paid.messages) > 0 && paid.messages[0].seq <= c.last {
		paid = h.instalment(o, limit)
		h.instalments[o] = paid
	}
	c.debt = paid.rest
	return paid.messages
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
	for _, a := range h.view.alerts.from(d.next) {
		if len(events) == alertsPerMessage {
			d.next = a.number
			return []*message{h.alertMessage(events, h.feed.next(), true)}
		}
		if _, twice := heard[a.last.ID]; !twice && f.alert(&a.last) {
			events = append(events, &a.last)
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
	for _, w := range h.view.windows.sorted {
		start := w.start.UnixMicro()
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
