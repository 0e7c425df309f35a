package processor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"iotmon/internal/iot"
	"iotmon/internal/kafka"
	"iotmon/internal/process"
	"iotmon/internal/retry"
)

// restore builds partitions from their last committed transaction. It reads the stable offsets first and then what is in force and the
// device states. In this order it sees a transaction either whole or not at all: once the offsets are stable, no earlier transaction of these
// partitions is open, and a later one of a former owner cannot commit.
func (s *session) restore(ctx context.Context, ids []int32) (*restored, error) {
	log, err := s.describeLog(ctx)
	if err != nil {
		return nil, err
	}
	commits, err := s.committed(ctx, ids)
	if err != nil {
		return nil, err
	}
	reached := make(map[int32]iot.Position, len(ids))
	for id, commit := range commits {
		checkpoint, err := process.ParseCheckpoint(commit.offset, commit.metadata)
		if newer, ok := errors.AsType[*process.NewerError](err); ok {
			return nil, &unsupportedError{id, newer}
		}
		if _, ours := commit.checkpoint(); ours {
			reached[id] = iot.Position{Epoch: checkpoint.Epoch, Offset: checkpoint.Position}
		}
	}
	fits := func(id int32, position iot.Position) bool {
		if position.Partition != id {
			return false
		}
		// The embedded broker, if it was killed during a commit, may have written the markers of some topics and not the offsets.
		// A state is then ahead of the offsets. Its readings will be processed again, so the state before it is the valid one.
		upTo, found := reached[id]
		return !s.TornCommits || !found || position.Compare(upTo) <= 0
	}
	inForce, err := s.readInForce(ctx, ids, fits)
	if err != nil {
		return nil, err
	}
	states, err := s.readStates(ctx, ids, fits)
	if err != nil {
		return nil, err
	}
	partitions := make(map[int32]*process.Partition, len(ids))
	failed := make(partitionErrors)
	for _, id := range ids {
		partitions[id], err = s.rebuild(ctx, id, log, commits[id], kept{inForce[id], states[id]})
		if panicked := (*restorePanic)(nil); errors.As(err, &panicked) {
			failed[id] = err
		} else if err != nil {
			return nil, err
		}
	}
	if len(failed) > 0 {
		return nil, failed
	}
	return &restored{partitions, log.id}, nil
}

// restored are partitions, and the id of their topic.
type restored struct {
	partitions map[int32]*process.Partition
	log        string
}

// logContents is the id of the readings' topic, and what its partitions hold.
type logContents struct {
	id      string
	extents map[int32]kafka.Extent
}

func (s *session) describeLog(ctx context.Context) (logContents, error) {
	admin := kadm.NewClient(s.writer.client)
	var log logContents
	details, err := admin.ListTopics(ctx, s.Topics.Readings)
	if err = errors.Join(err, details.Error()); err != nil {
		return log, fmt.Errorf("describe %s: %w", s.Topics.Readings, err)
	}
	log.id = details[s.Topics.Readings].ID.String()
	log.extents, err = kafka.ListExtents(ctx, admin, s.Topics.Readings)
	return log, err
}

// kept is what is kept of a partition in compacted topics, by key.
type kept struct {
	inForce map[string]process.InForce
	states  map[string]iot.DeviceState
}

// reached returns the highest position among the values, and the newest append time of the states. Both are zero if there are none.
func (k kept) reached() (reached iot.Position, lastSeen time.Time) {
	for _, state := range k.states {
		if state.Position.Compare(reached) > 0 || reached == (iot.Position{}) {
			reached = state.Position
		}
		if state.LastSeen.After(lastSeen) {
			lastSeen = state.LastSeen
		}
	}
	for _, value := range k.inForce {
		if value.Position.Compare(reached) > 0 { // What a new partition begins with is at position 0.
			reached = value.Position
		}
	}
	return reached, lastSeen
}

