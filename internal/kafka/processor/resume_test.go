package processor

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/iot"
	"iotmon/internal/kafka/kafkatest"
	"iotmon/internal/process"
	"iotmon/internal/wire"
)

func TestWhereAPartitionGoesOn(t *testing.T) {
	lastSeen := time.UnixMicro(1_700_000_000_000_000).UTC()
	ours := process.Checkpoint{Offset: 50, Position: 60, Epoch: 2, Watermark: lastSeen, Clock: lastSeen}
	metadata := ours.Metadata()
	reached := iot.Position{Epoch: 2, Offset: 60}
	type want struct {
		offset, position int64
		epoch            int32
		lost             bool
		missing          missing
	}
	for name, c := range map[string]struct {
		known
		want
	}{
		"a new log": {known{commit: commit{offset: -1}, end: 5}, want{}},
		"a log whose beginning was deleted, without commit and states": {
			known{commit: commit{offset: -1}, start: 7, end: 9}, want{7, 7, 0, true, firstTime}},
		"a checkpoint": {
			known{commit: commit{50, metadata}, end: 70, reached: reached}, want{50, 60, 2, false, nothing}},
		"a checkpoint without states": {
			known{commit: commit{50, metadata}, end: 70}, want{50, 60, 2, false, nothing}},
		"a checkpoint whose readings were deleted": {
			known{commit: commit{50, metadata}, start: 55, end: 70, reached: reached}, want{55, 60, 2, true, nothing}},
		"a checkpoint beyond the end": {
			known{commit: commit{50, metadata}, start: 3, end: 40, reached: reached}, want{3, 3, 3, true, nothing}},
		"a checkpoint of another topic of the name": {
			known{commit: commit{50, withLog(metadata, "old")}, log: "new", end: 70, reached: reached}, want{0, 0, 3, true, nothing}},
		"a checkpoint of the same topic": {
			known{commit: commit{50, withLog(metadata, "new")}, log: "new", end: 70, reached: reached}, want{50, 60, 2, false, nothing}},
		"yesterday's checkpoint": {
			known{commit: commit{50, metadata}, end: 970, reached: iot.Position{Epoch: 2, Offset: 900}}, want{900, 900, 2, true, openWindows}},
		"a checkpoint that was torn": {
			known{commit: commit{50, metadata}, end: 970, reached: iot.Position{Epoch: 2, Offset: 900}, torn: true}, want{50, 60, 2, false, nothing}},
		"no commit": {
			known{commit: commit{offset: -1}, end: 70, reached: reached, lastSeen: lastSeen}, want{60, 60, 2, true, openWindows}},
		"no commit, and the next readings were deleted": {
			known{commit: commit{offset: -1}, start: 65, end: 70, reached: reached}, want{65, 65, 2, true, openWindows}},
		"no commit, and the log began again at 0": {
			known{commit: commit{offset: -1}, end: 40, reached: reached, lastSeen: lastSeen}, want{0, 0, 3, true, nothing}},
		"set back": {
			known{commit: commit{offset: 10}, end: 70, reached: reached}, want{10, 10, 3, true, firstTime}},
		"set forward": {
			known{commit: commit{offset: 68}, end: 70, reached: reached}, want{68, 68, 2, true, openWindows}},
		"set beyond the end": {
			known{commit: commit{offset: 99}, start: 4, end: 70, reached: reached}, want{4, 4, 3, true, firstTime}},
		"set before the start": {
			known{commit: commit{offset: 1}, start: 4, end: 70, reached: reached}, want{4, 4, 3, true, firstTime}},
		"set where nothing was processed": {
			known{commit: commit{offset: 10}, end: 70}, want{10, 10, 0, true, firstTime}},
		"metadata of another program": {
			known{commit: commit{10, "by hand"}, end: 70, reached: reached}, want{10, 10, 3, true, firstTime}},
		"metadata that does not fit": {
			known{commit: commit{65, metadata}, end: 70, reached: reached}, want{65, 65, 2, true, openWindows}},
	} {
		r := c.known.resume()
		got := want{r.Offset, r.Position, r.Epoch, r.lost, r.missing}
		if got != c.want {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
		if r.lost && r.problem == "" {
			t.Errorf("%s: got no problem for the service log", name)
		}
	}
}

// expected counts the posted readings by partition and window, and has the last final and the last late summary of each. The keys are
// names of windowName.
type expected struct {
	*testLog
	posted map[string]int64
	final  map[string]iot.WindowSummary
	late   map[string]iot.Position
}

func newExpected(l *testLog) *expected {
	return &expected{l, make(map[string]int64), make(map[string]iot.WindowSummary), make(map[string]iot.Position)}
}

func windowName(partition int32, w iot.Window) string {
	return fmt.Sprintf("%d %s", partition, w.Start.Format(time.TimeOnly))
}

// postAll posts a reading of every device with the given time.
func (c *expected) postAll(at time.Time) {
	c.T.Helper()
	partitioner := kgo.StickyKeyPartitioner(nil).ForTopic(c.Topics.Readings)
	for device := range 20 {
		r := kafkatest.Reading(device, at, 20)
		partition := partitioner.Partition(&kgo.Record{Key: []byte(r.ID)}, kafkatest.Partitions)
		c.posted[windowName(int32(partition), iot.WindowOf(r.Time, time.Second))]++
		c.Post(r)
	}
}

// mismatch describes a window whose last final summary does not count all posted readings, and which is not marked for recomputation.
// It returns "" if there is none.
func (c *expected) mismatch() string {
	for name, posted := range c.posted {
		final, closed := c.final[name]
		marked, isMarked := c.late[name]
		switch {
		case closed && final.Count == posted:
		case isMarked && (!closed || marked.Compare(final.Position) >= 0):
		case !closed:
			return name + " is not closed"
		default:
			return fmt.Sprintf("%s: got %d readings of %d, unmarked", name, final.Count, posted)
		}
	}
	return ""
}

// awaitCorrect waits until every window is counted correctly or marked for recomputation.
func (c *expected) awaitCorrect(when string) {
	c.T.Helper()
	reader, err := kgo.NewClient(c.Dial.Options(kgo.ConsumeTopics(c.Topics.Aggregates), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()))...)
	if err != nil {
		c.T.Fatal(err)
	}
	defer reader.Close()
	ctx, cancel := context.WithTimeout(c.T.Context(), 20*time.Second)
	defer cancel()
	wrong := "nothing was read"
	for wrong != "" {
		fetches := reader.PollFetches(ctx)
		if ctx.Err() != nil {
			c.T.Fatalf("%s: %s", when, wrong)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			s, err := wire.DecodeWindowSummary(r.Value)
			if err != nil || s.Type != iot.Temperature && s.Type != "" { // A mark without a type is one of every type.
				return
			}
			name := windowName(s.Partition, s.Window)
			if s.Late && s.Position.Compare(c.late[name]) >= 0 {
				c.late[name] = s.Position
			}
			if s.Final && s.Position.Compare(c.final[name].Position) >= 0 {
				c.final[name] = s
			}
		})
		wrong = c.mismatch()
	}
}

