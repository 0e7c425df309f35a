package broker

import (
	"strings"
	"sync"
	"unicode/utf8"
)

// subscription is what a session has asked for with one filter.
type subscription struct {
	qos               byte
	noLocal           bool
	retainAsPublished bool
	// id is the client's number for it; 0 for none.
	id int
}

// tree finds the subscriptions that a topic matches. It may be used concurrently.
type tree struct {
	mu sync.RWMutex
	// What follows is guarded by mu.
	root  node
	count int
}

// node is one level of the filters. below holds the next levels by name, + for any; the levels below # are in all.
type node struct {
	below map[string]*node
	// exact are the subscriptions whose filter ends here, all those whose filter ends here with /#.
	exact, all subscribers
}

// subscribers are the sessions of one filter, and the groups of sessions that share one.
type subscribers struct {
	sessions map[*session]subscription
	groups   map[string]*group
}

// group are the sessions of a shared subscription. Each message goes to one of them, in turns.
type group struct {
	members []*session
	options []subscription
	next    int
}

func (s *subscribers) empty() bool { return len(s.sessions) == 0 && len(s.groups) == 0 }

// splitShare returns the group of a shared filter, and the filter itself.
func splitShare(filter string) (share, rest string) {
	if rest, shared := strings.CutPrefix(filter, "$share/"); shared {
		share, rest, _ = strings.Cut(rest, "/")
		return share, rest
	}
	return "", filter
}

// validFilter reports whether MQTT allows a filter of topics, and whether it is not too long.
func validFilter(filter string) bool {
	if strings.HasPrefix(filter, "$share/") {
		share, rest := splitShare(filter)
		if share == "" || strings.ContainsAny(share, "+#") {
			return false
		}
		filter = rest
	}
	if filter == "" || len(filter) > maxTopic || strings.ContainsRune(filter, 0) || !utf8.ValidString(filter) || strings.Count(filter, "/") >= maxLevels {
		return false
	}
	for more := true; more; {
		var level string
		level, filter, more = strings.Cut(filter, "/")
		if strings.ContainsAny(level, "+#") && len(level) > 1 || level == "#" && more {
			return false
		}
	}
	return true
}

// add subscribes a session. It reports whether the session had not the filter already.
func (t *tree) add(s *session, filter string, o subscription) bool {
	share, rest := splitShare(filter)
	t.mu.Lock()
	defer t.mu.Unlock()
	at := t.at(rest)
	added := at.put(s, share, o)
	if added {
		t.count++
	}
	return added
}

// at returns the subscribers of a filter, and makes them if there are none.
func (t *tree) at(filter string) *subscribers {
	n := &t.root
	for more := true; more; {
		var level string
		level, filter, more = strings.Cut(filter, "/")
		if level == "#" {
			return &n.all
		}
		if n.below == nil {
			n.below = make(map[string]*node)
		}
		next := n.below[level]
		if next == nil {
			next = new(node)
			n.below[strings.Clone(level)] = next
		}
		n = next
	}
	return &n.exact
}

func (s *subscribers) put(member *session, share string, o subscription) (added bool) {
	if share == "" {
		if s.sessions == nil {
			s.sessions = make(map[*session]subscription)
		}
		_, had := s.sessions[member]
		s.sessions[member] = o
		return !had
	}
	if s.groups == nil {
		s.groups = make(map[string]*group)
	}
	g := s.groups[share]
	if g == nil {
		g = new(group)
		s.groups[share] = g
	}
	for i, other := range g.members {
		if other == member {
			g.options[i] = o
			return false
		}
	}
	g.members, g.options = append(g.members, member), append(g.options, o)
	return true
}

// remove ends a subscription. It reports whether there was one.
func (t *tree) remove(s *session, filter string) bool {
	share, rest := splitShare(filter)
	t.mu.Lock()
	defer t.mu.Unlock()
	removed := t.root.remove(s, share, rest)
	if removed {
		t.count--
	}
	return removed
}

// remove removes a subscription below the node, and the nodes that have become empty.
func (n *node) remove(s *session, share, filter string) bool {
	level, rest, more := strings.Cut(filter, "/")
	if level == "#" {
		return n.all.drop(s, share)
	}
	next := n.below[level]
	if next == nil {
		return false
	}
	var removed bool
	if more {
		removed = next.remove(s, share, rest)
	} else {
		removed = next.exact.drop(s, share)
	}
	if len(next.below) == 0 && next.exact.empty() && next.all.empty() {
		delete(n.below, level)
	}
	return removed
}

