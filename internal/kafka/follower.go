package kafka

import (
	"context"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/retry"
)

const (
	// followerQuiet is how long a Follower waits without a record, from a broker that answers, before it counts as caught up: the last
	// records before the end may have been compacted away.
	followerQuiet = 3 * time.Second
	// followerFirstPause and followerLongestPause are the limits of the pause before a Follower starts again after an error.
	followerFirstPause, followerLongestPause = 100 * time.Millisecond, 5 * time.Second
	// followerBytes bounds the bytes of a fetch, which are compressed: what they say takes ten times as much in memory.
	followerBytes = 1 << 20
)

// Follower reads a compacted topic, read committed: first everything, then every change. All fields are required.
type Follower struct {
	Dial  Dial
	Topic string
	// Begin is called before everything is read, with the number of partitions; again after each error. CaughtUp is called after it.
	Begin    func(partitions int)
	CaughtUp func()
	// Apply applies a record, which is valid until it returns. The error means that none of our programs has written it: it is skipped.
	Apply  func(*kgo.Record) error
	Logger *slog.Logger
	// Contents names in the log what the topic holds, such as "what is in force".
	Contents string

	skipped Skipped
}

// Run reads until ctx ends. After an error, such as a topic that was created anew, it logs the reason, pauses, and reads everything
// again.
func (f *Follower) Run(ctx context.Context) error {
	return retry.NewBackoff(followerFirstPause, followerLongestPause).Repeat(ctx, f.follow, func(err error, _ time.Duration) {
		f.Logger.Warn(f.Contents+" is read again from the start", "reason", err)
	})
}

// follow reads until ctx ends, or an error that the client does not recover from. It reports whether it had caught up.
func (f *Follower) follow(ctx context.Context) (caughtUp bool, err error) {
	client, err := kgo.NewClient(f.Dial.Options(
		kgo.FetchMaxBytes(followerBytes),
		kgo.FetchMaxPartitionBytes(followerBytes/4),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()), // An offset that is gone means that the topic was created anew.
		kgo.KeepControlRecords(),                    // The last record of a partition may be a marker.
		PooledFetches(),
	)...)
	if err != nil {
		return false, err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	unread, err := f.start(ctx, client, admin)
	if err != nil {
		return false, err
	}
	for {
		if !caughtUp && len(unread) == 0 {
			caughtUp = true
			f.CaughtUp()
		}
		patience := time.Duration(0)
		if !caughtUp {
			patience = followerQuiet
		}
		fetches, err := Poll(ctx, client, 0, patience)
		if err != nil {
			return caughtUp, err
		}
		if fetches.NumRecords() == 0 && !caughtUp {
			if _, err := admin.ListEndOffsets(ctx, f.Topic); err == nil { // The broker answers; see followerQuiet.
				clear(unread)
			}
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Offset+1 >= unread[r.Partition] {
				delete(unread, r.Partition)
			}
			if r.Attrs.IsControl() {
				return
			}
			if err := f.Apply(r); err != nil {
				f.skipped.Add(f.Logger, f.Contents+" holds records that cannot be decoded", r, err)
			}
		})
		Recycle(fetches)
	}
}

// start begins to read from the start of the topic. It returns the end of each partition that has records to read up to there.
func (f *Follower) start(ctx context.Context, client *kgo.Client, admin *kadm.Client) (map[int32]int64, error) {
	extents, err := ListCommittedExtents(ctx, admin, f.Topic)
	if err != nil {
		return nil, err
	}
	from := make(map[int32]kgo.Offset)
	unread := make(map[int32]int64)
	for id, extent := range extents {
		from[id] = kgo.NewOffset().At(extent.Start)
		if extent.Start < extent.End {
			unread[id] = extent.End
		}
	}
	f.Begin(len(from))
	client.AddConsumePartitions(map[string]map[int32]kgo.Offset{f.Topic: from})
	return unread, nil
}
