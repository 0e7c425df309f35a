package forward

import (
	"context"
	"time"

	"iotmon/internal/iot"
)

const (
	// newestWindow is how many of the newest records of a partition are looked through for the latest reading of each device.
	newestWindow = 20_000
	// maxNewest bounds how many devices are sent ahead at once.
	maxNewest = 100_000
	// newestInterval is the pause between two times that the latest readings are sent ahead.
	newestInterval = 2 * time.Second
	// newestPatience is how long the end of the log may take to be read.
	newestPatience = 5 * time.Second
)

// newest is how far the latest readings were sent ahead.
type newest struct {
	sent time.Time
	// next is where the search goes on, by partition.
	next map[int32]int64
}

// latest is the latest reading of a device that was found.
type latest struct {
	time  time.Time
	entry Entry
}

// sendNewest sends the latest reading of each device that has one among the newest records, ahead of the backlog. They are sent again in
// their order, where the centre finds that it has them. So it moves no position, and what fails is left alone.
func (f *Forwarder) sendNewest(ctx context.Context) {
	if now := f.o.Now(); now.Sub(f.newest.sent) < newestInterval {
		return
	}
	defer func() { f.newest.sent = f.o.Now() }() // The interval is a pause: it begins at the end.
	looking, cancel := context.WithTimeout(ctx, newestPatience)
	found, err := f.findNewest(looking)
	cancel()
	if err != nil || len(found) == 0 {
		return
	}
	entries := make([]Entry, 0, len(found))
	for _, l := range found {
		entries = append(entries, l.entry)
	}
	for len(entries) > 0 {
		part, size := 0, 0
		for part < min(len(entries), f.size) && (part == 0 || size+len(entries[part].Value) <= maxBatchBytes) {
			size += len(entries[part].Value)
			part++
		}
		if f.pacer.wait(ctx, part, f.o.Now) != nil {
			return
		}
		rejected, err := f.send(ctx, entries[:part])
		if err != nil {
			return // The backlog fails in the same way, and says so.
		}
		f.status.change(func(s *State) { s.Repeated += int64(part - len(rejected)) })
		entries = entries[part:]
	}
}

// findNewest returns the latest reading of each device among the records that were appended since the last call, at most newestWindow of
// a partition, and none before the position.
func (f *Forwarder) findNewest(ctx context.Context) (map[iot.Identity]latest, error) {
	partitions, err := f.o.Log.Partitions(ctx)
	if err != nil {
		return nil, err
	}
	from, ends := make(map[int32]int64), make(map[int32]int64)
	for _, p := range partitions {
		start := max(p.Start, f.next[p.ID].Next, f.newest.next[p.ID], p.End-newestWindow)
		if start < p.End {
			from[p.ID], ends[p.ID] = start, p.End
		}
	}
	if len(from) == 0 {
		return nil, nil
	}
	reader, err := f.o.Log.Read(from)
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	found := make(map[iot.Identity]latest)
	var b batch
	for left := len(ends); left > 0; {
		records, err := reader.Poll(ctx, maxBatch, 0)
		if err != nil {
			return nil, err
		}
		b.text = nil // What was found keeps pointing into it.
		for i := range records {
			f.consider(found, &b, &records[i])
			if end, open := ends[records[i].Partition]; open && records[i].Offset+1 >= end {
				delete(ends, records[i].Partition)
				left--
			}
		}
	}
	f.newest.next = make(map[int32]int64)
	for _, p := range partitions {
		f.newest.next[p.ID] = p.End
	}
	return found, nil
}

// consider adds the reading of a record to those found, if it is the latest of its device.
func (f *Forwarder) consider(found map[iot.Identity]latest, b *batch, r *Record) {
	var entry Entry
	if ok, _ := f.convert(b, r, f.o.Now(), &entry); !ok || entry.Kind != iot.KindReading {
		return
	}
	var reading iot.Reading
	if f.decoder.Decode(entry.Value, &reading) != nil {
		return
	}
	before, known := found[entry.Device]
	if known && !reading.Time.After(before.time) || !known && len(found) == maxNewest {
		return
	}
	found[entry.Device] = latest{time: reading.Time, entry: entry.clone()}
}
