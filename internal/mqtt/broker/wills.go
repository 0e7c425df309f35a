package broker

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"
)

// maxWills is how many bytes of last wills wait for the log at most, maxHeldWills how many those of clients have that are connected or may come back.
const maxWills, maxHeldWills = 16 << 20, 64 << 20

// wills are the last wills on their way to the receiver, in the order in which their clients were lost. While the receiver blocks, as it does when the log
// is away, they wait here and not in the goroutines of lost connections: a client that comes back is accepted. It may be used concurrently.
type wills struct {
	mu sync.Mutex
	// What follows is guarded by mu. waiting are those of queue by their sessions: a session has one at most. added has an element when one was added to an
	// empty queue.
	queue   []*lastWill
	waiting map[*session]*lastWill
	bytes   int64
	added   chan struct{}
}

// lastWill is a last will that waits for the receiver. Nothing of its client reaches the receiver before it.
type lastWill struct {
	session *session
	message *Message
	bytes   int64
}

func (w *wills) init() {
	w.waiting, w.added = make(map[*session]*lastWill), make(chan struct{}, 1)
}

// size returns how many last wills wait.
func (w *wills) size() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.queue)
}

// add queues a last will. dropped is why a last will is lost, or empty: this one if there is no room, or the one before of the same session, which this one
// replaces. Between the two the receiver would have got nothing of the client.
func (w *wills) add(will *lastWill) (dropped string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := w.waiting[will.session]
	switch {
	case before != nil:
		w.bytes += will.bytes - before.bytes
		*before = *will
		return dropWillReplaced
	case w.bytes+will.bytes > maxWills:
		return dropWillsFull
	}
	w.bytes += will.bytes
	w.queue = append(w.queue, will)
	w.waiting[will.session] = will
	will.session.willWaits.Store(true)
	select {
	case w.added <- struct{}{}:
	default:
	}
	return ""
}

// take returns the first last will, which nothing replaces any more, or nil.
func (w *wills) take() *lastWill {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queue) == 0 {
		return nil
	}
	will := w.queue[0]
	w.queue[0] = nil
	if w.queue = w.queue[1:]; len(w.queue) == 0 {
		w.queue = nil
	}
	delete(w.waiting, will.session)
	return will
}

// giveBack makes a last will the first again.
func (w *wills) giveBack(will *lastWill) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queue = append([]*lastWill{will}, w.queue...)
	if w.waiting[will.session] == nil {
		w.waiting[will.session] = will
	}
}

// sent forgets a last will that was taken.
func (w *wills) sent(will *lastWill) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bytes -= will.bytes
	if w.waiting[will.session] == nil {
		will.session.willWaits.Store(false)
	}
}

// releaseWill gives back the bytes of a last will that a session or a connection has held; nil is none.
func (b *Broker) releaseWill(user string, will *publication) {
	if will != nil {
		b.heldWills.release(user, will.size())
	}
}

// dropWill makes the session one without a last will, and returns the one that it had. The caller has locked s.
func (s *session) dropWill() *publication {
	will := s.will
	s.broker.releaseWill(s.key.username, will)
	s.will, s.willAt = nil, time.Time{}
	return will
}

// publishWill publishes the last will of a client: subscribers get it at once, the receiver when it takes it. nil is none. It does not block. The caller has
// the seat of the session.
func (b *Broker) publishWill(s *session, will *publication) {
	if will == nil {
		return
	}
	b.counts.wills.Add(1)
	b.route(s, will, nil)
	tags := map[string]string{"client_id": s.key.clientID}
	if s.key.username != "" {
		tags["username"] = s.key.username
	}
	for name, value := range will.user {
		if !ownTag(name) {
			tags[name] = value
		}
	}
	message := &Message{Topic: will.topic, Payload: will.payload, Tags: tags, willOf: b}
	dropped := b.wills.add(&lastWill{session: s, message: message, bytes: will.size()})
	if dropped == "" {
		return
	}
	b.counts.dropped(dropped)
	if dropped == dropWillsFull {
		b.problem(fmt.Errorf("the last will of %q is lost: the log takes nothing, and %d bytes of last wills wait for it", s.key.clientID, maxWills))
	}
}

// sendWills gives last wills to the receiver until ctx ends. What it has not taken by then waits for the next Run.
func (b *Broker) sendWills(ctx context.Context) {
	for {
		will := b.wills.take()
		if will == nil {
			select {
			case <-b.wills.added:
				continue
			case <-ctx.Done():
				return
			}
		}
		if !b.sendWill(ctx, will.message) {
			b.wills.giveBack(will)
			return
		}
		b.wills.sent(will)
		b.afterWill(will.session)
	}
}

// sendWill gives a last will to the receiver. It reports false if ctx has ended. A fault of the receiver costs this last will, and not those behind it.
func (b *Broker) sendWill(ctx context.Context, m *Message) (done bool) {
	defer func() {
		if reason := recover(); reason != nil {
			b.counts.failures.Add(1)
			b.counts.dropped(dropWillFailed)
			b.o.Logger.Error("the MQTT broker failed at a last will", "topic", m.Topic, "reason", reason, "stack", string(debug.Stack()))
			done = true
		}
	}()
	if (*b.receiver.Load()).Receive(ctx, m) != nil {
		return false
	}
	b.counts.received.Add(1)
	return true
}

// afterWill lets the client of a last will go on that has come back, or ends its session if that is over.
func (b *Broker) afterWill(s *session) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s.mu.Lock()
	if s.conn != nil {
		s.conn.resume()
	}
	over := s.expiry == 0 && !s.willWaits.Load()
	s.mu.Unlock()
	if over {
		b.end(s)
	}
}
