package deliver

import (
	"context"
	"maps"
	"sync"
	"time"

	"iotmon/internal/notify"
	"iotmon/internal/retry"
)

const (
	// watchEvery is how often it is looked whether the database is away. With it away, that is also how often the states of the devices are read.
	watchEvery = 10 * time.Second
	// maxNotified is how many alerts are remembered that were notified from memory, maxUnsent how many messages that could not be sent. The oldest are
	// left out: those alerts are notified once the database is back.
	maxNotified = 100_000
	maxUnsent   = 200
	// mostFailures is how many messages are tried in a round at a target that takes none of them.
	mostFailures = 2
)

// watchDatabase sends critical alerts from memory while the database is away for longer than withoutDatabase, if no other process was the one that
// sends when it last answered.
func (n *Notifier) watchDatabase(ctx context.Context) {
	failing := false
	for retry.Wait(ctx, watchEvery) == nil {
		if !n.databaseAway() {
			failing = false
			continue
		}
		if !failing {
			n.Logger.Error("the database is away: critical alerts are sent from memory")
		}
		failing = true
		if err := n.sendFromMemory(ctx); err != nil && ctx.Err() == nil {
			n.Logger.Error("critical alerts cannot be sent from memory at the moment", "reason", err)
		}
	}
}

func (n *Notifier) databaseAway() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	away := n.Now().Sub(n.stored)
	if away < 0 { // The clock was set back.
		n.stored = n.Now()
	}
	return !n.others && away > withoutDatabase
}

// sendFromMemory sends the critical alerts that stand and were not notified, and again what could not be sent before. The ids are the same at every
// try.
func (n *Notifier) sendFromMemory(ctx context.Context) error {
	reading, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	open, err := n.Log.OpenAlerts(reading)
	if err != nil {
		return err
	}
	n.mu.Lock()
	known := maps.Clone(n.offered)
	maps.Copy(known, n.known)
	unsent, plan := n.unsent, n.planned.Plan
	n.mu.Unlock()
	deliveries, ids := plan.Urgent(open, known, n.Now())
	deliveries = append(unsent, deliveries...)
	unsent = n.sendNow(ctx, deliveries)
	n.Metrics.FromMemory(len(deliveries) - len(unsent))
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, id := range ids {
		if len(n.offered) < maxNotified {
			n.offered[id] = true
		}
	}
	n.lost = n.lost || len(unsent) > maxUnsent
	if len(unsent) == 0 && !n.lost { // Else everybody is notified again once the database is back: twice is better than not at all.
		maps.Copy(n.notified, n.offered)
	}
	n.unsent = unsent[max(len(unsent)-maxUnsent, 0):]
	return nil
}

// forget forgets what was notified from memory: the database is back, and has it.
func (n *Notifier) forget() {
	clear(n.offered)
	clear(n.notified)
	n.unsent, n.lost = nil, false
}

// sendNow sends deliveries once, the channels at the same time, and returns those that could not be sent. A target that does not take two of them is
// not tried further, so that a receiver that fails, or hangs, gets few tries and keeps no other waiting for long. What was not tried comes first the next time.
func (n *Notifier) sendNow(ctx context.Context, deliveries []notify.Delivery) (unsent []notify.Delivery) {
	byChannel := make(map[string][]notify.Delivery)
	for _, d := range deliveries {
		byChannel[d.Channel] = append(byChannel[d.Channel], d)
	}
	var mu sync.Mutex
	var channels sync.WaitGroup
	for _, list := range byChannel {
		channels.Go(func() {
			failures := make(map[notify.Target]int)
			var untried, failed []notify.Delivery
			for i, d := range list {
				if failures[d.Target] >= mostFailures {
					untried = append(untried, d)
				} else if !n.sendOnce(ctx, &d, waitingFor(d.Target, list[i:])) {
					failures[d.Target]++
					failed = append(failed, d)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			unsent = append(append(unsent, untried...), failed...)
		})
	}
	channels.Wait()
	return unsent
}

// waitingFor returns how many of deliveries are for a target.
func waitingFor(target notify.Target, deliveries []notify.Delivery) (count int) {
	for i := range deliveries {
		if deliveries[i].Target == target {
			count++
		}
	}
	return count
}

// sendOnce tries a delivery, one of so many that wait, and returns false if it must be tried again. One that is refused is, for an hour: what refuses it
// may be a proxy, and not the receiver.
func (n *Notifier) sendOnce(ctx context.Context, d *notify.Delivery, waiting int) bool {
	sender := n.Senders[d.Channel]
	if sender == nil {
		return true
	}
	_, err := send(ctx, sender, d.Recipient, &d.Message)
	switch {
	case err == nil:
		n.Metrics.Tried(d.Channel, "sent")
	case notify.IsRefused(err):
		n.Metrics.Tried(d.Channel, "refused")
	default:
		n.Metrics.Tried(d.Channel, "failed")
	}
	if err == nil {
		n.troubles.taken(d.Target, waiting-1, n.Now())
		return true
	}
	n.troubles.failed(d.Target, err, waiting, n.Now())
	if notify.IsRefused(err) && n.Now().Sub(d.Created) >= tryRefused {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.lost = true
		return true
	}
	return false
}
