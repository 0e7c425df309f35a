package broker

import (
	"fmt"
	"testing"
	"time"

	"iotmon/internal/mqtt/packet"
)

// A scan of many retained messages gives the session back now and then: those who publish to it need not wait for all.
func TestAScanGivesTheSessionBack(t *testing.T) {
	t.Parallel()
	l := limits()
	l.MaxRetained, l.MaxRetainedBytes = 10_000, 1<<30
	b := New(Options{Limits: l})
	const topics, scans = 5 * maxScan, 3
	for i := range topics {
		b.retained.set(&publication{topic: fmt.Sprintf("t/%05d", i), payload: []byte("x"), retain: true})
	}
	s := newSession(b, key{clientID: "panel"})
	c := &connection{broker: b, session: s, window: 20, version: 5}
	s.conn = c
	for i := range scans {
		s.retained = append(s.retained, &retainedScan{filter: "+/none", number: i + 1})
	}
	s.queue = []*delivery{{message: &publication{topic: "live", payload: []byte("y")}}}
	locked := 1
	for s.fill(c, time.Now()) {
		if locked++; locked == 2 && (s.retained[0].after != fmt.Sprintf("t/%05d", maxScan-1) || len(c.out) > 0) {
			t.Errorf("after the first time: at %s, %d bytes are written", s.retained[0].after, len(c.out))
		}
	}
	if want := scans*topics/maxScan + 1; locked < want || locked > want+scans {
		t.Errorf("the session was locked %d times, want about %d", locked, want)
	}
	if len(s.retained) != 0 || len(s.queue) != 0 || len(c.out) == 0 {
		t.Errorf("left are %d scans and %d messages", len(s.retained), len(s.queue))
	}
}

// What is retained does not come after a newer message of its topic, though that overtakes others that are retained.
func TestNoRetainedMessageComesAfterANewerOne(t *testing.T) {
	t.Parallel()
	r := start(t, Options{})
	device, _ := r.connect(5, hello{id: "device", clean: true})
	const topics = 50
	for i := range uint16(topics) {
		device.send(device.publishPacket(fmt.Sprintf("t/%02d", i), "old", 1, i+1, packet.PublishRetain))
		device.want(packet.Puback)
	}
	panel, _ := r.connect(5, hello{id: "panel", clean: true, properties: []byte{packet.PropReceiveMaximum, 0, 1}})
	panel.subscribe("t/#", 1)
	first, _, _ := panel.message()
	for id, topic := range []string{"t/05", "t/40"} { // Of QoS 0, so that they need not wait for the acknowledgement of the first.
		device.send(device.publishPacket(topic, "new", 0, 0, 0))
		device.send(device.publishPacket("other", "x", 1, uint16(id+1), 0))
		device.want(packet.Puback)
	}
	newest := make(map[string]string)
	for range 2 {
		if _, topic, payload := panel.message(); payload != "new" {
			t.Fatalf("got %s %s, want what overtakes", topic, payload)
		} else {
			newest[topic] = payload
		}
	}
	panel.send(packet.AppendAnswer(nil, packet.Puback, first.ID))
	for range topics - 3 {
		p, topic, payload := panel.message()
		panel.send(packet.AppendAnswer(nil, packet.Puback, p.ID))
		if newest[topic] != "" {
			t.Errorf("%s: %q came after %q", topic, payload, newest[topic])
		}
		newest[topic] = payload
	}
	if len(newest) != topics-1 {
		t.Errorf("got %d topics, want all", len(newest)+1)
	}
	panel.send([]byte{packet.Pingreq << 4, 0})
	panel.want(packet.Pingresp) // And nothing more.
}

// How many topics may be overtaken is bounded: then other messages wait.
func TestOvertakingIsBounded(t *testing.T) {
	t.Parallel()
	l := limits()
	l.MaxRetained, l.MaxRetainedBytes = 10_000, 1<<30
	b := New(Options{Limits: l})
	s := newSession(b, key{clientID: "panel"})
	s.retained, s.scans = []*retainedScan{{filter: "#", number: 1}}, 1
	for i := range maxOvertaken + 1 {
		topic := fmt.Sprint("t/", i)
		b.retained.set(&publication{topic: topic, payload: []byte("x"), retain: true})
		if got := s.overtake(topic); got != (i < maxOvertaken) {
			t.Fatalf("%d: got %v", i, got)
		}
	}
	if !s.overtake("t/0") || !s.overtake("not retained") {
		t.Error("what costs nothing more waits")
	}
}

// A client that subscribes again and again, and does not acknowledge what is retained, costs a bounded amount, and is counted.
func TestRetainedMessagesThatAreNotSentAreCounted(t *testing.T) {
	t.Parallel()
	r := start(t, Options{})
	panel, _ := r.connect(5, hello{id: "panel", clean: true, properties: []byte{packet.PropReceiveMaximum, 0, 1}})
	for i := range uint16(2) {
		panel.send(panel.publishPacket(fmt.Sprint("t/", i), "x", 1, i+1, packet.PublishRetain))
		panel.want(packet.Puback)
	}
	const more = 20
	for range r.o.Limits.MaxSubscriptions + more {
		panel.send(packet.Append(nil, packet.Subscribe, packet.Reserved, append(packet.AppendText([]byte{0, 1, 0}, "t/#"), 1)))
	}
	r.until("count", func() bool { return r.Stats().UnsentRetained == more })
}
