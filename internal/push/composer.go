package push

import (
	"iotmon/internal/view"
	"iotmon/internal/wire"
)

// composer makes the messages that viewers are sent, from the feed, which knows what changed, and the view, which holds the present state.
// Several viewers share what is made. Its parts, in the order in which they build on one another:
//
//   - present is the view, held while messages are made (here);
//   - fragments and mergedWindows keep, from round to round, the JSON of each device and the merged partitions of each window until they
//     change (fragments.go, merged.go);
//   - encoder makes one message of each kind (messages.go, encode.go), frameBatch joins those that are sent together (batch.go);
//   - changeSets and snapshots choose, within a round, what viewers with one filter are sent of the changes and of the present state
//     (changes.go, snapshot.go);
//   - deflater compresses for the viewers that agreed on it (deflate.go).
//
// The lock of shared guards it. hold must have been called before messages are made, and release must follow.
type composer struct {
	feed      *feed
	present   *present
	fragments *fragments
	windows   *mergedWindows
	encoder   *encoder
	changes   *changeSets
	snapshots *snapshots
	deflater  deflater
}

func newComposer(o *HubOptions, f *feed, vs *viewers, ts traces) *composer {
	p := &present{view: o.View}
	cp := &composer{feed: f, present: p, fragments: &fragments{present: p}, windows: newMergedWindows(p)}
	cp.encoder = &encoder{options: o, present: p, fragments: cp.fragments, viewers: vs, traces: ts, rules: wire.FromRules(nil, "")}
	cp.changes = newChangeSets(o, f, p, cp.windows, cp.encoder)
	cp.snapshots = newSnapshots(f, p, cp.windows, cp.encoder)
	return cp
}

// hold keeps the view as it is until release, which must follow soon: no batch is applied in between.
func (cp *composer) hold() { cp.present.Held = cp.present.view.Hold() }

func (cp *composer) release() { cp.present.Release() }

// beginRound drops the messages of the round before, and what was encoded of devices and windows that are about to be numbered anew.
// allowance is how many changed devices a viewer may be sent in the round. Call it before feed.number.
func (cp *composer) beginRound(allowance int) {
	cp.changes.begin(allowance)
	cp.snapshots.begin()
	for _, device := range cp.feed.pending.devices.list {
		cp.fragments.forget(device)
	}
	for start := range cp.feed.pending.windows {
		cp.windows.forget(start)
	}
	oldest := cp.present.view.OldestWindow()
	cp.feed.forgetWindows(oldest)
	cp.windows.forgetBefore(oldest)
}

// add adds to a batch messages that other viewers may be sent too, in the form that the viewer is sent.
func (cp *composer) add(b *frameBatch, v *viewer, messages []*message) {
	if !v.deflate {
		b.add(plainFrame, messages...)
		return
	}
	for _, m := range messages {
		cp.deflater.deflate(m)
	}
	b.add(deflatedFrame, messages...)
}

// present is the view while messages are made of it: what it embeds is valid between hold and release of the composer.
type present struct {
	view *view.View
	view.Held
}
