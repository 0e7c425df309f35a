package archive

import (
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// intake collects records into batches. It has a lock because the log calls begin and release from another goroutine.
type intake struct {
	topics    Topics
	admission *iot.Admission
	decoder   *wire.Decoder
	// decoded is the reading of the last record. described holds the last description of each device for the readings to share, of at
	// most maxDescribed devices.
	decoded   iot.Reading
	described iot.ByDevice[*iot.Device]
	// logger logs what stops a source, foreign what another program has written.
	logger, foreign *slog.Logger

	mu      sync.Mutex
	sources map[Source]*sourceState
	pending Batch
	// shared are the limits that were decoded last: as a rule all partitions have the same.
	shared limits
	// since is when the first pending row came; zero if nothing is pending.
	since time.Time
}

// sourceState is how far a source has been read and stored.
type sourceState struct {
	// stored is the offset in the database, read the offset after the pending batch.
	stored, read Offset
	appended     time.Time
	// limits are those by which its readings are admitted.
	limits limits
	// stopped means that a record of a newer version has to be known to go on.
	stopped bool
	// until is the end of what could be read when the source began.
	until int64
	// dirty means that a record was read since stored. Without it, read has passed only transaction markers, or the topic's id
	// has become known, since idle.
	dirty bool
	idle  time.Time
	// released means that another archiver reads the source; the source is removed after the next batch.
	released bool
}

// maxDescribed is the maximum number of descriptions of devices that are kept: about two megabytes.
const maxDescribed = 10_000

// maxIdle is how long the stored offset may stay behind if only transaction markers follow: they do not justify a write of
// their own.
const maxIdle = 10 * time.Second

func newIntake(topics Topics, admission *iot.Admission, logger, foreign *slog.Logger) *intake {
	return &intake{
		topics: topics, admission: admission, logger: logger, foreign: foreign, shared: limits{admission: admission},
		decoder: wire.NewDecoder(), sources: make(map[Source]*sourceState),
	}
}

// begin adds a source that the log was assigned: the database has the offset stored, reading starts at next, and what is
// there to be read ends at until. It returns an error if the limits in next cannot be decoded.
func (in *intake) begin(source Source, stored, next Offset, until int64) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	s := &sourceState{stored: stored, read: next, until: until, dirty: !next.at(stored)}
	if err := in.follow(s, next.Limits); err != nil {
		return fmt.Errorf("limits of %s/%d in the archive: %w", source.Topic, source.Partition, err)
	}
	in.sources[source] = s
	return nil
}

// release ends a source that another archiver reads from now on. Its pending records are still written. If the other
// archiver writes them first, that write fails with ErrOffsetsMoved and nothing is lost.
func (in *intake) release(source Source) {
	in.mu.Lock()
	defer in.mu.Unlock()
	s := in.sources[source]
	switch {
	case s == nil:
	case s.dirty:
		s.released = true
	default:
		delete(in.sources, source)
	}
}

// begun reports whether sources have begun, so that both the log and the database have answered.
func (in *intake) begun() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return len(in.sources) > 0
}

// caughtUp reports whether sources have begun, and what each of them held then has been read.
func (in *intake) caughtUp() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, s := range in.sources {
		if s.read.Next < s.until && !s.released {
			return false
		}
	}
	return len(in.sources) > 0
}

// size returns how many rows are pending.
func (in *intake) size() int {
	return len(in.pending.Readings) + len(in.pending.Summaries) + len(in.pending.Areas) + len(in.pending.Alerts)
}

// add adds a record to the pending batch. It ignores an invalid reading: the processor has sent it to the dead-letter
// queue.
func (in *intake) add(r *Record) {
	in.mu.Lock()
	defer in.mu.Unlock()
	s := in.sources[r.Source]
	if s == nil || s.released || s.stopped || r.Offset < s.read.Next {
		return // Released to another archiver, stopped, or read before.
	}
	if r.Kind == iot.KindSettings && r.Level > iot.SettingsLevelTypes {
		// What comes after may be admitted otherwise than this version knows.
		s.stopped = true
		in.logger.Error("readings of a partition are no longer archived: settings of a newer version of iotmon follow; install that version",
			"topic", r.Topic, "partition", r.Partition, "offset", r.Offset, "level", r.Level)
		return
	}
	s.read.Next = r.Offset + 1
	if r.Marker {
		return
	}
	s.appended = r.Appended
	s.dirty = true
	switch r.Topic {
	case in.topics.Readings:
		in.addReading(s, r)
	case in.topics.Aggregates:
		in.addAggregate(r)
	case in.topics.Alerts:
		alert, err := in.decoder.Alert(r.Value)
		if err != nil {
			in.logForeign(r, err)
		} else {
			in.pending.Alerts = append(in.pending.Alerts, alert)
		}
	}
}

