package kafka

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"iotmon/internal/archive"
	"iotmon/internal/latest"
)

// member is what a group's callbacks are made on.
type member struct {
	assigned func(context.Context, map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error)
	released func(context.Context, *kgo.Client, map[string][]int32)
	// use is what its owner does between the callbacks: one poll, or one step.
	use   func(context.Context)
	close func()
}

// refused is how a broker that is not there answers.
func refused(context.Context, string, string) (net.Conn, error) {
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// members returns how each consumer of a group comes to be, with a cluster that may refuse every connection.
func members(t *testing.T, dial Dial) map[string]func() member {
	topics := DefaultTopics()
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	return map[string]func() member{
		"archive": func() member {
			open := ArchiveLog(ArchiveOptions{Dial: dial, Topics: topics, Group: "test"})
			log, err := open(new(offsets).resume, func(archive.Source) {})
			must(err)
			l := log.(*archiveLog)
			return member{l.assigned, l.released, func(ctx context.Context) { _, _ = l.Poll(ctx) }, sync.OnceFunc(l.Close)}
		},
		"cache": func() member {
			open := LatestLog(LatestOptions{Dial: dial, Topics: topics, Group: "test"})
			resume := func(ctx context.Context, given []latest.Partition, extents func(context.Context) (map[latest.Partition]latest.Extent, error)) (map[latest.Partition]int64, error) {
				from := make(map[latest.Partition]int64)
				for _, p := range given {
					from[p] = 0
				}
				_, err := extents(ctx)
				return from, err
			}
			log, err := open(resume, func(latest.Partition) {})
			must(err)
			l := log.(*latestLog)
			return member{l.assigned, l.released, func(ctx context.Context) { _, _ = l.Poll(ctx) }, sync.OnceFunc(l.Close)}
		},
		"processor": func() member {
			p := NewProcessor(ProcessorOptions{
				Dial: dial, Topics: topics, Group: "test", Process: testProcess(t), CommitInterval: time.Millisecond,
				Ticker: noTicker{}, Metrics: &stepMetrics{}, Logger: quiet(),
			})
			s, err := p.newSession()
			must(err)
			ctx, stop := context.WithCancel(t.Context())
			ran := make(chan struct{})
			go func() {
				defer close(ran)
				_ = s.run(ctx)
			}()
			return member{s.assigned, s.released, func(context.Context) {}, sync.OnceFunc(func() {
				stop()
				<-ran
				s.close()
			})}
		},
	}
}

type noTicker struct{}

func (noTicker) Tick(context.Context, int32) error { return errors.New("no log") }

// Callbacks come on the client's goroutines: before its constructor has returned, without an assignment that went well, twice,
// for topics that nobody asked for, and after the end.
func TestCallbacksMayComeAtAnyTimeInAnyOrder(t *testing.T) {
	l := newTestLog(t)
	down := l.dial
	down.Dialer = refused
	for cluster, dial := range map[string]Dial{"up": l.dial, "down": down} {
		for name, open := range members(t, dial) {
			t.Run(name+" "+cluster, func(t *testing.T) {
				rapid.Check(t, func(t *rapid.T) {
					m := open()
					defer m.close()
					for range rapid.IntRange(1, 6).Draw(t, "calls") {
						callBack(t, m)
					}
				})
			})
		}
	}
}

func callBack(t *rapid.T, m member) {
	topics := DefaultTopics()
	topic := rapid.SampledFrom([]string{topics.Readings, topics.States, topics.Aggregates, "other"}).Draw(t, "topic")
	partition := rapid.Int32Range(0, 5).Draw(t, "partition")
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Millisecond)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		switch rapid.SampledFrom([]string{"assigned", "released", "nothing", "use", "close"}).Draw(t, "call") {
		case "assigned":
			_, _ = m.assigned(ctx, map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset()}})
		case "released":
			m.released(ctx, nil, map[string][]int32{topic: {partition}})
		case "nothing":
			_, _ = m.assigned(ctx, nil)
			m.released(ctx, nil, nil)
		case "use":
			m.use(ctx)
		case "close":
			m.close()
		}
	}()
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		t.Fatal("a callback has not returned after 30 s")
	}
}

// The group is there and gives partitions away, but nobody answers who would know where to read them from: they are lost again
// before anything is known of them.
func TestAnAssignmentWhileConnectionsAreRefusedIsTriedAgain(t *testing.T) {
	l := newTestLog(t)
	broker := l.cluster
	var joined, failed atomic.Bool
	broker.ControlKey(int16(kmsg.SyncGroup), func(kmsg.Request) (kmsg.Response, error, bool) {
		broker.KeepControl()
		joined.Store(true)
		return nil, nil, false
	})
	dial := l.dial
	dial.Dialer = func(ctx context.Context, network, address string) (net.Conn, error) {
		if joined.Load() && !failed.Load() {
			return refused(ctx, network, address)
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	dial.Logger = slog.New(flagged{slog.DiscardHandler, &failed})
	c := &testLog{t: t, dial: dial, topics: l.topics}
	var filled atomic.Bool
	filler := latest.NewFiller(latest.Options{
		Open:   LatestLog(LatestOptions{Dial: c.dial, Topics: c.topics, Group: "test", Lag: func(int32, int64) { filled.Store(true) }}),
		Cache:  newShelf(),
		Logger: quiet(),
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- filler.Run(ctx) }()
	eventually(t, "the first assignment fails", failed.Load)
	state := (&cluster{topics: l.topics}).state(0, 1)
	state.Partition = 0
	if err := l.client.ProduceSync(t.Context(), state).FirstErr(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the states are read", filled.Load)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// flagged notes that something was logged.
type flagged struct {
	slog.Handler
	flag *atomic.Bool
}

func (f flagged) Enabled(context.Context, slog.Level) bool { return true }

func (f flagged) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "device states cannot be cached yet" {
		f.flag.Store(true)
	}
	return nil
}