// After a group's offsets were deleted or changed, processing goes on, and every window with missing readings is marked for
// recomputation. The level is that of before: no older program has joined because commits are lost.
func TestLostAndForeignCommitsAreNoted(t *testing.T) {
	commit := func(l *testLog, at func(partition int32) int64, metadata string) {
		l.T.Helper()
		offsets := make(kadm.Offsets)
		for id := range int32(kafkatest.Partitions) {
			offsets.Add(kadm.Offset{Topic: l.Topics.Readings, Partition: id, At: at(id), LeaderEpoch: -1, Metadata: metadata})
		}
		if err := kadm.NewClient(l.Client).CommitAllOffsets(l.T.Context(), "test", offsets); err != nil {
			l.T.Fatal(err)
		}
	}
	ends := func(l *testLog) func(int32) int64 {
		listed, err := kadm.NewClient(l.Client).ListEndOffsets(l.T.Context(), l.Topics.Readings)
		if err != nil {
			l.T.Fatal(err)
		}
		return func(id int32) int64 { end, _ := listed.Lookup(l.Topics.Readings, id); return end.Offset }
	}
	for name, change := range map[string]func(l *testLog, earlier kadm.OffsetResponses){
		"the group is deleted": func(l *testLog, _ kadm.OffsetResponses) {
			if _, err := kadm.NewClient(l.Client).DeleteGroup(l.T.Context(), "test"); err != nil {
				l.T.Fatal(err)
			}
		},
		"reset to the earliest": func(l *testLog, _ kadm.OffsetResponses) { commit(l, func(int32) int64 { return 0 }, "") },
		"reset by some": func(l *testLog, _ kadm.OffsetResponses) {
			e := ends(l)
			commit(l, func(id int32) int64 { return e(id) - 7 }, "")
		},
		"reset to the latest": func(l *testLog, _ kadm.OffsetResponses) { commit(l, ends(l), "") },
		"set beyond the end":  func(l *testLog, _ kadm.OffsetResponses) { commit(l, func(int32) int64 { return 1_000_000 }, "") },
		"foreign metadata": func(l *testLog, _ kadm.OffsetResponses) {
			e := ends(l)
			commit(l, func(id int32) int64 { return e(id) / 2 }, "x")
		},
		"yesterday's offsets": func(l *testLog, earlier kadm.OffsetResponses) {
			if err := kadm.NewClient(l.Client).CommitAllOffsets(l.T.Context(), "test", earlier.Offsets()); err != nil {
				l.T.Fatal(err)
			}
		},
		"the states are deleted": func(l *testLog, _ kadm.OffsetResponses) { l.empty(l.Topics.States) },
		"states and group are deleted": func(l *testLog, _ kadm.OffsetResponses) {
			l.empty(l.Topics.States)
			if _, err := kadm.NewClient(l.Client).DeleteGroup(l.T.Context(), "test"); err != nil {
				l.T.Fatal(err)
			}
		},
		"the readings are deleted": func(l *testLog, _ kadm.OffsetResponses) { l.empty(l.Topics.Readings) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newTestLog(t)
			c := newExpected(l)
			start := time.Now().Truncate(time.Second).Add(-20 * time.Second)
			stop := l.startProcessor(&stepMetrics{})
			c.postAll(start)
			l.awaitCommit()
			earlier, err := kadm.NewClient(l.Client).FetchOffsetsForTopics(t.Context(), "test", l.Topics.Readings)
			if err != nil {
				t.Fatal(err)
			}
			for second := range 5 {
				c.postAll(start.Add(time.Duration(second)*time.Second + 200*time.Millisecond))
			}
			c.postAll(time.Now())
			l.awaitCommit()
			stop()
			change(l, earlier)
			c.postAll(time.Now())
			l.startProcessor(&stepMetrics{})
			c.postAll(time.Now())
			c.awaitCorrect(name)
			l.mustCommitLevel(process.MaxLevel)
		})
	}
}

