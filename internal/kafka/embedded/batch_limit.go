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

// mostBatches is how many batches of the readings are kept, once everybody who needs them has taken them. kfake has 72 bytes
// of memory for each batch in the log. Where few devices speak a batch is a single reading: in the 256 MiB of the default
// retention there would be half a million of them, which took hours to come together and 40 MB.
const mostBatches = 16 << 10

// segment is a file of the log with batches of one partition. The last of a partition, which grows, is not among those.
type segment struct {
	partition int32
	// end is the offset behind the last record.
	end     int64
	batches int64
}

// thinned is a topic that is not to have more than most batches.
type thinned struct {
	topic string
	taken func(context.Context) (map[int32]int64, error)
	most  int64
}

// Thin has the oldest records of a topic deleted when they come in very many batches, whatever the topic's retention says.
// Taken returns up to where everybody who needs the records of a partition has taken them: no others are deleted, and none of
// a partition that it does not name. It may block until its context ends.
func (b *Broker) Thin(topic string, taken func(context.Context) (map[int32]int64, error)) {
	b.thinned.Store(&thinned{topic, taken, mostBatches})
}

// thin deletes the oldest segments of the thinned topic if there are too many batches, as far as they are not needed any more.
func (b *Broker) thin(ctx context.Context) {
	t := b.thinned.Load()
	if t == nil {
		return
	}
	closed, batches := b.segments(t.topic)
	if batches <= t.most || len(closed) == 0 {
		return
	}
	taken, err := t.taken(ctx)
	if err != nil {
		if ctx.Err() == nil {
			b.logger.Warn("embedded broker: old records not deleted", "topic", t.topic, "error", err)
		}
		return
	}
	for _, old := range closed {
		if batches <= t.most {
			return
		}
		next, known := taken[old.partition]
		if !known || next < old.end || next > b.cluster.PartitionInfo(t.topic, old.partition).HighWatermark {
			continue // An offset beyond the end is one of an earlier log.
		}
		if err := b.cluster.DeleteRecords(t.topic, old.partition, old.end); err != nil {
			b.logger.Warn("embedded broker: old records not deleted", "topic", t.topic, "partition", old.partition, "error", err)
			continue
		}
		batches -= old.batches
	}
}

// segments returns the closed segments of a topic, the oldest of all partitions first, and how many batches all of its
// segments have.
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
	// Partitions have about as many records each.
	slices.SortFunc(closed, func(a, b segment) int { return cmp.Compare(a.end, b.end) })
	return closed, batches
}

// partitionSegments is segments for one partition. What retention deletes meanwhile is left out.
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

// splitPartition takes the name of a partition's directory apart.
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
