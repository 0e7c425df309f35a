package app

import (
	"context"
	"time"

	"iotmon/internal/api"
	"iotmon/internal/config"
	"iotmon/internal/control"
	"iotmon/internal/iot"
	"iotmon/internal/kafka/decisions"
	"iotmon/internal/observe"
)

// registry is what people decide, and what of it is in force.
type registry struct {
	*control.Registry
	log     *decisions.Log
	inForce *control.InForce
}

// makeRegistry makes what takes decisions about devices, brings them into force, and reads what is in force.
func (s *Service) makeRegistry(ctx context.Context) error {
	if !s.cfg.Control.Enabled {
		return s.followRules(ctx)
	}
	logger := observe.Sparing(s.Logger, repeatedLogs)
	log, err := decisions.NewLog(decisions.LogOptions{
		Dial: s.dial, Topics: s.topics, Group: s.cfg.Kafka.GroupID, Alone: len(s.cfg.Kafka.Brokers) == 0,
	})
	if err != nil {
		return err
	}
	s.onClose("log of decisions", func() error { log.Close(); return nil })
	inForce := s.followInForce(false)
	loop := control.NewLoop(control.LoopOptions{
		Store: s.control, InForce: inForce, Log: log, Logger: logger,
		Metrics: control.LoopMetrics{
			Waiting: s.metrics.Control.Waiting, Appended: s.metrics.Control.Appended, Failed: s.metrics.Control.Failed,
		},
	})
	s.registry = &registry{log: log, inForce: inForce, Registry: control.NewRegistry(control.RegistryOptions{
		Store: s.control, InForce: inForce, Decided: loop.Decided, Now: time.Now, TypesAllowed: log.TypesAllowed,
	})}
	s.add("decisions", after(loop.Run, s.kafka, s.database))
	parents := control.NewParents(control.ParentsOptions{
		InForce: inForce, Log: log, State: s.state, Complete: s.complete, Logger: logger,
	})
	s.add("outages of parents", after(parents.Run, s.kafka))
	references := control.NewReferences(control.ReferencesOptions{
		InForce: inForce, Log: log, Each: s.eachState, Complete: s.complete, OfflineAfter: s.cfg.Devices.OfflineAfter, Logger: logger,
	})
	s.add("medians of peers", after(references.Run, s.kafka))
	points := control.NewPoints(control.PointsOptions{
		InForce: inForce, Log: log, Each: s.eachState, State: s.state, Complete: s.complete, OfflineAfter: s.cfg.Devices.OfflineAfter, Logger: logger,
	})
	s.add("points of machines", after(points.Run, s.kafka))
	calendars := &control.Calendars{Registry: s.registry.Registry, Logger: logger}
	s.add("calendars of maintenance", after(calendars.Run, s.database))
	if retention := s.cfg.Control.AuditRetention; retention > 0 {
		pruner := control.NewPruner(control.PrunerOptions{Store: s.control, Retention: retention, Now: time.Now, Logger: logger})
		s.add("audit retention", after(pruner.Run, s.database))
	}
	return nil
}

// followRules is makeRegistry where nobody decides: it reads only which rules are in force, for the pages.
func (s *Service) followRules(context.Context) error {
	s.followInForce(true)
	return nil
}

// followInForce reads what is in force, or only the rules, and has the hub and the API show the rules.
func (s *Service) followInForce(rulesOnly bool) *control.InForce {
	logger := observe.Sparing(s.Logger, repeatedLogs)
	inForce := control.NewInForce()
	follower := decisions.NewFollower(decisions.FollowerOptions{
		Dial: s.dial, Topics: s.topics, InForce: inForce, RulesOnly: rulesOnly, Logger: logger,
	})
	s.add("reader of what is in force", after(follower.Run, s.kafka))
	s.expectRules(inForce)
	s.add("rules in force", func(ctx context.Context) error {
		return inForce.FollowRules(ctx, logger, func(rules []iot.Rule) {
			s.rules.Store(&rules) // Before the pages ask for them.
			s.hub.SetRules(rules)
		})
	})
	return inForce
}

// expectRules has a process that is also the processor be ready only once the configured rules are in force, which on a new log they are with its first
// transaction. Another process may run long before a processor does.
func (s *Service) expectRules(inForce *control.InForce) {
	if s.handover == nil || !s.has(config.RoleProcessor) || len(newRules(s.cfg)) == 0 {
		return
	}
	part := s.readiness.Expect("rules")
	s.add("rules of a new log", func(ctx context.Context) error {
		if inForce.AwaitRules(ctx) {
			part.Ready()
		}
		<-ctx.Done()
		return nil
	})
}

// rulesInForce returns the alert rules in force; false if they are not known yet.
func (s *Service) rulesInForce() ([]iot.Rule, bool) {
	if rules := s.rules.Load(); rules != nil {
		return *rules, true
	}
	return nil, false
}

// state returns the present state of a device; false if there is none.
func (s *Service) state(device iot.Identity) (iot.DeviceState, bool) {
	if device.Tenant != s.view.Tenant() {
		return iot.DeviceState{}, false
	}
	return s.view.Device(device.ID)
}

// eachState calls visit with the present state of each device, until visit returns false.
func (s *Service) eachState(visit func(*iot.DeviceState) bool) { s.view.Scan("", false, visit) }

// useRegistry adds the registry to the API, and what is shelved to the metrics, if there is one. Call it at most once.
func (s *Service) useRegistry(o *api.Options) {
	if s.registry != nil {
		o.Registry, o.Entries, o.Rules, o.SourceMaps, o.NotificationPlans = s.registry, s.registry.inForce, s.registry, s.registry, s.registry
		o.Commands, o.Handled = s.registry.log, s.registry.inForce
		s.metrics.WatchShelvings(shelvings(s.registry.inForce))
	}
}

// TypesInForce implements api.SourceMaps.
func (r *registry) TypesInForce() (everywhere, anywhere []iot.TypeSpec) { return r.inForce.Types() }

// Admits implements api.SourceMaps.
func (r *registry) Admits(name iot.DeviceType) bool { return r.inForce.Admits(name) }
