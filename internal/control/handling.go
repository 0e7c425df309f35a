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
	// outcomes are those of the last commands, by their ids, and requests the requests that they are from, by their keys.
	outcomes map[string]*iot.Outcome
	requests map[string]*keyOfRequest
}

// keyOfRequest is what distinguishes the request with a key from others. So many outcomes of it are known.
type keyOfRequest struct {
	request string
	count   int
}

func newHandling() handling {
	return handling{
		shelved: make(map[iot.Identity]*iot.ShelvedInForce), returned: make(map[string]*iot.Alert),
		outcomes: make(map[string]*iot.Outcome), requests: make(map[string]*keyOfRequest),
	}
}

// SetOutcome sets what a processor has done with a command.
func (f *InForce) SetOutcome(o *iot.Outcome) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.handling.forget(f.handling.outcomes[o.ID])
	f.handling.outcomes[o.ID] = o
	if o.Refused != iot.KeyReused {
		known := f.handling.requests[o.Key]
		if known == nil {
			known = &keyOfRequest{request: o.Request}
			f.handling.requests[o.Key] = known
		}
		known.count++
	}
	f.notify()
}

// RemoveOutcome says that the processor of a partition does not remember a command any more.
func (f *InForce) RemoveOutcome(command string, partition int32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if known := f.handling.outcomes[command]; known != nil && known.Partition == partition {
		f.handling.forget(known)
		f.notify()
	}
}

// forget removes an outcome, nil for none.
func (h *handling) forget(o *iot.Outcome) {
	if o == nil {
		return
	}
	delete(h.outcomes, o.ID)
	if known := h.requests[o.Key]; known != nil && o.Refused != iot.KeyReused {
		if known.count--; known.count == 0 {
			delete(h.requests, o.Key)
		}
	}
}

// Outcome returns what a processor has done with a command; false if that is not known.
func (f *InForce) Outcome(command string) (iot.Outcome, bool) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if known := f.handling.outcomes[command]; known != nil {
		return *known, true
	}
	return iot.Outcome{}, false
}

// WaitOutcome waits until it is known what a processor has done with a command. It returns false if ctx ends before.
func (f *InForce) WaitOutcome(ctx context.Context, command string) bool {
	return f.wait(ctx, func() bool { return f.handling.outcomes[command] != nil })
}

// Request returns what distinguishes the request with a key from others, as far as that is known: false if no command of it is remembered.
func (f *InForce) Request(key string) (request string, known bool) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if of := f.handling.requests[key]; of != nil {
		return of.request, true
	}
	return "", false
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
