package push

// clients knows the clients that are connected, and the places that are left. Clients that want the same share one filter, and with it
// every message that is made for them. The hub's lock guards it.
type clients struct {
	// limit is how many clients there may be; open counts them and the handshakes in progress.
	limit, open int
	// closing is whether no more are accepted.
	closing  bool
	byNumber map[uint64]*client
	// accepted numbers the clients in the order in which they came.
	accepted uint64
	filters  map[[32]byte]*filter
}

func newClients(limit int) *clients {
	return &clients{limit: limit, byNumber: make(map[uint64]*client), filters: make(map[[32]byte]*filter)}
}

func (cs *clients) count() int { return len(cs.byNumber) }

// reserve reserves one of the places for connections and reports whether there was one. release gives it back.
func (cs *clients) reserve() bool {
	if cs.closing || cs.open >= cs.limit {
		return false
	}
	cs.open++
	return true
}

func (cs *clients) release() { cs.open-- }

// add numbers a client, for which a place has been reserved, and has it share its filter with others.
func (cs *clients) add(c *client, f *filter) {
	cs.accepted++
	c.number = cs.accepted
	c.filter = cs.shareFilter(f)
	cs.byNumber[c.number] = c
}

// remove forgets a client and gives back its place.
func (cs *clients) remove(c *client) {
	cs.unshareFilter(c.filter)
	delete(cs.byNumber, c.number)
	cs.release()
}

// connected reports whether the client has not been removed yet.
func (cs *clients) connected(c *client) bool { return cs.byNumber[c.number] == c }

// setFilter gives a client another filter.
func (cs *clients) setFilter(c *client, f *filter) {
	old := c.filter
	c.filter = cs.shareFilter(f)
	cs.unshareFilter(old)
}

// shareFilter returns the filter that all clients share that want the same as f.
func (cs *clients) shareFilter(f *filter) *filter {
	if same := cs.filters[f.key]; same != nil {
		f = same
	}
	cs.filters[f.key] = f
	f.clients++
	return f
}

func (cs *clients) unshareFilter(f *filter) {
	f.clients--
	if f.clients == 0 {
		delete(cs.filters, f.key)
	}
}
