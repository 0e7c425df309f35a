package push

import (
	"testing"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

func TestViewersAreLimited(t *testing.T) {
	vs := newViewers(2)
	v := &viewer{batched: true}
	if !vs.reserve() || !vs.reserve() || vs.reserve() {
		t.Fatal("there is not room for exactly two")
	}
	vs.release() // A handshake failed.
	vs.add(v, newFilter(wire.Filter{}))
	if !vs.connected(v) || vs.count() != 1 || vs.batched != 1 {
		t.Errorf("connected %v, %d viewers, %d with batches, want true, 1, 1", vs.connected(v), vs.count(), vs.batched)
	}
	if !vs.reserve() || vs.reserve() {
		t.Error("beside one viewer there is not room for exactly one")
	}
	vs.remove(v)
	if vs.connected(v) || vs.count() != 0 || vs.batched != 0 || len(vs.filters) != 0 {
		t.Errorf("after it left: connected %v, %d viewers, %d with batches, %d filters", vs.connected(v), vs.count(), vs.batched, len(vs.filters))
	}
	vs.closing = true
	if vs.reserve() {
		t.Error("there is room while the hub is closing")
	}
}

func TestViewersThatWantTheSameShareAFilter(t *testing.T) {
	vs := newViewers(10)
	add := func(f wire.Filter) *viewer {
		v := new(viewer)
		vs.reserve()
		vs.add(v, newFilter(f))
		return v
	}
	a := add(wire.Filter{DeviceIDs: []iot.DeviceID{"1", "2"}})
	b := add(wire.Filter{DeviceIDs: []iot.DeviceID{"2", "1", "1"}})
	c := add(wire.Filter{DeviceIDs: []iot.DeviceID{"1"}})
	if a.filter != b.filter || a.filter == c.filter || len(vs.filters) != 2 {
		t.Errorf("%d filters, same %v, other %v, want 2, true, true", len(vs.filters), a.filter == b.filter, a.filter != c.filter)
	}
	vs.setFilter(b, newFilter(wire.Filter{DeviceIDs: []iot.DeviceID{"1"}}))
	if b.filter != c.filter || a.filter == b.filter {
		t.Error("after a change of filter, the wrong viewers share one")
	}
	vs.setFilter(c, newFilter(wire.Filter{DeviceIDs: []iot.DeviceID{"1"}})) // The same as before.
	for _, v := range []*viewer{a, b, c} {
		vs.remove(v)
	}
	if len(vs.filters) != 0 {
		t.Errorf("%d filters are kept without viewers", len(vs.filters))
	}
}
