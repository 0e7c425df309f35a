package kafka

import "time"

// pace spreads a repeated job so that it takes no more than a tenth of the time: at low rates every change goes out at
// once, at high rates changes of the same device merge into one.
type pace struct{ next time.Time }

func (p *pace) ready(now time.Time) bool { return !now.Before(p.next) }

func (p *pace) spent(now time.Time, took time.Duration) { p.next = now.Add(10 * took) }
