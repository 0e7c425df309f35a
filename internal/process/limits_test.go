package process_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/process"
	"iotmon/internal/wire"
)

// limitsOf returns the limits of options, changed.
func limitsOf(t fatal, opts *process.Options, change func(*iot.Limits)) *iot.Limits {
	t.Helper()
	l, err := opts.Admission.Limits(opts.Lateness)
	if err != nil {
		t.Fatal(err)
	}
	change(l)
	return l
}

// limits appends a settings record with limits.
func (j *journal) limits(appended float64, revision int64, l *iot.Limits) {
	j.settings(appended, iot.Settings{Revision: revision, Window: 30 * time.Second, From: at(appended), Limits: l})
}

// types appends a settings record with device types that people have decided.
func (j *journal) types(appended float64, types ...iot.TypeSpec) {
	s := iot.Settings{Types: types}
	j.kind(appended, iot.RecordKind{Kind: iot.KindSettings, Level: s.Level(), Deciding: true}, string(wire.AppendSettings(nil, &s)))
	(*j)[len(*j)-1].Key = nil
}

// ofType appends a reading of the device f.
func (j *journal) ofType(appended float64, name iot.DeviceType, unit string, value float64) {
	r := iot.Reading{Device: iot.Device{ID: "f", Type: name, Unit: unit}, Time: at(appended), Value: value, Status: iot.Online}
	j.add(appended, wire.AppendReading(nil, &r))
}

// flow is a device type that no configuration has.
var flow = iot.TypeSpec{Name: "flow_sensor", Unit: "L/min", Decimals: 1, Max: 400}

// Sequence: somebody decides a device type; its readings are in an open window; the configuration changes, and the processor is killed anywhere. No
// reading of the type may be lost with the window, the type may not be taken away by a configuration that does not have it, and one who decides it
// otherwise changes nothing.
func TestDecidedTypesOutliveConfigurationsAndKills(t *testing.T) {
	opts := options(t)
	var j journal
	send := func(now float64) {
		j.reading(now, "a", now, 20)
		j.ofType(now+1, flow.Name, "L/min", 100+now)
	}
	send(0) // Of a type that there is not yet.
	j.types(2, flow)
	send(3)
	j.limits(5, 7, limitsOf(t, opts, func(l *iot.Limits) { l.Lateness = 6 * time.Second }))
	send(6)
	other := flow
	other.Unit = "hPa"
	j.types(8, other)
	send(9)
	j.limits(11, 8, limitsOf(t, opts, func(l *iot.Limits) { l.Types = l.Types[1:] }))
	send(12)
	for _, now := range []float64{31, 38, 68} {
		send(now)
	}
	want := onePass(t, j)
	if got := len(want.rejects); got != 1+4 { // The first of the type, and then those of temperature.
		t.Errorf("got %d rejects: %q", got, want.rejects)
	}
	owner := *opts
	owner.Lateness, owner.Revision, owner.Alone = 20*time.Second, 5, true
	for killed := 1; killed < len(j); killed++ {
		out := newRecorder()
		p := process.New(opts, 3, process.Checkpoint{}, false)
		p.Process(j[:killed], out)
		p.PublishStates(out)
		p = restore(t, &owner, p.Checkpoint(), out)
		p.Process(j[p.Next():], out)
		p.PublishStates(out)
		if diff := out.difference(want); diff != "" {
			t.Fatalf("killed at offset %d: %s", killed, diff)
		}
	}
}

