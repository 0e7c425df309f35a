package feed

import "sync"

// given are the partitions that a group has given to a member. The group's callbacks change it, on the client's goroutines,
// while the member reads: what was fetched of a partition may be handed over after the partition is another member's. The zero
// value is ready for use.
type given[V any] struct {
	mu         sync.Mutex
	partitions map[string]map[int32]V
}

// add notes that a partition is this member's.
func (g *given[V]) add(topic string, partition int32, value V) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.partitions == nil {
		g.partitions = make(map[string]map[int32]V)
	}
	if g.partitions[topic] == nil {
		g.partitions[topic] = make(map[int32]V)
	}
	g.partitions[topic][partition] = value
}

// take removes a partition and returns what was noted of it; false if it is not this member's, because it never came to be:
// a partition can be lost before anybody has found out where to read it from.
func (g *given[V]) take(topic string, partition int32) (V, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	value, ours := g.partitions[topic][partition]
	delete(g.partitions[topic], partition)
	return value, ours
}

// with calls f with what was noted of a partition if it is this member's; it cannot be taken away before f returns.
func (g *given[V]) with(topic string, partition int32, f func(V)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if value, ours := g.partitions[topic][partition]; ours {
		f(value)
	}
}
