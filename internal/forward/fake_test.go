package forward_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"iotmon/internal/forward"
	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// memoryLog is a log in memory, of which the oldest records can be deleted.
type memoryLog struct {
	mu      sync.Mutex
	name    string
	starts  map[int32]int64
	records map[int32][]forward.Record
	stored  map[int32]forward.Position
	// broken, if not nil, is the error of every Store.
	broken error
}

func newMemoryLog(partitions int32) *memoryLog {
	l := &memoryLog{name: "log", starts: make(map[int32]int64), records: make(map[int32][]forward.Record), stored: make(map[int32]forward.Position)}
	for id := range partitions {
		l.records[id] = nil
	}
	return l
}

// add appends readings of a device, one for each second from at on.
func (l *memoryLog) add(partition int32, device string, at time.Time, values ...float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, value := range values {
		r := iot.Reading{
			Device: iot.Device{ID: iot.DeviceID(device), Type: iot.Temperature, Unit: "°C"},
			Time:   iot.CutTime(at).Add(time.Duration(i) * time.Second), Value: value, Status: iot.Online,
		}
		l.append(partition, forward.Record{Appended: time.Now(), Key: []byte(device), Value: wire.AppendReading(nil, &r)})
	}
}

func (l *memoryLog) append(partition int32, r forward.Record) {
	r.Partition, r.Offset = partition, l.starts[partition]+int64(len(l.records[partition]))
	l.records[partition] = append(l.records[partition], r)
}

// expire deletes the oldest n records of a partition.
func (l *memoryLog) expire(partition int32, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.starts[partition] += int64(n)
	l.records[partition] = l.records[partition][n:]
}

func (l *memoryLog) Partitions(context.Context) ([]forward.Partition, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var partitions []forward.Partition
	for _, id := range slices.Sorted(maps.Keys(l.records)) {
		p := forward.Partition{ID: id, Start: l.starts[id], End: l.starts[id] + int64(len(l.records[id])), Log: l.name}
		if position, ok := l.stored[id]; ok {
			p.Position = &position
		}
		partitions = append(partitions, p)
	}
	return partitions, nil
}

func (l *memoryLog) Store(_ context.Context, positions map[int32]forward.Position) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken == nil {
		maps.Copy(l.stored, positions)
	}
	return l.broken
}

func (l *memoryLog) Read(from map[int32]int64) (forward.Reader, error) {
	return &memoryReader{log: l, next: maps.Clone(from)}, nil
}

type memoryReader struct {
	log  *memoryLog
	next map[int32]int64
}

func (r *memoryReader) Poll(ctx context.Context, most int, patience time.Duration) ([]forward.Record, error) {
	if patience == 0 {
		patience = time.Hour
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Second) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		records, err := r.take(most)
		if err != nil || len(records) > 0 || time.Now().After(deadline) {
			return records, err
		}
	}
}

func (r *memoryReader) take(most int) ([]forward.Record, error) {
	r.log.mu.Lock()
	defer r.log.mu.Unlock()
	var out []forward.Record
	for id, next := range r.next {
		if next < r.log.starts[id] {
			return nil, errors.New("offset out of range")
		}
		held := r.log.records[id][next-r.log.starts[id]:]
		held = held[:min(len(held), most-len(out))]
		out = append(out, held...)
		r.next[id] += int64(len(held))
	}
	return out, nil
}

func (*memoryReader) Close() {}

// fakeCentre keeps what it accepts. Its answer function, if not nil, may refuse or reject first; n counts the calls from 1.
type fakeCentre struct {
	mu       sync.Mutex
	calls    int
	accepted []iot.Reading
	answer   func(ctx context.Context, n int, readings []iot.Reading) ([]forward.Rejection, error)
	reports  []string
	// behind is how far the centre's clock is behind; it does not accept what is more than 10 s ahead of it.
	behind time.Duration
}

func (c *fakeCentre) Reports() bool { return true }
func (c *fakeCentre) Close()        {}

func (c *fakeCentre) Send(ctx context.Context, entries []forward.Entry) ([]forward.Rejection, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls++
	var readings []iot.Reading
	for _, e := range entries {
		if e.Kind == iot.KindStatus {
			c.reports = append(c.reports, string(e.Key)+" "+string(e.Value))
			continue
		}
		var r iot.Reading
		if err := wire.DecodeReading(e.Value, &r); err != nil {
			return nil, fmt.Errorf("sent %q: %w", e.Value, err)
		}
		readings = append(readings, r)
	}
	var rejected []forward.Rejection
	if c.behind != 0 {
		for i, r := range readings {
			if r.Time.After(time.Now().Add(10*time.Second - c.behind)) {
				rejected = append(rejected, forward.Rejection{Index: i, Field: "timestamp", Reason: "ahead", Early: true})
			}
		}
	}
	if c.answer != nil {
		var err error
		if rejected, err = c.answer(ctx, c.calls, readings); err != nil {
			return nil, err
		}
	}
	refused := make(map[int]bool)
	for _, r := range rejected {
		refused[r.Index] = true
	}
	for i, r := range readings {
		if !refused[i] {
			c.accepted = append(c.accepted, r)
		}
	}
	return rejected, nil
}

// all returns the accepted readings.
func (c *fakeCentre) all() []iot.Reading {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.accepted)
}

// values returns the accepted values of a device, in the order in which they came.
func (c *fakeCentre) values(device string) []float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	var values []float64
	for _, r := range c.accepted {
		if string(r.ID) == device {
			values = append(values, r.Value)
		}
	}
	return values
}

// letters keeps what was rejected.
type letters struct {
	mu   sync.Mutex
	kept []forward.Rejected
	// failures is how many calls fail first.
	failures int
}

func (l *letters) Reject(_ context.Context, rejected []forward.Rejected) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failures--; l.failures >= 0 {
		return errors.New("disk full")
	}
	for _, r := range rejected {
		r.Value = slices.Clone(r.Value)
		l.kept = append(l.kept, r)
	}
	return nil
}

// stage is a Forwarder between a log and a centre.
type stage struct {
	log     *memoryLog
	centre  *fakeCentre
	letters *letters
	options forward.Options
	running *forward.Forwarder
	stop    func()
}

func newStage(partitions int32) *stage {
	s := &stage{log: newMemoryLog(partitions), centre: new(fakeCentre), letters: new(letters)}
	catalog, err := iot.NewCatalog(iot.BuiltinTypes()...)
	if err != nil {
		panic(err)
	}
	s.options = forward.Options{
		Log: s.log, Centre: s.centre, DeadLetters: s.letters, HistoricalAfter: time.Minute, Now: time.Now, Logger: quiet(),
		Admission: &iot.Admission{Catalog: catalog, Skew: 10 * time.Second, MaxText: 128},
	}
	return s
}

// mayFail lets the centre fail for a reason as long as the flag that it returns is set.
func (s *stage) mayFail(reason string) *atomic.Bool {
	fails := new(atomic.Bool)
	s.centre.answer = func(context.Context, int, []iot.Reading) ([]forward.Rejection, error) {
		if fails.Load() {
			return nil, errors.New(reason)
		}
		return nil, nil
	}
	return fails
}

// start runs a new Forwarder, as after a start of the program.
func (s *stage) start(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	s.running = forward.New(s.options)
	go func() { done <- s.running.Run(ctx) }()
	s.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	t.Cleanup(s.stop)
}
