// Package process is the processor of one partition of the readings' log: it validates, aggregates, raises alerts and keeps
// the devices' states. It is pure. Records come in with their append time, outputs go to an Output, and Checkpoint returns
// what to commit with them. A caller that commits both in one transaction, and restores both together, gets the same
// outputs with any number of crashes as with none.
package process

import (
	"time"

	"iotmon/internal/iot"
)

// Record is one record of the readings' log.
type Record struct {
	Offset int64
	// Appended is the record's timestamp in the log. It is the only clock of this package.
	Appended time.Time
	Key      []byte
	Value    []byte
	iot.RecordKind
}

// Reject is a record that is not a valid reading, for the dead-letter queue.
type Reject struct {
	Record
	Field, Reason string
}

// Output receives what a partition publishes. The partition reuses the arguments after the call, so encode them before
// returning. The methods must not block.
type Output interface {
	Summary(*iot.WindowSummary)
	Alert(*iot.Alert)
	// Areas announces the areas of a device, for summaries that are made again later.
	Areas(*iot.DeviceAreas)
	State(*iot.DeviceState)
	// Forget deletes the state of a device that was forgotten at a position.
	Forget(device iot.Identity, at iot.Position)
	// InForce stores what is in force since a position, under a key of topic partition-state; see package wire. A nil value deletes
	// what is stored under the key. DecodeInForce decodes key and value.
	InForce(key, value []byte, at iot.Position)
	Reject(*Reject)
}

// Options is shared by all partitions and must not change.
type Options struct {
	// Admission and Lateness, which is how long a window stays open for readings after its end, are the configured limits. They must be
	// valid as iot.Limits. A new partition begins with them; other partitions change to them by a settings record (see Outdated) if
	// Revision is higher than the one in force.
	Admission *iot.Admission
	Lateness  time.Duration
	// Rules are the configured rules, valid for alert.New and as entries. RuleRevision orders sets of them: a partition changes to
	// this set if RuleRevision is higher than that of the configured rules in force; see OutdatedRules.
	Rules        []iot.Rule
	RuleRevision int64
	// Window is the configured window length. A new partition starts with it; other partitions change to it by a settings
	// record (see Outdated) if Revision is higher than the one in force.
	Window   time.Duration
	Revision int64
	// Alone means that no other process has a configuration: this one is the newest, whatever its Revision and RuleRevision. The
	// rules are then in force from the start.
	Alone bool
	// OfflineAfter is how long a device may be silent; after ForgetAfter it is forgotten, 0 means never.
	OfflineAfter, ForgetAfter time.Duration
	// ParentGrace is how long nobody is notified of the silence of a device that has a parent: the parent may be found to be silent meanwhile. After
	// the parent has returned, its devices have that long, or as long as they may always be silent, to return.
	ParentGrace time.Duration
}

// Standstill is the longest gap between append times that counts as silence of devices. A running processor appends a tick
// to a silent partition every second, so a longer gap means that the system itself was down.
const Standstill = 5 * time.Second

// Counts is what happened since the last call of ResetCounts.
type Counts struct {
	// Processed counts the records that are readings, admitted or not.
	Processed, Late, Duplicates int64
	// Skipped counts the records of kinds, or of levels of them, that this version does not know.
	Skipped int64
	// Conflicts counts the duplicates of the device's latest reading that differ from it in value. Older readings are not
	// compared.
	Conflicts int64
	// SetBack is how far the log's clock was set back, Forgotten the number of forgotten devices.
	SetBack   time.Duration
	Forgotten int64
	// Rejected counts rejected records by field of the message; "" means the message as a whole.
	Rejected map[string]int64
	Windows  int64
	// Raised counts raised alerts by severity.
	Raised map[iot.Severity]int64
	// Failures counts the readings that a rule could not judge, because its condition panicked or its expression failed.
	Failures int64
	// Failing is how many rules have begun to fail, each on a device; the last of them is BeganToFail.
	Failing     int64
	BeganToFail RuleFailure
	// RulesFailing is how many rules fail now, each on a device.
	RulesFailing int64
	// Unreferenced counts how often a rule of the kind Deviation has not judged a reading because no median was in force, LeftOut the medians that were
	// not put in force because there were iot.MaxReferences already.
	Unreferenced, LeftOut int64
	// PointsMissing counts how often an expression has asked for a point without a good value, PointsLeftOut the points that were not put in force because there were
	// iot.MaxPoints already, or iot.MaxMachinePoints of the machine.
	PointsMissing, PointsLeftOut int64
	// Ended counts the medians that have ended without another one, although a rule of the kind Deviation is in force.
	Ended int64
	// Refused counts the commands that were not executed: something else had happened since, or they had been executed before.
	Refused int64
	// Readmits means that an older version has admitted the readings up to the checkpoint otherwise than by the limits in force.
	Readmits bool
	// Newest is the time of the newest reading among them, with the time it was appended; zero if there was none.
	Newest, NewestAppended time.Time
}

// RuleFailure is a rule that fails on a device or, if Device is zero, on all of them until it has another version.
type RuleFailure struct {
	Device iot.Identity
	Rule   string
	Reason string
}