// rebuild makes a partition from its committed offset and what is kept of it.
func (s *session) rebuild(ctx context.Context, id int32, log logContents, commit commit, kept kept) (_ *process.Partition, err error) {
	extent := log.extents[id]
	k := known{commit: commit, log: log.id, start: extent.Start, end: extent.End, torn: s.TornCommits}
	k.reached, k.lastSeen = kept.reached()
	r := k.resume()
	if r.Level, err = s.level(ctx, &k, log); err != nil {
		return nil, err
	}
	if err := s.complete(ctx, id, &k, &r, kept.inForce); err != nil {
		return nil, err
	}
	if r.problem != "" {
		s.Logger.Error("readings may be missing in windows, which will be recomputed from the archive: "+r.problem,
			"partition", id, "committed", k.offset, "goes_on_at", r.Position, "states_reach", k.reached.Offset,
			"log_start", k.start, "log_end", k.end, "lost", r.deleted)
		s.Metrics.Lost(r.deleted)
	} else if r.Position > 0 && len(kept.states) == 0 && r.Devices != 0 && !r.Clock.IsZero() {
		s.Logger.Warn("no states of devices where readings were processed: if device-state was emptied, devices and alerts begin anew",
			"partition", id, "position", r.Position)
	}
	defer func() {
		if reason := recover(); reason != nil {
			err = &restorePanic{reason, debug.Stack()}
		}
	}()
	partition := process.New(s.Process, id, r.Checkpoint, r.lost)
	for _, value := range kept.inForce {
		partition.RestoreInForce(value)
	}
	for _, device := range slices.Sorted(maps.Keys(kept.states)) {
		partition.Restore(kept.states[device])
	}
	return partition, nil
}

// level returns the level at which a partition goes on, unless a higher one is kept with what is in force. One without a checkpoint gets the
// lowest level of the group's others, because older members may share the group. In a new group it is 0, the newest.
func (s *session) level(ctx context.Context, k *known, log logContents) (uint8, error) {
	if checkpoint, ours := k.checkpoint(); ours {
		return checkpoint.Level, nil
	}
	ids := slices.Collect(maps.Keys(log.extents))
	response, err := s.committedRequest(ids, false).RequestWith(ctx, s.writer.client)
	if err != nil {
		return 0, fmt.Errorf("fetch committed offsets: %w", err)
	}
	commits, err := parseCommitted(response, ids)
	if err != nil {
		return 0, err
	}
	level := uint8(0)
	for _, commit := range commits {
		if checkpoint, ours := commit.checkpoint(); ours && (level == 0 || checkpoint.Level < level) {
			level = checkpoint.Level
		}
	}
	if level == 0 && k.reached != (iot.Position{}) {
		return 1, nil // The commits are lost.
	}
	return level, nil
}

// restorePanic is a panic while a partition was being built from committed data.
type restorePanic struct {
	reason any
	stack  []byte
}

func (p *restorePanic) Error() string {
	return fmt.Sprintf("restore: panic: %v\n%s", p.reason, p.stack)
}

// complete reads from the log what the checkpoint lacks. Windows that end at the watermark or before it are closed. A window that was
// open at the checkpoint's clock began at most two window lengths and the lateness before that, and its readings were appended at
// most the clock skew earlier, by any settings that are in force.
func (s *session) complete(ctx context.Context, id int32, k *known, r *resumption, inForce map[string]process.InForce) error {
	window, lateness, skew := s.Process.Window, s.Process.Lateness, s.Process.Admission.Skew
	for _, value := range inForce {
		if settings := value.Settings(); settings != nil {
			window = max(window, settings.Window)
			if settings.Limits != nil {
				lateness, skew = max(lateness, settings.Limits.Lateness), max(skew, settings.Limits.Skew)
			}
		}
	}
	open := 2*window + lateness
	switch {
	case r.missing == nothing:
		return nil
	case r.missing == firstTime || r.Clock.IsZero(): // The clock is zero if all states are of past readings.
		at, err := s.appendTime(ctx, id, r.Position)
		if err == nil && !at.IsZero() {
			r.Watermark = at.Add(-open)
		}
		return err
	}
	r.Watermark = r.Clock.Add(-open)
	if k.reached.Offset < r.Position {
		return nil // The records between are deleted, or are not to be processed.
	}
	from, err := kadm.NewClient(s.writer.client).ListOffsetsAfterMilli(ctx,
		r.Watermark.Add(-skew).UnixMilli(), s.Topics.Readings)
	if err != nil {
		return fmt.Errorf("find the readings of open windows: %w", err)
	}
	if found, ok := from.Lookup(s.Topics.Readings, id); ok && found.Err == nil && found.Offset >= 0 {
		r.Offset = max(min(found.Offset, r.Position), k.start)
	}
	return nil
}

