package push

import (
	"maps"

	"iotmon/internal/view"
)

// composer makes the messages that viewers are sent, from the feed, which knows what changed, and the view, which holds the present state.
// Several viewers share what is made: within a round the messages for each filter and for what has been seen, and for each state of a
// backfill; from round to round the JSON of a device and the merged partitions of a window, until they change.
//
// The lock of shared guards it. hold must have been called before messages are made, and release must follow.
type composer struct {
	options *HubOptions
	feed    *feed
	viewers *viewers
	traces  traces

	// held is the view while messages are made of it.
	held view.Held
	// allowance is how many changed devices a viewer may be sent in this round.
	allowance int
	// changes and chunks hold what was made since the last round began.
	changes map[changeKey]*changeSet
	chunks  map[chunkKey]*chunk
	// merged holds windows by their start in Unix microseconds, fragments the JSON of devices by their number.
	merged    map[int64]*mergedWindow
	fragments [][]byte
	deflater  deflater
}

func newComposer(o *HubOptions, f *feed, vs *viewers, ts traces) *composer {
	return &composer{
		options: o, feed: f, viewers: vs, traces: ts,
		allowance: minAllowance,
		changes:   make(map[changeKey]*changeSet),
		chunks:    make(map[chunkKey]*chunk),
		merged:    make(map[int64]*mergedWindow),
	}
}

// hold keeps the view as it is until release, which must follow soon: no batch is applied in between.
func (cp *composer) hold() { cp.held = cp.options.View.Hold() }

func (cp *composer) release() { cp.held.Release() }

// beginRound drops the messages of the round before, and what was encoded of devices and windows that are about to be numbered anew.
// Call it before feed.number.
func (cp *composer) beginRound(allowance int) {
	cp.allowance = allowance
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

// forget drops the JSON of a device: the device has changed, or its number may be given to another one before the next round.
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
