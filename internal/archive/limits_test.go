package archive_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"iotmon/internal/archive"
	"iotmon/internal/iot"
	"iotmon/internal/process"
	"iotmon/internal/store/sqlite"
	"iotmon/internal/wire"
)

// settings appends a settings record with changed limits.
func (p *plant) settings(partition int32, revision int64, change func(*iot.Limits)) {
	s := iot.Settings{Revision: revision, Window: windowLength, From: p.now}
	l, err := p.admission.Limits(5 * time.Second)
	if err != nil {
		panic(err)
	}
	change(l)
	s.Limits = l
	p.appendSettings(partition, wire.AppendSettings(nil, &s), s.Level())
}

func (p *plant) appendSettings(partition int32, value []byte, level uint8) {
	p.append(topics.Readings, partition, p.now, value, false)
	records := p.records[archive.Source{Topic: topics.Readings, Partition: partition}]
	last := &records[len(records)-1]
	last.Kind, last.Level = iot.KindSettings, level
}

// sendReading appends a reading, which may be refused.
func (p *plant) sendReading(partition int32, device iot.DeviceID, at time.Time, value float64) {
	p.sendReadingIn(partition, device, "", at, value)
}

func (p *plant) sendReadingIn(partition int32, device iot.DeviceID, building string, at time.Time, value float64) {
	r := iot.Reading{
		Device: iot.Device{ID: device, Type: iot.Temperature, Unit: "°C", Location: iot.Location{Building: building}}, Time: at, Value: value, Status: iot.Online,
	}
	p.append(topics.Readings, partition, p.now, wire.AppendReading(nil, &r), false)
}

// step lets a reading or a change of limits happen, in partition 0.
func (p *plant) limitsStep(t *rapid.T) {
	p.now = p.now.Add(time.Duration(rapid.IntRange(0, 3).Draw(t, "seconds")) * time.Second)
	switch rapid.IntRange(0, 7).Draw(t, "what") {
	case 6:
		s := iot.Settings{Types: []iot.TypeSpec{{Name: "flow", Unit: "L", Max: rapid.SampledFrom([]float64{12, 20}).Draw(t, "most")}}}
		p.appendSettings(0, wire.AppendSettings(nil, &s), s.Level())
	case 7:
		r := iot.Reading{Device: iot.Device{ID: rapid.SampledFrom(devices[0]).Draw(t, "device"), Type: "flow", Unit: "L"}, Time: p.now, Value: rapid.SampledFrom([]float64{10, 15}).Draw(t, "value"), Status: iot.Online}
		p.append(topics.Readings, 0, p.now, wire.AppendReading(nil, &r), false)
	case 0:
		p.settings(0, rapid.Int64Range(-1, 6).Draw(t, "revision"), func(l *iot.Limits) {
			switch rapid.IntRange(0, 6).Draw(t, "change") {
			case 0:
				l.Types[0].Max = 20
			case 1:
				l.Types = l.Types[1:]
			case 2:
				l.Skew = time.Minute
			case 3:
				l.Retention = 10 * time.Second
			case 4:
				l.MaxText = 4
			case 5:
				l.Earliest = p.now.Truncate(time.Second)
			}
		})
	case 1:
		p.appendSettings(0, []byte(rapid.SampledFrom([]string{
			"", "{}", `{"revision":99,"window_seconds":60,"from":"2024-01-30T10:30:00Z"}`,
			`{"revision":99,"window_seconds":30,"from":"2024-01-30T10:30:00Z","limits":{"lateness_us":0,"skew_us":0,"retention_us":0,"types":[]}}`,
		}).Draw(t, "other settings")), iot.SettingsLevelLimits)
	default:
		at := p.now.Add(time.Duration(rapid.SampledFrom([]int{0, -1, -15, 5, 30}).Draw(t, "ahead")) * time.Second)
		building := rapid.SampledFrom([]string{"", "A", "hall 7"}).Draw(t, "building")
		p.sendReadingIn(0, rapid.SampledFrom(devices[0]).Draw(t, "device"), building, at, rapid.SampledFrom([]float64{10, 15, 30}).Draw(t, "value"))
	}
}