// What people have decided is in no configuration. The owner of a partition must not take that for a difference, again and again.
func TestDecidedTypesAreNoDifferenceFromTheConfiguration(t *testing.T) {
	for _, alone := range []bool{false, true} {
		opts := *options(t)
		opts.Alone = alone
		var j journal
		j.reading(1, "a", 1, 20)
		j.limits(2, 7, limitsOf(t, &opts, func(*iot.Limits) {}))
		j.types(3, flow)
		j.reading(4, "a", 4, 20)
		opts.Revision = 9
		_, p := owned(t, &opts, j, process.Checkpoint{Level: process.MaxLevel}, newRecorder())
		if s, any := p.Outdated(at(10)); any {
			t.Errorf("alone %v: got %+v to append", alone, s)
		}
		if other := p.OtherLimits(); other != nil {
			t.Errorf("alone %v: got %q", alone, other)
		}
		opts.Lateness = time.Second
		_, p = owned(t, &opts, j, process.Checkpoint{Level: process.MaxLevel}, newRecorder())
		if s, any := p.Outdated(at(10)); !any || s.Limits.Lateness != time.Second {
			t.Errorf("alone %v, another lateness: got %+v, %v", alone, s, any)
		}
	}
}

// A record that decides more types than fit is a dead letter, and what fits is in force.
func TestTypesThatDoNotFitAreRejected(t *testing.T) {
	var j journal
	j.reading(1, "a", 1, 20)
	for i := range iot.MaxDecidedTypes + 2 {
		j.types(2, iot.TypeSpec{Name: iot.DeviceType(fmt.Sprint("t", i)), Max: 1})
	}
	j.kind(3, iot.RecordKind{Kind: iot.KindSettings, Level: iot.SettingsLevelTypes, Deciding: true}, `{"types":[]}`)
	j.kind(3, iot.RecordKind{Kind: iot.KindSettings, Level: iot.SettingsLevelTypes, Deciding: true}, `{"types":[{"name":"x","min":1,"max":1}]}`)
	j.ofType(4, "t7", "", 1)
	out := onePass(t, j)
	if len(out.rejects) != 4 || !strings.Contains(fmt.Sprintf("%q", out.rejects), "must be at most 256") {
		t.Errorf("got %d: %q", len(out.rejects), out.rejects)
	}
}

// limitsInForce returns the limits in force: since which offset, and of which revision.
func limitsInForce(t *testing.T, out *recorder) []string {
	t.Helper()
	return describeInForce(t, out, wire.LimitsInForce, func(s *iot.SettingsInForce) string {
		return fmt.Sprintf("since %d: revision %d, lateness %v, skew %v", s.Since, s.Revision, s.Limits.Lateness, s.Limits.Skew)
	})
}

