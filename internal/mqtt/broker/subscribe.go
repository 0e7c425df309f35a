package broker

import (
	"fmt"
	"strings"

	"iotmon/internal/mqtt/packet"
)

// maxSubscribed is how many bytes the subscriptions of all sessions have.
const maxSubscribed = 512 << 20

// subscriptionBytes returns about how much memory a subscription occupies: the filter, and a node for each of its levels.
func subscriptionBytes(filter string) int64 {
	const perSubscription, perLevel = 400, 200
	return int64(perSubscription + 2*len(filter) + perLevel*strings.Count(filter, "/"))
}

// subscribe handles SUBSCRIBE.
func (c *connection) subscribe(id uint16, number int, wanted []requested) {
	codes := make([]byte, len(wanted))
	var scans []*retainedScan
	for i, w := range wanted {
		var scan *retainedScan
		codes[i], scan = c.subscribeTo(number, w)
		if scan != nil {
			scans = append(scans, scan)
		}
	}
	c.broker.state.changed(c.session)
	s := c.session
	s.mu.Lock()
	defer s.mu.Unlock()
	c.out = appendCodes(c.out, packet.Suback, id, c.version, codes)
	room := max(c.broker.o.Limits.MaxSubscriptions-len(s.retained), 0)
	if len(scans) > room { // The client subscribes again and again without reading.
		c.broker.counts.unsentRetained.Add(int64(len(scans) - room))
		scans = scans[:room]
	}
	for _, scan := range scans {
		s.scans++
		scan.number = s.scans
		s.retained = append(s.retained, scan)
	}
	c.wake()
}

// subscribeTo makes a subscription and returns the answer to it. scan finds the retained messages of it; nil for none.
func (c *connection) subscribeTo(number int, w requested) (code byte, scan *retainedScan) {
	refusal := func(reason byte) byte {
		c.broker.counts.refusedSubscriptions.Add(1)
		if c.version != 5 {
			return reasonUnspecified
		}
		return reason
	}
	share, filter := splitShare(w.filter)
	switch {
	case !validFilter(w.filter):
		return refusal(reasonFilter), nil
	case !c.rights.subscribe(filter):
		c.broker.problem(fmt.Errorf("client %q, user %q: not allowed to subscribe to %q", c.identity.clientID, c.identity.username, filter))
		return refusal(reasonNotAuthorized), nil
	}
	o := subscription{qos: w.options & 3, noLocal: w.options&4 != 0, retainAsPublished: w.options&8 != 0, id: number}
	retain := w.options >> 4 & 3
	s := c.session
	s.mu.Lock()
	_, had := s.subscriptions[w.filter]
	full := !had && (len(s.subscriptions) >= c.broker.o.Limits.MaxSubscriptions || !c.broker.subscribed.reserve(s.key.username, subscriptionBytes(w.filter)))
	if !full && !s.ended {
		if s.subscriptions == nil {
			s.subscriptions = make(map[string]subscription)
		}
		s.subscriptions[w.filter] = o
		c.broker.tree.add(s, w.filter, o)
	}
	s.mu.Unlock()
	if full {
		return refusal(reasonQuota), nil
	}
	if share == "" && (retain == 0 || retain == 1 && !had) {
		scan = &retainedScan{filter: filter, subscription: o}
	}
	return o.qos, scan
}

// unsubscribe handles UNSUBSCRIBE.
func (c *connection) unsubscribe(id uint16, wanted []requested) {
	s := c.session
	s.mu.Lock()
	defer s.mu.Unlock()
	codes := make([]byte, len(wanted))
	for i, w := range wanted {
		if _, had := s.subscriptions[w.filter]; !had {
			codes[i] = reasonNoSubscription
			continue
		}
		delete(s.subscriptions, w.filter)
		c.broker.tree.remove(s, w.filter)
		c.broker.subscribed.release(s.key.username, subscriptionBytes(w.filter))
	}
	c.broker.state.changed(s)
	c.out = appendCodes(c.out, packet.Unsuback, id, c.version, codes)
	c.wake()
}
