package process

import (
	"time"

	"iotmon/internal/iot"
)

func (c *Counts) newest(at, appended time.Time) {
	if at.After(c.Newest) {
		c.Newest, c.NewestAppended = at, appended
	}
}

func (c *Counts) reject(field string) {
	if c.Rejected == nil {
		c.Rejected = make(map[string]int64)
	}
	c.Rejected[field]++
}

func (c *Counts) alert(a *iot.Alert) {
	if a.Transition != iot.Raised {
		return
	}
	if c.Raised == nil {
		c.Raised = make(map[iot.Severity]int64)
	}
	c.Raised[a.Severity]++
	if rule, failed := iot.FailedRuleOf(a.Rule); failed {
		c.Failing++
		c.BeganToFail = RuleFailure{Device: a.Identity(), Rule: rule, Reason: a.MessageEN}
	}
}
