package process_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"iotmon/internal/iot"
	"iotmon/internal/process"
	"iotmon/internal/wire"
)

func noData(name string, within time.Duration) iot.Rule {
	return iot.Rule{Name: name, Severity: iot.Warning, Condition: iot.Condition{Kind: iot.NoData, Within: within}}
}

// silenceOptions are options with rules of the kind NoData alone.
func silenceOptions(t fatal, rules ...iot.Rule) *process.Options {
	t.Helper()
	opts := *options(t)
	opts.Rules = rules
	return &opts
}

// timed returns the recorded alert events as rule, device, transition and the seconds of their time.
func (r *recorder) timed() (list []string) {
	for _, text := range r.alerts {
		a, err := wire.DecodeAlert([]byte(text))
		if err != nil {
			panic(err)
		}
		list = append(list, fmt.Sprint(a.Rule, " ", a.DeviceID, " ", a.Transition, " ", a.Time.Sub(at(0)).Seconds()))
	}
	return list
}

// Each rule has its own time, also longer than the silence by which a device goes offline, and also if its partition gets ticks alone.
func TestNoDataIsRaisedInTheLogsTime(t *testing.T) {
	opts := silenceOptions(t, noData("minute", time.Minute), noData("ten", 10*time.Second))
	var j journal
	j.reading(0, "a", -50, 20) // Its clock is behind: the log's time counts.
	for second := 1.0; second <= 70; second++ {
		j.tick(second)
	}
	j.reading(71, "a", 21, 20)
	j.tick(72)
	want := []string{"ten a raised 10", "minute a raised 60", "ten a cleared 71", "minute a cleared 71"}
	for n := range j {
		equal(t, fmt.Sprint("killed at ", n), killedAt(t, opts, j, n).timed(), want)
	}
	p := process.New(opts, 3, process.Checkpoint{}, false)
	p.Process(j[:50], newRecorder())
	if !p.NeedsTicks(at(50)) {
		t.Error("a device is to be silent for a minute, and no ticks are needed")
	}
	p.Process(j[50:71], newRecorder())
	for second := 72.0; second < 150; second++ {
		p.Process([]process.Record{{Offset: p.Next(), Appended: at(second), RecordKind: iot.RecordKind{Kind: iot.KindTick}}}, newRecorder())
	}
	if p.NeedsTicks(at(150)) {
		t.Error("ticks are needed for ever, though all rules are violated and all windows are closed")
	}
}

// The sequence: a gateway delivers the backlog of a device that is still silent. Past readings end no silence.
func TestABacklogIsNoData(t *testing.T) {
	opts := silenceOptions(t, noData("ten", 10*time.Second), noData("minute", time.Minute))
	var j journal
	j.reading(0, "a", 0, 20)
	for second := 1.0; second <= 65; second++ {
		if second == 30 {
			j.write(second, iot.Reading{Device: iot.Device{ID: "a"}, Time: at(5), Value: 20, Historical: true})
		}
		j.tick(second)
	}
	want := []string{"ten a raised 10", "minute a raised 60"}
	for n := range j {
		equal(t, fmt.Sprint("killed at ", n), killedAt(t, opts, j, n).timed(), want)
	}
}

// A device that is silent already when a rule begins to watch it has its onset there, and not before. Retired devices are not watched.
func TestNoDataOfANewRule(t *testing.T) {
	entry := func(version int64, within time.Duration) iot.RuleEntry {
		return iot.RuleEntry{Version: version, Rule: noData("quiet", within)}
	}
	var j journal
	j.reading(0, "a", 0, 20)
	for second := 4.0; second <= 40; second += 4 {
		j.tick(second)
	}
	j.rule(41, entry(1, 15*time.Second))
	j.rule(42, entry(2, 3*time.Minute)) // What stands goes on: the device is silent still.
	j.entry(43, "a", iot.DeviceEntry{Version: 1, Retired: true})
	j.entry(44, "a", iot.DeviceEntry{Version: 2})
	j.rule(45, entry(3, 20*time.Second))
	j.rule(46, deletion("quiet", 4))
	opts := silenceOptions(t)
	want := []string{"quiet a raised 41", "quiet a cleared 43", "quiet a raised 45", "quiet a cleared 46"}
	for n := range j {
		equal(t, fmt.Sprint("killed at ", n), killedAt(t, opts, j, n).timed(), want)
	}
}