// appendTime returns the append time of the first record from the offset on. It is zero if no committed record follows.
func (s *session) appendTime(ctx context.Context, id int32, offset int64) (time.Time, error) {
	ends, err := kadm.NewClient(s.writer.client).ListCommittedOffsets(ctx, s.Topics.Readings)
	if err = errors.Join(err, ends.Error()); err != nil {
		return time.Time{}, fmt.Errorf("list stable offsets: %w", err)
	}
	if end, _ := ends.Lookup(s.Topics.Readings, id); end.Offset <= offset {
		return time.Time{}, nil
	}
	client, err := kgo.NewClient(s.Dial.Options(
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{s.Topics.Readings: {id: kgo.NewOffset().At(offset)}}),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.KeepControlRecords(),
		kafka.NoFetchSession(),
	)...)
	if err != nil {
		return time.Time{}, err
	}
	defer client.Close()
	fetches := client.PollRecords(ctx, 1)
	if err := fetches.Err(); err != nil {
		return time.Time{}, fmt.Errorf("read the first record of partition %d: %w", id, err)
	}
	for _, r := range fetches.Records() {
		return r.Timestamp, nil
	}
	return time.Time{}, nil
}

// commit is the committed offset of a partition, -1 for none, with its metadata.
type commit struct {
	offset   int64
	metadata string
}

// checkpoint returns the checkpoint of a processor. It returns false if nothing was committed, or not by a processor.
func (c commit) checkpoint() (process.Checkpoint, bool) {
	if c.offset < 0 || c.metadata == "" {
		return process.Checkpoint{}, false
	}
	checkpoint, err := process.ParseCheckpoint(c.offset, c.metadata)
	return checkpoint, err == nil
}

// committed fetches the commits of partitions. It waits for open transactions that would change them.
func (s *session) committed(ctx context.Context, ids []int32) (map[int32]commit, error) {
	request := s.committedRequest(ids, true)
	for {
		response, err := request.RequestWith(ctx, s.writer.client)
		if err != nil {
			return nil, fmt.Errorf("fetch committed offsets: %w", err)
		}
		commits, err := parseCommitted(response, ids)
		if !errors.Is(err, kerr.UnstableOffsetCommit) {
			return commits, err
		}
		if err := retry.Wait(ctx, 100*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

// committedRequest asks for the commits of partitions; stable makes it fail while a transaction may change them.
func (s *session) committedRequest(ids []int32, stable bool) *kmsg.OffsetFetchRequest {
	request := kmsg.NewPtrOffsetFetchRequest()
	request.RequireStable = stable
	request.Group = s.Group
	topic := kmsg.NewOffsetFetchRequestTopic()
	topic.Topic, topic.Partitions = s.Topics.Readings, ids
	request.Topics = append(request.Topics, topic)
	return request
}

func parseCommitted(response *kmsg.OffsetFetchResponse, ids []int32) (map[int32]commit, error) {
	if err := kerr.ErrorForCode(response.ErrorCode); err != nil {
		return nil, fmt.Errorf("fetch committed offsets: %w", err)
	}
	commits := make(map[int32]commit, len(ids))
	for _, id := range ids {
		commits[id] = commit{offset: -1}
	}
	for _, topic := range response.Topics {
		for _, p := range topic.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return nil, fmt.Errorf("fetch committed offset of partition %d: %w", p.Partition, err)
			}
			if p.Offset < 0 {
				continue
			}
			c := commit{offset: p.Offset}
			if p.Metadata != nil {
				c.metadata = *p.Metadata
			}
			commits[p.Partition] = c
		}
	}
	return commits, nil
}
