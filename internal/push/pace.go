package push

import "time"

// pace says when there are rounds, from what they have cost of late. It is not safe for concurrent use.
type pace struct {
	// each is about how long it takes to give one client its part of a round; 0 before the first.
	each float64
}

const (
	// minPause is the shortest time between two rounds: with few clients it is all that a round adds to the delay.
	minPause = 5 * time.Millisecond
	// longestDelay bounds maxDelay.
	longestDelay = time.Second
	// usualEach is what a client is taken to cost before that is known, mostEach what it is believed to cost: a machine that
	// slept for a minute says nothing of the next round.
	usualEach, mostEach = 10 * time.Microsecond, 100 * time.Microsecond
	// wakenEach is about what a client's own goroutine takes, beside the round, where it does the writing.
	wakenEach = 20 * time.Microsecond
)

// note takes in how long a round of so many clients took.
func (p *pace) note(clients int, took time.Duration) {
	if clients == 0 {
		return
	}
	each := min(float64(took)/float64(clients), float64(mostEach))
	p.each += (each - p.perClient()) / 8
}

func (p *pace) perClient() float64 {
	if p.each == 0 {
		p.each = float64(usualEach)
	}
	return p.each
}

// round returns how long a round of so many clients takes.
func (p *pace) round(clients int) time.Duration {
	return time.Duration(p.perClient() * float64(clients))
}

// pause returns how long to wait after a round, so that rounds take two thirds of a core at most.
func (p *pace) pause(clients int) time.Duration {
	return max(minPause, p.round(clients)/2)
}

// maxDelay returns how long a change that is not urgent may wait to be sent together with the next urgent one. So changes that come
// every second in any case take no more than some hundredths of a core, and urgent ones seldom wait for the end of their rounds.
func (p *pace) maxDelay(clients int) time.Duration {
	return min(max(minPause, 50*p.round(clients)), longestDelay)
}

// backfillTime returns how long a round may take for backfills, after it has sent what changed.
func (p *pace) backfillTime(clients int) time.Duration {
	return max(minPause, p.round(clients)/4)
}