// addAggregate adds a record of the topic of aggregates: a summary, or the areas of a device.
func (in *intake) addAggregate(r *Record) {
	if wire.IsDeviceAreas(r.Value) {
		areas, err := wire.DecodeDeviceAreas(r.Value)
		if err != nil {
			in.logForeign(r, err)
			return
		}
		in.pending.Areas = append(in.pending.Areas, areas)
		return
	}
	summary, err := wire.DecodeWindowSummary(r.Value)
	if err != nil {
		in.logForeign(r, err)
	} else if (summary.Final || summary.Late) && !summary.Corrected { // Corrected summaries come from an archive.
		in.pending.Summaries = append(in.pending.Summaries, summary)
	}
}

// logForeign logs a record that another program has written to one of our topics. Such a record must not stop the archive.
func (in *intake) logForeign(r *Record, err error) {
	in.foreign.Error("record ignored by the archive", "topic", r.Topic, "partition", r.Partition, "offset", r.Offset, "error", err)
}

// addReading adds a record of the readings' topic, if it is an admitted reading, or follows the limits in it, if it is settings.
func (in *intake) addReading(s *sourceState, r *Record) {
	if r.Kind == iot.KindSettings {
		in.applySettings(s, r)
	}
	if r.Kind != iot.KindReading || in.decoder.Admit(r.Key, r.Value, r.Appended, s.limits.admission, &in.decoded) != nil {
		return
	}
	in.decoded.Metadata.BatteryLevel = nil
	in.pending.Readings = append(in.pending.Readings, reading(&in.decoded, in.describe(&in.decoded.Device), r.Partition))
}

// describe returns a copy of the device that readings may share: the one of the device's last reading unless it has changed.
func (in *intake) describe(device *iot.Device) *iot.Device {
	if last := in.described.Get(device.Tenant, device.ID); last != nil && *last == *device {
		return last
	}
	if in.described.Len() >= maxDescribed {
		in.described.Clear()
	}
	described := *device
	in.described.Set(device.Identity(), &described)
	return &described
}

// late reports whether there are late marks among the pending rows.
func (in *intake) late() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return slices.ContainsFunc(in.pending.Summaries, isLate)
}

func isLate(s iot.WindowSummary) bool { return s.Late }

// batch returns the batch to write at now; nil if nothing is pending, or if few rows have waited for less than patience. It
// assumes that the batch will be stored. The rows are valid until the next add.
func (in *intake) batch(now time.Time, patience time.Duration) *Batch {
	in.mu.Lock()
	defer in.mu.Unlock()
	if !in.due(now, patience) {
		return nil
	}
	if in.since.IsZero() {
		in.since = now
	}
	if in.size() < maxWaiting && now.Sub(in.since) < patience && !in.hasReleased() {
		return nil
	}
	batch := in.pending
	in.since = time.Time{}
	for source, s := range in.sources {
		if s.read != s.stored && !s.read.at(Offset{}) { // What is known of a source of which nothing was read is not worth a row.
			batch.Moves = append(batch.Moves, Move{Source: source, Old: s.stored, New: s.read, Appended: s.appended})
			s.stored, s.dirty, s.idle = s.read, false, time.Time{}
		}
		if s.released {
			delete(in.sources, source)
		}
	}
	in.pending = Batch{
		Readings: emptied(batch.Readings), Summaries: emptied(batch.Summaries), Areas: emptied(batch.Areas), Alerts: emptied(batch.Alerts),
	}
	return &batch
}

// emptied returns rows with length 0 and the same memory, unless that is far too much: after an archiver has caught up it would
// keep that of maxBatch rows for good.
func emptied[T any](rows []T) []T {
	if cap(rows) > 4*len(rows)+1000 {
		return nil
	}
	return rows[:0]
}

// due reports whether any source has progress that is worth a write. The caller holds mu.
func (in *intake) due(now time.Time, patience time.Duration) bool {
	due := false
	for _, s := range in.sources {
		switch {
		case s.dirty:
			due = true
		case s.read == s.stored || s.read.at(Offset{}): // Nothing was read of a new source.
		case s.idle.IsZero():
			s.idle = now
		case now.Sub(s.idle) >= max(maxIdle, patience):
			due = true
		}
	}
	return due
}

// hasReleased reports whether a source was released: its rows do not wait, because another archiver continues with it. The
// caller holds mu.
func (in *intake) hasReleased() bool {
	for _, s := range in.sources {
		if s.released {
			return true
		}
	}
	return false
}
