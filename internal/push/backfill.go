package push

// backfill is the progress of a viewer through the snapshot: the present state at the time when it connected or changed its filter, and
// later changes of devices that were too many for one message. A round sends changes first and then chunks of snapshots, to one viewer
// after the other, as many as its time and bytes allow. So a viewer is up to date at once and complete soon, and many new viewers do not
// delay the changes for the others. The zero value is a complete backfill.
type backfill struct {
	section section
	// next is where the section goes on: the number of an open alert, the start of a window in Unix microseconds, or the number of an
	// entry about a device; among entries of that number, device is the first.
	next   uint64
	device int32
	// until is the number up to which changes of devices belong to the backfill.
	until uint64
	// alertsAfter is the number after which the viewer is sent the events of alerts as changes: the snapshot leaves those alerts out.
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

// postpone adds the changes of devices numbered after < seq <= until.
func (b *backfill) postpone(after, until uint64) {
	if b.section == noSection {
		*b = backfill{section: devicesSection, next: after + 1}
	}
	b.until = max(b.until, until)
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
	// minQuota is the least number of devices that a viewer may be sent in a turn, as far as the budget allows, even if its fair share
	// is smaller: one viewer with a whole snapshot is better than two with half of it.
	minQuota = 1024
	// minBackfill is the least budget of a round, in devices, however much else there is to send.
	minBackfill = 64
)

// backfills is the queue of the viewers that still need a part of the snapshot. A viewer whose turn it is gets a quota, which spend uses when
// the viewer is served. The lock of shared guards it.
type backfills struct {
	waiting []*viewer
	// budget is how many devices may still be sent in this round.
	budget int
	// wake is signalled when a viewer is added, so that another round begins.
	wake chan<- struct{}
}

// start begins a backfill of the viewer with the whole present state. head is the number of the newest change. Until the backfill is
// complete the connection cannot be resumed.
func (bs *backfills) start(v *viewer, head uint64) {
	v.backfill = backfill{section: statusSection, until: head, alertsAfter: v.seen}
	v.resumeFrom = notResumable
	bs.enqueue(v)
}

// enqueue adds the viewer at the end of the queue, unless it waits already.
func (bs *backfills) enqueue(v *viewer) {
	if !v.waiting {
		v.waiting = true
		bs.waiting = append(bs.waiting, v)
		signal(bs.wake)
	}
}

// nextTurn removes the first viewer from the queue, sets its quota and returns it. The quota is a fair share of the budget among turns
// viewers, but at least minQuota, as far as the budget allows. nextTurn returns nil when the budget is used up or the queue is empty. It
// drops viewers that are no longer connected.
func (bs *backfills) nextTurn(turns int, connected func(*viewer) bool) *viewer {
	for len(bs.waiting) > 0 && bs.budget > 0 {
		v := bs.waiting[0]
		bs.waiting[0] = nil
		bs.waiting = bs.waiting[1:]
		if !connected(v) {
			continue
		}
		v.quota = min(bs.budget, max(minQuota, bs.budget/turns))
		return v
	}
	return nil
}

// spend returns the next messages of the viewer's backfill, as many as its quota allows, and enqueues the viewer again if the backfill is
// not complete. next makes one chunk for the viewer, of about limit devices at most.
func (bs *backfills) spend(v *viewer, next func(v *viewer, limit int) *chunk) []*message {
	var messages []*message
	for v.quota > 0 && v.backfill.section != noSection {
		made := next(v, v.quota)
		messages = append(messages, made.messages...)
		v.quota -= made.devices()
		bs.budget -= made.devices()
		if len(made.messages) == 0 {
			break // The filter matches few devices: looking through all of them is spread over several turns.
		}
		v.last = made.messages[len(made.messages)-1].seq
	}
	v.quota, v.waiting = 0, false
	if v.backfill.section != noSection {
		bs.enqueue(v)
	}
	return messages
}