// rejected is a process.Output that keeps the offsets of rejected records, and what is in force.
type rejected struct {
	offsets map[int64]bool
	inForce map[string][]byte
}

func (*rejected) Summary(*iot.WindowSummary)        {}
func (*rejected) Alert(*iot.Alert)                  {}
func (*rejected) Areas(*iot.DeviceAreas)            {}
func (*rejected) State(*iot.DeviceState)            {}
func (*rejected) Forget(iot.Identity, iot.Position) {}
func (r *rejected) Reject(reject *process.Reject)   { r.offsets[reject.Offset] = true }
func (r *rejected) InForce(key, value []byte, _ iot.Position) {
	r.inForce[string(key)] = slices.Clone(value)
}

// processed processes a partition, with restarts, and returns the readings that it has admitted: device, time and value, the first of
// each device and time.
func processed(t *rapid.T, p *plant, partition int32) map[string]float64 {
	options := &process.Options{Admission: p.admission, Window: windowLength, Lateness: 5 * time.Second, OfflineAfter: time.Hour}
	configured := *p.admission
	configured.MaxText, configured.Earliest = 4, p.now.Truncate(time.Second)
	other := *options // Of the next owner. Those in force hold.
	other.Admission = &configured
	out := &rejected{make(map[int64]bool), make(map[string][]byte)}
	source := p.records[archive.Source{Topic: topics.Readings, Partition: partition}]
	var records []process.Record
	for _, r := range source {
		records = append(records, process.Record{
			Offset: r.Offset, Appended: r.Appended, Key: r.Key, Value: r.Value, RecordKind: iot.RecordKind{Kind: r.Kind, Level: r.Level},
		})
	}
	at := process.New(options, partition, process.Checkpoint{}, false)
	for position := int64(0); position < int64(len(records)); {
		to := min(position+int64(rapid.IntRange(1, 30).Draw(t, "step")), int64(len(records)))
		if err := at.Process(records[at.Next():to], out); err != nil {
			t.Fatal(err)
		}
		at.PublishStates(out)
		position = to
		at = process.New(&other, partition, at.Checkpoint(), false)
		for key, value := range out.inForce {
			if len(value) == 0 {
				continue
			}
			f, err := process.DecodeInForce([]byte(key), value)
			if err != nil {
				t.Fatal(err)
			}
			at.RestoreInForce(f)
		}
	}
	admitted := make(map[string]float64)
	for _, r := range source {
		var reading iot.Reading
		if r.Kind != iot.KindReading || out.offsets[r.Offset] || wire.DecodeReading(r.Value, &reading) != nil {
			continue
		}
		key := fmt.Sprint(reading.ID, " ", reading.Time)
		if _, found := admitted[key]; !found {
			admitted[key] = reading.Value
		}
	}
	return admitted
}

