package kafkatest

import (
	"context"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"

	"iotmon/internal/kafka"
)

// Member is a member of a consumer group under test: its callbacks, which the Kafka client calls, and what its owner does.
type Member struct {
	Assigned func(context.Context, map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error)
	Released func(context.Context, *kgo.Client, map[string][]int32)
	// Use is one poll or one step of its owner.
	Use func(context.Context)
	// Close leaves the group. Closing again does nothing.
	Close func()
}

// RefuseConnection is a dialer to a host without a broker: it fails at once.
func RefuseConnection(context.Context, string, string) (net.Conn, error) {
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
}

// TestCallbacks tests that members survive callbacks at any time and in any order, with a cluster that answers and with one that
// refuses every connection. The client calls back on goroutines of its own. A callback may come before the client's constructor has
// returned, before a successful assignment, twice, for topics that the member does not read, and after Close.
func TestCallbacks(t *testing.T, members func(dial kafka.Dial) map[string]func() Member) {
	t.Helper()
	l := NewLog(t)
	down := l.Dial
	down.Dialer = RefuseConnection
	for cluster, dial := range map[string]kafka.Dial{"up": l.Dial, "down": down} {
		for name, open := range members(dial) {
			t.Run(name+" "+cluster, func(t *testing.T) {
				rapid.Check(t, func(t *rapid.T) {
					m := open()
					defer m.Close()
					for range rapid.IntRange(1, 6).Draw(t, "calls") {
						callBack(t, m)
					}
				})
			})
		}
	}
}

// callBack calls a random callback, or uses or closes the member, and fails the test if that blocks.
func callBack(t *rapid.T, m Member) {
	topics := kafka.DefaultTopics()
	topic := rapid.SampledFrom([]string{topics.Readings, topics.States, topics.Aggregates, "other"}).Draw(t, "topic")
	partition := rapid.Int32Range(0, 5).Draw(t, "partition")
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Millisecond)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		switch rapid.SampledFrom([]string{"assigned", "released", "nothing", "use", "close"}).Draw(t, "call") {
		case "assigned":
			_, _ = m.Assigned(ctx, map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset()}})
		case "released":
			m.Released(ctx, nil, map[string][]int32{topic: {partition}})
		case "nothing":
			_, _ = m.Assigned(ctx, nil)
			m.Released(ctx, nil, nil)
		case "use":
			m.Use(ctx)
		case "close":
			m.Close()
		}
	}()
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		t.Fatal("a callback has not returned after 30 s")
	}
}
