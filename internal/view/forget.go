package view

import "iotmon/internal/iot"

// Removal is a forgotten device: what filters need of it, and the number that it had.
type Removal struct {
	ID     iot.DeviceID
	Group  Group
	Number int32
}

// applyForgotten removes a device, unless its state is newer than the deletion.
func (v *View) applyForgotten(f *Forgotten, c *Changes) {
	number, known := v.numbers[f.ID]
	foreign := f.Offset == 0
	if known && !foreign && !deletes(f, v.devices[number]) {
		return
	}
	if !foreign {
		v.deletions.add(f)
	}
	if !known {
		return
	}
	device := v.devices[number]
	c.Removed = append(c.Removed, Removal{f.ID, groupOf(device), number})
	v.count(device, -1)
	v.alerts.drop(f.ID)
	delete(v.numbers, f.ID)
	v.order.Delete(f.ID)
	*device = iot.DeviceState{}
	v.free = append(v.free, number)
}

// deletes reports whether a deletion applies to a state: both are of the same partition, and the deletion is not older. Positions
// of two partitions cannot be compared. A device moves to another partition when partitions are added; then only a deletion in
// the new one applies.
func deletes(f *Forgotten, s *iot.DeviceState) bool {
	return f.Partition == s.Partition && f.Position.Compare(s.Position) >= 0
}

// keptDeletions is how many deletions are remembered. A remembered deletion prevents that an older state brings the device back:
// one that is sent late by a processor that has lost its partition, or one that is read again from the log. If a device whose
// deletion is no longer remembered comes back in the second way, the deletion follows in the log.
const keptDeletions = 4096

// deletions remembers the newest deletions of devices.
type deletions struct {
	positions map[iot.DeviceID]iot.Position
	// ring holds the devices in the order of their deletions, the oldest at next.
	ring []iot.DeviceID
	next int
}

func newDeletions() deletions { return deletions{positions: make(map[iot.DeviceID]iot.Position)} }

// add remembers a deletion and, if there are keptDeletions already, forgets the oldest one.
func (d *deletions) add(f *Forgotten) {
	if old, known := d.positions[f.ID]; known {
		if old.Partition != f.Partition || f.Position.Compare(old) > 0 {
			d.positions[f.ID] = f.Position
		}
		return
	}
	d.positions[f.ID] = f.Position
	if len(d.ring) < keptDeletions {
		d.ring = append(d.ring, f.ID)
		return
	}
	delete(d.positions, d.ring[d.next])
	d.ring[d.next] = f.ID
	d.next = (d.next + 1) % keptDeletions
}

// cover reports whether the device is known to have been deleted after it had this state.
func (d *deletions) cover(s *iot.DeviceState) bool {
	deleted, known := d.positions[s.Latest.ID]
	return known && deleted.Partition == s.Partition && s.Position.Compare(deleted) <= 0
}
