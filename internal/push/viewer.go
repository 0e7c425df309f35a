package push

import "iotmon/internal/wire"

// viewer is the state of one connection in the sequence of changes: what its client has been sent, and what it wants to see. It has no
// queue: seen says which changes are still to be sent. The lock of shared guards every field that changes.
type viewer struct {
	// connection, deflate and batched do not change. deflate is whether client and server agreed on compression, batched whether the
	// client asked for changes in batches.
	connection       transport
	deflate, batched bool
	// number names the viewer; viewers.add sets it.
	number uint64
	filter *filter
	// seen is the number up to which the viewer has been sent all changes, or those of devices have been left to its backfill. last is
	// the number of its last message.
	seen, last uint64
	// greeted is whether the viewer has been sent its hello, resumed whether it continues an earlier connection.
	greeted, resumed bool
	// backfill is what is still to be sent of the snapshot. waiting is whether the viewer waits for its turn, or has it: then quota is
	// how many devices it may be sent.
	backfill backfill
	waiting  bool
	quota    int
	// resumeFrom is the lowest number from which the connection can be resumed once it has ended; notResumable if there is none.
	resumeFrom uint64
	// fault is the last mistake of the client, until it has been sent to it as an error.
	fault *wire.Error
}

// transport is the connection of a viewer. None of its methods waits for the client.
type transport interface {
	// serve sends the viewer what there is, as far as the connection accepts it at once, and leaves what remains to a goroutine of the
	// connection. It acquires the lock of shared.
	serve() progress
	// end has the connection closed. Only the first reason counts.
	end(Reason)
	// cut closes the connection at once, without a word to the client.
	cut()
}

// progress is what came of an attempt to serve a viewer.
type progress int

const (
	// served is a viewer that has been sent all there is.
	served progress = iota
	// handedOver is a viewer that a goroutine of its connection is about to serve.
	handedOver
	// behind is a viewer whose messages of an earlier round are still being written.
	behind
)

// size returns how many bytes of the message the viewer is sent, without the head of the frame.
func (v *viewer) size(m *message) int {
	if v.deflate && m.deflated != nil {
		return len(m.deflated)
	}
	return len(m.data)
}
