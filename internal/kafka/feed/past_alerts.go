package feed

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/iot"
	"iotmon/internal/view"
)

// pastAlerts collects the alert events that were in the log when the tail started. While the log is read, an alert looks open from its raised
// event until its cleared one is read, perhaps seconds later. So an event of an open alert is kept until its partition has been read
// to that end: then it is known to be the last, and is passed on. All events of an alert are in one partition.
type pastAlerts struct {
	// ends holds the end of each partition that has not been read up to there. All events before it are of the past.
	ends map[int32]int64
	// open holds, by partition and id, the last event of each alert that is open so far.
	open map[int32]map[string]iot.Alert
}

func newPastAlerts() *pastAlerts {
	return &pastAlerts{ends: make(map[int32]int64), open: make(map[int32]map[string]iot.Alert)}
}

// expect says that a partition has events of the past up to end.
func (p *pastAlerts) expect(partition int32, end int64) {
	p.ends[partition], p.open[partition] = end, make(map[string]iot.Alert)
}

// read reports whether all events of the past have been passed on.
func (p *pastAlerts) read() bool { return len(p.ends) == 0 }

// has reports whether a record of the alerts is of the past.
func (p *pastAlerts) has(r *kgo.Record) bool { return r.Offset < p.ends[r.Partition] }

// add adds an event of the past. What ends an alert, or comes after its end, is passed on at once.
func (p *pastAlerts) add(batch *view.Batch, partition int32, event iot.Alert) {
	if event.Open() && !event.Historical {
		p.open[partition][event.ID] = event
		return
	}
	if event.Transition == iot.Cleared {
		delete(p.open[partition], event.ID)
	}
	batch.Past = append(batch.Past, event)
}

// passed must be called with each record of the alerts after it was added, control records included.
func (p *pastAlerts) passed(batch *view.Batch, r *kgo.Record) {
	if end, unread := p.ends[r.Partition]; unread && r.Offset+1 >= end {
		p.end(batch, r.Partition)
	}
}

// endAll passes on the open alerts of all partitions.
func (p *pastAlerts) endAll(batch *view.Batch) {
	for _, partition := range slices.Sorted(maps.Keys(p.ends)) {
		p.end(batch, partition)
	}
}

// end passes on the open alerts of a partition, in the order of their events.
func (p *pastAlerts) end(batch *view.Batch, partition int32) {
	batch.Past = slices.AppendSeq(batch.Past, slices.Values(slices.SortedFunc(maps.Values(p.open[partition]), func(a, b iot.Alert) int {
		return cmp.Or(a.Position.Compare(b.Position), cmp.Compare(a.ID, b.ID))
	})))
	delete(p.open, partition)
	delete(p.ends, partition)
}

// startAlerts adds to from where the alerts of each partition are read from: the events since the time. Unless the tail has caught up before, what
// there is up to now is of the past; otherwise the tail has missed it, and it is news.
func (t *Tail) startAlerts(ctx context.Context, admin *kadm.Client, since time.Time, from map[int32]kgo.Offset) (*pastAlerts, error) {
	ends, err := admin.ListEndOffsets(ctx, t.Topics.Alerts)
	if err = errors.Join(err, ends.Error()); err != nil {
		return nil, fmt.Errorf("list end offsets: %w", err)
	}
	starts, err := admin.ListOffsetsAfterMilli(ctx, since.UnixMilli(), t.Topics.Alerts)
	if err = errors.Join(err, starts.Error()); err != nil {
		return nil, fmt.Errorf("list the offsets of recent alerts: %w", err)
	}
	past := newPastAlerts()
	starts.Each(func(start kadm.ListedOffset) {
		from[start.Partition] = kgo.NewOffset().At(start.Offset)
		if end, _ := ends.Lookup(start.Topic, start.Partition); start.Offset < end.Offset && !t.isCaughtUp() {
			past.expect(start.Partition, end.Offset)
		}
	})
	return past, nil
}
