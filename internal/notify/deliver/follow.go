package deliver

import (
	"context"
	"fmt"
	"slices"
	"time"

	"iotmon/internal/iot"
)

// labelsAtOnce is of how many devices the labels are asked for at once.
const labelsAtOnce = 1000

// askForPlan asks what people have decided, if it is time, and reports whether that is another plan. While there is no answer, the plan stays in force.
func (s *session) askForPlan(ctx context.Context, now time.Time) (another bool) {
	if s.Follow == nil || now.Sub(s.followed) < followEvery && !now.Before(s.followed) {
		return false
	}
	s.followed = now
	asking, cancel := context.WithTimeout(ctx, followFor)
	defer cancel()
	planned, err := s.Follow(asking)
	if err != nil {
		if ctx.Err() == nil && !s.notFollowing {
			s.Logger.Warn("what is decided about notifications cannot be read at the moment; the routes in force stay", "reason", err)
		}
		s.notFollowing = true
		return false
	}
	s.notFollowing = false
	if planned == s.planned {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.planned = planned
	return true
}

// replan puts the plan in force for the alerts that stand, too. It is published once what follows from it is stored: if the process ends before, the next
// one does the same again.
func (s *session) replan(ctx context.Context, now time.Time) error {
	labels, err := s.labelsOf(ctx, s.planner.Devices())
	if err != nil {
		return err
	}
	s.planner.Replan(s.planned.Plan, labels, labels != nil, now)
	s.publish = len(s.planned.Published) > 0
	return nil
}

// publishPlan publishes the plan in force, if it is not yet.
func (s *session) publishPlan(ctx context.Context) error {
	if !s.publish {
		return nil
	}
	if err := s.Store.Publish(ctx, s.holder, s.planned.Published); err != nil {
		return fmt.Errorf("store which routes are in force: %w", err)
	}
	s.publish = false
	return nil
}

// labelsOf returns the labels of devices; nil if no route selects by label.
func (s *session) labelsOf(ctx context.Context, devices []iot.Identity) (map[iot.Identity]map[string]string, error) {
	if s.Labels == nil || !s.planned.Plan.NeedsLabels() {
		return nil, nil
	}
	all := make(map[iot.Identity]map[string]string)
	for some := range slices.Chunk(devices, labelsAtOnce) {
		labels, err := s.Labels(ctx, some)
		if err != nil {
			return nil, fmt.Errorf("read the labels of devices: %w", err)
		}
		for device, of := range labels {
			all[device] = of
		}
	}
	return all, nil
}
