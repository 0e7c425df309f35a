package process

import (
	"encoding/json"
	"fmt"
	"time"

	"iotmon/internal/iot"
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
	// SilenceStart is the end of the last standstill of the log.
	SilenceStart time.Time
	// Behind is since when append times have been behind Clock, zero if they are not.
	Behind time.Time
	// Lengths are those of windows, Revision that of the settings that they come from. Without any the configuration's holds.
	Lengths  iot.Lengths
	Revision int64
	// Limits is the fingerprint of the admission that the readings up to Position were admitted under; 0 if it is not known.
	Limits uint32
	// gap is where windows have to be recomputed that are not closed yet.
	gap gap
}

// metadata is the JSON of a Checkpoint in an offset commit; times are Unix microseconds, 0 for none. Kafka takes 4,096 bytes by
// default.
type metadata struct {
	Epoch     int32 `json:"epoch"`
	Position  int64 `json:"position"`
	Watermark int64 `json:"watermark"`
	Clock     int64 `json:"clock"`
	Floor     int64 `json:"floor"`
	Behind    int64 `json:"behind,omitempty"`
	// Lengths holds pairs: from when, and how many microseconds.
	Lengths  [][2]int64 `json:"lengths,omitempty"`
	Revision int64      `json:"revision,omitempty"`
	Limits   uint32     `json:"limits,omitempty"`
	// Gap holds the beginning and the end of the gap, 1 if it is open, and the window to be marked next.
	Gap []int64 `json:"gap,omitempty"`
}

// Metadata returns all of the checkpoint but its Offset, as JSON.
func (c *Checkpoint) Metadata() string {
	m := metadata{
		Epoch: c.Epoch, Position: c.Position, Watermark: micros(c.Watermark), Clock: micros(c.Clock), Floor: micros(c.SilenceStart),
		Behind: micros(c.Behind), Revision: c.Revision, Limits: c.Limits,
	}
	for _, l := range c.Lengths {
		m.Lengths = append(m.Lengths, [2]int64{micros(l.From), l.Length.Microseconds()})
	}
	if c.gap != (gap{}) {
		m.Gap = []int64{micros(c.gap.from), micros(c.gap.to), 0, micros(c.gap.next)}
		if c.gap.open {
			m.Gap[2] = 1
		}
	}
	text, err := json.Marshal(m)
	if err != nil {
		panic(err) // Integers always marshal.
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
	c := Checkpoint{
		Offset:       offset,
		Position:     m.Position,
		Epoch:        m.Epoch,
		Watermark:    fromMicros(m.Watermark),
		Clock:        fromMicros(m.Clock),
		SilenceStart: fromMicros(m.Floor),
		Behind:       fromMicros(m.Behind),
		Revision:     m.Revision,
		Limits:       m.Limits,
	}
	for _, l := range m.Lengths {
		length := time.Duration(l[1]) * time.Microsecond
		if length <= 0 {
			return Checkpoint{}, fmt.Errorf("parse checkpoint %q: a window's length must be positive", text)
		}
		c.Lengths = append(c.Lengths, iot.LengthFrom{From: fromMicros(l[0]), Length: length})
	}
	if len(m.Gap) == 4 {
		c.gap = gap{from: fromMicros(m.Gap[0]), to: fromMicros(m.Gap[1]), open: m.Gap[2] != 0, next: fromMicros(m.Gap[3])}
	}
	return c, nil
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
