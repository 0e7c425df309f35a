package control

import (
	"context"
	"fmt"
	"reflect"

	"iotmon/internal/iot"
	"iotmon/internal/notify"
)

// NotificationsRef returns the name of what is decided about notifications. Routes and calendars are one object, because routes name calendars.
func NotificationsRef() Ref { return Ref{Kind: Notifications, ID: "routes"} }

// NotificationsObject returns what is decided about notifications as an object.
func NotificationsObject(d *notify.Decided) Object {
	return Object{Ref: NotificationsRef(), Version: d.Version, Deleted: d.Routes == nil && len(d.Calendars) == 0, Body: notify.AppendDecided(nil, d)}
}

// Notifications returns what is decided about notifications; nothing without a version if nothing has been. An error means that another program has
// written the object.
func (o *Object) Notifications() (notify.Decided, error) {
	if o.Version == 0 {
		return notify.Decided{}, nil
	}
	d, err := notify.DecodeDecided(o.Body)
	if err == nil && d.Version != o.Version {
		err = fmt.Errorf("is version %d, its row version %d", d.Version, o.Version)
	}
	if err != nil {
		return notify.Decided{}, fmt.Errorf("what is decided about notifications: %w", err)
	}
	return d, nil
}

// Notifications returns what was decided last about notifications. The error is ErrUnavailable.
func (r *Registry) Notifications(ctx context.Context) (notify.Decided, error) {
	found, err := r.Store.Objects(ctx, []Ref{NotificationsRef()})
	if err != nil {
		return notify.Decided{}, unavailable(err)
	}
	d, err := found[0].Notifications()
	if err != nil {
		return d, unavailable(err)
	}
	return d, nil
}

// NotificationsEdit changes what is decided about notifications.
type NotificationsEdit struct {
	// If is about the version of the part that is changed, which PartVersion returns: 0 if nothing is decided about it.
	If          Condition
	PartVersion func(*notify.Decided) int64
	// To returns what is decided after the current, with next as its version and as that of the part. Its error refuses the change. It may be called
	// several times.
	To func(current notify.Decided, next int64) (notify.Decided, error)
}

// ChangeNotifications makes an edit, and returns what is decided now: that of before if nothing changes. The notifier reads it from the database, where it
// keeps what follows from it; it is not in the log. The error is that of edit.To, ErrUnavailable, ErrNoVersion, a *VersionError, or an *iot.InvalidError.
func (r *Registry) ChangeNotifications(ctx context.Context, edit NotificationsEdit, by By) (notify.Decided, error) {
	var after notify.Decided
	var refused error
	err := r.Store.Change(ctx, []Ref{NotificationsRef()}, func(current []Object) ([]Change, error) {
		var changed bool
		if after, changed, refused = nextNotifications(&current[0], &edit); refused != nil || !changed {
			return nil, refused
		}
		return []Change{{Object: NotificationsObject(&after), Actor: by.Actor, Action: by.Action, Reason: by.Reason, Time: r.Now()}}, nil
	})
	switch {
	case refused != nil:
		return notify.Decided{}, refused
	case err != nil:
		return notify.Decided{}, unavailable(err)
	}
	return after, nil
}

// nextNotifications returns what follows the current decision, and whether that is another one.
func nextNotifications(current *Object, edit *NotificationsEdit) (after notify.Decided, changed bool, err error) {
	before, err := current.Notifications()
	if err != nil {
		return before, false, unavailable(err)
	}
	part := Object{Version: edit.PartVersion(&before)}
	// The same decision once more, because its answer was lost, is none.
	again, err := edit.To(before, part.Version)
	again.Version = before.Version
	same := err == nil && reflect.DeepEqual(before, again)
	switch {
	case !edit.If.holds(&part) && !(same && edit.If.ofVersion()):
		return before, false, &VersionError{part.Version}
	case err != nil || same:
		return before, false, err
	case before.Version >= iot.MaxVersion:
		return before, false, ErrNoVersion
	}
	if after, err = edit.To(before, before.Version+1); err != nil {
		return before, false, err
	}
	after.Version = before.Version + 1
	return after, true, after.Check()
}
