package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// maxClockBehind is how far this machine's clock may be behind the newest record of the log, if this machine stamps the records.
// A record with an earlier append time than those before it does not move time on: no window closes and no device becomes
// silent until the clock has caught up.
const maxClockBehind = time.Hour

// ErrClockBehind means that this machine's clock is too far behind the newest record of the log.
var ErrClockBehind = errors.New("the clock of this machine is behind the log")

// CheckClock returns ErrClockBehind if the newest record of the readings' topic was appended more than an hour after now, the time
// of this machine's clock. It is meant for the embedded broker, whose records have the append time of this machine.
func CheckClock(ctx context.Context, dial Dial, topics Topics, now time.Time) error {
	newest, err := newestAppendTime(ctx, dial, topics.Readings)
	if err != nil {
		return fmt.Errorf("find the last record of %s: %w", topics.Readings, err)
	}
	if newest.Sub(now) <= maxClockBehind {
		return nil
	}
	return fmt.Errorf("%w: this machine says %s, and the last reading was appended at %s", ErrClockBehind,
		now.UTC().Format(time.RFC3339), newest.UTC().Format(time.RFC3339))
}

// AppendTicks appends a tick to every partition of the readings' topic. It accepts this machine's clock after ErrClockBehind: the
// last record of each partition then has this clock's time, so the next CheckClock finds no difference.
func AppendTicks(ctx context.Context, dial Dial, topics Topics) error {
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

// newestAppendTime returns the newest append time among the last records of a topic's partitions, the zero time for an empty topic.
func newestAppendTime(ctx context.Context, dial Dial, topic string) (time.Time, error) {
	client, err := kgo.NewClient(dial.Options(kgo.KeepControlRecords(), kgo.ConsumeResetOffset(kgo.NoResetOffset()), NoFetchSession())...)
	if err != nil {
		return time.Time{}, err
	}
	defer client.Close()
	extents, err := ListExtents(ctx, kadm.NewClient(client), topic)
	if err != nil {
		return time.Time{}, err
	}
	from := make(map[int32]kgo.Offset)
	for id, extent := range extents {
		if extent.Start < extent.End {
			from[id] = kgo.NewOffset().At(extent.End - 1)
		}
	}
	client.AddConsumePartitions(map[string]map[int32]kgo.Offset{topic: from})
	var newest time.Time
	for len(from) > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return time.Time{}, err
		}
		fetches.EachRecord(func(r *kgo.Record) {
			delete(from, r.Partition)
			if r.Timestamp.After(newest) {
				newest = r.Timestamp
			}
		})
	}
	return newest, nil
}
