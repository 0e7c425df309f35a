// Package process is the processor of one partition of the readings' log: it validates, aggregates, raises alerts and
// keeps the devices' state, exactly once whatever is killed. It is pure. Records come in with the time at which they were
// appended, outputs go to an Output, and Checkpoint says what to commit with them; who commits both in one transaction,
// and restores both together, gets the same outputs from any sequence of crashes as from none.
package process

import (
	"time"

	"iotmon/internal/alert"
	"iotmon/internal/iot"
)

// Record is one record of the readings' log.
type Record struct {
	Offset int64
	// Appended is the record's own timestamp in the log: the clock that everything here goes by.
	Appended time.Time
	Key      []byte
	Value    []byte
	// Tick marks a record that carries no reading, only its append time, Settings one whose value wire.DecodeSettings reads. A
	// record without either whose Value is nil and which has a Key says that this device is to be forgotten; see wire.IsForget.
	Tick, Settings bool
}

// Reject is a record that is no valid reading, for the dead-letter queue.
type Reject struct {
	Record
	Field, Reason string
}

// Output takes what a partition has to say. The arguments are the partition's and change after the call: encode them
// before returning. The methods must not block.
type Output interface {
	Summary(*iot.WindowSummary)
	Alert(*iot.Alert)
	State(*iot.DeviceState)
	// Forget deletes the state of a device, which was forgotten at a position.
	Forget(device iot.DeviceID, at iot.Position)
	Reject(*Reject)
}

// Options is what all partitions share; it does not change.
type Options struct {
	Admission *iot.Admission
	Alerts    *alert.Engine
	// Window is the length of a window in a partition that begins, and what Outdated compares the others' with. Revision orders
	// configurations: the length of a lower one gives way to what is in force.
	Window   time.Duration
	Revision int64
	// Alone means that there is no other configuration: this one is the newest, whatever its Revision.
	Alone bool
	// Lateness is how long after a window's end readings are waited for.
	Lateness time.Duration
	// OfflineAfter is how long a device may be silent; after ForgetAfter it is forgotten, 0 means never.
	OfflineAfter, ForgetAfter time.Duration
}

// Standstill is how long the log may rest, as a whole, before that is no device's silence: a running processor appends a
// tick to a silent partition every second, so a longer gap means that the system itself was down.
const Standstill = 5 * time.Second

// Counts tells what happened since the last call of ResetCounts.
type Counts struct {
	// Processed counts readings, whatever became of them, and no ticks.
	Processed, Late, Duplicates int64
	// Conflicts counts the duplicates that differ in value from the reading that came first, as far as that is known: it is the
	// device's latest.
	Conflicts int64
	// SetBack is by how much the log's clock was set back, Forgotten the number of devices that were forgotten.
	SetBack   time.Duration
	Forgotten int64
	// Rejected counts by field of the message; "" stands for the message as a whole.
	Rejected map[string]int64
	Windows  int64
	// Raised counts raised alerts by severity.
	Raised map[iot.Severity]int64
	// Newest is the time of the newest reading among them, with the time it was appended; zero if there was none.
	Newest, NewestAppended time.Time
}
