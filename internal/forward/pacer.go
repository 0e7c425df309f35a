package forward

import (
	"context"
	"time"

	"iotmon/internal/retry"
)

// pacer keeps a rate.
type pacer struct {
	// rate is in readings a second; 0 for no limit.
	rate int
	// free is when the readings sent so far would have been sent at the rate.
	free time.Time
}

// wait waits until further readings may be sent, and counts n of them.
func (p *pacer) wait(ctx context.Context, n int, now func() time.Time) error {
	if p.rate <= 0 {
		return nil
	}
	at := now()
	pause := p.free.Sub(at)
	// Time that was not used does not count later, and a clock that was set back must not stop everything.
	if pause < 0 || pause > time.Duration(maxBatch)*time.Second/time.Duration(p.rate)+time.Second {
		p.free, pause = at, 0
	}
	p.free = p.free.Add(time.Duration(n) * time.Second / time.Duration(p.rate))
	return retry.Wait(ctx, pause)
}
