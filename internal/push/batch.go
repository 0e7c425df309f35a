package push

import "slices"

// frameBatch is messages that are sent together, and the frames to write for that. The messages and frames are shared by many clients
// and do not change.
type frameBatch struct {
	messages []*message
	frames   [][]byte
}

// packed is up to how many bytes several frames are put into one, to be written by one call: that costs a client as much as
// copying some ten times that.
const packed = 16 << 10

// pack makes a batch that many clients are sent, of what frame returns for each message.
func pack(messages []*message, frame func(*message) []byte) frameBatch {
	var p frameBatch
	p.add(frame, messages...)
	size := 0
	for _, frame := range p.frames {
		size += len(frame)
	}
	if len(p.frames) > 1 && size <= packed {
		p.frames = [][]byte{slices.Concat(p.frames...)}
	}
	return frameBatch{slices.Clip(p.messages), slices.Clip(p.frames)}
}

// add adds messages at the end, as what frame returns for each.
func (p *frameBatch) add(frame func(*message) []byte, messages ...*message) {
	for _, m := range messages {
		p.messages = append(p.messages, m)
		p.frames = append(p.frames, frame(m))
	}
}

// join adds a packed batch at the end.
func (p *frameBatch) join(other frameBatch) {
	if len(p.messages) == 0 {
		*p = other // Clipped, so that what is added later goes elsewhere.
		return
	}
	p.messages = append(p.messages, other.messages...)
	p.frames = append(p.frames, other.frames...)
}