// The archive has the readings that the processor has admitted, whatever limits the log has and wherever either of them was restarted.
func TestTheArchiveHasWhatTheProcessorHasAdmitted(t *testing.T) {
	empty, path, admission := emptyDatabase(t), filepath.Join(t.TempDir(), "archive.db"), newAdmission(t)
	changed := 0
	rapid.Check(t, func(r *rapid.T) {
		p := newPlant(admission)
		for range rapid.IntRange(1, 60).Draw(r, "steps") {
			p.limitsStep(r)
		}
		p.append(topics.Readings, 0, p.now, nil, true)
		disturbed := pass{
			archivers: rapid.IntRange(1, 2).Draw(r, "archivers"), chunk: rapid.IntRange(1, 10).Draw(r, "chunk"),
			log:    rapid.SliceOfN(rapid.SampledFrom([]bool{false, true}), 0, 12).Draw(r, "log"),
			writes: rapid.SliceOfN(rapid.SampledFrom([]failure{none, beforeCommit, afterCommit}), 0, 12).Draw(r, "writes"),
		}
		rows, _ := disturbed.mustResult(t, r, p.broker, admission, path, empty)
		want := processed(r, p, 0)
		got := make(map[string]float64)
		for device, points := range rows.Readings {
			for _, point := range points {
				got[fmt.Sprint(device, " ", point.Time)] = point.Value
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			r.Fatalf("archived %v\nadmitted %v", got, want)
		}
		if rows.Offsets[archive.Source{Topic: topics.Readings}].Limits != "" {
			changed++
		}
	})
	if changed == 0 {
		t.Error("no log has changed its limits: the test has tested nothing")
	}
}

// Sequence: limits change, the archiver stores readings beyond the change and is killed. It begins behind the record that has changed
// them, and its configuration is an older one.
func TestAnArchiverGoesOnByTheLimitsOfItsOffset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, store := onePlant(t)
		defer store.Close()
		p.settings(0, 7, func(l *iot.Limits) { l.Types[0].Max = 20 })
		p.sendReading(0, "a", began.Add(time.Second), 15)
		archiveOf(t, p, store)
		p.sendReading(0, "a", began.Add(2*time.Second), 30)
		p.sendReading(0, "a", began.Add(3*time.Second), 16)
		p.settings(0, 7, func(l *iot.Limits) { l.Types[0].Max = 40 }) // Not newer.
		p.sendReading(0, "a", began.Add(4*time.Second), 30)
		configured := *p.admission
		configured.MaxText, configured.Earliest = 256, began.Add(-48*time.Hour)
		p.sendReadingIn(0, "a", strings.Repeat("x", 200), began.Add(4*time.Second), 15)
		once := pass{archivers: 1, chunk: 10}
		once.archiveAll(p.broker, &configured, store, slog.New(slog.DiscardHandler))
		got, err := readRows(store)
		if err != nil || len(got.Readings["a"]) != 3 {
			t.Errorf("got %+v, %v, want the readings up to 20 °C", got.Readings, err)
		}
		// The topic was deleted and created again: the limits go on to hold, as at the processor.
		anew := newPlant(p.admission)
		anew.sendReading(0, "a", began.Add(5*time.Second), 30)
		anew.sendReading(0, "a", began.Add(6*time.Second), 17)
		archiveOf(t, anew, store)
		if got, err = readRows(store); err != nil || len(got.Readings["a"]) != 4 {
			t.Errorf("got %+v, %v, want one more", got.Readings, err)
		}
	})
}

// Sequence: an archiver of an older version reads on behind settings that it does not know. It would archive what the processor refuses.
func TestNothingIsArchivedBehindSettingsOfANewerVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, store := onePlant(t)
		defer store.Close()
		p.appendSettings(0, []byte("{}"), iot.SettingsLevelTypes+1)
		p.sendReading(0, "a", began.Add(time.Second), 15)
		p.sendReading(1, "c", began.Add(time.Second), 15)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var log strings.Builder
		archiver := archive.New(archive.Options{
			Open: p.open(ctx, 10, trouble(nil)), Store: store, Topics: topics, Admission: p.admission,
			Logger: slog.New(slog.NewTextHandler(&log, nil)), Now: time.Now,
		})
		if err := archiver.Run(ctx); err != nil {
			t.Fatal(err)
		}
		got, err := readRows(store)
		if err != nil || len(got.Readings["a"]) != 1 || len(got.Readings["c"]) != 1 {
			t.Errorf("got %+v, %v, want the readings before, and of the other partition", got.Readings, err)
		}
		if offset := offsetOf(t, store); offset.Next != 1 {
			t.Errorf("got offset %+v, want that of the settings", offset)
		}
		if strings.Count(log.String(), "install that version") != 1 {
			t.Errorf("got the log %q, want one line that says what to do", log.String())
		}
	})
}

// pruned is a store that keeps the retention of the last Prune.
type pruned struct {
	*sqlite.Store
	keep chan archive.Retention
}

func (s *pruned) Prune(_ context.Context, keep archive.Retention) (int64, error) {
	select {
	case s.keep <- keep:
	default:
	}
	return 0, nil
}

