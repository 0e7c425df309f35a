package push

import "slices"

// frameBatch is messages that are sent together, and the frames that are written for them; a frame may hold several messages. Messages and
// frames are shared by many viewers and do not change.
type frameBatch struct {
	messages []*message
	frames   [][]byte
}

// packSize is the maximum number of bytes of frames that pack joins, so that one call writes them. They are copied once for all viewers;
// a further call costs, for each viewer, as much as copying about ten times packSize.
const packSize = 16 << 10

// pack makes a batch that many viewers are sent. frame returns what is written for a message.
func pack(messages []*message, frame func(*message) []byte) frameBatch {
	var b frameBatch
	b.add(frame, messages...)
	size := 0
	for _, frame := range b.frames {
		size += len(frame)
	}
	if len(b.frames) > 1 && size <= packSize {
		b.frames = [][]byte{slices.Concat(b.frames...)}
	}
	return frameBatch{slices.Clip(b.messages), slices.Clip(b.frames)}
}

// add adds messages at the end. frame returns what is written for a message.
func (b *frameBatch) add(frame func(*message) []byte, messages ...*message) {
	for _, m := range messages {
		b.messages = append(b.messages, m)
		b.frames = append(b.frames, frame(m))
	}
}

// addBatch adds a batch made by pack at the end.
func (b *frameBatch) addBatch(other frameBatch) {
	if len(b.messages) == 0 {
		*b = other // Clipped by pack: appending to it copies, so the shared batch stays as it is.
		return
	}
	b.messages = append(b.messages, other.messages...)
	b.frames = append(b.frames, other.frames...)
}
