package kafka

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/iot"
	"iotmon/internal/process"
	"iotmon/internal/wire"
)

// anyEpoch is the epoch of a position in a dead letter, which has none: it is compared as if it were the checkpoint's.
const anyEpoch = -1

// decideAfterAbort finds out how a transaction ended whose producer has aborted its last one.
//
// A step commits its records together with the checkpoint, and checkpoints only grow. So a step one of whose records is ahead of the
// committed checkpoint of its partition was never committed. If none is ahead, either this step was committed, or it was aborted
// and another processor has committed the same results since, and then it does no harm that they are there twice: alerts,
// summaries and dead letters are the same ones. In device-state and partition-state the second is impossible: the next owner of
// the partition first reads both, and waits behind this transaction.
//
// An open commit of offsets is dropped. If it belonged to a committed step, the restore finds states that are ahead of the
// commit, or does the step again, to the same effect. Restores wait for it, so nothing is committed behind it. Settings have a
// producer for each transaction: the aborted one is this one.
func (w *MarkerWatch) decideAfterAbort(ctx context.Context, admin *kadm.Client, p kadm.DescribedProducer) (outcome, error) {
	if p.Topic == offsetsTopic || p.Topic == w.Topics.Readings {
		return aborted, nil
	}
	positions, err := w.positions(ctx, admin, p)
	if err != nil {
		return undecided, fmt.Errorf("its producer has aborted last, and its records cannot be compared with the checkpoint: %w", err)
	}
	// What another open transaction would change is not waited for: it may be one that has to be ended too.
	commits := make(map[int32]kadm.OffsetResponse)
	if _, err := addStableOffsets(ctx, admin, w.Group, w.Topics.Readings, commits); err != nil {
		return undecided, fmt.Errorf("its producer has aborted last, and there is no checkpoint to compare its records with: %w", err)
	}
	how, err := compare(positions, reached(commits))
	if errors.Is(err, errMixed) && p.Topic != w.Topics.States && p.Topic != w.Topics.InForce {
		return undecided, nil // Its readings are processed again, and then none of its records is ahead.
	}
	return how, err
}

// errMixed means that some records of a transaction are ahead of the checkpoint and others are not.
var errMixed = errors.New("its producer has aborted last, and some of its records are ahead of the committed checkpoint and others are not: " +
	"it may be two transactions, of which the first was committed")

// compare finds out, by the positions in the records of an open transaction, whether its step was committed.
func compare(positions []iot.Position, reached map[int32]iot.Position) (outcome, error) {
	ahead := 0
	for _, position := range positions {
		checkpoint, found := reached[position.Partition]
		if !found {
			return undecided, fmt.Errorf("its producer has aborted last, and no checkpoint of partition %d is committed, or an open transaction may change it", position.Partition)
		}
		if position.Epoch == anyEpoch {
			position.Epoch = checkpoint.Epoch
		}
		if position.Compare(checkpoint) > 0 {
			ahead++
		}
	}
	switch ahead {
	case len(positions):
		return aborted, nil
	case 0:
		return committed, nil
	}
	return undecided, errMixed
}

// reached returns the positions of the checkpoints in commits. A partition whose commit is no checkpoint is missing.
func reached(commits map[int32]kadm.OffsetResponse) map[int32]iot.Position {
	reached := make(map[int32]iot.Position)
	for id, offset := range commits {
		if offset.At < 0 || offset.Metadata == "" {
			continue
		}
		checkpoint, err := process.ParseCheckpoint(offset.At, offset.Metadata)
		if err == nil {
			reached[id] = iot.Position{Partition: id, Epoch: checkpoint.Epoch, Offset: checkpoint.Position}
		}
	}
	return reached
}

// positions reads the records of an open transaction and returns what position each of them has.
func (w *MarkerWatch) positions(ctx context.Context, admin *kadm.Client, p kadm.DescribedProducer) ([]iot.Position, error) {
	ends, err := admin.ListEndOffsets(ctx, p.Topic)
	if err = errors.Join(err, ends.Error()); err != nil {
		return nil, fmt.Errorf("list end offsets: %w", err)
	}
	end, _ := ends.Lookup(p.Topic, p.Partition)
	client, err := kgo.NewClient(w.Dial.Options(
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{p.Topic: {p.Partition: kgo.NewOffset().At(p.CurrentTxnStartOffset)}}),
		NoFetchSession(),
		kgo.KeepControlRecords(), // One of them may be the last record.
		PooledFetches(),
	)...)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	var positions []iot.Position
	for next := p.CurrentTxnStartOffset; next < end.Offset; {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, fmt.Errorf("read it: %w", err)
		}
		for _, r := range fetches.Records() {
			next = r.Offset + 1
			if r.ProducerID != p.ProducerID || r.ProducerEpoch != p.ProducerEpoch || r.Attrs.IsControl() {
				continue
			}
			position, ours := w.positionOf(r)
			if !ours {
				return nil, fmt.Errorf("the record at offset %d is none of a processor's", r.Offset)
			}
			positions = append(positions, position)
		}
		Recycle(fetches)
	}
	return positions, nil
}

// sourceOf returns the position behind the record that a dead letter is of.
func sourceOf(r *kgo.Record) (iot.Position, bool) {
	position := iot.Position{Partition: -1, Epoch: anyEpoch}
	for _, h := range r.Headers {
		number, err := strconv.ParseInt(string(h.Value), 10, 64)
		switch {
		case err != nil:
		case h.Key == HeaderSourcePartition:
			position.Partition = int32(number)
		case h.Key == HeaderSourceOffset:
			position.Offset = number + 1
		}
	}
	return position, position.Partition >= 0 && position.Offset > 0
}

// positionOf returns the position in a record that a processor has written; false if it is none.
func (w *MarkerWatch) positionOf(r *kgo.Record) (iot.Position, bool) {
	switch r.Topic {
	case w.Topics.States, w.Topics.InForce:
		if IsTombstone(r) {
			return TombstonePosition(r)
		}
		return wire.StatePosition(r.Value)
	case w.Topics.Alerts:
		alert, err := wire.DecodeAlert(r.Value)
		return alert.Position, err == nil
	case w.Topics.Aggregates:
		if wire.IsDeviceAreas(r.Value) {
			areas, err := wire.DecodeDeviceAreas(r.Value)
			return areas.Position, err == nil
		}
		summary, err := wire.DecodeWindowSummary(r.Value)
		return summary.Position, err == nil
	case w.Topics.DeadLetters:
		return sourceOf(r)
	}
	return iot.Position{}, false
}
