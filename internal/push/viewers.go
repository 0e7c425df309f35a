package push

// viewers knows the viewers that are connected, and how many more may connect. Viewers that want the same share one filter, and with it
// every message that is made for them. The lock of shared guards it.
type viewers struct {
	// limit is how many viewers there may be; open counts them and the handshakes in progress.
	limit, open int
	// closing is whether no more are accepted.
	closing  bool
	byNumber map[uint64]*viewer
	// accepted numbers the viewers in the order in which they came.
	accepted uint64
	// batched counts the viewers that asked for changes in batches.
	batched int
	filters map[[32]byte]*filter
}

func newViewers(limit int) *viewers {
	return &viewers{limit: limit, byNumber: make(map[uint64]*viewer), filters: make(map[[32]byte]*filter)}
}

func (vs *viewers) count() int { return len(vs.byNumber) }

// reserve makes sure that there is room for one more viewer, and reports false if there is none. add uses the room, release gives it up.
func (vs *viewers) reserve() bool {
	if vs.closing || vs.open >= vs.limit {
		return false
	}
	vs.open++
	return true
}

func (vs *viewers) release() { vs.open-- }

// add numbers a viewer, for which room has been reserved, and has it share its filter with others.
func (vs *viewers) add(v *viewer, f *filter) {
	vs.accepted++
	v.number = vs.accepted
	v.filter = vs.shareFilter(f)
	vs.byNumber[v.number] = v
	if v.batched {
		vs.batched++
	}
}

// remove forgets a viewer and gives up its room.
func (vs *viewers) remove(v *viewer) {
	vs.unshareFilter(v.filter)
	delete(vs.byNumber, v.number)
	if v.batched {
		vs.batched--
	}
	vs.release()
}

// connected reports whether the viewer has not been removed yet.
func (vs *viewers) connected(v *viewer) bool { return vs.byNumber[v.number] == v }

// setFilter gives a viewer another filter.
func (vs *viewers) setFilter(v *viewer, f *filter) {
	old := v.filter
	v.filter = vs.shareFilter(f)
	vs.unshareFilter(old)
}

// shareFilter returns the filter for viewers that want the same as f: the one that is in use, otherwise f.
func (vs *viewers) shareFilter(f *filter) *filter {
	if same := vs.filters[f.key]; same != nil {
		f = same
	}
	vs.filters[f.key] = f
	f.viewers++
	return f
}

func (vs *viewers) unshareFilter(f *filter) {
	f.viewers--
	if f.viewers == 0 {
		delete(vs.filters, f.key)
	}
}
