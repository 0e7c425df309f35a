package push

import (
	"testing"

	"iotmon/internal/iot"
	"iotmon/internal/view"
	"iotmon/internal/view/viewtest"
	"iotmon/internal/wire"
)

// parts are the parts of a hub that need neither goroutines nor connections: the test decides when there is a round, and when a viewer is
// sent something.
type parts struct {
	*shared
	viewtest.Script
	rounds     *rounds
	dispatcher *dispatcher
}

// newParts returns parts without viewers; change may adjust their options.
func newParts(t testing.TB, change func(*HubOptions)) *parts {
	t.Helper()
	o := testOptions(t, change).withDefaults()
	s := newShared(&o, make(chan struct{}, 1))
	return &parts{shared: s, rounds: &rounds{shared: s}, dispatcher: &dispatcher{shared: s}}
}

// join adds a viewer without a connection.
func (p *parts) join(o opening) *viewer {
	v := new(viewer)
	p.dispatcher.join(v, o)
	return v
}

// everything is the opening of a viewer that wants everything.
func everything() opening { return opening{filter: newFilter(wire.Filter{})} }

// turns has a round without serving anybody, and then gives every waiting viewer its turn for a backfill.
func (p *parts) turns(status bool) {
	p.rounds.begin(status)
	for p.rounds.nextTurn(p.viewers.count()) != nil {
	}
}

// forgets returns the deletion of a device.
func (p *parts) forgets(id string) view.Forgotten {
	return view.Forgotten{Identity: iot.Identity{ID: iot.DeviceID(id)}, Position: p.Position()}
}
