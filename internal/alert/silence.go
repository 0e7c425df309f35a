package alert

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"iotmon/internal/iot"
)

// WatchesSilence reports whether any rule is of the kind NoData. Without one, Silent, EndSilence and Set.Patience do nothing.
func (e *Engine) WatchesSilence() bool { return e.watchesSilence }

// addSilence adds a rule of the kind NoData. The set keeps them in the order in which they are violated.
func (set *Set) addSilence(rule compiled) {
	set.silence = append(set.silence, rule)
	slices.SortFunc(set.silence, func(a, b compiled) int {
		return cmp.Or(cmp.Compare(a.Within, b.Within), strings.Compare(a.Name, b.Name))
	})
}

// Patience returns how long the device may be silent until it violates the next rule of the kind NoData, 0 if it violates all of them.
func (set *Set) Patience(states *iot.RuleStates) time.Duration {
	for i := range set.silence {
		if s := find(states.Alerts, set.silence[i].Name); s < 0 || !silent(&states.Alerts[s]) {
			return set.silence[i].Within
		}
	}
	return 0
}

// silent reports whether the device has been silent since the alert of its rule of the kind NoData was raised.
func silent(s *iot.AlertState) bool {
	return s.Condition == iot.NoData && s.Raised != nil && s.Safe.IsZero() && s.Raised.Latched.IsZero()
}

// Silent raises the alerts of a device that has sent nothing since the given time. All times are those of the log; latest is the device's newest
// reading. An onset is the time at which the rule was violated, but not before earliest: no rule has watched the device before that. Silent
// returns false if it has changed nothing.
func (e *Engine) Silent(set *Set, states *iot.RuleStates, latest *iot.Reading, since, now, earliest time.Time, out Output) (changed bool) {
	for i := range set.silence {
		rule := &set.silence[i]
		onset := since.Add(rule.Within)
		if onset.After(now) {
			break
		}
		if onset.Before(earliest) {
			onset = earliest
		}
		switch at := find(states.Alerts, rule.Name); {
		case at < 0:
			value := onset.Sub(since).Seconds()
			raised := raise(&rule.Rule, set.messages(rule, judgement{value: value}, latest), value, latest, onset)
			raised.Time = onset
			out.Alert(&raised)
			states.Alerts = append(states.Alerts, iot.AlertState{Rule: rule.Name, Condition: rule.Kind, Onset: onset, Raised: &raised})
			changed = true
		case states.Alerts[at].Condition == iot.NoData && !silent(&states.Alerts[at]):
			s := &states.Alerts[at]
			s.Safe = time.Time{}
			reviolate(s, onset.Sub(since).Seconds(), onset, out)
			changed = true
		}
	}
	return changed
}

// EndSilence clears the alerts of rules of the kind NoData of a device that has sent something at the given time of the log.
func (e *Engine) EndSilence(set *Set, states *iot.RuleStates, at time.Time, out Output) {
	for i := 0; i < len(states.Alerts); i++ {
		s := &states.Alerts[i]
		if s.Condition != iot.NoData {
			continue
		}
		rule := set.find(s.Rule)
		if rule == nil {
			continue // The change of the rules clears it.
		}
		if s.Safe.IsZero() || s.Safe.After(at) { // The log's clock may have been set back.
			s.Safe = at
		}
		if at.Sub(s.Safe) >= rule.ClearFor && clearOrLatch(s, rule.Latch, 0, at, out) {
			states.Alerts = slices.Delete(states.Alerts, i, i+1)
			i--
		}
	}
}
