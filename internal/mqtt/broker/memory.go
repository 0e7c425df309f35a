package broker

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// contendedTimeout is how long a long packet may take, and slowestBody bytes a second more, while others wait for the memory that it has.
	contendedTimeout = 5 * time.Second
	// contendedInterval is how often packets that are too slow are looked for while others wait.
	contendedInterval = time.Second
)

// memory is how many bytes long packets may occupy together, from when their length is known until they have been handled. Announcing a packet costs a
// client nothing, so it must not cost others anything either: one party has a share of the memory at most, parties are served in turns, and a packet
// that hardly comes gives its memory back when others wait for it. It may be used concurrently.
type memory struct {
	most, share int64

	mu sync.Mutex
	// What follows is guarded by mu.
	used    int64
	parties map[string]*party
	// waiting are the parties that wait for memory, the one whose turn is next first.
	waiting []*party
	// incoming are the claims whose packets have not come completely, and checked is when it was looked last how slowly they come.
	incoming map[*claim]struct{}
	checked  time.Time
}

// party is a user, or the address of clients that have not logged in.
type party struct {
	name string
	used int64
	// waiting are the claims that wait, the oldest first. In turns the oldest and the shortest get memory: short packets do not wait for many long ones,
	// and long ones not for ever.
	waiting  []*claim
	shortest bool
}

// claim is the memory of one packet.
type claim struct {
	memory  *memory
	party   *party
	bytes   int64
	granted chan struct{}
	// slow ends the connection of a packet that comes too slowly.
	slow func()
	// since is when the memory was granted, and received how many bytes have come.
	since    time.Time
	received atomic.Int64
}

// newMemory returns a memory of most bytes, and at least of the longest packet.
func newMemory(most, longest int64) *memory {
	const shares = 4
	most = max(most, longest)
	return &memory{most: most, share: max(most/shares, longest), parties: make(map[string]*party), incoming: make(map[*claim]struct{})}
}

// acquire waits until there is memory for a packet. slow is called at most once, by any goroutine, and must not block. The error is that of ctx.
func (m *memory) acquire(ctx context.Context, name string, bytes int64, slow func()) (*claim, error) {
	c := &claim{memory: m, bytes: bytes, granted: make(chan struct{}), slow: slow}
	m.enqueue(c, name)
	select {
	case <-c.granted:
		return c, nil
	default:
	}
	tick := time.NewTicker(contendedInterval)
	defer tick.Stop()
	for {
		select {
		case <-c.granted:
			return c, nil
		case <-tick.C:
			m.endSlow(time.Now())
		case <-ctx.Done():
			m.withdraw(c)
			return nil, context.Cause(ctx)
		}
	}
}

// enqueue makes c the last claim of its party, and serves it if there is room.
func (m *memory) enqueue(c *claim, name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.parties[name]
	if p == nil {
		p = &party{name: name}
		m.parties[name] = p
	}
	c.party = p
	if p.waiting = append(p.waiting, c); len(p.waiting) == 1 {
		m.waiting = append(m.waiting, p)
	}
	m.grant()
}

// grant serves those that wait, as far as there is memory. The caller has locked m.
func (m *memory) grant() {
	for i := 0; i < len(m.waiting); {
		p := m.waiting[i]
		at := p.next()
		c := p.waiting[at]
		if p.used > 0 && p.used+c.bytes > m.share {
			i++ // It waits for itself.
			continue
		}
		if m.used+c.bytes > m.most {
			return // The next ones must not take what becomes free.
		}
		m.used += c.bytes
		p.used += c.bytes
		p.waiting, p.shortest = slices.Delete(p.waiting, at, at+1), !p.shortest
		m.waiting = slices.Delete(m.waiting, i, i+1)
		if len(p.waiting) > 0 {
			m.waiting = append(m.waiting, p)
		}
		c.since = time.Now()
		m.incoming[c] = struct{}{}
		close(c.granted)
	}
}

// next returns which claim of the party is the next.
func (p *party) next() (at int) {
	if p.shortest {
		for i, c := range p.waiting {
			if c.bytes < p.waiting[at].bytes {
				at = i
			}
		}
	}
	return at
}

// withdraw ends a claim that waits. If it has just got its memory, it gives that back.
func (m *memory) withdraw(c *claim) {
	m.mu.Lock()
	select {
	case <-c.granted:
		m.mu.Unlock()
		c.release()
		return
	default:
	}
	defer m.mu.Unlock()
	p := c.party
	p.waiting = slices.DeleteFunc(p.waiting, func(other *claim) bool { return other == c })
	if len(p.waiting) == 0 {
		m.waiting = slices.DeleteFunc(m.waiting, func(other *party) bool { return other == p })
	}
	m.forget(p)
	m.grant()
}

// forget forgets a party that has nothing. The caller has locked m.
func (m *memory) forget(p *party) {
	if p.used == 0 && len(p.waiting) == 0 {
		delete(m.parties, p.name)
	}
}

// endSlow ends the connections whose packets come too slowly.
func (m *memory) endSlow(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if now.Sub(m.checked) < contendedInterval {
		return // Another one that waits has looked.
	}
	m.checked = now
	for c := range m.incoming {
		if now.Sub(c.since) > contendedTimeout+time.Duration(c.received.Load()/slowestBody)*time.Second {
			delete(m.incoming, c)
			c.slow()
		}
	}
}

// complete says that the packet has come completely: what it waits for now is not its client.
func (c *claim) complete() {
	c.memory.mu.Lock()
	defer c.memory.mu.Unlock()
	delete(c.memory.incoming, c)
}

// release gives the memory back. It is called once.
func (c *claim) release() {
	m := c.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.incoming, c)
	m.used -= c.bytes
	c.party.used -= c.bytes
	m.forget(c.party)
	m.grant()
}
