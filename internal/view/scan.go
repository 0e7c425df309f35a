package view

import "iotmon/internal/iot"

// scanBlock is how many devices are looked at while the lock is held: some 50 µs.
const scanBlock = 512

// Scan calls visit with the devices in the ascending order of their ids, or the descending one, until it returns false: with
// those behind the id after, or with all if that is empty. visit must be quick, for the view stands still meanwhile, must not call
// the view, and must copy what it keeps of the state.
//
// The view is locked for a block of devices at a time, so that a walk through a large plant holds up nothing. A device that
// is known throughout is visited once, whatever is added or forgotten meanwhile; the states are each whole, but not all of the
// same moment.
func (v *View) Scan(after iot.DeviceID, descending bool, visit func(*iot.DeviceState) bool) {
	for more := true; more; {
		after, more = v.scanSome(after, descending, visit)
	}
}

// scanSome visits one block of devices. It returns the last visited, and whether to go on behind it.
func (v *View) scanSome(after iot.DeviceID, descending bool, visit func(*iot.DeviceState) bool) (last iot.DeviceID, more bool) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	visited := 0
	each := func(id iot.DeviceID, number int32) bool {
		if id == after {
			return true
		}
		if visited == scanBlock {
			more = true
			return false
		}
		visited++
		last = id
		return visit(v.devices[number])
	}
	switch {
	case !descending:
		v.order.Ascend(after, each)
	case after == "":
		v.order.Reverse(each)
	default:
		v.order.Descend(after, each)
	}
	return last, more
}
