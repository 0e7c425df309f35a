package integration

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/kafka"
	"iotmon/internal/kafka/embedded"
)

// openTransactions counts the producers of the processor's topics that wrote into a transaction and never ended it, by
// what lies in an iotmon data directory that no process uses. The broker drops such a transaction at the start without a marker.
func openTransactions(t *testing.T, dir string) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	broker, err := embedded.Open(ctx, embedded.Options{Dir: filepath.Join(dir, "kafka"), Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	names := kafka.DefaultTopics()
	topics := []string{names.States, names.Aggregates, names.Alerts, names.DeadLetters}
	client, err := kgo.NewClient(kgo.SeedBrokers(broker.Addrs()...), kgo.ConsumeTopics(topics...),
		// A transaction is open for half a second: what it wrote lies at the end.
		kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd().Relative(-3000)), kgo.KeepControlRecords())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	// What a producer wrote to a partition and has not ended there; one producer has one transaction at a time.
	type part struct {
		producer  int64
		topic     string
		partition int32
	}
	open := make(map[part]bool)
	for read := 0; ; {
		fetches := client.PollFetches(idle(ctx))
		for _, failed := range fetches.Errors() {
			if !errors.Is(failed.Err, context.DeadlineExceeded) {
				t.Logf("read %s/%d of the killed process: %v", failed.Topic, failed.Partition, failed.Err)
			}
		}
		if ctx.Err() != nil {
			t.Logf("the topics of the killed process were not read in time after %d records; it does not count as a hit", read)
			return 0
		}
		fetches.EachRecord(func(r *kgo.Record) {
			at := part{r.ProducerID, r.Topic, r.Partition}
			switch {
			case r.Attrs.IsControl():
				delete(open, at)
			case r.Attrs.IsTransactional():
				open[at] = true
			}
		})
		read += fetches.NumRecords()
		if fetches.NumRecords() == 0 && read > 0 {
			break
		}
	}
	producers := make(map[int64]bool)
	for at := range open {
		producers[at.producer] = true
	}
	return len(producers)
}

// idle bounds one poll of a log that nobody writes to: what has not come by then is not there.
func idle(ctx context.Context) context.Context {
	bounded, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	context.AfterFunc(bounded, cancel)
	return bounded
}
