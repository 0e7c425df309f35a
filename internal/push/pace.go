package push

import "time"

// pace measures what it costs to serve a viewer, and derives from that how far apart rounds are. It is not safe for concurrent use.
type pace struct {
	// cost is the moving average of the time to serve one viewer in a round, in nanoseconds; 0 before the first round.
	cost float64
}

const (
	// minPause is the shortest time between two rounds: with few viewers it is all that a round adds to the delay.
	minPause = 5 * time.Millisecond
	// longestDelay bounds maxDelay.
	longestDelay = time.Second
	// initialCost is the assumed cost before the first round. maxCost limits the measured cost: a round during which the machine was
	// suspended for a minute says nothing about the next one.
	initialCost, maxCost = 10 * time.Microsecond, 100 * time.Microsecond
	// handOverCost is about how long the goroutine of a connection writes, beside the round, to a viewer that was handed over to it.
	handOverCost = 20 * time.Microsecond
)

// record updates the cost by the duration of a round of so many viewers, which counts for an eighth.
func (p *pace) record(viewers int, took time.Duration) {
	if viewers == 0 {
		return
	}
	cost := min(float64(took)/float64(viewers), float64(maxCost))
	p.cost += (cost - p.perViewer()) / 8
}

func (p *pace) perViewer() float64 {
	if p.cost == 0 {
		p.cost = float64(initialCost)
	}
	return p.cost
}

// round returns how long a round of so many viewers takes.
func (p *pace) round(viewers int) time.Duration {
	return time.Duration(p.perViewer() * float64(viewers))
}

// pause returns how long to wait after a round, so that rounds use two thirds of a core at most.
func (p *pace) pause(viewers int) time.Duration {
	return max(minPause, p.round(viewers)/2)
}

// maxDelay returns how long a change that is not urgent may wait to be sent together with the next urgent one. It is 50 times as long as a
// round, so that rounds of such changes alone use at most a fiftieth of a core, and urgent changes seldom wait for the end of one; but a
// second at most.
func (p *pace) maxDelay(viewers int) time.Duration {
	return min(max(minPause, 50*p.round(viewers)), longestDelay)
}

// backfillTime returns how long a round may spend on backfills, after it has sent the changes.
func (p *pace) backfillTime(viewers int) time.Duration {
	return max(minPause, p.round(viewers)/4)
}
