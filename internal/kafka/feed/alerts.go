package feed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/iot"
	"iotmon/internal/kafka"
	"iotmon/internal/notify/deliver"
	"iotmon/internal/wire"
)

// Alerts is the log of the alerts and of the states of devices, for the notifier. It may be used concurrently.
type Alerts struct {
	Dial   kafka.Dial
	Topics kafka.Topics
	// Logger logs records that none of our programs has written; they are skipped.
	Logger *slog.Logger
}

var _ deliver.Log = (*Alerts)(nil)

const (
	// maxAlertBytes bounds the bytes of a fetch, which are compressed, and maxAlertPoll the records that one poll returns.
	maxAlertBytes = 1 << 20
	maxAlertPoll  = 10_000
	// statesQuiet is how long a read of the states waits for a record before it counts as complete, if the broker answers: the last records before
	// the end may have been compacted away.
	statesQuiet = 3 * time.Second
)

// Open implements deliver.Log.
func (a *Alerts) Open(ctx context.Context) (deliver.Reader, error) {
	client, err := a.client()
	if err != nil {
		return nil, err
	}
	r := &alertReader{log: a, client: client, extents: make(map[int32]deliver.Extent)}
	if err := r.describe(ctx); err != nil {
		client.Close()
		return nil, err
	}
	return r, nil
}

// client returns a client that reads committed records of the partitions that it is notified.
func (a *Alerts) client() (*kgo.Client, error) {
	return kgo.NewClient(a.Dial.Options(
		kgo.FetchMaxBytes(maxAlertBytes),
		kgo.FetchMaxPartitionBytes(maxAlertBytes/2),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()), // An offset that is gone is an error: what stands is looked up then.
		kgo.KeepControlRecords(),                    // A marker moves the offset.
		kafka.PooledFetches(),
	)...)
}

// alertReader implements deliver.Reader.
type alertReader struct {
	log     *Alerts
	client  *kgo.Client
	id      string
	extents map[int32]deliver.Extent
	skipped kafka.Skipped
}

// describe asks for the id of the topic and what it holds.
func (r *alertReader) describe(ctx context.Context) error {
	admin, topic := kadm.NewClient(r.client), r.log.Topics.Alerts
	details, err := admin.ListTopics(ctx, topic)
	if err = errors.Join(err, details.Error()); err != nil {
		return fmt.Errorf("describe %s: %w", topic, err)
	}
	r.id = details[topic].ID.String()
	extents, err := kafka.ListCommittedExtents(ctx, admin, topic)
	if err != nil {
		return err
	}
	for id, extent := range extents {
		r.extents[id] = deliver.Extent(extent)
	}
	return nil
}

// ID implements deliver.Reader.
func (r *alertReader) ID() string { return r.id }

// Extents implements deliver.Reader.
func (r *alertReader) Extents() map[int32]deliver.Extent { return maps.Clone(r.extents) }

// Start implements deliver.Reader.
func (r *alertReader) Start(from map[int32]int64) {
	offsets := make(map[int32]kgo.Offset, len(from))
	for id, next := range from {
		offsets[id] = kgo.NewOffset().At(next)
	}
	r.client.AddConsumePartitions(map[string]map[int32]kgo.Offset{r.log.Topics.Alerts: offsets})
}

// Poll implements deliver.Reader.
func (r *alertReader) Poll(ctx context.Context) (deliver.Batch, error) {
	batch := deliver.Batch{Next: make(map[int32]int64)}
	fetches := r.client.PollRecords(ctx, maxAlertPoll)
	for _, failed := range fetches.Errors() {
		if !errors.Is(failed.Err, context.DeadlineExceeded) && !errors.Is(failed.Err, context.Canceled) {
			return batch, fmt.Errorf("fetch %s/%d: %w", failed.Topic, failed.Partition, failed.Err)
		}
	}
	fetches.EachRecord(func(record *kgo.Record) {
		batch.Next[record.Partition] = record.Offset + 1
		if record.Attrs.IsControl() || record.Value == nil {
			return
		}
		alert, err := wire.DecodeAlert(record.Value)
		if err != nil {
			r.skipped.Add(r.log.Logger, "notifications skipped records that they cannot decode", record, err)
			return
		}
		batch.Alerts = append(batch.Alerts, alert)
	})
	kafka.Recycle(fetches)
	return batch, nil
}

// Close implements deliver.Reader.
func (r *alertReader) Close() { r.client.Close() }

// OpenAlerts implements deliver.Log. It reads the topic of the states to its end, and keeps the states with open alerts.
func (a *Alerts) OpenAlerts(ctx context.Context) ([]iot.Alert, error) {
	client, err := a.client()
	if err != nil {
		return nil, err
	}
	defer client.Close()
	admin, topic := kadm.NewClient(client), a.Topics.States
	extents, err := kafka.ListCommittedExtents(ctx, admin, topic)
	if err != nil {
		return nil, err
	}
	from, unread := make(map[int32]kgo.Offset), make(map[int32]int64)
	for id, extent := range extents {
		if extent.Start < extent.End {
			from[id], unread[id] = kgo.NewOffset().At(extent.Start), extent.End
		}
	}
	client.AddConsumePartitions(map[string]map[int32]kgo.Offset{topic: from})
	states := states{of: make(map[string][]iot.Alert)}
	var skipped kafka.Skipped
	for len(unread) > 0 {
		fetches, err := kafka.Poll(ctx, client, 0, statesQuiet)
		if err != nil {
			return nil, err
		}
		if fetches.NumRecords() == 0 {
			if _, err := admin.ListEndOffsets(ctx, topic); err != nil {
				return nil, fmt.Errorf("list end offsets: %w", err)
			}
			break // See statesQuiet.
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Offset+1 >= unread[r.Partition] {
				delete(unread, r.Partition)
			}
			if err := states.add(r); err != nil {
				skipped.Add(a.Logger, "states of devices cannot be decoded", r, err)
			}
		})
		kafka.Recycle(fetches)
	}
	return states.alerts(), nil
}

// states collects the open alerts of devices by their keys.
type states struct {
	of      map[string][]iot.Alert
	decoder wire.Decoder
}

func (s *states) add(r *kgo.Record) error {
	if r.Attrs.IsControl() {
		return nil
	}
	if r.Value == nil {
		delete(s.of, string(r.Key))
		return nil
	}
	state, err := s.decoder.DeviceState(r.Value)
	if err != nil {
		return err
	}
	open := state.OpenAlerts()
	for i := range open { // The state reflects all events up to its own position.
		open[i].Position = state.Position
	}
	if delete(s.of, string(r.Key)); len(open) > 0 {
		s.of[string(r.Key)] = open
	}
	return nil
}

func (s *states) alerts() []iot.Alert {
	var all []iot.Alert
	for _, open := range s.of {
		all = append(all, open...)
	}
	return all
}
