package control

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"iotmon/internal/iot"
)

// rulesPeriod is the shortest time between two calls of FollowRules' changed: a file of hundreds of rules comes into force one by one in each
// partition, and every page is sent a message about it.
const rulesPeriod = 500 * time.Millisecond

// FollowRules calls changed with the alert rules in force, in the order of their names, once they are known and whenever they have changed, until
// ctx ends; then it returns nil. Of a rule that comes into force it takes the highest version that a partition has. Those of maintenance are not
// among them. changed must not block or change them; logger gets what cannot be decoded.
func (f *InForce) FollowRules(ctx context.Context, logger *slog.Logger, changed func([]iot.Rule)) error {
	seen := int64(0)
	others := func() bool { return f.current && f.ruleChanges != seen }
	for f.wait(ctx, others) {
		f.mu.RLock()
		seen = f.ruleChanges
		f.mu.RUnlock()
		if entries, err := f.ruleEntries(); err != nil {
			logger.Error("a rule in force cannot be read", "reason", err)
		} else {
			changed(alertRules(entries))
		}
		select {
		case <-time.After(rulesPeriod):
		case <-ctx.Done():
		}
	}
	return nil
}

// AwaitRules waits until a partition says which rules it has, if only that one was deleted: before, a new log has none, and Rules returns an empty list. It
// returns false if ctx ends before.
func (f *InForce) AwaitRules(ctx context.Context) bool {
	return f.wait(ctx, func() bool {
		for _, rules := range f.rules {
			if len(rules) > 0 {
				return f.current
			}
		}
		return false
	})
}

func alertRules(entries []iot.RuleEntry) []iot.Rule {
	entries = slices.DeleteFunc(entries, func(e iot.RuleEntry) bool { return e.Rule.Kind == iot.Maintenance })
	rules := make([]iot.Rule, len(entries))
	for i := range entries {
		rules[i] = entries[i].Rule
	}
	return rules
}
