package push

import (
	"slices"

	"iotmon/internal/iot"
)

const (
	windowsPerChunk = 32
	// scannedPerChunk bounds how many devices are looked at for a filter that lets few of them through.
	scannedPerChunk = 8192
)

// chunkKey is a backfill under a filter: all viewers with the same key are sent the same chunk.
type chunkKey struct {
	filter   *filter
	backfill backfill
}

// snapshots makes the chunks of backfills. The lock of shared guards it.
type snapshots struct {
	feed    *feed
	present *present
	windows *mergedWindows
	encoder *encoder
	// made holds the chunks that were made since the round began.
	made map[chunkKey]*chunk
}

func newSnapshots(f *feed, p *present, ws *mergedWindows, en *encoder) *snapshots {
	return &snapshots{feed: f, present: p, windows: ws, encoder: en, made: make(map[chunkKey]*chunk)}
}

// begin drops the chunks of the round before.
func (ss *snapshots) begin() { clear(ss.made) }

// next returns the next chunk of the viewer's backfill, with about limit devices at most, and moves the backfill on.
func (ss *snapshots) next(v *viewer, limit int) *chunk {
	key := chunkKey{v.filter, v.backfill}
	made := ss.made[key]
	// The messages of a chunk that was made for another viewer may have lower numbers than this viewer's last message.
	if made == nil || len(made.messages) > 0 && made.messages[0].seq <= v.last {
		made = ss.compose(key, limit)
		ss.made[key] = made
	}
	v.backfill = made.remaining
	return made
}

// compose makes messages of one section, and passes over sections that are empty.
func (ss *snapshots) compose(key chunkKey, limit int) *chunk {
	made := &chunk{remaining: key.backfill}
	b := &made.remaining
	for len(made.messages) == 0 {
		switch b.section {
		case statusSection:
			made.messages = []*message{ss.encoder.status(key.filter, nil, ss.feed.next(), true)}
			b.section = alertsSection
		case alertsSection:
			made.messages = ss.alerts(key.filter, b)
		case windowsSection:
			made.messages = ss.windowMessages(key.filter, b)
		case devicesSection:
			// A chunk may be empty though the section is not: no device among those looked at passes the filter.
			made.messages = ss.devices(key.filter, b, limit)
			return made
		case noSection:
			return made
		}
	}
	return made
}

// alerts makes a message of the open alerts from b.next on, and moves b on. Alerts of which the viewer is sent events as changes are left
// out.
func (ss *snapshots) alerts(f *filter, b *backfill) []*message {
	var events []*iot.Alert
	sent := ss.feed.alertIDsAfter(b.alertsAfter)
	for _, a := range ss.present.AlertsFrom(b.next) {
		if len(events) == alertsPerMessage {
			b.next = a.Number
			return []*message{ss.encoder.alerts(events, ss.feed.next(), true)}
		}
		if _, twice := sent[a.Last.ID]; !twice && f.present(&a.Last) {
			events = append(events, &a.Last)
		}
	}
	*b = backfill{section: windowsSection, until: b.until}
	if len(events) == 0 {
		return nil
	}
	return []*message{ss.encoder.alerts(events, ss.feed.next(), true)}
}

// windowMessages makes messages of the windows from b.next on, and moves b on.
func (ss *snapshots) windowMessages(f *filter, b *backfill) []*message {
	var messages []*message
	for _, w := range ss.present.Windows() {
		start := w.Start.UnixMicro()
		if uint64(start) < b.next {
			continue
		}
		if len(messages) == windowsPerChunk {
			b.next = uint64(start)
			return messages
		}
		if data := ss.windows.filtered(f, start); data != nil {
			messages = append(messages, ss.encoder.window(data, ss.feed.next(), true))
		}
	}
	*b = backfill{section: devicesSection, until: b.until}
	return messages
}

// devices makes messages of the devices that changed last between b.next and b.until, and moves b on.
func (ss *snapshots) devices(f *filter, b *backfill, limit int) []*message {
	var entries []entry
	from := *b
	*b = backfill{}
	for i, e := range ss.feed.candidates(ss.present.Held, f, from.next, from.until) {
		if e.seq == from.next && e.device < from.device {
			continue
		}
		if len(entries) >= limit || i >= scannedPerChunk {
			*b = backfill{section: devicesSection, next: e.seq, device: e.device, until: from.until}
			break
		}
		if ss.feed.passes(ss.present.Held, f, e) {
			entries = append(entries, e)
		}
	}
	var messages []*message
	for chunk := range slices.Chunk(entries, devicesPerMessage) {
		messages = append(messages, ss.encoder.devices(chunk, ss.feed.next(), true))
	}
	return messages
}
