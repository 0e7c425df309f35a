package push

import (
	"maps"

	"iotmon/internal/view"
)

// composer makes the messages that clients are sent, from the feed, which knows what changed, and the view, which knows what is true
// now. What several clients can be sent is made once: within a round the messages for each filter and cursor, and for each state of a
// backfill; from round to round the JSON of a device and the merged partitions of a window, until they change.
//
// The hub's lock guards it. Its methods that read the view need hold to have been called, and release to follow.
type composer struct {
	options *HubOptions
	limits  Limits
	feed    *feed
	clients *clients
	traces  traces

	// held is the view while messages are made of it.
	held view.Held
	// changes and chunks hold what was made since the last round began.
	changes map[changeKey]*changeSet
	chunks  map[chunkKey]*chunk
	// merged holds windows by their start in Unix microseconds, fragments the JSON of devices by their number.
	merged    map[int64]*mergedWindow
	fragments [][]byte
	deflater  deflater
}

func newComposer(o *HubOptions, limits Limits, f *feed, cs *clients, ts traces) *composer {
	return &composer{
		options: o, limits: limits, feed: f, clients: cs, traces: ts,
		changes: make(map[changeKey]*changeSet),
		chunks:  make(map[chunkKey]*chunk),
		merged:  make(map[int64]*mergedWindow),
	}
}

// hold keeps the view as it is until release, which must follow soon.
func (cp *composer) hold() { cp.held = cp.options.View.Hold() }

func (cp *composer) release() { cp.held.Release() }

// beginRound drops the messages of the round before, and the encoded form of what is about to be numbered.
func (cp *composer) beginRound() {
	clear(cp.changes)
	clear(cp.chunks)
	for _, device := range cp.feed.pending.devices.list {
		cp.forget(device)
	}
	for start := range cp.feed.pending.windows {
		delete(cp.merged, start)
	}
	oldest := cp.options.View.OldestWindow()
	cp.feed.forgetWindows(oldest)
	maps.DeleteFunc(cp.merged, func(start int64, _ *mergedWindow) bool { return start < oldest })
}

// forget drops the encoded form of a device: it has changed, or its number may be another's before the next round.
func (cp *composer) forget(device int32) {
	if int(device) < len(cp.fragments) {
		cp.fragments[device] = nil
	}
}

// fragment returns the JSON of a device.
func (cp *composer) fragment(device int32) []byte {
	if missing := cp.held.Numbers() - len(cp.fragments); missing > 0 {
		cp.fragments = append(cp.fragments, make([][]byte, missing)...)
	}
	if cp.fragments[device] == nil {
		cp.fragments[device] = appendDevice(nil, cp.held.Device(device))
	}
	return cp.fragments[device]
}