func (s *subscribers) drop(member *session, share string) bool {
	if share == "" {
		_, had := s.sessions[member]
		delete(s.sessions, member)
		return had
	}
	g := s.groups[share]
	if g == nil {
		return false
	}
	for i, other := range g.members {
		if other == member {
			g.members, g.options = append(g.members[:i], g.members[i+1:]...), append(g.options[:i], g.options[i+1:]...)
			if len(g.members) == 0 {
				delete(s.groups, share)
			}
			return true
		}
	}
	return false
}

// size returns how many subscriptions there are.
func (t *tree) size() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.count
}

// match appends the sessions that a topic goes to. A session with several matching filters is there once, with the highest quality of service
// and the numbers of all.
func (t *tree) match(topic string, found []target) []target {
	t.mu.RLock()
	empty, shared := t.count == 0, false
	if !empty {
		found, shared = t.root.match(topic, found, false)
	}
	t.mu.RUnlock()
	if shared { // The turns of groups change.
		t.mu.Lock()
		found = t.root.turns(topic, found)
		t.mu.Unlock()
	}
	return merge(found)
}

// target is a session that a message goes to.
type target struct {
	session *session
	subscription
	// more are the numbers of further matching subscriptions.
	more []int
}

func (n *node) match(topic string, found []target, shared bool) ([]target, bool) {
	found, shared = n.all.all(found, shared) // a/# matches a, too.
	level, rest, more := strings.Cut(topic, "/")
	for _, name := range [2]string{level, "+"} {
		next := n.below[name]
		switch {
		case next == nil:
		case more:
			found, shared = next.match(rest, found, shared)
		default:
			found, shared = next.exact.all(found, shared)
			found, shared = next.all.all(found, shared)
		}
	}
	return found, shared
}

func (s *subscribers) all(found []target, shared bool) ([]target, bool) {
	for member, o := range s.sessions {
		found = append(found, target{session: member, subscription: o})
	}
	return found, shared || len(s.groups) > 0
}

// turns appends the sessions whose turn it is in groups.
func (n *node) turns(topic string, found []target) []target {
	found = n.all.turns(found)
	level, rest, more := strings.Cut(topic, "/")
	for _, name := range [2]string{level, "+"} {
		next := n.below[name]
		switch {
		case next == nil:
		case more:
			found = next.turns(rest, found)
		default:
			found = next.all.turns(next.exact.turns(found))
		}
	}
	return found
}

func (s *subscribers) turns(found []target) []target {
	for _, g := range s.groups {
		chosen := g.next % len(g.members)
		for i := range g.members { // One that is connected, if there is one.
			if at := (g.next + i) % len(g.members); g.members[at].online.Load() {
				chosen = at
				break
			}
		}
		g.next = chosen + 1
		found = append(found, target{session: g.members[chosen], subscription: g.options[chosen]})
	}
	return found
}

// merge makes one target of those with the same session. Few subscriptions match: sessions are compared with one another up to a limit.
func merge(found []target) []target {
	if len(found) < 2 {
		return found
	}
	at := make(map[*session]int, len(found))
	kept := found[:0]
	for _, f := range found {
		i, had := at[f.session]
		if !had {
			at[f.session] = len(kept)
			kept = append(kept, f)
			continue
		}
		k := &kept[i]
		if f.id != 0 && k.id == 0 {
			k.id, f.id = f.id, 0
		}
		if f.id != 0 {
			k.more = append(k.more, f.id)
		}
		k.qos, k.noLocal, k.retainAsPublished = max(k.qos, f.qos), k.noLocal && f.noLocal, k.retainAsPublished || f.retainAsPublished
	}
	return kept
}

// Matches reports whether a filter, without a group, matches a topic.
func Matches(filter, topic string) bool {
	for {
		wanted, moreWanted, more := strings.Cut(filter, "/")
		if wanted == "#" {
			return true
		}
		level, rest, deeper := strings.Cut(topic, "/")
		if wanted != "+" && wanted != level {
			return false
		}
		switch {
		case !more:
			return !deeper
		case !deeper:
			return moreWanted == "#"
		}
		filter, topic = moreWanted, rest
	}
}

// covers reports whether every topic that filter matches is one that allowed matches.
func covers(allowed, filter string) bool {
	for {
		pattern, morePattern, more := strings.Cut(allowed, "/")
		if pattern == "#" {
			return true
		}
		level, rest, deeper := strings.Cut(filter, "/")
		if level == "#" || pattern != "+" && pattern != level {
			return false
		}
		switch {
		case !more:
			return !deeper
		case !deeper:
			return morePattern == "#"
		}
		allowed, filter = morePattern, rest
	}
}
