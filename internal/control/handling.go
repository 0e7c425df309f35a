package control

import (
	"context"

	"iotmon/internal/iot"
)

// handling is what people have decided about alerts, and the alerts that wait for somebody, as far as it was read from the log.
type handling struct {
	shelved map[iot.Identity]*iot.ShelvedInForce
	// returned are the alerts that have cleared without being acknowledged, by their ids.
	returned map[string]*iot.Alert
}

func newHandling() handling {
	return handling{shelved: make(map[iot.Identity]*iot.ShelvedInForce), returned: make(map[string]*iot.Alert)}
}

// SetShelved sets what of a device is shelved, unless something of a higher position in the same partition is known.
func (f *InForce) SetShelved(device iot.Identity, s *iot.ShelvedInForce) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if known := f.handling.shelved[device]; known != nil && known.Partition == s.Partition && known.Position.Compare(s.Position) > 0 {
		return
	}
	f.handling.shelved[device] = s
	f.notify()
}

// RemoveShelved says that nothing about shelving is known of a device in a partition any more.
func (f *InForce) RemoveShelved(device iot.Identity, partition int32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if known := f.handling.shelved[device]; known != nil && known.Partition == partition {
		delete(f.handling.shelved, device)
		f.notify()
	}
}

// Shelved returns what of a device is shelved; the zero value if nothing ever was. It must not be changed.
func (f *InForce) Shelved(device iot.Identity) iot.ShelvedInForce {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if known := f.handling.shelved[device]; known != nil {
		return *known
	}
	return iot.ShelvedInForce{}
}

// EachShelved calls visit for each device of which something is shelved, in no order, until visit returns false. visit must not block or call
// InForce, and must not change what it gets, which it may keep.
func (f *InForce) EachShelved(visit func(iot.Identity, *iot.ShelvedInForce) bool) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	for device, s := range f.handling.shelved {
		if len(s.Shelvings) > 0 && !visit(device, s) {
			return
		}
	}
}

// WaitShelved waits until what of a device is shelved is known as it is after a command. It returns false if ctx ends before.
func (f *InForce) WaitShelved(ctx context.Context, device iot.Identity, command iot.Position) bool {
	return f.wait(ctx, func() bool {
		known := f.handling.shelved[device]
		return known != nil && known.Partition == command.Partition && known.Offset > command.Offset
	})
}

// SetReturned sets an alert that has cleared without being acknowledged.
func (f *InForce) SetReturned(a *iot.Alert) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.handling.returned[a.ID] = a
	f.notify()
}

// RemoveReturned says that an alert of a partition waits for nobody any more.
func (f *InForce) RemoveReturned(id string, partition int32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if known := f.handling.returned[id]; known != nil && known.Partition == partition {
		delete(f.handling.returned, id)
		f.notify()
	}
}

// Returned returns an alert that has cleared without being acknowledged; false if there is none.
func (f *InForce) Returned(id string) (iot.Alert, bool) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if known := f.handling.returned[id]; known != nil {
		return *known, true
	}
	return iot.Alert{}, false
}

// EachReturned calls visit for each alert that has cleared without being acknowledged, in no order, until visit returns false. visit must not
// block or call InForce, and must not change the alert, which it may keep.
func (f *InForce) EachReturned(visit func(*iot.Alert) bool) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	for _, a := range f.handling.returned {
		if !visit(a) {
			return
		}
	}
}
