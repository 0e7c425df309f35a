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
	// Status is called after every check: with nil if the cluster is usable, else with the reason why not. It must not block.
	Status func(err error)
	Logger *slog.Logger
}

const (
	// watchInterval is how often the cluster is checked, watchTimeout how long a check may last.
	watchInterval = 5 * time.Second
	watchTimeout  = 10 * time.Second
)

// Watch waits until the cluster is usable, which includes creating the topics. After that it reports when the cluster is lost and
// when it is back. Only the watch logs this, once for each change; all other clients retry without a log line.
type Watch struct {
	WatchOptions
	usable chan struct{}
	// logged is what was last logged of the cluster.
	logged string
}

// NewWatch returns a watch; Run does the work.
func NewWatch(options WatchOptions) *Watch {
	return &Watch{WatchOptions: options, usable: make(chan struct{})}
}

// Usable returns a channel that is closed once the topics exist and the broker sets append times. Readers and writers of the topics
// wait for it.
func (w *Watch) Usable() <-chan struct{} { return w.usable }

// Run watches until ctx ends. It also retries after errors like missing permissions: an operator may correct them while the service
// is running.
func (w *Watch) Run(ctx context.Context) error {
	client, err := kgo.NewClient(w.Topics.Dial.Options()...)
	if err != nil {
		return fmt.Errorf("watch the cluster: %w", err)
	}
	defer client.Close()
	for pauses := retry.NewBackoff(500*time.Millisecond, watchInterval); ; {
		attempt, cancel := context.WithTimeout(ctx, watchTimeout)
		err := w.check(attempt, client)
		cancel()
		if ctx.Err() != nil {
			return nil
		}
		w.report(err)
		if pauses.Wait(ctx) != nil {
			return nil
		}
	}
}

// check returns why the cluster is not usable, or nil. Until the cluster has been usable for the first time, it also creates
// missing topics and checks that the broker sets append times; later an answer to a ping is enough. It closes w.usable when the
// cluster is usable for the first time.
func (w *Watch) check(ctx context.Context, client *kgo.Client) error {
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
		return fmt.Errorf("topic %s must have message.timestamp.type=LogAppendTime: windows close by the time that the broker stamps",
			w.Topics.Topics.Readings)
	}
	close(w.usable)
	return nil
}

// report reports the result of a check, and logs it if it differs from the last one.
func (w *Watch) report(err error) {
	w.Status(err)
	now := "usable"
	if err != nil {
		now = err.Error()
		if errors.Is(err, context.DeadlineExceeded) {
			now = "no answer" // The full text differs from one attempt to the next.
		}
	}
	if now == w.logged {
		return
	}
	w.logged = now
	if err != nil {
		w.Logger.Warn("Kafka is not usable; retrying", "reason", err)
		return
	}
	w.Logger.Info("Kafka is usable", "brokers", w.Topics.Dial.Brokers)
}

// checkRegularly calls check every interval until ctx ends, with a client of its own and a context that ends after watchTimeout.
func checkRegularly(ctx context.Context, dial Dial, interval time.Duration, check func(context.Context, *kadm.Client)) error {
	client, err := kgo.NewClient(dial.Options()...)
	if err != nil {
		return fmt.Errorf("make client: %w", err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	for retry.Wait(ctx, interval) == nil {
		attempt, cancel := context.WithTimeout(ctx, watchTimeout)
		check(attempt, admin)
		cancel()
	}
	return nil
}
