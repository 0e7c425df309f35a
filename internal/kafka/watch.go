package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/retry"
)

// WatchOptions configure a Watch. Every field is required.
type WatchOptions struct {
	Topics TopicOptions
	// Status is told nil when the cluster has become usable, and why when it is not. It must not block.
	Status func(err error)
	Logger *slog.Logger
}

const (
	// watchInterval is how often the cluster is asked whether it is there, watchTimeout how long it may take to answer.
	watchInterval = 5 * time.Second
	watchTimeout  = 10 * time.Second
)

// Watch waits for a cluster, sees to its topics, and from then on tells when it is lost and when it is back. It is the one
// voice in the log about that: all the other clients just try again.
type Watch struct {
	WatchOptions
	usable chan struct{}
	last   string
}

// NewWatch returns a watch; Run does the work.
func NewWatch(options WatchOptions) *Watch {
	return &Watch{WatchOptions: options, usable: make(chan struct{})}
}

// Usable is closed once the topics are there and the broker stamps them. What reads or writes topics begins then.
func (w *Watch) Usable() <-chan struct{} { return w.usable }

// Run watches until ctx ends. Nothing ends it before: even a cluster that refuses what we ask may be set right while the
// service is running.
func (w *Watch) Run(ctx context.Context) error {
	client, err := kgo.NewClient(w.Topics.Dial.Options()...)
	if err != nil {
		return fmt.Errorf("watch the cluster: %w", err)
	}
	defer client.Close()
	for pauses := retry.NewBackoff(500*time.Millisecond, watchInterval); ; {
		attempt, cancel := context.WithTimeout(ctx, watchTimeout)
		err := w.look(attempt, client)
		cancel()
		if ctx.Err() != nil {
			return nil
		}
		w.tell(err)
		if pauses.Wait(ctx) != nil {
			return nil
		}
	}
}

// look returns why the cluster is not usable, or nil.
func (w *Watch) look(ctx context.Context, client *kgo.Client) error {
	if err := client.Ping(ctx); err != nil {
		return fmt.Errorf("no broker at %v answers: %w", w.Topics.Dial.Brokers, err)
	}
	select {
	case <-w.usable:
		return nil
	default:
	}
	if err := EnsureTopics(ctx, w.Topics); err != nil {
		return err
	}
	stamped, err := ProbeAppendTime(ctx, w.Topics.Dial, w.Topics.Topics)
	if err != nil {
		return err
	}
	if stamped != StampedByBroker {
		return fmt.Errorf("topic %s must have message.timestamp.type=LogAppendTime: the time that the broker stamps decides which windows are over",
			w.Topics.Topics.Readings)
	}
	close(w.usable)
	return nil
}

// tell reports what has changed.
func (w *Watch) tell(err error) {
	w.Status(err)
	now := "usable"
	if err != nil {
		now = err.Error()
		if errors.Is(err, context.DeadlineExceeded) {
			now = "no answer" // The rest of the text differs from one attempt to the next.
		}
	}
	if now == w.last {
		return
	}
	w.last = now
	if err != nil {
		w.Logger.Warn("Kafka is not usable; trying again", "reason", err)
		return
	}
	w.Logger.Info("Kafka is usable", "brokers", w.Topics.Dial.Brokers)
}

// lookRegularly calls look at each interval until ctx ends, with a client of its own and a context that ends after watchTimeout.
func lookRegularly(ctx context.Context, dial Dial, interval time.Duration, look func(context.Context, *kadm.Client)) error {
	client, err := kgo.NewClient(dial.Options()...)
	if err != nil {
		return fmt.Errorf("make a client that watches: %w", err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	for retry.Wait(ctx, interval) == nil {
		attempt, cancel := context.WithTimeout(ctx, watchTimeout)
		look(attempt, admin)
		cancel()
	}
	return nil
}
