package view

import "iotmon/internal/iot"

// scanBlock is how many devices are visited under one lock, which takes some 50 µs.
const scanBlock = 512

// Scan calls visit for each device in the order of the ids, ascending or descending, until visit returns false. It begins behind
// the id after, or at the first device if after is empty. visit must be quick, since no batch is applied meanwhile; it must not
// call the view, and must copy what it keeps of the state.
//
// The view is locked for one block of devices at a time, so that a scan of a large plant delays no batch for long. A device that
// exists throughout is visited exactly once, whatever is added or forgotten meanwhile. Each state is complete, but the states
// are not all of the same moment.
func (v *View) Scan(after iot.DeviceID, descending bool, visit func(*iot.DeviceState) bool) {
	for more := true; more; {
		after, more = v.scanSome(after, descending, visit)
	}
}

// scanSome visits one block of devices. It returns the id of the last one, and whether the scan goes on behind it.
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
