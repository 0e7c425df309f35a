package process

import (
	"cmp"
	"slices"

	"iotmon/internal/iot"
)

// maxReturned is the maximum number of returned alerts of a partition. Of more the oldest can no longer be acknowledged.
const maxReturned = 2000

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

// add adds an alert. It returns the oldest alert, removed, if there are too many then, otherwise nil.
func (r *returnedAlerts) add(cleared *iot.Alert) (dropped *iot.Alert) {
	alert := *cleared
	if known := r.byID[alert.ID]; known != nil {
		r.remove(known)
	}
	i, _ := slices.BinarySearchFunc(r.inOrder, &alert, compareReturned)
	r.inOrder = slices.Insert(r.inOrder, i, &alert)
	r.byID[alert.ID] = &alert
	if len(r.inOrder) > maxReturned {
		dropped = r.inOrder[0]
		r.remove(dropped)
	}
	return dropped
}

// remove removes an alert that find or of has returned.
func (r *returnedAlerts) remove(alert *iot.Alert) {
	if i, found := slices.BinarySearchFunc(r.inOrder, alert, compareReturned); found {
		r.inOrder = slices.Delete(r.inOrder, i, i+1)
	}
	delete(r.byID, alert.ID)
}
