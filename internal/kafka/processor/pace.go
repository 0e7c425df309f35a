package processor

import "time"

// pace spreads a repeated job so that it takes no more than a share of the time: at low rates every change goes out at
// once, at high rates changes of the same device merge into one.
type pace struct{ next time.Time }

// A job takes one part in so many of the time: more of it while there is nothing else to catch up with.
const (
	partWhileBehind = 10
	partOtherwise   = 4
)

func (p *pace) ready(now time.Time) bool { return !now.Before(p.next) }

func (p *pace) spent(now time.Time, took time.Duration, part int) {
	p.next = now.Add(time.Duration(part) * took)
}
