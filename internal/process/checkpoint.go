package process

import (
	"encoding/json"
	"fmt"
	"time"

	"iotmon/internal/iot"
)

// The levels of what a partition commits. A program refuses to continue from a level that it does not know.
const (
	// levelStates is that of programs that take the rules from their configuration. They write no level.
	levelStates = 1
	// LevelRules means that rules, registry entries and limits are put in force by records. A program of levelStates would go on under other
	// rules, leave its partitions at such a record or, if it is still older, reject it as a reading.
	LevelRules = 2
	// LevelTypes means that records put device types in force that people have decided. A program of LevelRules would leave its partitions
	// at such a record.
	LevelTypes = 3
	// LevelStatistics means that rules may be of iot.RuleLevelStatistics and commands of iot.CommandLevelReset. A program of LevelTypes would
	// leave its partitions at such a record, and lose what conditions remember.
	LevelStatistics = 4
	// LevelParents means that devices may have parents, and that records say that these are silent. A program of LevelStatistics would leave its
	// partitions at such a record.
	LevelParents = 5
	// LevelOutcomes means that the processor remembers what it has done with commands, and notes comments on alerts that are over. A program of a
	// lower level would restore neither, and its archiver would not store the notes.
	LevelOutcomes = 6
	// LevelDeviation means that rules may be of iot.RuleLevelDeviation, and that records say of which medians values must not deviate. A program of
	// a lower level would leave its partitions at such a record.
	LevelDeviation = 7
	// LevelPoints means that rules may be of iot.RuleLevelPoints, and that records have the points of machines to which their expressions refer. A program
	// of a lower level would leave its partitions at such a record.
	LevelPoints = 8
	// MaxLevel is the highest level that this version knows.
	MaxLevel = LevelPoints
)

// NewerError is returned for a checkpoint of a level that this version does not know.
type NewerError struct{ Level uint8 }

// Error says what to do.
func (e *NewerError) Error() string {
	return fmt.Sprintf("the checkpoint is of level %d, which this version of iotmon does not know: install the version that wrote it", e.Level)
}

// Checkpoint is what a partition needs, besides the states of its devices, to continue exactly where it was. It is
// committed in the same transaction as the outputs up to Position.
type Checkpoint struct {
	// Offset is where to read from: the first record that is needed to rebuild an open window. It is the committed offset;
	// the other fields go into the commit's metadata.
	Offset int64
	// Position is the first record whose outputs have not been committed; Offset is not beyond it.
	Position int64
	// Epoch counts how often the log was recreated and started at offset 0 again.
	Epoch int32
	// Level is the level of what the partition commits: this checkpoint, states, and what is in force. It grows by a record of
	// iot.KindLevel. 0, as in a new partition, means MaxLevel.
	Level uint8
	// Watermark is the event time up to which windows have closed.
	Watermark time.Time
	// Clock is the newest append time seen.
	Clock time.Time
	// SilenceStart is the end of the last standstill of the log: no device's silence counts from before it.
	SilenceStart time.Time
	// Behind is the append time since which records have been behind Clock by more than the skew, zero if they are not.
	Behind time.Time
	// Lengths is the history of window lengths, Revision that of the settings it comes from. If Lengths is empty, the
	// configured length applies.
	Lengths  iot.Lengths
	Revision int64
	// Limits is the Fingerprint of the Admission by which readings up to Position were admitted; 0 if unknown.
	Limits uint32
	// Devices is the number of devices that have states; -1 if unknown, as in what older versions committed.
	Devices int
	// gap is the stretch of event time in which windows have to be recomputed.
	gap gap
}

// metadata is the JSON of a Checkpoint in an offset commit; times are Unix microseconds, 0 for none. Kafka's default limit
// is 4,096 bytes.
type metadata struct {
	Level     uint8 `json:"level,omitempty"`
	Epoch     int32 `json:"epoch"`
	Position  int64 `json:"position"`
	Watermark int64 `json:"watermark"`
	Clock     int64 `json:"clock"`
	Floor     int64 `json:"floor"`
	Behind    int64 `json:"behind,omitempty"`
	// Lengths holds pairs of From and Length.
	Lengths  [][2]int64 `json:"lengths,omitempty"`
	Revision int64      `json:"revision,omitempty"`
	Limits   uint32     `json:"limits,omitempty"`
	Devices  *int       `json:"devices,omitempty"`
	// Gap holds from, to, 1 if the gap is open or else 0, and next.
	Gap []int64 `json:"gap,omitempty"`
}

// Metadata returns all of the checkpoint but its Offset, as JSON for ParseCheckpoint.
func (c *Checkpoint) Metadata() string {
	m := metadata{
		Epoch: c.Epoch, Position: c.Position, Watermark: micros(c.Watermark), Clock: micros(c.Clock), Floor: micros(c.SilenceStart),
		Behind: micros(c.Behind), Revision: c.Revision, Limits: c.Limits,
	}
	if c.Level > levelStates {
		m.Level = c.Level
	}
	if c.Devices >= 0 {
		m.Devices = &c.Devices
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

// ParseCheckpoint returns the checkpoint of a commit. Empty metadata means a commit by another program: everything below
// its offset then counts as processed. The error is a *NewerError if a newer version has written it.
func ParseCheckpoint(offset int64, text string) (Checkpoint, error) {
	if text == "" {
		return Checkpoint{Offset: offset, Position: offset, Level: levelStates, Devices: -1}, nil
	}
	var m metadata
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		return Checkpoint{}, fmt.Errorf("parse checkpoint %q: %w", text, err)
	}
	if m.Level > MaxLevel {
		return Checkpoint{}, &NewerError{m.Level}
	}
	if m.Position < offset {
		return Checkpoint{}, fmt.Errorf("parse checkpoint %q: position lies before the committed offset %d", text, offset)
	}
	c := Checkpoint{
		Offset:       offset,
		Position:     m.Position,
		Epoch:        m.Epoch,
		Level:        max(m.Level, levelStates),
		Watermark:    fromMicros(m.Watermark),
		Clock:        fromMicros(m.Clock),
		SilenceStart: fromMicros(m.Floor),
		Behind:       fromMicros(m.Behind),
		Revision:     m.Revision,
		Limits:       m.Limits,
		Devices:      -1,
	}
	if m.Devices != nil {
		c.Devices = *m.Devices
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

// Reconcile adapts the checkpoint to the offsets that the log still holds, from start up to but not including end. It
// reports whether records were lost that an open window may have needed.
func (c *Checkpoint) Reconcile(start, end int64) (lost bool) {
	switch {
	case c.Position > end:
		// Positions only grow, so the log was recreated and its old records are gone.
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
