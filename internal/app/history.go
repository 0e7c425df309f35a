package app

import (
	"context"
	"time"

	"iotmon/internal/api"
	"iotmon/internal/iot"
	"iotmon/internal/kpi"
	"iotmon/internal/trial"
)

// freshHistory has the archiver of this process write the records it has collected before each query of the store. So an
// answer contains the newest readings, too.
type freshHistory struct {
	api.History
	archiver interface{ Freshen(context.Context) }
}

// freshTimeout is how long a query waits for the archiver. Then the store is queried all the same: an answer without the last
// minute is better than none.
const freshTimeout = time.Second

// history returns what answers queries about the past.
func (s *Service) history() api.History {
	if s.archiver == nil || s.broker == nil {
		return s.store
	}
	return freshHistory{s.store, s.archiver}
}

func (h freshHistory) freshen(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, freshTimeout)
	defer cancel()
	h.archiver.Freshen(ctx)
}

// RaisedAlerts implements api.History.
func (h freshHistory) RaisedAlerts(ctx context.Context, q kpi.Query, visit func(*kpi.Raised) bool) error {
	h.freshen(ctx)
	return h.History.RaisedAlerts(ctx, q, visit)
}

// freshTrials is freshHistory for trials of rules: it freshens once for each.
type freshTrials struct {
	trial.Archive
	fresh freshHistory
}

// trials returns what rules are tried on.
func (s *Service) trials() trial.Archive {
	if fresh, ok := s.history().(freshHistory); ok {
		return freshTrials{s.store, fresh}
	}
	return s.store
}

// DevicesOf implements trial.Archive.
func (t freshTrials) DevicesOf(ctx context.Context, tenant iot.Tenant, of iot.DeviceType, limit int) ([]iot.Device, error) {
	t.fresh.freshen(ctx)
	return t.Archive.DevicesOf(ctx, tenant, of, limit)
}

// Readings implements api.History.
func (h freshHistory) Readings(ctx context.Context, q api.ReadingsQuery) ([]api.Point, error) {
	h.freshen(ctx)
	return h.History.Readings(ctx, q)
}

// Summaries implements api.History.
func (h freshHistory) Summaries(ctx context.Context, q api.SummariesQuery) ([]iot.WindowSummary, error) {
	h.freshen(ctx)
	return h.History.Summaries(ctx, q)
}

// Alerts implements api.History.
func (h freshHistory) Alerts(ctx context.Context, q api.AlertsQuery) ([]api.ArchivedAlert, error) {
	h.freshen(ctx)
	return h.History.Alerts(ctx, q)
}

// AlertEvents implements api.History.
func (h freshHistory) AlertEvents(ctx context.Context, tenant iot.Tenant, id string) ([]api.AlertEvent, error) {
	h.freshen(ctx)
	return h.History.AlertEvents(ctx, tenant, id)
}
