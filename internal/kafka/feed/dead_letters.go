package feed

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/api"
	"iotmon/internal/iot"
	"iotmon/internal/kafka"
)

// DeadLetters reads the dead letters on demand: it keeps nothing between two calls, and each call has a client of its own. It
// may be used concurrently.
type DeadLetters struct {
	Dial  kafka.Dial
	Topic string
}

var _ api.DeadLetters = (*DeadLetters)(nil)

const (
	// longestStretch is how many offsets one call of Newest reads of a partition at most. Offsets without a dead letter are markers of
	// transactions, or were written in aborted ones.
	longestStretch = 20_000
	// nearby is how far apart two dead letters may be that are read at once.
	nearby = 200
)

// Newest implements api.DeadLetters.
func (d *DeadLetters) Newest(ctx context.Context, before map[int32]int64, limit int) (api.DeadLetterPage, error) {
	log, err := d.held(ctx)
	if err != nil {
		return api.DeadLetterPage{}, err
	}
	end := int64(0)
	next := make(map[int32]int64)
	newest := make(map[int32][]api.DeadLetter)
	for partition, of := range log {
		end += of.End
		if limited, ok := before[partition]; ok {
			of.End = min(of.End, limited)
		}
		newest[partition], next[partition], err = d.readBack(ctx, partition, of, limit)
		if err != nil {
			return api.DeadLetterPage{}, err
		}
	}
	letters := takeNewest(newest, limit)
	for partition, left := range newest {
		if len(left) > 0 {
			next[partition] = left[len(left)-1].ID.Offset + 1
		}
	}
	for partition, from := range next {
		if from > log[partition].Start {
			return api.DeadLetterPage{Letters: letters, Next: next, End: end}, nil
		}
	}
	return api.DeadLetterPage{Letters: letters, End: end}, nil
}

// takeNewest moves at most limit dead letters out of the partitions' ones, which are in the order of their offsets, and returns
// them newest first. Of each partition it takes those with the highest offsets, whatever their times are: the next page continues
// below an offset.
func takeNewest(partitions map[int32][]api.DeadLetter, limit int) []api.DeadLetter {
	var taken []api.DeadLetter
	for len(taken) < limit {
		var newest *api.DeadLetter
		for _, letters := range partitions {
			if len(letters) == 0 {
				continue
			}
			last := &letters[len(letters)-1]
			if newest == nil || cmp.Or(last.Rejected.Compare(newest.Rejected), cmp.Compare(newest.ID.Partition, last.ID.Partition)) > 0 {
				newest = last
			}
		}
		if newest == nil {
			break
		}
		taken = append(taken, *newest)
		from := newest.ID.Partition
		partitions[from] = partitions[from][:len(partitions[from])-1]
	}
	return taken
}

// readBack returns the newest dead letters of a stretch, at most limit, oldest first, with the beginnings of their values, and the
// offset that it has read down to: below it there may be more.
func (d *DeadLetters) readBack(ctx context.Context, partition int32, of kafka.Extent, limit int) (letters []api.DeadLetter, from int64, err error) {
	from = max(of.End, of.Start)
	for length := int64(2 * limit); from > of.Start && len(letters) < limit && of.End-from < longestStretch; length *= 2 {
		end := from
		from = max(of.Start, from-length)
		var found []api.DeadLetter
		err := d.read(ctx, partition, kafka.Extent{Start: from, End: end}, func(r *kgo.Record) {
			if len(found) == 2*limit { // The older half is not needed.
				found = append(found[:0], found[limit:]...)
			}
			found = append(found, letterOf(r, api.ShownBytes))
		})
		if err != nil {
			return nil, 0, err
		}
		letters = append(found, letters...)
	}
	if excess := len(letters) - limit; excess > 0 {
		letters = letters[excess:]
		from = letters[0].ID.Offset
	}
	return letters, from, nil
}

