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

// Member is a member of a group, with what the client calls back.
type Member struct {
	Assigned func(context.Context, map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error)
	Released func(context.Context, *kgo.Client, map[string][]int32)
	// Use is what its owner does between the callbacks: one poll, or one step.
	Use func(context.Context)
	// Close may be called again.
	Close func()
}

// Refused is how a broker that is not there answers.
func Refused(context.Context, string, string) (net.Conn, error) {
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
}

// Callbacks tests that the callbacks of members may come at any time and in any order, with a cluster that answers and with one
// that refuses every connection. They come on the client's goroutines: before its constructor has returned, without an assignment
// that went well, twice, for topics that nobody asked for, and after the end.
func Callbacks(t *testing.T, members func(dial kafka.Dial) map[string]func() Member) {
	t.Helper()
	l := NewLog(t)
	down := l.Dial
	down.Dialer = Refused
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
