package processor

import (
	"encoding/json"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/process"
)

// The commits of a group can be lost or changed: Kafka deletes those of a group that was inactive for a week, an operator may delete
// the group or reset its offsets, and __consumer_offsets may be restored from a backup. The device states were committed in the same
// transactions and have positions, so they also show which readings have been processed. If readings may have been missed, the
// windows concerned are marked for recomputation from the archive, so that no partial summary remains.

// known is all information from which resume decides where a partition goes on.
type known struct {
	// commit is the commit of the group.
	commit
	// log is the id of the topic. A topic that was deleted and created again has another id.
	log string
	// start is the first offset of the log, end the offset after the last record.
	start, end int64
	// reached is the highest position among the device states and what is in force, lastSeen the newest append time of the states. Both
	// are zero without any.
	reached  iot.Position
	lastSeen time.Time
	// torn is Options.TornCommits.
	torn bool
}

// resumption is where a partition goes on.
type resumption struct {
	process.Checkpoint
	// lost means that readings may be missing in windows from the checkpoint's watermark on.
	lost bool
	// missing is what the checkpoint lacks.
	missing missing
	// deleted is the number of offsets that were deleted from the log before they were processed.
	deleted int64
	// problem describes what is wrong, for the service log; "" for nothing.
	problem string
}

// missing is what a checkpoint lacks and can be read from the log; see session.complete.
type missing int

const (
	nothing missing = iota
	// openWindows means that the offset of the first reading of the open windows is missing. The checkpoint's clock is the time at
	// the position.
	openWindows
	// firstTime means that the append time of the first record at the position is missing.
	firstTime
)

// resume decides where a partition goes on.
func (k *known) resume() resumption {
	checkpoint, ours := k.checkpoint()
	stateless := k.reached == iot.Position{}
	ahead := k.reached.Compare(iot.Position{Epoch: checkpoint.Epoch, Offset: checkpoint.Position}) > 0
	switch {
	case ours && k.anotherLog():
		return k.newLog(checkpoint, "the topic was deleted and created again")
	case ours && ahead && !k.torn && !stateless:
		return k.fromStates("the committed offset is older than what was committed later: it was restored or set back")
	case ours:
		return k.fromCheckpoint(checkpoint)
	case k.offset < 0 && stateless && k.start == 0: // A new log.
		return resumption{}
	case k.offset < 0 && stateless:
		return resumption{
			Checkpoint: process.Checkpoint{Offset: k.start, Position: k.start}, lost: true, missing: firstTime,
			problem: "the log has lost its firstTime before anything was committed",
		}
	case k.offset < 0:
		return k.fromStates("nothing is committed though states of devices are: the offsets have expired or were deleted")
	default:
		return k.fromForeign()
	}
}

// fromCheckpoint goes on at the checkpoint, or as near to it as the log allows.
func (k *known) fromCheckpoint(c process.Checkpoint) resumption {
	r := resumption{Checkpoint: c}
	switch r.lost = r.Reconcile(k.start, k.end); {
	case !r.lost:
	case r.Epoch != c.Epoch:
		r.problem = "the log has begun anew"
	default:
		r.deleted = max(k.start-c.Position, 0)
		r.problem = "readings of open windows were deleted from the log"
	}
	return r
}

// newLog goes on at the start of a log that has none of the records that were processed before.
func (k *known) newLog(c process.Checkpoint, problem string) resumption {
	c.Epoch, c.Offset, c.Position = max(c.Epoch, k.reached.Epoch)+1, k.start, k.start
	r := resumption{Checkpoint: c, lost: true, problem: problem}
	if c.Watermark.IsZero() {
		r.missing = firstTime
	}
	return r
}

// fromStates goes on at the highest position of a device state.
func (k *known) fromStates(problem string) resumption {
	c := process.Checkpoint{
		Offset: k.reached.Offset, Position: k.reached.Offset, Epoch: k.reached.Epoch, Clock: k.lastSeen, Watermark: k.lastSeen,
	}
	switch {
	case k.reached.Offset > k.end:
		return k.newLog(c, problem+"; the log has begun anew")
	case k.reached.Offset < k.start:
		c.Offset, c.Position = k.start, k.start
		return resumption{Checkpoint: c, lost: true, missing: openWindows, deleted: k.start - k.reached.Offset, problem: problem}
	}
	return resumption{Checkpoint: c, lost: true, missing: openWindows, problem: problem}
}

// fromForeign goes on at an offset that another program has set, such as kafka-consumer-groups. All readings from there on are
// processed, even if they were processed before.
func (k *known) fromForeign() resumption {
	const problem = "another program has set the committed offset"
	c := process.Checkpoint{Offset: k.offset, Position: k.offset, Epoch: k.reached.Epoch}
	stateless := k.reached == iot.Position{}
	switch {
	case k.offset > k.end:
		return k.newLog(c, problem+" beyond the end of the log")
	case k.offset < k.start:
		c.Offset, c.Position = k.start, k.start
	}
	if !stateless && c.Offset >= k.reached.Offset { // The readings between are skipped, as the other program wants.
		c.Clock, c.Watermark = k.lastSeen, k.lastSeen
		return resumption{Checkpoint: c, lost: true, missing: openWindows, problem: problem}
	}
	if !stateless {
		c.Epoch++ // The new outputs supersede the earlier ones.
	}
	return resumption{Checkpoint: c, lost: true, missing: firstTime, problem: problem}
}

// anotherLog reports whether the commit is of an earlier topic of the same name.
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