// Find implements api.DeadLetters.
func (d *DeadLetters) Find(ctx context.Context, ids []api.DeadLetterID) (map[api.DeadLetterID]api.DeadLetter, error) {
	log, err := d.held(ctx)
	if err != nil {
		return nil, err
	}
	wanted := make(map[int32][]int64)
	for _, id := range ids {
		if held, known := log[id.Partition]; known && id.Offset >= held.Start && id.Offset < held.End {
			wanted[id.Partition] = append(wanted[id.Partition], id.Offset)
		}
	}
	letters := make(map[api.DeadLetterID]api.DeadLetter)
	for partition, offsets := range wanted {
		for _, of := range stretches(offsets) {
			err := d.read(ctx, partition, of, func(r *kgo.Record) {
				if slices.Contains(offsets, r.Offset) {
					letter := letterOf(r, len(r.Value))
					letters[letter.ID] = letter
				}
			})
			if err != nil {
				return nil, err
			}
		}
	}
	return letters, nil
}

// stretches returns the stretches of the log that hold the offsets; it sorts them.
func stretches(offsets []int64) []kafka.Extent {
	slices.Sort(offsets)
	var out []kafka.Extent
	for _, offset := range offsets {
		if last := len(out) - 1; last >= 0 && offset < out[last].End+nearby {
			out[last].End = offset + 1
			continue
		}
		out = append(out, kafka.Extent{Start: offset, End: offset + 1})
	}
	return out
}

// held returns what the log holds of each partition of the topic, without transactions that are still open.
func (d *DeadLetters) held(ctx context.Context) (map[int32]kafka.Extent, error) {
	client, err := kgo.NewClient(d.Dial.Options()...)
	if err != nil {
		return nil, fmt.Errorf("read dead letters: %w", err)
	}
	defer client.Close()
	return kafka.ListCommittedExtents(ctx, kadm.NewClient(client), d.Topic)
}

// read calls visit with the committed records of a stretch of a partition, in their order. Visit must copy what it keeps.
func (d *DeadLetters) read(ctx context.Context, partition int32, of kafka.Extent, visit func(*kgo.Record)) error {
	client, err := kgo.NewClient(d.Dial.Options(
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{d.Topic: {partition: kgo.NewOffset().At(of.Start)}}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), // One of them may be the last record.
		kafka.NoFetchSession(),
		kafka.PooledFetches(),
	)...)
	if err != nil {
		return fmt.Errorf("read dead letters: %w", err)
	}
	defer client.Close()
	for next := of.Start; next < of.End; {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return fmt.Errorf("read dead letters: %w", err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			next = r.Offset + 1
			if r.Offset < of.End && !r.Attrs.IsControl() {
				visit(r)
			}
		})
		kafka.Recycle(fetches)
	}
	return nil
}

// letterOf returns the dead letter in a record, with copies of its key and of the first most bytes of its value.
func letterOf(r *kgo.Record, most int) api.DeadLetter {
	letter := api.DeadLetter{
		ID: api.DeadLetterID{Partition: r.Partition, Offset: r.Offset}, Rejected: r.Timestamp.UTC(),
		Key: slices.Clone(r.Key), Value: slices.Clone(r.Value[:min(most, len(r.Value))]), Size: len(r.Value),
	}
	for _, h := range r.Headers {
		text := string(h.Value)
		switch h.Key {
		case kafka.HeaderReason:
			letter.Reason = text
		case kafka.HeaderReasonCode:
			letter.Why.Code = text
		case kafka.HeaderReasonArguments:
			if json.Unmarshal(h.Value, &letter.Why.Arguments) != nil { // Another program has written something else.
				letter.Why.Arguments = nil
			}
		case kafka.HeaderField:
			letter.Field = text
		case kafka.HeaderSource:
			letter.Source = text
		case kafka.HeaderSourceTopic:
			letter.Topic = text
		case kafka.HeaderSourceKind:
			letter.Kind = iot.ParseKind(text)
		case kafka.HeaderSourcePartition:
			letter.Partition = int32(number(text, 32))
		case kafka.HeaderSourceOffset:
			letter.Offset = number(text, 64)
		case kafka.HeaderTruncated:
			letter.Size = max(letter.Size, int(number(text, 32)))
		case kafka.HeaderSourceTime:
			letter.Appended, _ = time.Parse(time.RFC3339Nano, text) // Zero if another program has written something else.
		}
	}
	return letter
}

// number returns the number in a header, 0 if it is none.
func number(text string, bits int) int64 {
	n, err := strconv.ParseInt(text, 10, bits)
	if err != nil {
		return 0
	}
	return n
}
