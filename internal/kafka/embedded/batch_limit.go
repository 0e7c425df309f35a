package embedded

import (
	"cmp"
	"context"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// maxBatches is how many batches of the readings are kept after all readers have processed them. kfake needs 72 bytes of memory for
// each batch in the log. In a plant of few devices a batch holds a single reading, so the 256 MiB of the default retention would hold
// half a million batches, which need 40 MB of memory.
const maxBatches = 16 << 10

// segment is a closed file of the log: any but the last of its partition, to which kfake still appends.
type segment struct {
	partition int32
	// end is the offset after the last record.
	end     int64
	batches int64
}

// limited is a topic that is to have at most max batches.
type limited struct {
	topic     string
	processed func(context.Context) (map[int32]int64, error)
	max       int64
}

// LimitBatches has the oldest records of a topic deleted when the topic has very many batches, even if its retention would keep
// them. Processed returns, for each partition, the offset before which no reader needs a record. Only records before it are
// deleted, and none of a partition that processed does not return. It may block until its context ends.
func (b *Broker) LimitBatches(topic string, processed func(context.Context) (map[int32]int64, error)) {
	b.limited.Store(&limited{topic, processed, maxBatches})
}

// limitBatches deletes the oldest segments of the limited topic while it has too many batches. It keeps segments with records that a
// reader still needs.
func (b *Broker) limitBatches(ctx context.Context) {
	t := b.limited.Load()
	if t == nil {
		return
	}
	closed, batches := b.segments(t.topic)
	if batches <= t.max || len(closed) == 0 {
		return
	}
	processed, err := t.processed(ctx)
	if err != nil {
		if ctx.Err() == nil {
			b.logger.Warn("embedded broker: old records not deleted", "topic", t.topic, "error", err)
		}
		return
	}
	for _, old := range closed {
		if batches <= t.max {
			return
		}
		next, known := processed[old.partition]
		if !known || next < old.end || next > b.cluster.PartitionInfo(t.topic, old.partition).HighWatermark {
			continue // An offset beyond the end is of an earlier log.
		}
		if err := b.cluster.DeleteRecords(t.topic, old.partition, old.end); err != nil {
			b.logger.Warn("embedded broker: old records not deleted", "topic", t.topic, "partition", old.partition, "error", err)
			continue
		}
		batches -= old.batches
	}
}

// segments returns the closed segments of all partitions of a topic, those with the lowest offsets first, and the number of batches in
// all segments, the last of each partition included.
func (b *Broker) segments(topic string) (closed []segment, batches int64) {
	entries, err := os.ReadDir(b.cleaner.partitions)
	if err != nil {
		return nil, 0 // Nothing has been written yet.
	}
	for _, entry := range entries {
		if of, partition, ok := splitPartition(entry.Name()); ok && of == topic {
			these, n := partitionSegments(filepath.Join(b.cleaner.partitions, entry.Name()), partition)
			closed, batches = append(closed, these...), batches+n
		}
	}
	// Partitions have about equally many records, so a lower offset is an older record.
	slices.SortFunc(closed, func(a, b segment) int { return cmp.Compare(a.end, b.end) })
	return closed, batches
}

// partitionSegments is segments for one partition. It leaves out files that retention deletes meanwhile.
func partitionSegments(dir string, partition int32) (closed []segment, batches int64) {
	files, _ := os.ReadDir(dir)
	all := make(map[int64]int64)
	for _, file := range files {
		name, isIndex := strings.CutSuffix(file.Name(), ".idx")
		base, err := strconv.ParseInt(name, 10, 64)
		if !isIndex || err != nil {
			continue
		}
		if info, err := file.Info(); err == nil {
			all[base] = info.Size() / indexEntry
			batches += all[base]
		}
	}
	bases := slices.Sorted(maps.Keys(all))
	for i := range max(len(bases)-1, 0) {
		closed = append(closed, segment{partition: partition, end: bases[i+1], batches: all[bases[i]]})
	}
	return closed, batches
}

// splitPartition returns the topic and partition that a directory is named after.
func splitPartition(name string) (topic string, partition int32, ok bool) {
	dash := strings.LastIndexByte(name, '-')
	if dash < 0 {
		return "", 0, false
	}
	topic, err := url.PathUnescape(name[:dash])
	if err != nil {
		return "", 0, false
	}
	id, err := strconv.ParseInt(name[dash+1:], 10, 32)
	return topic, int32(id), err == nil
}
