package processor

import "time"

// pace limits how often a job runs, so that the job uses no more than a share of the time. A short job runs often, and every change
// is published at once. A long job runs seldom, and the changes of a device between two runs are merged.
type pace struct {
	next time.Time
	// wanted is whether there has been something to do since the job last ran.
	wanted bool
}

// The job may use one part in so many of the time. While the processor is behind its log, the job gets less.
const (
	shareWhileBehind = 10
	shareOtherwise   = 4
)

// want records that there is something to do.
func (p *pace) want() { p.wanted = true }

// before returns when to stop waiting for more to do: at the deadline, or earlier if the job may run earlier and there is something to do.
func (p *pace) before(deadline time.Time) time.Time {
	if p.wanted && p.next.Before(deadline) {
		return p.next
	}
	return deadline
}

// ready reports whether the job may run.
func (p *pace) ready(now time.Time) bool { return !now.Before(p.next) }

// ran records that the job took a while and may use one part in share of the time.
func (p *pace) ran(now time.Time, took time.Duration, share int) {
	p.wanted = false
	p.next = now.Add(time.Duration(share) * took)
}
