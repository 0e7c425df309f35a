package api

import (
	"context"
	"fmt"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"iotmon/internal/control"
	"iotmon/internal/notify"
)

// PartVersion is one decision. It is exported for the library.
type PartVersion struct {
	Version int64     `json:"version" doc:"The version."`
	Time    time.Time `json:"time" doc:"When, by the clock of the service that has stored it."`
	Actor   string    `json:"actor" doc:"Who: an opaque id."`
	Action  string    `json:"action" doc:"How: put or delete."`
	Reason  string    `json:"reason,omitempty" doc:"Why it was decided; absent if no reason was given."`
	Deleted bool      `json:"deleted,omitempty" doc:"Whether what was decided was taken back: what is configured holds."`
}

type routesPartVersion struct {
	PartVersion
	Routes []notify.RouteSpec `json:"routes" nullable:"false" doc:"The routes; none if they were deleted."`
}

type calendarPartVersion struct {
	PartVersion
	Calendar *notify.CalendarSpec `json:"calendar,omitempty" doc:"The calendar; absent if it was deleted."`
}

const (
	// maxPartVersions is how many versions of the routes, or of a calendar, are listed, maxPartAudit among how many decisions they are looked for.
	maxPartVersions, maxPartAudit = 50, 1000
	// auditPage is how many decisions are read at once.
	auditPage = 100
)

func calendarPart(name string) func(*notify.Decided) any {
	return func(d *notify.Decided) any { return d.Calendar(name) }
}

func routesPart(d *notify.Decided) any { return d.Routes }

// absent reports whether nothing is decided about a part.
func absent(part any) bool {
	switch p := part.(type) {
	case *notify.DecidedRoutes:
		return p == nil
	case *notify.DecidedCalendar:
		return p == nil
	}
	return true
}

// visitVersions calls visit with the decisions about a part, the newest first, until it returns false. The error is a problem.
func (s *server) visitVersions(ctx context.Context, part func(*notify.Decided) any, visit func(PartVersion, any) bool) error {
	q := control.AuditQuery{Of: control.NotificationsRef(), Limit: auditPage}
	for range maxPartAudit / auditPage {
		page, err := s.o.NotificationPlans.Audit(ctx, q)
		if err != nil {
			return s.decisionProblem(ctx, err)
		}
		for i := range page {
			a := &page[i]
			q.Before = a.Revision
			after, err := notify.DecodeDecided(a.After)
			before := notify.Decided{}
			if err == nil && a.Before != nil {
				before, err = notify.DecodeDecided(a.Before)
			}
			if err != nil || reflect.DeepEqual(part(&before), part(&after)) {
				continue // Another version of iotmon has written it, or it is about something else.
			}
			v := PartVersion{Version: a.Version, Time: a.Time, Actor: a.Actor, Action: a.Action, Reason: a.Reason, Deleted: absent(part(&after))}
			if !visit(v, part(&after)) {
				return nil
			}
		}
		if len(page) < auditPage {
			break
		}
	}
	return nil
}

// partOf returns a part as it was decided in a version. The error is a problem.
func (s *server) partOf(ctx context.Context, version int64, part func(*notify.Decided) any) (found any, err error) {
	err = s.visitVersions(ctx, part, func(v PartVersion, of any) bool {
		if v.Version == version {
			found = of
		}
		return v.Version > version
	})
	switch {
	case err != nil:
		return nil, err
	case found == nil:
		return nil, huma.Error404NotFound(fmt.Sprintf("version %d is not kept", version))
	case absent(found):
		return nil, huma.Error409Conflict(fmt.Sprintf("version %d takes back what was decided: delete it instead", version))
	}
	return found, nil
}

func (s *server) listRoutesVersions(ctx context.Context, _ *struct{}) (*answer[list[routesPartVersion]], error) {
	out := &answer[list[routesPartVersion]]{Body: list[routesPartVersion]{Items: []routesPartVersion{}}}
	return out, s.visitVersions(ctx, routesPart, func(v PartVersion, of any) bool {
		shown := routesPartVersion{PartVersion: v, Routes: []notify.RouteSpec{}}
		if !v.Deleted {
			shown.Routes = of.(*notify.DecidedRoutes).Routes
		}
		out.Body.Items = append(out.Body.Items, shown)
		return len(out.Body.Items) < maxPartVersions
	})
}

func (s *server) listCalendarVersions(ctx context.Context, in *CalendarInput) (*answer[list[calendarPartVersion]], error) {
	out := &answer[list[calendarPartVersion]]{Body: list[calendarPartVersion]{Items: []calendarPartVersion{}}}
	return out, s.visitVersions(ctx, calendarPart(in.Name), func(v PartVersion, of any) bool {
		shown := calendarPartVersion{PartVersion: v}
		if !v.Deleted {
			shown.Calendar = &of.(*notify.DecidedCalendar).CalendarSpec
		}
		out.Body.Items = append(out.Body.Items, shown)
		return len(out.Body.Items) < maxPartVersions
	})
}
