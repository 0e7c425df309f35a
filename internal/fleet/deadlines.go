package fleet

import (
	"cmp"
	"container/heap"
	"slices"
	"time"

	"iotmon/internal/iot"
)

// Event is a change of a device that is caused by the passing of time.
type Event int

const (
	// FellSilent means that the device counts as offline, because it has been silent for OfflineAfter, or for three times the interval
	// of its registry entry or, if that is longer, the one that its source has said.
	FellSilent Event = iota
	// Impatient means that the device has been silent for Device.Patience, which is 0 then.
	Impatient
	// PastEnded means that the device's run of past readings has ended: no more of them came for OfflineAfter.
	PastEnded
	// Expired means that the device has been silent for ForgetAfter and is to be forgotten. A registered device never is.
	Expired
)

// Due is an event of a device and the moment at which it happened.
type Due struct {
	*Device
	Event Event
	At    time.Time
	// Past is the run that has ended, for PastEnded.
	Past *iot.PastRun
}

// Advance returns the events that are due at log time now, oldest first. It marks silent devices offline; the caller calls
// Forget for expired ones.
func (f *Fleet) Advance(now time.Time) []Due {
	var due []Due
	for len(f.watch) > 0 && !f.watch[0].deadline.After(now) {
		d := f.watch[0]
		event, at, any := f.next(d)
		switch {
		case !any:
			f.unschedule(d)
			continue
		case at.After(now):
			d.deadline = at
			heap.Fix(&f.watch, 0)
			continue
		}
		due = append(due, Due{Device: d, Event: event, At: at, Past: d.Past})
		switch event {
		case PastEnded:
			f.SetPast(d, nil)
		case FellSilent:
			f.count(d, -1)
			d.Status, d.Since, d.Report = iot.Offline, at, nil
			f.count(d, 1)
			f.reschedule(d)
			f.Touch(d)
		case Impatient:
			f.SetPatience(d, 0)
		case Expired:
			f.unschedule(d)
		}
	}
	// A deadline in the heap may be earlier than its event, so the events are not yet in order.
	slices.SortFunc(due, func(a, b Due) int {
		return cmp.Or(a.At.Compare(b.At), a.Latest.Identity().Compare(b.Latest.Identity()), cmp.Compare(a.Event, b.Event))
	})
	return due
}

// Watching reports whether any device is online, has a Patience or a run of past readings, so that time may soon cause an event.
func (f *Fleet) Watching() bool { return f.watching > 0 }

// Deadline returns a moment before which nothing is due; false if nothing will be due.
func (f *Fleet) Deadline() (time.Time, bool) {
	if len(f.watch) == 0 {
		return time.Time{}, false
	}
	return f.watch[0].deadline, true
}

// SetPast replaces the device's run of past readings, nil for none, and marks the device as changed.
func (f *Fleet) SetPast(d *Device, run *iot.PastRun) {
	if d.Past == nil && run == nil {
		return
	}
	if (d.Past == nil) != (run == nil) {
		f.count(d, -1)
		d.Past = run
		f.count(d, 1)
		f.reschedule(d)
	}
	d.Past = run
	f.Touch(d)
}

// next returns the next event of a device and when it is due; false if there is none.
func (f *Fleet) next(d *Device) (event Event, at time.Time, any bool) {
	since := f.SilentSince(d)
	switch {
	case d.Status != iot.Offline:
		event, at, any = FellSilent, since.Add(f.Timeout(d)), true
		if at.Before(d.changed) {
			at = d.changed
		}
	case f.ForgetAfter > 0 && d.Entry == nil:
		event, at, any = Expired, since.Add(f.ForgetAfter), true
	}
	if d.Patience > 0 {
		if ends := since.Add(d.Patience); !any || !ends.After(at) {
			event, at, any = Impatient, ends, true
		}
	}
	if d.Past != nil {
		if ends := d.Past.Arrived.Add(f.OfflineAfter); !any || !ends.After(at) {
			event, at, any = PastEnded, ends, true
		}
	}
	return event, at, any
}

// SilentSince returns since when the device has been silent: when it was last seen, or the end of the log's last standstill.
func (f *Fleet) SilentSince(d *Device) time.Time {
	if f.silenceStart.After(d.LastSeen) {
		return f.silenceStart
	}
	return d.LastSeen
}

// SetPatience sets the device's Patience.
func (f *Fleet) SetPatience(d *Device, patience time.Duration) {
	if d.Patience == patience {
		return
	}
	f.count(d, -1)
	d.Patience = patience
	f.count(d, 1)
	f.reschedule(d)
}

// reschedule sets the deadline at which Advance checks the device. A reading that postpones the next event needs no call:
// Advance checks the device at the old deadline and moves it then, which saves a heap operation per reading.
func (f *Fleet) reschedule(d *Device) {
	_, at, any := f.next(d)
	switch {
	case !any:
		f.unschedule(d)
	case d.index < 0:
		d.deadline = at
		heap.Push(&f.watch, d)
	default:
		d.deadline = at
		heap.Fix(&f.watch, d.index)
	}
}

func (f *Fleet) unschedule(d *Device) {
	if d.index >= 0 {
		heap.Remove(&f.watch, d.index)
	}
}

// deadlines is a container/heap of devices by deadline. Advance sorts what is due at the same time.
type deadlines []*Device

func (h deadlines) Len() int { return len(h) }

func (h deadlines) Less(i, j int) bool {
	return h[i].deadline.Before(h[j].deadline)
}

func (h deadlines) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *deadlines) Push(x any) {
	d := x.(*Device)
	d.index = len(*h)
	*h = append(*h, d)
}

func (h *deadlines) Pop() any {
	last := len(*h) - 1
	d := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	d.index = -1
	return d
}
