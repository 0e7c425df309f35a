package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"iotmon/internal/api"
	"iotmon/internal/control"
	"iotmon/internal/notify"
	"iotmon/internal/notify/deliver"
)

// plans returns the plans of the notifier: what people have decided, where they have, and otherwise what is configured.
type plans struct {
	setup *notify.Setup
	// shown is what the API shows of the configuration.
	shown *api.ConfiguredNotifications
	store control.Store
	// body and planned are what was decided, and the plan that is made of it. Follow alone uses them.
	body    []byte
	planned *deliver.Planned
}

// follow is a deliver.Follow.
func (p *plans) follow(ctx context.Context) (*deliver.Planned, error) {
	found, err := p.store.Objects(ctx, []control.Ref{control.NotificationsRef()})
	if err != nil {
		return nil, err
	}
	if p.planned != nil && bytes.Equal(found[0].Body, p.body) {
		return p.planned, nil
	}
	decided, err := found[0].Notifications()
	if err != nil {
		return nil, err
	}
	planned, err := p.plan(&decided)
	if err != nil {
		return nil, err
	}
	p.body, p.planned = found[0].Body, planned
	return planned, nil
}

// plan returns the plan with what is decided, which may be nil.
func (p *plans) plan(decided *notify.Decided) (*deliver.Planned, error) {
	plan, missing, err := p.setup.Plan(decided)
	if err != nil {
		return nil, fmt.Errorf("notifications: %w", err)
	}
	shown := *p.shown
	shown.Routes, shown.Calendars = p.setup.RoutesOf(decided), p.setup.CalendarsOf(decided)
	shown.Configured = &api.ConfiguredRoutes{Routes: p.setup.Routes, Calendars: p.setup.Calendars}
	if decided != nil { // Otherwise it is not known yet what is decided.
		shown.Decided = &api.NotificationsInForce{Version: decided.Version, Missing: missing}
	}
	published, err := json.Marshal(shown)
	if err != nil {
		return nil, fmt.Errorf("notifications: %w", err)
	}
	return &deliver.Planned{Plan: plan, Published: published}, nil
}
