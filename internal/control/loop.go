package control

import (
	"bytes"
	"context"
	"log/slog"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/retry"
)

// Log is the readings' log, in which decisions come into force. Its methods may be called concurrently.
type Log interface {
	// Append appends objects: an entry to the partition of its device, rules and types to every partition, each in one transaction. Maps are
	// appended to their own topic, and so are types as well.
	// It returns the offset behind the last appended record of each partition. After an error some may have been appended.
	Append(ctx context.Context, objects []Object) (map[int32]int64, error)
	// Progress returns where the processors and the log are, by partition.
	Progress(ctx context.Context) ([]Progress, error)
	// PartitionOf returns the partition of a device, of the given number of partitions.
	PartitionOf(device iot.Identity, partitions int) int32
}

// Progress is where a partition is.
type Progress struct {
	// Processed is the offset of the first record whose results are not committed: the start of the log if nothing was ever
	// committed. End is the offset of the next record to be appended.
	Processed, End int64
}

// LoopMetrics receives what a Loop counts. Its functions must not block; nil functions are not called.
type LoopMetrics struct {
	// Waiting sets how many objects are decided and, as far as is known, not in force, and for how long the oldest has been so.
	Waiting func(objects int, oldest time.Duration)
	// Appended counts appended objects, Failed steps that failed.
	Appended func(objects int)
	Failed   func()
}

// LoopOptions configure a Loop. All fields but Metrics are required.
type LoopOptions struct {
	Store   Store
	InForce *InForce
	Log     Log
	Metrics LoopMetrics
	Logger  *slog.Logger
}

const (
	// appendBatch is the maximum number of objects that one step appends, and appendBytes about that of their bytes. A step must not take
	// so long that a decision made meanwhile is late, and there must not be too many of them: each looks at all objects that wait.
	appendBatch = 2000
	appendBytes = 4 << 20
	// storeBatch is the maximum number of objects that one call reads.
	storeBatch = 1000
	// shortestWait and longestWait are the limits of the pause between two steps.
	shortestWait = 50 * time.Millisecond
	longestWait  = 2 * time.Second
	// askEvery is how often the loop asks how far the processors are. Once they have passed the end of the log at which
	// an object was appended, it also waits that long for their results to be read.
	askEvery = time.Second
	// firstRepeat is how long an appended object waits at most before it is appended again; it doubles up to longestRepeat.
	firstRepeat   = 5 * time.Second
	longestRepeat = 10 * time.Minute
	// compareEvery is how often everything is compared. For that long after the start, and after a loss in the database, it is every
	// compareAgain: what the database has lost may still be on its way.
	compareEvery = 15 * time.Minute
	compareAgain = time.Minute
	// queue is how many decisions of this process may wait for the next step. Further ones are found in the database.
	queue = 1000
	// firstPause and longestPause are the limits of the pause after a failed step.
	firstPause, longestPause = 100 * time.Millisecond, 10 * time.Second
)

// Loop compares what was decided with what is in force in every partition, and appends what differs. It relies on nothing but
// that: after a kill, an outage, a topic that was created anew or a database that was restored it does the same.
//
// Any number of processes may run a Loop on one database. They may append the same entry; the version in it makes that harmless. A
// decision is appended at once by the process in which it was made. Others leave it alone until the processors have processed all
// that was in the log when they found it, so nothing is appended again that is still to be processed.
type Loop struct {
	LoopOptions
	decided chan []Object

	// The fields below belong to step.

	// seen is the revision up to which the database has been read, last the change with that revision.
	seen int64
	last Audit
	// compared is when everything was compared last; zero if that must be done. losses was InForce.lossCount then.
	compared time.Time
	losses   int
	// uncertain is until when compareAgain applies.
	uncertain time.Time
	waiting   map[Ref]*waiting
	// waits is how many objects have ever waited.
	waits int64
}

// waiting is an object that is decided and not in force, as far as is known.
type waiting struct {
	object Object
	// number is higher for what was added later; see wait.
	number int64
	since  time.Time
	// repeats are the pauses before it is appended again; nil if it was not appended here.
	repeats *retry.Backoff
	// due is when there is something to do: to append it if passed is set, or else to ask whether the processors have passed it.
	due    time.Time
	passed bool
	// fences are the offsets that the processors have to pass, by partition; nil if they are not known yet.
	fences map[int32]int64
	// types must be in force before it is appended.
	types []iot.DeviceType
}

// NewLoop returns a loop; Run does the work.
func NewLoop(options LoopOptions) *Loop {
	return &Loop{LoopOptions: options, decided: make(chan []Object, queue), waiting: make(map[Ref]*waiting)}
}

// Decided wakes the loop for objects that have just been stored; see RegistryOptions. It does not block.
func (l *Loop) Decided(objects []Object) {
	select {
	case l.decided <- objects:
	default: // The database has them.
	}
}

// Run brings decisions into force until ctx ends. A failure of the database or the log only delays it.
func (l *Loop) Run(ctx context.Context) error {
	pauses, failing := retry.NewBackoff(firstPause, longestPause), false
	for ctx.Err() == nil {
		err := l.step(ctx, time.Now())
		if err != nil && ctx.Err() == nil {
			if !failing {
				l.Logger.Warn("decisions do not come into force at the moment; it is tried again", "error", err)
			}
			failing = true
			if l.Metrics.Failed != nil {
				l.Metrics.Failed()
			}
			_ = pauses.Wait(ctx) // The loop checks ctx.
			continue
		}
		if failing {
			l.Logger.Info("decisions come into force again")
		}
		failing = false
		pauses.Reset()
		l.waitForWork(ctx)
	}
	return nil
}

// waitForWork waits until there may be something to do.
func (l *Loop) waitForWork(ctx context.Context) {
	pause, now := longestWait, time.Now()
	for _, w := range l.waiting {
		pause = min(pause, w.due.Sub(now))
	}
	timer := time.NewTimer(max(pause, shortestWait))
	defer timer.Stop()
	select {
	case objects := <-l.decided:
		l.enqueue(objects, time.Now())
	case <-timer.C:
	case <-ctx.Done():
	}
}

// wait has an object wait, instead of an earlier version of it.
func (l *Loop) wait(w waiting) {
	l.waits++
	w.number = l.waits
	w.types = typesOf(&w.object)
	l.waiting[w.object.Ref] = &w
}

// enqueue adds decisions of this process, which are due at once.
func (l *Loop) enqueue(objects []Object, now time.Time) {
	for _, o := range objects {
		known := l.waiting[o.Ref]
		if known == nil || known.object.Version < o.Version ||
			known.object.Version == o.Version && (known.repeats == nil || !bytes.Equal(known.object.Body, o.Body)) {
			l.wait(waiting{object: o, since: now, due: now, passed: true})
		}
	}
}

// enqueueAll takes over all decisions of this process.
func (l *Loop) enqueueAll(now time.Time) {
	for {
		select {
		case objects := <-l.decided:
			l.enqueue(objects, now)
		default:
			return
		}
	}
}