// An alert of a rule that latches stays until somebody resets it; one with a delay clears after the device has sent for that time.
func TestNoDataLatchesAndClearsLater(t *testing.T) {
	latched, later := noData("latched", 10*time.Second), noData("later", 10*time.Second)
	latched.Latch, later.ClearFor = true, 8*time.Second
	var j journal
	j.reading(0, "a", 0, 20)
	silence := func(from, to float64) {
		for ; from < to; from++ {
			j.tick(from)
		}
	}
	silence(1, 20)
	j.reading(20, "a", 20, 20)
	silence(21, 35) // Silent again before it has cleared.
	for second := 35.0; second <= 45; second += 5 {
		j.reading(second, "a", second, 20)
	}
	opts := silenceOptions(t, latched, later)
	want := []string{
		"latched a raised 10", "later a raised 10", "latched a updated 20", // Latched,
		"latched a updated 30", // and violated again.
		"latched a updated 35", "later a cleared 45",
	}
	for n := range j {
		equal(t, fmt.Sprint("killed at ", n), killedAt(t, opts, j, n).timed(), want)
	}
}

// silenceModel says what the rules of the kind NoData do, from when devices have sent.
type silenceModel struct {
	rules []iot.Rule
	last  map[iot.DeviceID]float64
	open  map[string]bool
	want  []string
}

// seen is for a reading; it must come after the silence until then.
func (m *silenceModel) seen(device iot.DeviceID, now float64) {
	m.last[device] = now
	for _, rule := range m.rules {
		if key := rule.Name + " " + string(device); m.open[key] {
			m.open[key] = false
			m.want = append(m.want, fmt.Sprint(key, " cleared ", now))
		}
	}
}

func (m *silenceModel) passed(now float64) {
	for device, last := range m.last {
		for _, rule := range m.rules {
			key, due := rule.Name+" "+string(device), last+rule.Within.Seconds()
			if due <= now && !m.open[key] {
				m.open[key] = true
				m.want = append(m.want, fmt.Sprint(key, " raised ", due))
			}
		}
	}
}

// For any log without standstills each alert is raised at the last reading and the rule's time, and cleared by the next reading, however often the
// processor is killed.
func TestNoDataFollowsFromTheTimesOfReadings(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := silenceModel{last: make(map[iot.DeviceID]float64), open: make(map[string]bool)}
		for i := range rapid.IntRange(1, 3).Draw(t, "rules") {
			m.rules = append(m.rules, noData(fmt.Sprint("rule", i), time.Duration(rapid.IntRange(10, 40).Draw(t, "within"))*time.Second))
		}
		var j journal
		now := 0.0
		for range rapid.IntRange(1, 60).Draw(t, "records") {
			now += float64(rapid.IntRange(0, 8).Draw(t, "pause")) / 2
			device := rapid.SampledFrom([]iot.DeviceID{"", "", "", "a", "b"}).Draw(t, "device")
			if device == "" {
				j.tick(now)
				m.passed(now)
				continue
			}
			sent := now - float64(rapid.IntRange(0, 1).Draw(t, "late"))*3 + float64(len(j))/1000 // No two are the same.
			j.reading(now, string(device), sent, 20)
			if last, known := m.last[device]; known { // A reading at the very moment of the timeout is in time.
				m.last[device] = max(last, now)
			}
			m.seen(device, now)
			m.passed(now)
		}
		opts := silenceOptions(t, m.rules...)
		opts.OfflineAfter = time.Hour // A device that is offline returns by a newer reading alone.
		want := slices.Clone(m.want)
		got := run(t, j, owners{opts}).timed()
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Fatalf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

// As many alerts clear as were raised, also if readings come at the very moment at which a device counts as silent, a microsecond before or after it,
// and wherever the processor is killed.
func TestAsManySilencesEndAsBegin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		opts := silenceOptions(t, noData("ten", 10*time.Second), iot.Rule{Name: iot.RuleOffline, Severity: iot.Warning})
		var j journal
		now := 0.0
		for range rapid.IntRange(1, 12).Draw(t, "readings") {
			next := now + rapid.SampledFrom([]float64{1, 9.999999, 10, 10.000001, 14.999999, 15, 15.000001, 40}).Draw(t, "pause")
			for second := now + 1; second < next; second++ {
				j.tick(second)
			}
			if rapid.Bool().Draw(t, "a tick first") {
				j.tick(next)
			}
			j.reading(next, "a", next, 20)
			now = next
		}
		events := killedAt(t, opts, j, rapid.IntRange(0, len(j)-1).Draw(t, "killed at")).timed()
		for _, rule := range []string{"ten", iot.RuleOffline} {
			raised, cleared := 0, 0
			for _, event := range events {
				switch {
				case strings.HasPrefix(event, rule+" a raised"):
					raised++
				case strings.HasPrefix(event, rule+" a cleared"):
					cleared++
				}
			}
			if raised != cleared {
				t.Fatalf("%s: %d raised, %d cleared: %q", rule, raised, cleared, events)
			}
		}
	})
}
