package integration

import (
	"context"
	"io"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/kafka"
	"iotmon/internal/kafka/embedded"
)

// openTransactions counts the producers of the processor's topics that wrote into a transaction and never ended it, by
// what lies in an iotmon data directory that no process uses. The broker drops such a transaction at the start without a marker.
func openTransactions(t *testing.T, dir string) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	broker, err := embedded.Open(ctx, embedded.Options{Dir: filepath.Join(dir, "kafka"), Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	names := kafka.DefaultTopics()
	topics := []string{names.States, names.Aggregates, names.Alerts, names.DeadLetters}
	client, err := kgo.NewClient(kgo.SeedBrokers(broker.Addrs()...), kgo.ConsumeTopics(topics...),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.KeepControlRecords())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, topics...)
	if err != nil {
		t.Fatal(err)
	}
	unread := 0
	ends.Each(func(end kadm.ListedOffset) {
		if end.Offset > 0 {
			unread++
		}
	})
	// What a producer wrote to a partition and has not ended there; one producer has one transaction at a time.
	type part struct {
		producer  int64
		topic     string
		partition int32
	}
	open := make(map[part]bool)
	for unread > 0 {
		fetches := client.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			t.Fatalf("read the topics of the killed process: %v", err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			at := part{r.ProducerID, r.Topic, r.Partition}
			switch {
			case r.Attrs.IsControl():
				delete(open, at)
			case r.Attrs.IsTransactional():
				open[at] = true
			}
			if end, ok := ends.Lookup(r.Topic, r.Partition); ok && r.Offset == end.Offset-1 {
				unread--
			}
		})
	}
	producers := make(map[int64]bool)
	for at := range open {
		producers[at.producer] = true
	}
	return len(producers)
}
