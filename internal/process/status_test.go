package process_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"iotmon/internal/iot"
	"iotmon/internal/process"
	"iotmon/internal/wire"
)

// status appends a status report; the device is named as its Kafka key.
func (j *journal) status(appended float64, key string, s iot.StatusReport) {
	*j = append(*j, process.Record{
		Offset: int64(len(*j)), Appended: at(appended), Key: []byte(key), Value: wire.AppendStatusReport(nil, &s),
		RecordKind: iot.RecordKind{Kind: iot.KindStatus, Level: s.Level()},
	})
}

func drawReport(t *rapid.T, j *journal, now float64) {
	if rapid.IntRange(0, 5).Draw(t, "interval") == 0 {
		j.status(now, rapid.SampledFrom([]string{"a", "b"}).Draw(t, "often"), iot.StatusReport{
			Interval: rapid.SampledFrom([]time.Duration{time.Second, 8 * time.Second, time.Minute, -1}).Draw(t, "every"), Time: at(now),
		})
		return
	}
	j.status(now, rapid.SampledFrom([]string{"a", "b", "z", "acme\x1fa", "\x1f"}).Draw(t, "reported"), iot.StatusReport{
		Status: rapid.SampledFrom([]iot.Reported{iot.ReportedOnline, iot.ReportedOffline, iot.ReportedOffline, iot.ReportedBad, "?"}).Draw(t, "status"),
		Time:   at(now + rapid.SampledFrom([]float64{0, -3, -90, 60}).Draw(t, "noticed")), Session: rapid.Int64Range(0, 3).Draw(t, "session"),
		Reason: "last will", Historical: rapid.IntRange(0, 4).Draw(t, "historical") == 0,
	})
}

// transitions returns the offline alerts of a run as words, and sees that no alert is raised twice.
func transitions(t *testing.T, out *recorder) (list []string) {
	t.Helper()
	raised := make(map[string]bool)
	for _, text := range out.alerts {
		a, err := wire.DecodeAlert([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if a.Rule != iot.RuleOffline {
			continue
		}
		if a.Transition == iot.Raised && raised[a.ID] {
			t.Errorf("alert %s was raised twice", a.ID)
		}
		raised[a.ID] = true
		list = append(list, string(a.Transition)+" "+a.Time.Format("05.000"))
	}
	return list
}

func TestReportsRaiseAndClearTheOfflineAlert(t *testing.T) {
	var j journal
	j.reading(1, "a", 1, 20)
	j.status(3, "a", iot.StatusReport{Status: iot.ReportedOffline, Reason: "last will", Time: at(2.5), Session: 1})
	j.status(4, "a", iot.StatusReport{Status: iot.ReportedOnline, Time: at(3.5), Session: 2})
	j.status(5, "a", iot.StatusReport{Status: iot.ReportedOffline, Time: at(4), Session: 1}) // Late.
	j.status(6, "a", iot.StatusReport{Status: iot.ReportedOffline, Time: at(6), Session: 2})
	j.reading(7, "a", 7, 20)
	for _, seconds := range []float64{11, 15, 19, 22} { // Without a standstill of the log.
		j.tick(seconds)
	}
	out := onePass(t, j)
	want := []string{"raised 02.500", "cleared 03.500", "raised 06.000", "cleared 07.000", "raised 22.000"}
	if got := transitions(t, out); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// The session survives a restart: it is part of the state.
func TestALateLastWillIsIgnoredAfterARestart(t *testing.T) {
	var j journal
	j.reading(1, "a", 1, 20)
	j.status(2, "a", iot.StatusReport{Status: iot.ReportedBad, Reason: "BadNotConnected", Time: at(2), Session: 2})
	p, out := process.New(options(t), 3, process.Checkpoint{}, false), newRecorder()
	if err := p.Process(j, out); err != nil {
		t.Fatal(err)
	}
	p.PublishStates(out)
	j.status(3, "a", iot.StatusReport{Status: iot.ReportedOffline, Time: at(3), Session: 1})
	p = restore(t, options(t), p.Checkpoint(), out)
	if err := p.Process(j[2:], out); err != nil {
		t.Fatal(err)
	}
	state, err := wire.DecodeDeviceState(out.states["a"])
	if err != nil || state.Status != iot.Online || state.Report == nil || state.Report.Status != iot.ReportedBad || state.Report.Reason != "BadNotConnected" {
		t.Errorf("got %+v, %v, want the device online with a bad value, as session 2 has said", state, err)
	}
	if got := transitions(t, out); got != nil {
		t.Errorf("got %v, want no alert", got)
	}
}

func TestForeignReportsAreRejected(t *testing.T) {
	var j journal
	j.reading(1, "a", 1, 20)
	j.status(2, "a", iot.StatusReport{Status: "gone", Time: at(2)})
	j.status(3, "a", iot.StatusReport{Status: iot.ReportedOffline, Time: at(14)})
	j.status(4, " a", iot.StatusReport{Status: iot.ReportedOffline, Time: at(4)})
	j.kind(5, iot.RecordKind{Kind: iot.KindStatus}, "offline")
	out := onePass(t, j)
	if len(out.rejects) != 4 || !strings.Contains(out.rejects[0], "status") || !strings.Contains(out.rejects[1], "time") || !strings.Contains(out.rejects[2], "device_id") {
		t.Errorf("got rejects %q, want one for each report", out.rejects)
	}
	if got := transitions(t, out); got != nil {
		t.Errorf("got %v, want no alert", got)
	}
}

// The interval that a source has said survives a restart, and an older program skips the record.
func TestADeviceThatSendsSeldomIsNotOfflineInBetween(t *testing.T) {
	var j journal
	j.reading(1, "a", 1, 20)
	j.status(2, "a", iot.StatusReport{Interval: time.Minute, Time: at(2)})
	p, out := process.New(options(t), 3, process.Checkpoint{}, false), newRecorder()
	if err := p.Process(j, out); err != nil {
		t.Fatal(err)
	}
	p.PublishStates(out)
	before := len(j)
	for seconds := 5.0; seconds < 200; seconds += 3 { // Without a standstill of the log.
		j.tick(seconds)
	}
	j.status(200, "a", iot.StatusReport{Interval: 2 * time.Minute, Time: at(200)})
	p = restore(t, options(t), p.Checkpoint(), out)
	if err := p.Process(j[before:], out); err != nil {
		t.Fatal(err)
	}
	if got, want := transitions(t, out), []string{"raised 01.000", "cleared 20.000"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v: three minutes after the reading, and the longer interval", got, want)
	}
}
