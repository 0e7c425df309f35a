package control_test

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"iotmon/internal/control"
	"iotmon/internal/control/controltest"
	"iotmon/internal/iot"
	"iotmon/internal/notify"
)

// unused is a log to which nothing may be appended.
type unused struct {
	control.Log
	t *testing.T
}

func (u *unused) Append(_ context.Context, objects []control.Object) (map[int32]int64, error) {
	u.t.Errorf("appended %+v", objects)
	return nil, nil
}

func routesTo(channel string) notify.RouteSpec {
	return notify.RouteSpec{Name: "all", TimeZone: "UTC", Channels: []string{channel}, IntervalSeconds: 60}
}

func routesVersion(d *notify.Decided) int64 {
	if d.Routes == nil {
		return 0
	}
	return d.Routes.Version
}

func decideRoutes(r *control.Registry, channel string, versions ...int64) (notify.Decided, error) {
	return r.ChangeNotifications(context.Background(), control.NotificationsEdit{
		If: control.Condition{Versions: versions}, PartVersion: routesVersion,
		To: func(d notify.Decided, next int64) (notify.Decided, error) {
			d.Routes = &notify.DecidedRoutes{Version: next, Routes: []notify.RouteSpec{routesTo(channel)}}
			return d, nil
		},
	}, control.By{Actor: "u-1", Action: "put", Reason: "why"})
}

// What is decided about notifications is not in the log: a program that relays decisions leaves it alone, however long it runs.
func TestNotificationsAreDecidedOneAfterAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, inForce := controltest.NewMemory(), control.NewInForce()
		inForce.Begin(1)
		inForce.CaughtUp()
		inForce.MapsCaughtUp()
		r := decidingBy(t, store, inForce, &unused{t: t})
		if d, err := r.Notifications(t.Context()); err != nil || !reflect.DeepEqual(d, notify.Decided{}) {
			t.Errorf("at first: got %+v, %v", d, err)
		}
		if d, err := decideRoutes(r, "a"); err != nil || d.Version != 1 || d.Routes.Version != 1 {
			t.Errorf("got %+v, %v", d, err)
		}
		if d, err := decideRoutes(r, "a", 0); err != nil || d.Version != 1 {
			t.Errorf("the same again, whose answer was lost: got %+v, %v", d, err)
		}
		changed := new(control.VersionError)
		if _, err := decideRoutes(r, "b", 0); !errors.As(err, &changed) || changed.Version != 1 {
			t.Errorf("on another version: got %v", err)
		}
		var both sync.WaitGroup
		made := make([]error, 2)
		for i, channel := range []string{"b", "c"} {
			both.Go(func() { _, made[i] = decideRoutes(r, channel, 1) })
		}
		if both.Wait(); (made[0] == nil) == (made[1] == nil) {
			t.Errorf("of two on the same version: got %v", made)
		}
		time.Sleep(time.Hour)
		audit, err := r.Audit(t.Context(), control.AuditQuery{Of: control.NotificationsRef(), Limit: 10})
		if err != nil || len(audit) != 2 || audit[0].Version != 2 || audit[0].Reason != "why" || audit[0].Before == nil {
			t.Errorf("got %+v, %v", audit, err)
		}
		wrong := new(iot.InvalidError)
		_, err = r.ChangeNotifications(t.Context(), control.NotificationsEdit{PartVersion: routesVersion, To: func(d notify.Decided, next int64) (notify.Decided, error) {
			d.Routes = &notify.DecidedRoutes{Version: next}
			return d, nil
		}}, control.By{})
		if !errors.As(err, &wrong) || wrong.Field != "routes" {
			t.Errorf("no routes: got %v", err)
		}
	})
}
