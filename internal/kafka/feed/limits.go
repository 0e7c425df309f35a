package feed

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/archive"
	"iotmon/internal/iot"
	"iotmon/internal/kafka"
	"iotmon/internal/process"
	"iotmon/internal/wire"
)

// limitsQuiet is how long nothing must come, twice and from a broker that answers in between, until the end of partition-state counts as
// reached: its last records may have been removed by compaction.
const limitsQuiet = 5 * time.Second

// LimitsInForce returns the function by which an archiver asks which limits are in force. It reads all of topic partition-state, committed.
func LimitsInForce(dial kafka.Dial, topics kafka.Topics) archive.LimitsInForce {
	return func(ctx context.Context, partitions []int32) (map[int32][]iot.SettingsInForce, error) {
		found, err := readLimits(ctx, dial, topics.InForce, partitions, limitsQuiet)
		if err != nil {
			return nil, fmt.Errorf("read limits in force: %w", err)
		}
		return found, nil
	}
}

func readLimits(ctx context.Context, dial kafka.Dial, topic string, partitions []int32, quiet time.Duration) (map[int32][]iot.SettingsInForce, error) {
	client, err := kgo.NewClient(dial.Options(
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NoResetOffset()), kgo.KeepControlRecords(),
		kafka.NoFetchSession(), kafka.PooledFetches(),
	)...)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	extents, err := kafka.ListCommittedExtents(ctx, admin, topic)
	if err != nil {
		return nil, err
	}
	from, unread := make(map[int32]kgo.Offset), make(map[int32]int64)
	for id, extent := range extents {
		if slices.Contains(partitions, id) && extent.Start < extent.End {
			from[id], unread[id] = kgo.NewOffset().At(extent.Start), extent.End
		}
	}
	client.AddConsumePartitions(map[string]map[int32]kgo.Offset{topic: from})
	limits := make(map[int32]map[string]iot.SettingsInForce)
	for silent := 0; len(unread) > 0; {
		fetches, err := kafka.Poll(ctx, client, 0, quiet)
		if err != nil {
			return nil, err
		}
		if fetches.NumRecords() > 0 {
			silent = 0
		} else if silent++; silent == 2 {
			break
		} else if _, err := kafka.ListCommittedExtents(ctx, admin, topic); err != nil {
			return nil, err // What was not read may be what is in force.
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Offset+1 >= unread[r.Partition] {
				delete(unread, r.Partition)
			}
			if of, _, _ := wire.SplitInForceKey(r.Key); of != wire.LimitsInForce || r.Attrs.IsControl() {
				return
			}
			if limits[r.Partition] == nil {
				limits[r.Partition] = make(map[string]iot.SettingsInForce)
			}
			if r.Value == nil {
				delete(limits[r.Partition], string(r.Key))
			} else if f, err := process.DecodeInForce(r.Key, r.Value); err == nil { // Other records are no processor's, and no processor restores them.
				limits[r.Partition][string(r.Key)] = *f.Settings()
			}
		})
		kafka.Recycle(fetches)
	}
	found := make(map[int32][]iot.SettingsInForce)
	for id, values := range limits {
		for _, s := range values {
			found[id] = append(found[id], s)
		}
	}
	return found, nil
}
