package processor

import (
	"encoding/json"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/process"
)

// A group's commits can be lost or changed by others: Kafka forgets those of a group that was away for a week, an operator
// deletes the group or resets its offsets, __consumer_offsets is restored from a backup. The states of the devices, which were
// committed with them, tell how far the processor had come all the same. Where readings may have been missed, the windows
// concerned are marked for recomputation from the archive: a partial summary must not stand for a whole one.

// known is all that tells where a partition is to go on.
type known struct {
	// commit is what the group has committed.
	commit
	// log is the id of the topic. A topic that was deleted and made anew has another one.
	log string
	// start and end are the offsets that the log holds, end excluded.
	start, end int64
	// reached is the highest position among the states of the devices, heard the newest append time; zero without any.
	reached iot.Position
	heard   time.Time
	// torn means that a commit may lack what was written with it, which is then written again; see Options.
	torn bool
}

// resumption is where a partition goes on.
type resumption struct {
	process.Checkpoint
	// lost means that readings may be missing in windows from the checkpoint's watermark on.
	lost bool
	// missing is what the checkpoint lacks.
	missing missing
	// gone is how many offsets have left the log before they were processed.
	gone int64
	// trouble says what is wrong; "" for nothing.
	trouble string
}

// missing is what a checkpoint lacks, and the log has.
type missing int

const (
	nothing missing = iota
	// openWindows are to be built again from the readings before the position that they may hold; the time at the position
	// is the checkpoint's clock.
	openWindows
	// beginning is the time of the first record at the position.
	beginning
)

// resume decides where a partition goes on.
func (k *known) resume() resumption {
	checkpoint, ours := k.checkpoint()
	stateless := k.reached == iot.Position{}
	ahead := k.reached.Compare(iot.Position{Epoch: checkpoint.Epoch, Offset: checkpoint.Position}) > 0
	switch {
	case ours && k.anotherLog():
		return k.anew(checkpoint, "the topic was deleted and made anew")
	case ours && ahead && !k.torn && !stateless:
		return k.fromStates("the committed offset is older than what was committed later: it was restored or set back")
	case ours:
		return k.fromCheckpoint(checkpoint)
	case k.offset < 0 && stateless && k.start == 0: // A log that begins.
		return resumption{}
	case k.offset < 0 && stateless:
		return resumption{
			Checkpoint: process.Checkpoint{Offset: k.start, Position: k.start}, lost: true, missing: beginning,
			trouble: "the log has lost its beginning before anything was committed",
		}
	case k.offset < 0:
		return k.fromStates("nothing is committed though states of devices are: the offsets have expired or were deleted")
	default:
		return k.fromForeign()
	}
}

// fromCheckpoint fits what was committed to the log.
func (k *known) fromCheckpoint(c process.Checkpoint) resumption {
	r := resumption{Checkpoint: c}
	switch r.lost = r.Reconcile(k.start, k.end); {
	case !r.lost:
	case r.Epoch != c.Epoch:
		r.trouble = "the log has begun anew"
	default:
		r.gone = max(k.start-c.Position, 0)
		r.trouble = "readings that open windows needed are gone from the log"
	}
	return r
}

// anew goes on in a log that has nothing of what was processed before.
func (k *known) anew(c process.Checkpoint, trouble string) resumption {
	c.Epoch, c.Offset, c.Position = max(c.Epoch, k.reached.Epoch)+1, k.start, k.start
	r := resumption{Checkpoint: c, lost: true, trouble: trouble}
	if c.Watermark.IsZero() {
		r.missing = beginning
	}
	return r
}

// fromStates goes on at the highest position that was committed with a state.
func (k *known) fromStates(trouble string) resumption {
	c := process.Checkpoint{
		Offset: k.reached.Offset, Position: k.reached.Offset, Epoch: k.reached.Epoch, Clock: k.heard, Watermark: k.heard,
	}
	switch {
	case k.reached.Offset > k.end:
		return k.anew(c, trouble+"; the log has begun anew")
	case k.reached.Offset < k.start:
		c.Offset, c.Position = k.start, k.start
		return resumption{Checkpoint: c, lost: true, missing: openWindows, gone: k.start - k.reached.Offset, trouble: trouble}
	}
	return resumption{Checkpoint: c, lost: true, missing: openWindows, trouble: trouble}
}

// fromForeign goes on where another program has set the offset, such as kafka-consumer-groups: from there on everything is
// processed, again if need be.
func (k *known) fromForeign() resumption {
	const trouble = "another program has set the committed offset"
	c := process.Checkpoint{Offset: k.offset, Position: k.offset, Epoch: k.reached.Epoch}
	stateless := k.reached == iot.Position{}
	switch {
	case k.offset > k.end:
		return k.anew(c, trouble+" beyond the end of the log")
	case k.offset < k.start:
		c.Offset, c.Position = k.start, k.start
	}
	if !stateless && c.Offset >= k.reached.Offset { // What lies between is not to be processed.
		c.Clock, c.Watermark = k.heard, k.heard
		return resumption{Checkpoint: c, lost: true, missing: openWindows, trouble: trouble}
	}
	if !stateless {
		c.Epoch++ // What was said before gives way to what is said again.
	}
	return resumption{Checkpoint: c, lost: true, missing: beginning, trouble: trouble}
}

// anotherLog reports whether the commit is about another topic of the same name.
func (k *known) anotherLog() bool {
	var m struct {
		Log string `json:"log"`
	}
	return json.Unmarshal([]byte(k.metadata), &m) == nil && m.Log != "" && k.log != "" && m.Log != k.log
}

// withLog adds the topic's id to the metadata of a commit.
func withLog(metadata, log string) string {
	if log == "" || len(metadata) < 2 || metadata[0] != '{' {
		return metadata
	}
	return `{"log":"` + log + `",` + metadata[1:]
}