// Sequence: a longer retention is in force, and an archiver starts with an older configuration. It must not remove what readings that are
// still accepted belong to.
func TestAnArchiverKeepsReadingsForAsLongAsTheyAreAccepted(t *testing.T) {
	for name, test := range map[string]struct{ inForce, want time.Duration }{
		"longer": {100 * time.Hour, 100 * time.Hour}, "shorter": {time.Hour, 48 * time.Hour}, "for ever": {0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, store := onePlant(t)
				defer store.Close()
				p.admission.Retention = 48 * time.Hour
				for partition := range int32(2) {
					p.settings(partition, 7, func(l *iot.Limits) { l.Retention = test.inForce })
				}
				ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
				defer cancel()
				kept := &pruned{store, make(chan archive.Retention, 1)}
				archiver := archive.New(archive.Options{
					Open: p.open(ctx, 10, trouble(nil)), Store: kept, Topics: topics, Admission: p.admission,
					Retention: archive.Retention{Readings: 48 * time.Hour, Alerts: time.Hour}, Logger: slog.New(slog.DiscardHandler), Now: time.Now,
				})
				if err := archiver.Run(ctx); err != nil {
					t.Fatal(err)
				}
				if got, want := <-kept.keep, (archive.Retention{Readings: test.want, Alerts: time.Hour}); got != want {
					t.Errorf("got %+v, want %+v", got, want)
				}
			})
		})
	}
}

// Sequence: an archiver with an older configuration has no partitions, because there are more archivers than partitions, or because Kafka is
// away since its start. Readings of all partitions are kept as long as they are accepted there.
func TestAnArchiverWithoutPartitionsKeepsWhatOthersArchive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, store := onePlant(t)
		defer store.Close()
		p.settings(1, 7, func(l *iot.Limits) { l.Retention = 100 * time.Hour })
		archiveOf(t, p, store)
		ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
		defer cancel()
		kept := &pruned{store, make(chan archive.Retention, 1)}
		archiver := archive.New(archive.Options{
			Open: newBroker().open(ctx, 10, func() error { return errInterrupted }), Store: kept, Topics: topics, Admission: p.admission,
			Retention: archive.Retention{Readings: 48 * time.Hour}, Logger: slog.New(slog.DiscardHandler), Now: time.Now,
		})
		if err := archiver.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if got := <-kept.keep; got.Readings != 100*time.Hour {
			t.Errorf("got %+v, want readings kept for 100 hours", got)
		}
	})
}

// Sequence: the database is lost, or an older version has written it, when the records that have put limits in force are no longer in the
// log, or are behind. An archiver with another configuration would archive what the processor refuses.
func TestAnArchiveWithoutLimitsBeginsWithThoseInForce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, store := onePlant(t)
		defer store.Close()
		archiveOf(t, p, store) // Up to offset 1, without limits.
		for i, value := range []float64{30, 15, 25} {
			p.sendReading(0, "a", began.Add(time.Duration(i+1)*time.Second), value)
		}
		p.sendReading(1, "c", began.Add(time.Second), 30)
		limited := func(since int64, highest float64) iot.SettingsInForce {
			l, err := p.admission.Limits(0)
			if err != nil {
				t.Fatal(err)
			}
			l.Types[0].Max = highest
			return iot.SettingsInForce{Settings: iot.Settings{Revision: since, Window: windowLength, Limits: l}, Since: since}
		}
		var asked [][]int32
		run := func(limits map[int32][]iot.SettingsInForce) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			archiver := archive.New(archive.Options{
				Open: p.open(ctx, 10, trouble(nil)), Store: store, Topics: topics, Admission: p.admission,
				Limits: func(_ context.Context, partitions []int32) (map[int32][]iot.SettingsInForce, error) {
					asked = append(asked, slices.Sorted(slices.Values(partitions)))
					return limits, nil
				},
				Logger: slog.New(slog.DiscardHandler), Now: time.Now,
			})
			if err := archiver.Run(ctx); err != nil {
				t.Fatal(err)
			}
		}
		run(map[int32][]iot.SettingsInForce{0: {limited(99, 10), limited(0, 20)}})
		p.sendReading(0, "a", began.Add(9*time.Second), 30)
		run(nil)
		got, err := readRows(store)
		if err != nil || len(got.Readings["a"]) != 2 || len(got.Readings["c"]) != 1 {
			t.Errorf("got %+v, %v, want the readings up to 20 °C, and that of a partition without limits", got.Readings, err)
		}
		if want := "[[0 1] [1]]"; fmt.Sprint(asked) != want {
			t.Errorf("asked for the limits of %v, want %s", asked, want)
		}
	})
}

