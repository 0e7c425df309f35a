package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// maxClockBehind is how far this machine's clock may be behind the log's newest record when it is this machine that stamps
// records. What is stamped with an earlier time than what came before decides nothing until the clock has caught up.
const maxClockBehind = time.Hour

// ErrClockBehind means that the machine's clock is behind the log.
var ErrClockBehind = errors.New("the clock of this machine is behind the log")

// CheckClock returns ErrClockBehind if the last records of the readings' topic were appended more than an hour after now, which
// is what this machine says. It is for a log whose records this machine stamps.
func CheckClock(ctx context.Context, dial Dial, topics Topics, now time.Time) error {
	last, err := lastAppend(ctx, dial, topics.Readings)
	if err != nil {
		return fmt.Errorf("find the last record of %s: %w", topics.Readings, err)
	}
	if last.Sub(now) <= maxClockBehind {
		return nil
	}
	return fmt.Errorf("%w: it is %s here, and the last reading was taken in at %s", ErrClockBehind,
		now.UTC().Format(time.RFC3339), last.UTC().Format(time.RFC3339))
}

// StampAll appends a tick to every partition of the readings, so that the last record of each has this machine's time.
func StampAll(ctx context.Context, dial Dial, topics Topics) error {
	client, err := kgo.NewClient(dial.Options(kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		return err
	}
	defer client.Close()
	details, err := kadm.NewClient(client).ListTopics(ctx, topics.Readings)
	if err = errors.Join(err, details.Error()); err != nil {
		return fmt.Errorf("list partitions of %s: %w", topics.Readings, err)
	}
	var ticks []*kgo.Record
	for id := range details[topics.Readings].Partitions {
		ticks = append(ticks, tick(topics.Readings, id))
	}
	if err := client.ProduceSync(ctx, ticks...).FirstErr(); err != nil {
		return fmt.Errorf("append ticks: %w", err)
	}
	return nil
}

// lastAppend returns the newest append time among the last records of a topic's partitions, the zero time for an empty topic.
func lastAppend(ctx context.Context, dial Dial, topic string) (time.Time, error) {
	client, err := kgo.NewClient(dial.Options(kgo.KeepControlRecords(), kgo.ConsumeResetOffset(kgo.NoResetOffset()))...)
	if err != nil {
		return time.Time{}, err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	starts, err := admin.ListStartOffsets(ctx, topic)
	if err = errors.Join(err, starts.Error()); err != nil {
		return time.Time{}, err
	}
	ends, err := admin.ListEndOffsets(ctx, topic)
	if err = errors.Join(err, ends.Error()); err != nil {
		return time.Time{}, err
	}
	from := make(map[int32]kgo.Offset)
	ends.Each(func(end kadm.ListedOffset) {
		if start, _ := starts.Lookup(topic, end.Partition); start.Offset < end.Offset {
			from[end.Partition] = kgo.NewOffset().At(end.Offset - 1)
		}
	})
	client.AddConsumePartitions(map[string]map[int32]kgo.Offset{topic: from})
	var last time.Time
	for len(from) > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return time.Time{}, err
		}
		fetches.EachRecord(func(r *kgo.Record) {
			delete(from, r.Partition)
			if r.Timestamp.After(last) {
				last = r.Timestamp
			}
		})
	}
	return last, nil
}
