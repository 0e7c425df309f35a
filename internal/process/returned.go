package process

import (
	"cmp"
	"slices"

	"iotmon/internal/iot"
)

// maxReturned is the maximum number of returned alerts of a partition, about 8 MB. Of more the oldest need not be acknowledged any more.
const maxReturned = 10_000

// returnedAlerts holds the cleared events of the alerts that have cleared and that nobody has acknowledged.
type returnedAlerts struct {
	byID map[string]*iot.Alert
	// inOrder holds them by the position at which they cleared, by id among equals.
	inOrder []*iot.Alert
}

func newReturnedAlerts() returnedAlerts { return returnedAlerts{byID: make(map[string]*iot.Alert)} }

func compareReturned(a, b *iot.Alert) int {
	return cmp.Or(a.Position.Compare(b.Position), cmp.Compare(a.ID, b.ID))
}

// find returns the alert with the given id, nil if there is none.
func (r *returnedAlerts) find(id string) *iot.Alert { return r.byID[id] }

// of returns the alerts of a device.
func (r *returnedAlerts) of(device iot.Identity) (alerts []*iot.Alert) {
	for _, alert := range r.inOrder {
		if alert.Identity() == device {
			alerts = append(alerts, alert)
		}
	}
	return alerts
}

// add adds an alert.
func (r *returnedAlerts) add(cleared *iot.Alert) {
	alert := *cleared
	if known := r.byID[alert.ID]; known != nil {
		r.remove(known)
	}
	i, _ := slices.BinarySearchFunc(r.inOrder, &alert, compareReturned)
	r.inOrder = slices.Insert(r.inOrder, i, &alert)
	r.byID[alert.ID] = &alert
}

// excess returns the oldest alert if there are too many, otherwise nil.
func (r *returnedAlerts) excess() *iot.Alert {
	if len(r.inOrder) <= maxReturned {
		return nil
	}
	return r.inOrder[0]
}

// remove removes an alert that find, of or excess has returned.
func (r *returnedAlerts) remove(alert *iot.Alert) {
	switch i, found := slices.BinarySearchFunc(r.inOrder, alert, compareReturned); {
	case found && i == 0: // Of a flood thousands are removed in their order.
		r.inOrder[0] = nil
		r.inOrder = r.inOrder[1:]
	case found:
		r.inOrder = slices.Delete(r.inOrder, i, i+1)
	}
	delete(r.byID, alert.ID)
}

// keepReturned keeps an alert that has cleared without being acknowledged.
func (p *Partition) keepReturned(cleared *iot.Alert, out Output) {
	p.inForce.returned.add(cleared)
	p.inForce.changeReturned(cleared.ID)
	for oldest := p.inForce.returned.excess(); oldest != nil; oldest = p.inForce.returned.excess() {
		p.waive(oldest, iot.Waived, out)
	}
}

// waive publishes that nobody has to acknowledge an alert that has cleared, and forgets it.
func (p *Partition) waive(returned *iot.Alert, reason iot.ClearReason, out Output) {
	event := *returned
	event.Reason = reason
	p.forgetReturned(returned)
	p.events(out).returned(&event, "", "")
}

func (p *Partition) forgetReturned(alert *iot.Alert) {
	p.inForce.returned.remove(alert)
	p.inForce.changeReturned(alert.ID)
}
