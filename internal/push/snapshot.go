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

// nextChunk returns the next chunk of the viewer's backfill, with about limit devices at most, and moves the backfill on.
func (cp *composer) nextChunk(v *viewer, limit int) *chunk {
	key := chunkKey{v.filter, v.backfill}
	made := cp.chunks[key]
	// The messages of a chunk that was made for another viewer may have lower numbers than this viewer's last message.
	if made == nil || len(made.messages) > 0 && made.messages[0].seq <= v.last {
		made = cp.makeChunk(key, limit)
		cp.chunks[key] = made
	}
	v.backfill = made.remaining
	return made
}

// makeChunk makes messages of one section, and passes over sections that are empty.
func (cp *composer) makeChunk(key chunkKey, limit int) *chunk {
	made := &chunk{remaining: key.backfill}
	b := &made.remaining
	for len(made.messages) == 0 {
		switch b.section {
		case statusSection:
			made.messages = []*message{cp.statusMessage(key.filter, nil, cp.feed.next(), true)}
			b.section = alertsSection
		case alertsSection:
			made.messages = cp.alertChunk(key.filter, b)
		case windowsSection:
			made.messages = cp.windowChunk(key.filter, b)
		case devicesSection:
			// A chunk may be empty though the section is not: no device among those looked at passes the filter.
			made.messages = cp.deviceChunk(key.filter, b, limit)
			return made
		case noSection:
			return made
		}
	}
	return made
}

// alertChunk makes a message of the open alerts from b.next on, and moves b on. Alerts of which the viewer is sent events as changes are left
// out.
func (cp *composer) alertChunk(f *filter, b *backfill) []*message {
	var events []*iot.Alert
	sent := cp.feed.alertIDsAfter(b.alertsAfter)
	for _, a := range cp.held.AlertsFrom(b.next) {
		if len(events) == alertsPerMessage {
			b.next = a.Number
			return []*message{cp.alertMessage(events, cp.feed.next(), true)}
		}
		if _, twice := sent[a.Last.ID]; !twice && f.alert(&a.Last) {
			events = append(events, &a.Last)
		}
	}
	*b = backfill{section: windowsSection, until: b.until}
	if len(events) == 0 {
		return nil
	}
	return []*message{cp.alertMessage(events, cp.feed.next(), true)}
}

// windowChunk makes messages of the windows from b.next on, and moves b on.
func (cp *composer) windowChunk(f *filter, b *backfill) []*message {
	var messages []*message
	for _, w := range cp.held.Windows() {
		start := w.Start.UnixMicro()
		if uint64(start) < b.next {
			continue
		}
		if len(messages) == windowsPerChunk {
			b.next = uint64(start)
			return messages
		}
		if data := cp.windowData(f, start); data != nil {
			messages = append(messages, cp.windowMessage(data, cp.feed.next(), true))
		}
	}
	*b = backfill{section: devicesSection, until: b.until}
	return messages
}

// deviceChunk makes messages of the devices that changed last between b.next and b.until, and moves b on.
func (cp *composer) deviceChunk(f *filter, b *backfill, limit int) []*message {
	var entries []entry
	from := *b
	*b = backfill{}
	for i, e := range cp.candidates(f, from.next, from.until) {
		if e.seq == from.next && e.device < from.device {
			continue
		}
		if len(entries) >= limit || i >= scannedPerChunk {
			*b = backfill{section: devicesSection, next: e.seq, device: e.device, until: from.until}
			break
		}
		if cp.passes(f, e) {
			entries = append(entries, e)
		}
	}
	var messages []*message
	for chunk := range slices.Chunk(entries, devicesPerMessage) {
		messages = append(messages, cp.deviceMessage(chunk, cp.feed.next(), true))
	}
	return messages
}
