package nodes

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"iotmon/internal/iot"
	"iotmon/internal/source"
)

// TestAnyDisorderThenRebirth: whatever is lost, sent twice or delayed, after the births that answer a request the host knows the state of
// the node, and every value that it has taken is one that the metric had. If births are not lost or delayed, that is so even for a node
// whose aliases have another meaning after every birth.
func TestAnyDisorderThenRebirth(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		e, h := newEdge(), newHost(t, Options{MaxHeld: 4_000})
		e.named, e.stable = rapid.Bool().Draw(rt, "named"), rapid.Bool().Draw(rt, "stable")
		e.devices["oven"] = map[string]float64{"temperature": 200}
		arrivals := disorder(rt, e, life(rt, e))
		done := 0
		for _, a := range arrivals {
			h.until(a.at)
			copied := *a.message
			copied.Done = func(error) { done++ }
			h.receive(&copied)
		}
		h.wait(30 * time.Second)
		e.now = h.now
		h.receive(e.born()...)
		e.now = e.now.Add(time.Second)
		h.receive(e.data("press", "temperature", 1999), e.data("", "supply", 999))
		h.wait(time.Minute)
		if done != len(arrivals) {
			rt.Fatalf("%d messages were finished, want %d", done, len(arrivals))
		}
		failed := t.Failed()
		h.wantState(e, iot.ReportedOnline)
		if !failed && t.Failed() {
			rt.Fatalf("another state after %d messages", len(arrivals))
		}
		for _, point := range h.points {
			if !possible(point) {
				rt.Fatalf("the value %s was never sent", point)
			}
		}
		if h.nodes.held != 0 {
			rt.Fatalf("%d bytes are kept though no message waits", h.nodes.held)
		}
	})
}

// sent is a message and when it was sent.
type sent struct {
	message *source.Message
	at      time.Time
}

// life draws what happens to a node. The values of each metric are in a range of their own.
func life(rt *rapid.T, e *edge) []sent {
	var all []sent
	send := func(messages ...*source.Message) {
		for _, m := range messages {
			all = append(all, sent{m, e.now})
		}
	}
	for i := range rapid.IntRange(0, 40).Draw(rt, "steps") {
		e.now = e.now.Add(time.Duration(rapid.IntRange(1, 2000).Draw(rt, "pause")) * time.Millisecond)
		switch value := float64(i + 1); rapid.IntRange(0, 12).Draw(rt, "step") {
		case 0: // A request of somebody else.
			send(e.born()...)
		case 1:
			send(e.nodeDeath())
			e.bdSeq = (e.bdSeq + 1) % 256
			send(e.born()...)
		case 2: // A crash whose death certificate is lost.
			e.bdSeq = (e.bdSeq + 1) % 256
			send(e.born()...)
		case 3:
			send(e.deviceDeath("press"), e.deviceBirth("press"))
		case 4, 5:
			send(e.data("", "supply", value))
		case 6, 7, 8:
			send(e.data("oven", "temperature", 2000+value))
		default:
			send(e.data("press", "temperature", 1000+value))
		}
	}
	return all
}

// possible reports whether a metric may have had a value.
func possible(point string) bool {
	name, text, _ := strings.Cut(point, "=")
	value, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return false
	}
	switch name {
	case "G/N/supply":
		return value > 0 && value < 1000
	case "G/N/press/temperature":
		return value == 20 || value > 1000 && value < 2000
	case "G/N/oven/temperature":
		return value == 200 || value > 2000
	}
	return name == "G/N/press/pressure" && value == 5
}

// disorder draws when the messages arrive.
func disorder(rt *rapid.T, e *edge, messages []sent) []sent {
	var arrivals []sent
	for _, m := range messages {
		delay := func() time.Time {
			return m.at.Add(time.Duration(rapid.IntRange(0, 4000).Draw(rt, "delay")) * time.Millisecond)
		}
		fate := rapid.IntRange(0, 9).Draw(rt, "fate")
		if !e.stable && strings.Contains(m.message.Topic, "BIRTH") {
			fate = 9
		}
		switch fate {
		case 0: // Lost.
		case 1:
			arrivals = append(arrivals, m, sent{m.message, delay()})
		case 2, 3:
			arrivals = append(arrivals, sent{m.message, delay()})
		default:
			arrivals = append(arrivals, m)
		}
	}
	slices.SortStableFunc(arrivals, func(a, b sent) int { return cmp.Compare(a.at.UnixNano(), b.at.UnixNano()) })
	return arrivals
}