// Sequences: the database was restored from an older backup, and the record that has changed the limits since is deleted from the log; or the
// topic was deleted and created again before the archiver had read that record. It is not appended again, because it is in force. The
// archiver goes on by what the processors keep, and not by what the database has.
func TestAnArchiverThatHasMissedRecordsGoesOnByTheLimitsInForce(t *testing.T) {
	limited := func(t *testing.T, p *plant, since, revision int64, highest float64) iot.SettingsInForce {
		l, err := p.admission.Limits(0)
		if err != nil {
			t.Fatal(err)
		}
		l.Types[0].Max = highest
		return iot.SettingsInForce{Settings: iot.Settings{Revision: revision, Window: windowLength, Limits: l}, Since: since}
	}
	for name, test := range map[string]struct {
		anew    bool
		inForce func(t *testing.T, p *plant) []iot.SettingsInForce
		want    []float64
	}{
		"deleted, changed since": {false, func(t *testing.T, p *plant) []iot.SettingsInForce {
			return []iot.SettingsInForce{limited(t, p, 3, 8, 20), limited(t, p, 2, 7, 100)}
		}, []float64{15, 18}},
		"deleted, not changed": {false, func(t *testing.T, p *plant) []iot.SettingsInForce {
			return []iot.SettingsInForce{limited(t, p, 2, 7, 100)}
		}, []float64{15, 30, 18}},
		"deleted, forgotten": {false, func(t *testing.T, p *plant) []iot.SettingsInForce {
			return []iot.SettingsInForce{limited(t, p, 99, 8, 20)}
		}, []float64{15, 30, 18}},
		"deleted, nothing in force": {false, func(*testing.T, *plant) []iot.SettingsInForce { return nil }, []float64{15, 30, 18}},
		"another log, of the earlier": {true, func(t *testing.T, p *plant) []iot.SettingsInForce {
			return []iot.SettingsInForce{limited(t, p, 0, 7, 100), limited(t, p, 99, 8, 20)}
		}, []float64{15, 18}},
		"another log, begun": {true, func(t *testing.T, p *plant) []iot.SettingsInForce {
			return []iot.SettingsInForce{limited(t, p, 0, 8, 20), limited(t, p, 2, 9, 17)}
		}, []float64{15, 18}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, store := onePlant(t)
				defer store.Close()
				p.log = "one"
				p.settings(0, 7, func(l *iot.Limits) { l.Types[0].Max = 100 })
				p.sendReading(0, "b", began.Add(time.Second), 15)
				archiveOf(t, p, store)
				source := archive.Source{Topic: topics.Readings}
				if test.anew {
					p = newPlant(p.admission)
					p.log = "another"
				} else {
					p.sendReading(0, "b", began.Add(2*time.Second), 16)
					p.start[source] = int64(len(p.records[source]))
				}
				p.sendReading(0, "b", began.Add(3*time.Second), 30)
				p.sendReading(0, "b", began.Add(4*time.Second), 18)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				archiver := archive.New(archive.Options{
					Open: p.open(ctx, 10, trouble(nil)), Store: store, Topics: topics, Admission: p.admission,
					Limits: func(context.Context, []int32) (map[int32][]iot.SettingsInForce, error) {
						return map[int32][]iot.SettingsInForce{0: test.inForce(t, p)}, nil
					},
					Logger: slog.New(slog.DiscardHandler), Now: time.Now,
				})
				if err := archiver.Run(ctx); err != nil {
					t.Fatal(err)
				}
				rows, err := readRows(store)
				if err != nil {
					t.Fatal(err)
				}
				var got []float64
				for _, point := range rows.Readings["b"] {
					got = append(got, point.Value)
				}
				if !slices.Equal(got, test.want) {
					t.Errorf("got the readings %v, want %v", got, test.want)
				}
			})
		})
	}
}
