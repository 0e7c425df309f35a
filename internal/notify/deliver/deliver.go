package deliver

import (
	"context"
	"errors"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/notify"
)

// ErrLeaseLost means that another process has the lease now: nothing was stored.
var ErrLeaseLost = errors.New("another process sends the notifications now")

// Offset is how far a partition of the alerts has been read.
type Offset struct {
	// Log is the id of the topic; a topic that was deleted and created again has another one.
	Log string
	// Next is the offset of the first record that has not been read.
	Next int64
}

// Saved is what the database has.
type Saved struct {
	Offsets        map[int32]Offset
	Groups, Alerts []notify.Row
	// Waiting are the deliveries that are pending.
	Waiting []notify.Delivery
}

// Outcome is what has become of a delivery at a try.
type Outcome struct {
	ID       string
	State    notify.State
	Attempts int
	// Due is when it is tried next, Done when it was sent or given up.
	Due, Done time.Time
	Text      string
}

// Changes are stored in one transaction: all of them or none.
type Changes struct {
	Offsets        map[int32]Offset
	Groups, Alerts []notify.Row
	// Deliveries are new. One whose id is stored already is left as it is.
	Deliveries []notify.Delivery
	Outcomes   []Outcome
}

func (c *Changes) empty() bool {
	return len(c.Offsets)+len(c.Groups)+len(c.Alerts)+len(c.Deliveries)+len(c.Outcomes) == 0
}

// Store is the database. Its methods return an error within about half a minute if the database does not answer.
type Store interface {
	// Acquire takes the lease for a holder, if nobody else has it, or renews it. It lasts for the given time by the clock of the database.
	// before is until when the lease lasted before, zero if there was none.
	Acquire(ctx context.Context, holder string, lasts time.Duration) (held bool, before time.Time, err error)
	// Release gives the lease back, if the holder has it.
	Release(ctx context.Context, holder string) error
	// Load returns all that is stored.
	Load(ctx context.Context) (*Saved, error)
	// Commit stores changes and renews the lease. It returns ErrLeaseLost if the holder does not have it.
	Commit(ctx context.Context, holder string, lasts time.Duration, c *Changes) error
	// Asked returns the deliveries that are pending because somebody has asked for them, at most limit.
	Asked(ctx context.Context, limit int) ([]notify.Delivery, error)
	// Prune removes deliveries that are not pending and were done before a time, and beyond the newest keep ones; at most limit at once.
	Prune(ctx context.Context, before time.Time, keep, limit int) (removed int, err error)
	// Publish stores what is configured, as JSON, for those who ask.
	Publish(ctx context.Context, holder string, configured []byte) error
}

// Extent is the range of offsets that can be read of a partition: from Start up to but not including End.
type Extent struct{ Start, End int64 }

// Batch is what was read.
type Batch struct {
	Alerts []iot.Alert
	// Next is the offset behind what was read, by partition.
	Next map[int32]int64
}

// Log is where alerts are read from.
type Log interface {
	// Open opens the topic of the alerts, read committed. It is read by one goroutine, and closed after any error.
	Open(ctx context.Context) (Reader, error)
	// OpenAlerts returns the alerts that are open now, from the states of the devices.
	OpenAlerts(ctx context.Context) ([]iot.Alert, error)
}

// Reader reads the alerts.
type Reader interface {
	// ID returns the id of the topic, Extents what it held when it was opened.
	ID() string
	Extents() map[int32]Extent
	// Start begins to read from the given offsets.
	Start(from map[int32]int64)
	// Poll blocks until there is something or ctx ends, which is no error.
	Poll(ctx context.Context) (Batch, error)
	Close()
}

// Sender sends the messages of one channel. It may be used concurrently.
type Sender interface {
	// Send sends a message. It returns when the receiver has taken it, with what it has said, or an error; notify.Refused marks one that
	// is final. Neither contains a secret.
	Send(ctx context.Context, recipient string, m *notify.Message) (answer string, err error)
}

// Labels returns the labels of devices; a device without an entry is left out.
type Labels func(ctx context.Context, devices []iot.Identity) (map[iot.Identity]map[string]string, error)

// Planned is a plan, and what is published once it is in force.
type Planned struct {
	Plan *notify.Plan
	// Published is stored for those who ask what is in force; nil if nothing is.
	Published []byte
}

// Follow returns the plan that is to be in force: the same pointer as before while nothing has changed.
type Follow func(ctx context.Context) (*Planned, error)

// Metrics receives what a Notifier counts. Its functions must not block; nil functions are not called.
type Metrics struct {
	// Tried counts a try of a channel: sent, failed (it is tried again) or refused.
	Tried func(channel, result string)
	// Waiting sets how many deliveries of a channel wait, and for how long the oldest has.
	Waiting func(channel string, deliveries int, oldest time.Duration)
	// Open sets how many alerts are tracked, in how many groups.
	Open func(alerts, groups int)
	// Sending sets whether this process is the one that sends.
	Sending func(sending bool)
	// Unrouted counts alerts that no route matches, Untracked those beyond the limit, FromMemory messages sent without the database.
	Unrouted, Untracked, FromMemory func(n int)
	// Failed counts sessions that have ended with an error.
	Failed func()
}

func (m *Metrics) fill() {
	if m.Tried == nil {
		m.Tried = func(string, string) {}
	}
	if m.Waiting == nil {
		m.Waiting = func(string, int, time.Duration) {}
	}
	if m.Open == nil {
		m.Open = func(int, int) {}
	}
	if m.Sending == nil {
		m.Sending = func(bool) {}
	}
	for _, count := range []*func(int){&m.Unrouted, &m.Untracked, &m.FromMemory} {
		if *count == nil {
			*count = func(int) {}
		}
	}
	if m.Failed == nil {
		m.Failed = func() {}
	}
}
