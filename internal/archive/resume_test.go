package archive_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"iotmon/internal/archive"
	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// archiveOf archives what a plant's broker holds, logging to the returned text.
func archiveOf(t *testing.T, p *plant, store archive.Store) string {
	t.Helper()
	var log bytes.Buffer
	once := pass{archivers: 1, chunk: 10}
	once.archiveAll(p.broker, p.admission, store, slog.New(slog.NewTextHandler(&log, nil)))
	return log.String()
}

// offsetOf returns where the archive of the readings' first partition stands.
func offsetOf(t *testing.T, store archive.Store) archive.Offset {
	t.Helper()
	offsets, err := store.Offsets(t.Context(), topics.Readings)
	if err != nil {
		t.Fatal(err)
	}
	return offsets[archive.Source{Topic: topics.Readings}]
}

func TestALogThatBeganAnewIsArchivedToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, store := onePlant(t)
		defer store.Close()
		p.read(0, "a", began.Add(time.Second), 2)
		if log := archiveOf(t, p, store); log != "" {
			t.Errorf("an undisturbed pass logged:\n%s", log)
		}
		anew := newPlant(p.admission)
		anew.read(0, "a", began.Add(2*time.Second), 3)
		log := archiveOf(t, anew, store)
		if strings.Count(log, "was recreated") != 1 || !strings.Contains(log, "archived=2 log_end=1") {
			t.Errorf("the recreated log is not logged:\n%s", log)
		}
		if got, want := offsetOf(t, store), (archive.Offset{Epoch: 1, Next: 1}); got != want {
			t.Errorf("got offset %+v, want %+v", got, want)
		}
		got, err := readRows(store)
		if err != nil || len(got.Readings["a"]) != 3 {
			t.Errorf("got %+v, %v, want the readings of both logs", got, err)
		}
	})
}

// A topic that was deleted and created again is another one, also if it has grown past where the archive was.
func TestANewLogThatHasGrownFurtherIsArchivedFromItsStart(t *testing.T) {
	for name, test := range map[string]struct {
		before, after string
		want          int
		known         archive.Offset
	}{
		"another topic":           {"one", "two", 5, archive.Offset{Epoch: 1, Next: 3, Log: "two"}},
		"the same topic":          {"one", "one", 3, archive.Offset{Next: 3, Log: "one"}},
		"not known before":        {"", "two", 3, archive.Offset{Next: 3, Log: "two"}},
		"a log that does not say": {"one", "", 3, archive.Offset{Next: 3, Log: "one"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, store := onePlant(t)
				defer store.Close()
				p.log = test.before
				p.read(0, "a", began.Add(time.Second), 2)
				archiveOf(t, p, store)
				anew := newPlant(p.admission)
				anew.log = test.after
				for i := range 3 {
					anew.read(0, "a", began.Add(time.Duration(i+2)*time.Second), 3)
				}
				log := archiveOf(t, anew, store)
				if got := strings.Contains(log, "was recreated"); got != (test.want == 5) {
					t.Errorf("got a line about a new log: %v\n%s", got, log)
				}
				got, err := readRows(store)
				if err != nil || len(got.Readings["a"]) != test.want {
					t.Errorf("got %d readings, %v, want %d", len(got.Readings["a"]), err, test.want)
				}
				if got := offsetOf(t, store); got != test.known {
					t.Errorf("got offset %+v, want %+v", got, test.known)
				}
			})
		})
	}
}

func TestALogThatLostItsStartIsArchivedFromThere(t *testing.T) {
	for name, test := range map[string]struct {
		archived bool
		want     int
		loss     int
	}{
		"after the first record was archived": {archived: true, want: 2, loss: 1},
		"before anything was archived":        {archived: false, want: 1, loss: 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, store := onePlant(t)
				defer store.Close()
				if test.archived {
					archiveOf(t, p, store)
				}
				p.read(0, "a", began.Add(time.Second), 2)
				p.read(0, "a", began.Add(2*time.Second), 3)
				p.start[archive.Source{Topic: topics.Readings}] = 2
				log := archiveOf(t, p, store)
				if got := strings.Count(log, "the log deleted records"); got != test.loss {
					t.Errorf("got %d losses logged, want %d:\n%s", got, test.loss, log)
				}
				got, err := readRows(store)
				if err != nil || len(got.Readings["a"]) != test.want {
					t.Errorf("got %+v, %v, want %d readings", got.Readings, err, test.want)
				}
				if test.loss > 0 && !strings.Contains(log, "lost=1") {
					t.Errorf("the log does not say how many are lost:\n%s", log)
				}
				if got, want := offsetOf(t, store), (archive.Offset{Next: 3}); got != want {
					t.Errorf("got offset %+v, want %+v", got, want)
				}
			})
		})
	}
}

func TestForeignRecordsAreSkippedAndLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, store := onePlant(t)
		defer store.Close()
		for _, text := range garbage {
			p.append(topics.Aggregates, 0, began, []byte(text), false)
			p.append(topics.Alerts, 0, began, []byte(text), false)
		}
		p.publish(windowKey{0, iot.WindowOf(began, windowLength).Start}, true)
		p.alarm(0, "a")
		log := archiveOf(t, p, store)
		if got, want := strings.Count(log, "record ignored"), 2*len(garbage); got != want {
			t.Errorf("got %d records logged, want %d:\n%s", got, want, log)
		}
		got, err := readRows(store)
		if err != nil || len(got.Summaries) != 1 || len(got.Alerts) != 1 {
			t.Errorf("got %d summaries and %d alerts, %v, want one of each", len(got.Summaries), len(got.Alerts), err)
		}
	})
}

func TestReadingsThatDoNotCountAreNotArchived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, store := onePlant(t)
		defer store.Close()
		readings := archive.Source{Topic: topics.Readings}
		early := iot.Reading{Device: iot.Device{ID: "a", Type: iot.Temperature}, Time: began.Add(p.admission.Skew + time.Microsecond)}
		p.append(topics.Readings, 0, began, wire.AppendReading(nil, &early), false)
		ticked := iot.Reading{Device: iot.Device{ID: "a", Type: iot.Temperature}, Time: began.Add(time.Second)}
		p.append(topics.Readings, 0, began, wire.AppendReading(nil, &ticked), true)
		for _, text := range garbage {
			p.append(topics.Readings, 0, began, []byte(text), false)
		}
		misfiled := iot.Reading{Device: iot.Device{ID: "b", Type: iot.Temperature}, Time: began.Add(2 * time.Second)}
		p.append(topics.Readings, 0, began, wire.AppendReading(nil, &misfiled), false)
		p.records[readings][len(p.records[readings])-1].Key = []byte("a")
		// A device that is to be forgotten keeps its history, and markers of transactions are behind us as well.
		p.append(topics.Readings, 0, began, nil, false)
		p.records[readings][len(p.records[readings])-1].Key = []byte("a")
		p.append(topics.Readings, 0, began, nil, false)
		p.records[readings][len(p.records[readings])-1].Marker = true
		if log := archiveOf(t, p, store); log != "" {
			t.Errorf("the processor logs rejects, not the archiver; got:\n%s", log)
		}
		got, err := readRows(store)
		if err != nil || len(got.Readings["a"]) != 1 || len(got.Readings["b"]) != 0 {
			t.Errorf("got %+v, %v, want the first reading alone", got.Readings, err)
		}
		if got, want := offsetOf(t, store).Next, int64(6+len(garbage)); got != want {
			t.Errorf("got offset %d, want %d: what does not count is behind us too", got, want)
		}
	})
}