// Sequence: readings are in an open window, limits change, the processor is killed, and the window is rebuilt from readings that the new
// limits refuse, or from others that they would have accepted. It must be the window that it was, wherever the processor was killed and
// whatever the next owner is configured with.
func TestReadingsAreRebuiltByTheLimitsOfTheirOffset(t *testing.T) {
	opts := options(t)
	for name, test := range map[string]struct {
		change  func(*iot.Limits)
		rejects int
	}{
		"nothing":            {func(*iot.Limits) {}, 4},
		"a narrower range":   {func(l *iot.Limits) { l.Types[0].Max = 25 }, 5},
		"a wider range":      {func(l *iot.Limits) { l.Types[0].Max = 3000 }, 3},
		"a type is lost":     {func(l *iot.Limits) { l.Types = l.Types[1:] }, 13},
		"a larger skew":      {func(l *iot.Limits) { l.Skew = time.Minute }, 3},
		"a smaller skew":     {func(l *iot.Limits) { l.Skew = time.Second }, 5},
		"a longer retention": {func(l *iot.Limits) { l.Retention = 3 * time.Hour }, 3},
		"a shorter one":      {func(l *iot.Limits) { l.Retention = time.Second }, 5},
		"a longer lateness":  {func(l *iot.Limits) { l.Lateness = time.Minute }, 4},
		"a shorter lateness": {func(l *iot.Limits) { l.Lateness = 0 }, 4},
		"longer texts":       {func(l *iot.Limits) { l.MaxText = 256 }, 3},
		"shorter texts":      {func(l *iot.Limits) { l.MaxText = 4 }, 5},
		"a later first time": {func(l *iot.Limits) { l.Earliest = at(13) }, 6},
	} {
		t.Run(name, func(t *testing.T) {
			var j journal
			send := func(start float64) {
				j.reading(start, "a", start, 20)
				j.reading(start+1, "a", start+1, 36)
				j.reading(start+1, "b", start+6, 21)       // Its clock is ahead.
				j.reading(start+2, "b", start-1, 22)       // It is late.
				j.reading(start+2, "c", start+40, 23)      // Its clock is far ahead.
				j.reading(start+3, "c", start-2*3600, 24)  // It is old.
				j.reading(start+3, "d", start+2.9, 2500.0) // Out of range.
				j.readingIn(start+3, "e", "hall 7", 20)
				j.readingIn(start+3, "e", strings.Repeat("x", 200), 20)
			}
			send(0)
			j.limits(10, 7, limitsOf(t, opts, test.change))
			send(12)
			for _, now := range []float64{31, 36, 66, 97} {
				j.tick(now)
				j.reading(now+0.1, "a", now+0.1, 20)
			}
			want := onePass(t, j)
			if got := len(want.rejects); got != 4+test.rejects {
				t.Errorf("got %d readings rejected, want 4 before and %d after the change: %q", got, test.rejects, want.rejects)
			}
			owner := *opts
			owner.Lateness, owner.Revision, owner.Admission = 20*time.Second, 5, otherTexts(opts.Admission)
			for killed := 1; killed < len(j); killed++ {
				out := newRecorder()
				p := process.New(opts, 3, process.Checkpoint{}, false)
				p.Process(j[:killed], out)
				p.PublishStates(out)
				p = restore(t, &owner, p.Checkpoint(), out)
				p.Process(j[p.Next():], out)
				p.PublishStates(out)
				if diff := out.difference(want); diff != "" {
					t.Fatalf("killed at offset %d: %s", killed, diff)
				}
			}
		})
	}
}

// Sequence: a program archives nothing for a while, changed limits come into force, the committed offset passes the last record of
// before, and the program is killed. Its archive, which has stored nothing, asks by which limits the log's first records were admitted. So
// previous limits are kept for longer than the processor needs them to rebuild windows: the last eight.
func TestTheLastLimitsAreKept(t *testing.T) {
	opts := options(t)
	var j journal
	j.reading(1, "a", 1, 20)
	j.limits(2, 7, limitsOf(t, opts, func(l *iot.Limits) { l.Lateness = 0 }))
	j.reading(3, "a", 3, 20)
	out, p := owned(t, opts, j, process.Checkpoint{}, newRecorder())
	want := []string{"since 0: revision 0, lateness 5s, skew 10s", "since 2: revision 7, lateness 0s, skew 10s"}
	if got := limitsInForce(t, out); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	j.reading(31, "a", 31, 20)
	out, p = owned(t, opts, j, p.Checkpoint(), out)
	if got := limitsInForce(t, out); !slices.Equal(got, want) {
		t.Errorf("after the window has closed: got %q, want %q", got, want)
	}
	j.limits(32, 6, limitsOf(t, opts, func(*iot.Limits) {})) // Older.
	j.limits(33, 8, limitsOf(t, opts, func(l *iot.Limits) { l.Lateness = 0 }))
	out, p = owned(t, opts, j, p.Checkpoint(), out)
	want[1] = "since 2: revision 8, lateness 0s, skew 10s"
	if got := limitsInForce(t, out); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if len(out.finals) != 1 {
		t.Errorf("got %d windows closed, want the first, without any lateness", len(out.finals))
	}
	// Sequence: something appends limits again and again while a window is open. Their history must not grow for ever. What cannot be
	// rebuilt any more is recomputed from the archive.
	for i := range 20 {
		j.limits(34, int64(10+i), limitsOf(t, opts, func(l *iot.Limits) { l.Lateness = time.Duration(i) * time.Second }))
	}
	j.tick(90)
	out, _ = owned(t, opts, j, p.Checkpoint(), out)
	if got := limitsInForce(t, out); len(got) != 8 {
		t.Errorf("got %d limits in force, want 8", len(got))
	}
	if len(out.finals) != 2 || len(out.late) == 0 {
		t.Errorf("got %d windows closed and marks %v, want two and the second one marked", len(out.finals), out.late)
	}
}

