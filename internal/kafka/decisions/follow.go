package decisions

import (
	"context"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/control"
	"iotmon/internal/kafka"
	"iotmon/internal/retry"
	"iotmon/internal/wire"
)

const (
	// quiet is how long a follower waits without a record, from a broker that answers, before it counts as caught up: the last
	// records before the end may have been compacted away.
	quiet = 3 * time.Second
	// firstPause and longestPause are the limits of the pause before a follower starts again after an error.
	firstPause, longestPause = 100 * time.Millisecond, 5 * time.Second
	// maxBytes bounds the bytes of a fetch, which are compressed: entries take ten times as much in memory.
	maxBytes = 1 << 20
)

// Follower reads what is in force, read committed: first everything, then every change.
type Follower struct {
	FollowerOptions
	skipped kafka.Skipped
}

// FollowerOptions configure a Follower. All fields are required.
type FollowerOptions struct {
	Dial    kafka.Dial
	Topics  kafka.Topics
	InForce *control.InForce
	Logger  *slog.Logger
}

// NewFollower returns a follower; Run does the work.
func NewFollower(options FollowerOptions) *Follower { return &Follower{FollowerOptions: options} }

// Run reads until ctx ends. After an error, such as a topic that was created anew, it logs the reason, pauses, and reads everything
// again.
func (f *Follower) Run(ctx context.Context) error {
	return retry.NewBackoff(firstPause, longestPause).Repeat(ctx, f.follow, func(err error, _ time.Duration) {
		f.Logger.Warn("what is in force is read again from the start", "reason", err)
	})
}

// follow reads until ctx ends, or an error that the client does not recover from. It reports whether it had caught up.
func (f *Follower) follow(ctx context.Context) (caughtUp bool, err error) {
	client, err := kgo.NewClient(f.Dial.Options(
		kgo.FetchMaxBytes(maxBytes),
		kgo.FetchMaxPartitionBytes(maxBytes/4),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()), // An offset that is gone means that the topic was created anew.
		kgo.KeepControlRecords(),                    // The last record of a partition may be a marker.
		kafka.PooledFetches(),
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
			f.InForce.CaughtUp()
		}
		patience := time.Duration(0)
		if !caughtUp {
			patience = quiet
		}
		fetches, err := kafka.Poll(ctx, client, 0, patience)
		if err != nil {
			return caughtUp, err
		}
		if fetches.NumRecords() == 0 && !caughtUp {
			if _, err := admin.ListEndOffsets(ctx, f.Topics.InForce); err == nil { // The broker answers; see quiet.
				clear(unread)
			}
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Offset+1 >= unread[r.Partition] {
				delete(unread, r.Partition)
			}
			if err := f.apply(r); err != nil {
				f.skipped.Add(f.Logger, "what is in force holds records that cannot be decoded", r, err)
			}
		})
		kafka.Recycle(fetches)
	}
}

// start begins to read from the start of the topic. It returns the end of each partition that has records to read up to there.
func (f *Follower) start(ctx context.Context, client *kgo.Client, admin *kadm.Client) (map[int32]int64, error) {
	extents, err := kafka.ListCommittedExtents(ctx, admin, f.Topics.InForce)
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
	f.InForce.Begin(int32(len(from)))
	client.AddConsumePartitions(map[string]map[int32]kgo.Offset{f.Topics.InForce: from})
	return unread, nil
}

// apply applies one record. The error means that no processor has written it.
func (f *Follower) apply(r *kgo.Record) error {
	if r.Attrs.IsControl() {
		return nil
	}
	of, name, ok := wire.SplitInForceKey(r.Key)
	switch {
	case !ok:
		return nil // Not of this version, or the mark of a restore.
	case of == wire.RuleInForce && r.Value == nil:
		f.InForce.RemoveRule(string(name), r.Partition)
	case of == wire.RuleInForce:
		rule, err := wire.DecodeRuleInForce(r.Value)
		if err != nil {
			return err
		}
		rule.Partition = r.Partition
		f.InForce.SetRule(&rule)
	case of == wire.EntryInForce:
		device, err := wire.DecodeDeviceKey(name)
		if err != nil {
			return err
		}
		if r.Value == nil {
			f.InForce.RemoveDevice(device, r.Partition)
			return nil
		}
		entry, err := wire.DecodeEntryInForce(r.Value)
		if err != nil {
			return err
		}
		entry.Partition = r.Partition
		f.InForce.SetDevice(device, &entry)
	}
	return nil
}
