package process

import (
	"encoding/json"
	"fmt"
	"time"
)

// Checkpoint is what a partition needs, beside the states of its devices, to go on exactly where it was. It is committed
// in the transaction of the outputs it speaks of.
type Checkpoint struct {
	// Offset is the first record that an open window needs to be rebuilt: where to read from. It is the committed offset;
	// the rest goes into the commit's metadata.
	Offset int64
	// Position is the first record whose outputs have not been committed; Offset is not beyond it.
	Position int64
	// Epoch counts how often the log began anew at offset 0.
	Epoch int32
	// Watermark is the event time up to which windows have closed.
	Watermark time.Time
	// Clock is the newest append time seen.
	Clock time.Time
	// Floor is the end of the last standstill of the log.
	Floor time.Time
}

// metadata is the JSON of a Checkpoint in an offset commit; times are Unix microseconds, 0 for none.
type metadata struct {
	Epoch     int32 `json:"epoch"`
	Position  int64 `json:"position"`
	Watermark int64 `json:"watermark"`
	Clock     int64 `json:"clock"`
	Floor     int64 `json:"floor"`
}

// Metadata returns all of the checkpoint but its Offset, as JSON.
func (c *Checkpoint) Metadata() string {
	text, err := json.Marshal(metadata{c.Epoch, c.Position, micros(c.Watermark), micros(c.Clock), micros(c.Floor)})
	if err != nil {
		panic(err) // Five integers always marshal.
	}
	return string(text)
}

// ParseCheckpoint returns the checkpoint of a commit. Empty metadata is a commit by another program: everything below
// its offset is taken as done.
func ParseCheckpoint(offset int64, text string) (Checkpoint, error) {
	if text == "" {
		return Checkpoint{Offset: offset, Position: offset}, nil
	}
	var m metadata
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		return Checkpoint{}, fmt.Errorf("parse checkpoint %q: %w", text, err)
	}
	if m.Position < offset {
		return Checkpoint{}, fmt.Errorf("parse checkpoint %q: position lies before the committed offset %d", text, offset)
	}
	return Checkpoint{
		Offset:    offset,
		Position:  m.Position,
		Epoch:     m.Epoch,
		Watermark: fromMicros(m.Watermark),
		Clock:     fromMicros(m.Clock),
		Floor:     fromMicros(m.Floor),
	}, nil
}

// Reconcile fits the checkpoint to what the log still holds, offsets start to end, end excluded. It reports whether
// records have been lost that an open window may have needed.
func (c *Checkpoint) Reconcile(start, end int64) (lost bool) {
	switch {
	case c.Position > end:
		// Positions only grow, so the log has begun anew; what was at its offsets is gone.
		c.Epoch++
		c.Offset, c.Position = start, start
		return true
	case c.Offset < start:
		c.Offset, c.Position = start, max(c.Position, start)
		return true
	default:
		return false
	}
}

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}
