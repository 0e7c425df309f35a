package process

import (
	"maps"
	"slices"
	"time"

	"iotmon/internal/fleet"
	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// areaOf returns the first level of the area to which the registry says that the device of a reading belonged at the reading's time,
// empty if the location in the reading applies. device is nil if it is not in the fleet: a record is read again from before it was
// forgotten, or it is new.
func (p *Partition) areaOf(device *fleet.Device, r *iot.Reading) iot.Area {
	var areas iot.Areas
	if device != nil {
		areas = device.Areas
	} else if entry := p.lastEntryOf(r.Identity()); entry != nil {
		areas = entry.Areas
	}
	if len(areas) == 0 {
		return "" // Most devices.
	}
	return areas.At(r.Time).First()
}

// areaStart returns the event time from which an area that is in force now holds: the first window boundary that no reading admitted so
// far has reached. The readings of an open window keep their area, also when the window is rebuilt or recomputed.
func (p *Partition) areaStart() time.Time {
	return p.earliestStart(p.clock, p.windows.Lengths().Newest())
}

// announceAreas announces the areas of a device to the archive.
func (p *Partition) announceAreas(id iot.Identity, entry *iot.EntryInForce, out Output) {
	out.Areas(&iot.DeviceAreas{Identity: id, Areas: entry.Areas, Position: p.position()})
}

// startAreas lets areas that were to hold from a moment under a clock that ran ahead hold from the next boundary on.
func (p *Partition) startAreas(out Output) {
	start := p.areaStart()
	for _, id := range slices.SortedFunc(maps.Keys(p.inForce.entries), iot.Identity.Compare) {
		if next := p.inForce.entries[id].StartBy(start); next != nil {
			p.changeAreas(id, next, out)
		}
	}
}

// changeAreas puts an entry in force that differs from the one before in its areas alone.
func (p *Partition) changeAreas(id iot.Identity, entry *iot.EntryInForce, out Output) {
	p.inForce.entries[id] = entry
	p.inForce.change(wire.EntryInForce, id)
	p.delayMove(id, entry)
	p.announceAreas(id, entry, out)
	p.fleet.Register(id, entry, p.clock)
}

// delayedMoves are the devices whose entry has an area that does not hold yet; see iot.EntryInForce.DelayedUntil.
type delayedMoves struct {
	until map[iot.Identity]time.Time
	// next is the earliest of until, zero if there is none.
	next time.Time
}

// openStart returns the event time before which no reading is counted any more: the start of the first window that has not closed.
func (p *Partition) openStart() time.Time { return p.windows.WindowOf(p.windows.Watermark()).Start }

// delayMove remembers a device whose entry has an area that does not hold yet, and forgets one whose entry has none.
func (p *Partition) delayMove(id iot.Identity, entry *iot.EntryInForce) {
	until, delayed := entry.DelayedUntil()
	if !delayed {
		delete(p.delayed.until, id) // An earlier next than necessary does no harm.
		return
	}
	p.delayed.until[id] = until
	if p.delayed.next.IsZero() || until.Before(p.delayed.next) {
		p.delayed.next = until
	}
}

// moveDelayed lets the areas hold for which windows have closed by now.
func (p *Partition) moveDelayed(out Output) {
	if p.delayed.next.IsZero() {
		return // Nearly always.
	}
	open := p.openStart()
	if open.Before(p.delayed.next) {
		return
	}
	p.delayed.next = time.Time{}
	start := p.areaStart()
	for _, id := range slices.SortedFunc(maps.Keys(p.delayed.until), iot.Identity.Compare) {
		entry := p.inForce.entries[id]
		if next := entry.Move(start, open); next != nil {
			p.changeAreas(id, next, out)
		} else {
			p.delayMove(id, entry)
		}
	}
}