// empty deletes all records of a topic.
func (l *testLog) empty(topic string) {
	l.T.Helper()
	admin := kadm.NewClient(l.Client)
	ends, err := admin.ListEndOffsets(l.T.Context(), topic)
	if err != nil {
		l.T.Fatal(err)
	}
	if _, err := admin.DeleteRecords(l.T.Context(), ends.Offsets()); err != nil {
		l.T.Fatal(err)
	}
}

// awaitCommit returns once the group has committed all that was posted.
func (l *testLog) awaitCommit() {
	l.T.Helper()
	admin := kadm.NewClient(l.Client)
	ends, err := admin.ListEndOffsets(l.T.Context(), l.Topics.Readings)
	if err != nil {
		l.T.Fatal(err)
	}
	kafkatest.Eventually(l.T, "all is committed", func() bool {
		committed, err := admin.FetchOffsetsForTopics(l.T.Context(), "test", l.Topics.Readings)
		if err != nil {
			return false
		}
		behind := false
		ends.Each(func(end kadm.ListedOffset) {
			at, _ := committed.Lookup(end.Topic, end.Partition)
			c, err := process.ParseCheckpoint(at.At, at.Metadata)
			behind = behind || end.Offset > 0 && (err != nil || at.At < 0 || c.Position < end.Offset)
		})
		return !behind
	})
}

// mustCommitLevel fails the test if the group has committed a checkpoint of another level.
func (l *testLog) mustCommitLevel(want uint8) {
	l.T.Helper()
	l.awaitCommit()
	committed, err := kadm.NewClient(l.Client).FetchOffsetsForTopics(l.T.Context(), "test", l.Topics.Readings)
	if err != nil {
		l.T.Fatal(err)
	}
	committed.Each(func(at kadm.OffsetResponse) {
		if c, err := process.ParseCheckpoint(at.At, at.Metadata); at.At >= 0 && (err != nil || c.Level != want) {
			l.T.Errorf("partition %d: the checkpoint is of level %d, %v, want %d", at.Partition, c.Level, err, want)
		}
	})
}