// Sequence: limits refuse a reading, more changes follow than are remembered, and the processor is killed while the window is open. By
// which limits the reading was refused is not known any more. The archive does not have it, and a recomputation takes no reading away: so
// it must not be counted, and windows of which no reading can be counted again must be marked.
func TestReadingsOfForgottenLimitsAreRecomputed(t *testing.T) {
	opts := options(t)
	var j journal
	j.limits(0, 1, limitsOf(t, opts, func(l *iot.Limits) { l.Types[0].Max, l.Lateness = 25, time.Hour }))
	j.reading(1, "a", 1, 20)
	j.reading(31, "a", 31, 20)
	j.reading(32, "b", 32, 30) // Refused.
	for i := range 20 {
		j.limits(33, int64(10+i), limitsOf(t, opts, func(l *iot.Limits) { l.Lateness = time.Hour + time.Duration(i)*time.Second }))
	}
	j.reading(34, "a", 34, 20)
	out, p := owned(t, opts, j, process.Checkpoint{}, newRecorder())
	if len(out.rejects) != 1 {
		t.Fatalf("got the rejects %q, want one reading", out.rejects)
	}
	for _, now := range []float64{4000, 8000} {
		j.tick(now)
		out, p = owned(t, opts, j, p.Checkpoint(), out)
	}
	if got := p.Checkpoint().Watermark; !got.After(at(60)) {
		t.Fatalf("got the watermark %v, want the windows closed", got)
	}
	counted := make(map[time.Time]int64)
	for _, text := range out.finals {
		s, err := wire.DecodeWindowSummary([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		counted[s.Window.Start] += s.Count
	}
	for start, most := range map[time.Time]int64{at(0): 1, at(30): 2} {
		if got := counted[start]; got > most {
			t.Errorf("got %d readings counted in the window of %v, want at most %d", got, start, most)
		}
		if out.late[" "+start.Format(time.TimeOnly)] == 0 {
			t.Errorf("got the marks %v, want one of the window of %v", out.late, start)
		}
	}
}

// The settings of a configuration are appended if they are newer than the limits in force, and otherwise what is in force wins.
func TestTheNewestConfiguredLimitsComeIntoForce(t *testing.T) {
	older, newer := *options(t), *options(t)
	older.Revision, newer.Revision = 100, 200
	newer.Lateness = 7 * time.Second
	admission := *newer.Admission
	admission.MaxText, admission.Earliest = 200, time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC)
	newer.Admission = &admission
	var j journal
	j.reading(1, "a", 1, 20)
	// A new partition begins with the limits of its owner. They have been in no record yet, which the archiver needs.
	out, p := owned(t, &older, j, process.Checkpoint{Level: process.MaxLevel}, newRecorder())
	if got, want := limitsInForce(t, out), []string{"since 0: revision 0, lateness 5s, skew 10s"}; !slices.Equal(got, want) {
		t.Fatalf("got %q, want %q", got, want)
	}
	appendOutdated := func(p *process.Partition) {
		t.Helper()
		s, any := p.Outdated(at(2))
		if !any || s.Limits == nil || s.Window != 30*time.Second {
			t.Fatalf("got %+v, %v, want limits and the same windows", s, any)
		}
		j.settings(2, s)
	}
	appendOutdated(p)
	out, p = owned(t, &older, j, p.Checkpoint(), out)
	if s, any := p.Outdated(at(3)); any || p.OtherLimits() != nil {
		t.Fatalf("got %+v and the differences %q, want the configuration in force", s, p.OtherLimits())
	}
	out, p = owned(t, &newer, j, p.Checkpoint(), out)
	want := []string{
		"aggregation.allowed_lateness: 5s in force, 7s configured", "ingest.max_text_bytes: 128 in force, 200 configured",
		"ingest.earliest_year: 2000-01-01 00:00:00 +0000 UTC in force, 1990-01-01 00:00:00 +0000 UTC configured",
	}
	if got := p.OtherLimits(); !slices.Equal(got, want) {
		t.Errorf("got the differences %q, want %q", got, want)
	}
	appendOutdated(p)
	out, p = owned(t, &newer, j, p.Checkpoint(), out)
	out, p = owned(t, &older, j, p.Checkpoint(), out)
	if s, any := p.Outdated(at(4)); any {
		t.Errorf("got %+v, want the older configuration to wait for a higher revision", s)
	}
	if configured, inForce, overruled := p.OverruledLimits(); !overruled || configured != 100 || inForce != 200 {
		t.Errorf("got revisions %d and %d, overruled %v, want 100, 200, true", configured, inForce, overruled)
	}
	alone := older
	alone.Alone, alone.Revision = true, 1
	_, p = owned(t, &alone, j, p.Checkpoint(), out)
	if s, any := p.Outdated(at(4)); !any || s.Revision != 201 || s.Limits == nil {
		t.Errorf("alone: got %+v, %v, want a revision higher than that in force", s, any)
	}
	if _, _, overruled := p.OverruledLimits(); overruled {
		t.Error("alone: got the configuration overruled")
	}
}

// The sequence: a consumer of this version and one of the last release share the partitions. If the new one appended limits, the old one
// would have to leave its group before the update is over. A changed length is in a record that the old one knows.
func TestLimitsAreAppendedOnlyOnceTheirLevelIsEnabled(t *testing.T) {
	opts := *options(t)
	opts.Revision = 100
	var j journal
	j.reading(1, "a", 1, 20)
	out, p := owned(t, &opts, j, process.Checkpoint{Level: 1}, newRecorder())
	newer := opts
	newer.Revision, newer.Window, newer.Lateness = 200, time.Minute, 7*time.Second
	out, p = owned(t, &newer, j, p.Checkpoint(), out)
	s, any := p.Outdated(at(2))
	if !any || s.Level() != iot.SettingsLevelWindow || s.Window != time.Minute || !p.OutdatedLimitsWait() {
		t.Fatalf("got %+v, %v, waits %v, want minutes alone, and the limits to wait", s, any, p.OutdatedLimitsWait())
	}
	j.settings(2, s)
	j.kind(3, iot.RecordKind{Kind: iot.KindLevel, Level: process.MaxLevel, Deciding: true}, "")
	out, p = owned(t, &newer, j, p.Checkpoint(), out)
	s, any = p.Outdated(at(4))
	if !any || s.Level() != iot.SettingsLevelLimits || s.Window != time.Minute || s.Limits.Lateness != 7*time.Second || p.OutdatedLimitsWait() {
		t.Fatalf("got %+v, %v, waits %v, want the limits too", s, any, p.OutdatedLimitsWait())
	}
	j.settings(4, s)
	if out, _ = owned(t, &newer, j, p.Checkpoint(), out); !strings.Contains(fmt.Sprint(limitsInForce(t, out)), "revision 200, lateness 7s") {
		t.Errorf("got %q, want the configured limits in force", limitsInForce(t, out))
	}
}

// Sequence: readings are admitted far ahead under a large skew, then the skew becomes small, and soon after windows become longer. By the
// small skew alone, the new length would begin in the middle of what was admitted.
func TestAnotherLengthBeginsBeyondWhatEarlierLimitsHaveAdmitted(t *testing.T) {
	opts := options(t)
	var j journal
	j.limits(0, 1, limitsOf(t, opts, func(l *iot.Limits) { l.Skew = 10 * time.Minute }))
	j.reading(1, "a", 500, 20)
	j.limits(2, 2, limitsOf(t, opts, func(l *iot.Limits) { l.Skew = time.Second }))
	j.settings(3, iot.Settings{Revision: 3, Window: time.Minute, From: at(60)})
	_, p := owned(t, opts, j, process.Checkpoint{}, newRecorder())
	if got := p.Checkpoint().Lengths; len(got) != 2 || got[1].From.Before(at(601)) {
		t.Errorf("got %+v, want minutes after what may have been admitted, at 601 s", got)
	}
}

// Sequence: limits hold since an offset that the topic, deleted and created again, has not reached. They hold from its start.
func TestLimitsHoldInALogThatBeganAnew(t *testing.T) {
	opts := options(t)
	var j journal
	j.reading(1, "a", 1, 20)
	j.limits(2, 7, limitsOf(t, opts, func(l *iot.Limits) { l.Types[0].Max = 25 }))
	out, p := owned(t, opts, j, process.Checkpoint{}, newRecorder())
	from := p.Checkpoint()
	if lost := from.Reconcile(0, 0); !lost {
		t.Fatal("the log has not begun anew")
	}
	var anew journal
	anew.reading(3, "a", 3, 30)
	out, _ = owned(t, opts, anew, from, out)
	if len(out.rejects) != 1 || !strings.Contains(out.rejects[0], "outside the physical range") {
		t.Errorf("got rejects %q, want the reading refused", out.rejects)
	}
	if got, want := limitsInForce(t, out), []string{"since 0: revision 7, lateness 5s, skew 10s"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Sequence: an alert is open, and its device's type is removed from the catalog: no reading will clear it.
func TestAlertsOfATypeThatIsLostAreCleared(t *testing.T) {
	opts := options(t)
	var j journal
	j.reading(1, "a", 1, 36)
	j.limits(2, 7, limitsOf(t, opts, func(l *iot.Limits) { l.Types = l.Types[1:] }))
	j.reading(3, "a", 3, 36)
	out := onePass(t, j)
	if events := eventsOf(t, out); count(events, "temperature_critical raised") != 1 || count(events, "temperature_critical cleared") != 1 {
		t.Errorf("got %q, want the alert raised and cleared once", events)
	}
}

// Sequence: machines of a type are scrapped. Their devices are silent, the type is removed from the catalog, and the devices are retired.
func TestARetiredDeviceOfATypeThatIsLostIsNotOffline(t *testing.T) {
	opts := options(t)
	var j journal
	j.reading(1, "a", 1, 20)
	for now := 5.0; now < 100; now += 4 {
		j.tick(now)
	}
	j.limits(100, 7, limitsOf(t, opts, func(l *iot.Limits) { l.Types = l.Types[1:] }))
	j.entry(101, "a", iot.DeviceEntry{Version: 1, Retired: true})
	out := onePass(t, j)
	if events := eventsOf(t, out); count(events, "device_offline raised") != 1 || count(events, "device_offline cleared") != 1 {
		t.Errorf("got %q, want the alert raised, and cleared when the device is retired", events)
	}
}

// A device whose readings come late by less than the lateness in force has not set its clock back.
func TestTheLatenessInForceSaysWhatDisorderIs(t *testing.T) {
	opts := options(t)
	for lateness, want := range map[time.Duration]int{5 * time.Second: 1, 2 * time.Minute: 0} {
		var j journal
		j.reading(0, "a", 0, 20)
		j.limits(1, 7, limitsOf(t, opts, func(l *iot.Limits) { l.Lateness = lateness }))
		j.reading(100, "a", 100, 20)
		j.every5("a", 101, 200, 100, 20)
		if events := eventsOf(t, onePass(t, j)); count(events, "device_clock_step cleared") != want {
			t.Errorf("lateness %v: got %q, want %d steps of the clock", lateness, events, want)
		}
	}
}
