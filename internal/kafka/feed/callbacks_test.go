package feed

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"iotmon/internal/archive"
	"iotmon/internal/kafka"
	"iotmon/internal/kafka/kafkatest"
	"iotmon/internal/statecache"
)

func TestCallbacksMayComeAtAnyTimeInAnyOrder(t *testing.T) {
	kafkatest.TestCallbacks(t, func(dial kafka.Dial) map[string]func() kafkatest.Member { return members(t, dial) })
}

// members returns a constructor of each kind of member.
func members(t *testing.T, dial kafka.Dial) map[string]func() kafkatest.Member {
	topics := kafka.DefaultTopics()
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	return map[string]func() kafkatest.Member{
		"archive": func() kafkatest.Member {
			open := ArchiveLog(ArchiveOptions{Dial: dial, Topics: topics, Group: "test"})
			log, err := open(new(offsets).resume, func(archive.Source) {})
			must(err)
			l := log.(*archiveLog)
			return kafkatest.Member{Assigned: l.assigned, Released: l.revoked, Use: func(ctx context.Context) { _, _ = l.Poll(ctx) }, Close: sync.OnceFunc(l.Close)}
		},
		"cache": func() kafkatest.Member {
			open := StateLog(StateOptions{Dial: dial, Topics: topics, Group: "test"})
			resume := func(ctx context.Context, given []statecache.Partition, extents func(context.Context) (map[statecache.Partition]statecache.Extent, error)) (map[statecache.Partition]int64, error) {
				from := make(map[statecache.Partition]int64)
				for _, p := range given {
					from[p] = 0
				}
				_, err := extents(ctx)
				return from, err
			}
			log, err := open(resume, func(statecache.Partition) {})
			must(err)
			l := log.(*stateLog)
			return kafkatest.Member{Assigned: l.assigned, Released: l.revoked, Use: func(ctx context.Context) { _, _ = l.Poll(ctx) }, Close: sync.OnceFunc(l.Close)}
		},
	}
}

// The group assigns partitions, but the connection that lists their offsets is refused. The partitions are lost again before the
// member knows where to read them from.
func TestAnAssignmentThatFailsIsRetried(t *testing.T) {
	l := kafkatest.NewLog(t)
	broker := l.Broker
	var joined, failed atomic.Bool
	broker.ControlKey(int16(kmsg.SyncGroup), func(kmsg.Request) (kmsg.Response, error, bool) {
		broker.KeepControl()
		joined.Store(true)
		return nil, nil, false
	})
	dial := l.Dial
	dial.Dialer = func(ctx context.Context, network, address string) (net.Conn, error) {
		if joined.Load() && !failed.Load() {
			return kafkatest.RefuseConnection(ctx, network, address)
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	dial.Logger = slog.New(flagged{slog.DiscardHandler, &failed})
	var filled atomic.Bool
	filler := statecache.NewFiller(statecache.Options{
		Open:   StateLog(StateOptions{Dial: dial, Topics: l.Topics, Group: "test", Lag: func(int32, int64) { filled.Store(true) }}),
		Cache:  newMemoryCache(),
		Logger: kafkatest.Quiet(),
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- filler.Run(ctx) }()
	kafkatest.Eventually(t, "the first assignment fails", failed.Load)
	state := (&kafkatest.Cluster{Topics: l.Topics}).State(0, 1)
	state.Partition = 0
	if err := l.Client.ProduceSync(t.Context(), state).FirstErr(); err != nil {
		t.Fatal(err)
	}
	kafkatest.Eventually(t, "the states are read", filled.Load)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// flagged sets a flag when it logs that the states cannot be cached.
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
