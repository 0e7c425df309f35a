package broker

import (
	"context"
	"fmt"
	"maps"
	"time"

	"iotmon/internal/mqtt/packet"
)

const (
	// maxAliases is how many topics a client of MQTT 5 may give numbers.
	maxAliases = 32
	// maxReleases is how many messages of QoS 2 a client of MQTT 3.1.1 may leave unreleased.
	maxReleases = 1000
)

// publish handles a message.
func (c *connection) publish(ctx context.Context, p *publish, long bool) error {
	topic, err := c.topicOf(p)
	if err != nil {
		return err
	}
	if err := c.wait(ctx, p); err != nil {
		return err
	}
	if !c.rights.publish(topic) {
		c.broker.counts.refusedMessages(refusedTopic)
		c.broker.problem(fmt.Errorf("client %q, user %q: not allowed to publish on %q", c.identity.clientID, c.identity.username, topic))
		return c.session.refuse(p, c.version, reasonNotAuthorized)
	}
	payload := p.Payload
	if !long {
		payload = append(make([]byte, 0, len(payload)), payload...)
	}
	return c.receive(ctx, p, topic, payload, 0)
}

// topicOf returns the topic of a message, which may have a number instead.
func (c *connection) topicOf(p *publish) (string, error) {
	alias := p.properties.topicAlias
	if alias > maxAliases {
		return "", ended(reasonTopicAlias, "topic alias %d, more than %d", alias, maxAliases)
	}
	if len(p.Topic) == 0 {
		topic, known := c.aliases[alias]
		if !known {
			return "", ended(reasonProtocol, "topic alias %d is not known", alias)
		}
		return topic, nil
	}
	if string(p.Topic) != c.topic {
		c.topic = string(p.Topic)
	}
	if alias > 0 {
		if c.aliases == nil {
			c.aliases = make(map[uint16]string)
		}
		c.aliases[alias] = c.topic
	}
	return c.topic, nil
}

// wait waits until the client may send one more message.
func (c *connection) wait(ctx context.Context, p *publish) error {
	limits := &c.broker.o.Limits
	for !c.mayReceive(p) {
		select {
		case <-c.freed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if limits.MaxRate == 0 {
		return nil
	}
	now := time.Now()
	if earliest := now.Add(-time.Second); c.pace.Before(earliest) { // A second's messages may come at once.
		c.pace = earliest
	}
	c.pace = c.pace.Add(time.Second / time.Duration(limits.MaxRate))
	ahead := c.pace.Sub(now)
	if ahead <= 0 {
		return nil
	}
	c.broker.counts.slowed.Add(1)
	timer := time.NewTimer(ahead)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// mayReceive reports whether a message may be received now: not before the last will of the client's connection before.
func (c *connection) mayReceive(p *publish) bool {
	s := c.session
	if s.willWaits.Load() {
		return false
	}
	if c.version == 5 && p.QoS > 0 { // The client counts by itself.
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pending < c.broker.o.Limits.ReceiveMaximum
}

// receive gives a message to subscribers and to the receiver. size is 0 unless the message is too long.
func (c *connection) receive(ctx context.Context, p *publish, topic string, payload []byte, size int) error {
	b := c.broker
	m := &Message{Topic: topic, Payload: payload, Length: size, Tags: c.tags, session: c.session, id: p.ID, qos: p.QoS}
	most := b.o.Limits.ReceiveMaximum
	if c.version != 5 {
		most = max(most, maxReleases)
	}
	if p.QoS == 0 {
		most = packet.MaxID + 1
	}
	fresh, tooMany := c.session.begin(m, p.Duplicate, most)
	switch {
	case tooMany:
		return ended(reasonReceiveMaximum, "more than %d messages under way", most)
	case !fresh:
		return nil
	}
	if size == 0 {
		published := &publication{topic: topic, payload: payload, qos: p.QoS, retain: p.Retain}
		published.take(&p.properties)
		published.user = nil // Subscribers get them among the properties.
		c.found = b.route(c.session, published, c.found[:0])
	}
	if user := p.properties.user; user != nil {
		maps.DeleteFunc(user, func(name, _ string) bool { return ownTag(name) })
		maps.Copy(user, c.tags)
		m.Tags = user
	}
	return b.receive(ctx, m)
}
