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

func (j *journal) rule(appended float64, entry iot.RuleEntry) {
	*j = append(*j, process.Record{
		Offset: int64(len(*j)), Appended: at(appended), Value: wire.AppendRuleEntry(nil, &entry), RecordKind: iot.RecordKind{Kind: iot.KindRule, Level: 1},
	})
}

// threshold returns an entry of a temperature's threshold.
func threshold(name string, version int64, limit float64) iot.RuleEntry {
	return iot.RuleEntry{Version: version, Rule: iot.Rule{
		Name: name, Selector: iot.Selector{Type: iot.Temperature}, Severity: iot.Info, Condition: iot.Condition{Threshold: limit},
	}}
}

func deletion(name string, version int64) iot.RuleEntry {
	return iot.RuleEntry{Version: version, Deleted: true, Rule: iot.Rule{Name: name}}
}

// events returns the recorded alert events as rule, device, transition and reason.
func (r *recorder) events() (list []string) {
	for _, text := range r.alerts {
		a, err := wire.DecodeAlert([]byte(text))
		if err != nil {
			panic(err)
		}
		list = append(list, strings.TrimSpace(fmt.Sprint(a.Rule, " ", a.DeviceID, " ", a.Transition, " ", a.Reason)))
	}
	return list
}

// openAlerts returns the open alerts that the last states have.
func (r *recorder) openAlerts(t fatal) (list []string) {
	t.Helper()
	for _, text := range r.states {
		state, err := wire.DecodeDeviceState(text)
		if err != nil {
			t.Fatal(err)
		}
		for _, raised := range state.OpenAlerts() {
			list = append(list, string(wire.AppendAlert(nil, &raised)))
		}
	}
	slices.Sort(list)
	return list
}

// rulesInForce returns the stored rules as name, version and "deleted" or threshold.
func (r *recorder) rulesInForce(t fatal) (list []string) {
	t.Helper()
	for key, value := range r.inForce {
		if of, _, _ := wire.SplitInForceKey([]byte(key)); of != wire.RuleInForce {
			continue
		}
		rule, err := wire.DecodeRuleInForce(value)
		if err != nil {
			t.Fatal(err)
		}
		what := fmt.Sprint(rule.Rule.Threshold)
		if rule.Deleted {
			what = "deleted"
		}
		list = append(list, fmt.Sprint(rule.Rule.Name, " ", rule.Version, " ", what))
	}
	slices.Sort(list)
	return list
}

// owned processes a log, or the rest of it, with the given options and returns the outputs with those before.
func owned(t fatal, opts *process.Options, j journal, from process.Checkpoint, before *recorder) (*recorder, *process.Partition) {
	t.Helper()
	if from.Level == 0 { // As in a new partition: without a level, a checkpoint in a commit is one of the first.
		from.Level = process.MaxLevel
	}
	p := restore(t, opts, from, before)
	out := newRecorder()
	out.append(before)
	if err := p.Process(j[p.Next():], out); err != nil {
		t.Fatal(err)
	}
	p.PublishStates(out)
	return out, p
}

func equal(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got\n%q\nwant\n%q", what, got, want)
	}
}

// The sequence: a rule is changed twice, the relay is killed before it has noted that, and appends the first change again.
func TestARuleThatComesTwiceOrOutOfOrderChangesNothing(t *testing.T) {
	var j, again journal
	for _, log := range []*journal{&j, &again} {
		log.reading(1, "a", 1, 27)
		log.rule(2, threshold("limit", 5, 25))
		log.rule(2, threshold("limit", 7, 26))
		if log == &again {
			log.rule(2, threshold("limit", 7, 26))
			log.rule(2, threshold("limit", 5, 25))
			log.rule(2, deletion("limit", 6))
		}
		log.reading(3, "a", 3, 25.5)
		log.reading(4, "a", 4, 27)
	}
	want, got := onePass(t, j), onePass(t, again)
	equal(t, "events", got.events(), want.events())
	equal(t, "events", want.events(), []string{"limit a raised"})
	equal(t, "in force", got.rulesInForce(t), want.rulesInForce(t))
}

// The sequence: a rule is deleted, and an earlier change of it arrives after that, also after a restart.
func TestADeletedRuleDoesNotComeBack(t *testing.T) {
	var j journal
	j.rule(1, threshold("limit", 5, 25))
	j.rule(2, deletion("limit", 6))
	first, p := owned(t, options(t), j, process.Checkpoint{}, newRecorder())
	j.rule(3, threshold("limit", 5, 25))
	j.reading(4, "a", 4, 27)
	out, _ := owned(t, options(t), j, p.Checkpoint(), first)
	equal(t, "events", out.events(), nil)
	if got := out.rulesInForce(t); !slices.Contains(got, "limit 6 deleted") {
		t.Errorf("got %q, want the deletion with its version", got)
	}
}

// An alert of a rule that goes is cleared at once: a device that is silent would show it for ever.
func TestAlertsOfARuleThatGoesAreCleared(t *testing.T) {
	change := func(entry iot.RuleEntry, f func(*iot.Rule)) iot.RuleEntry {
		f(&entry.Rule)
		return entry
	}
	for name, c := range map[string]struct {
		entry iot.RuleEntry
		want  []string
	}{
		"deleted":      {deletion("limit", 8), []string{"limit a cleared not_selected", "limit b cleared not_selected"}},
		"inverted":     {change(threshold("limit", 8, 26), func(r *iot.Rule) { r.Below = true }), []string{"limit a cleared rule_changed", "limit b cleared rule_changed"}},
		"for one less": {change(threshold("limit", 8, 25), func(r *iot.Rule) { r.Devices = []iot.DeviceID{"b"} }), []string{"limit a cleared not_selected"}},
		"disabled":     {change(threshold("limit", 8, 25), func(r *iot.Rule) { r.Disabled = true }), []string{"limit a cleared not_selected", "limit b cleared not_selected"}},
		"more urgent":  {change(threshold("limit", 8, 25), func(r *iot.Rule) { r.Severity = iot.Critical }), []string{"limit a updated rule_changed", "limit b updated rule_changed"}},
	} {
		var j journal
		j.rule(0, threshold("limit", 7, 25))
		j.reading(1, "b", 1, 26)
		j.reading(1, "a", 1, 26)
		j.rule(2, c.entry)
		out := onePass(t, j)
		equal(t, name, out.events(), append([]string{"limit b raised", "limit a raised"}, c.want...))
		for id, text := range out.states {
			state, err := wire.DecodeDeviceState(text)
			if err != nil {
				t.Fatal(err)
			}
			cleared := slices.ContainsFunc(c.want, func(event string) bool { return strings.Contains(event, " "+string(id)+" cleared") })
			if open := len(state.OpenAlerts()); (open == 1) == cleared {
				t.Errorf("%s: got %d open alerts in the state of %s, cleared %v", name, open, id, cleared)
			}
		}
	}
	var silent journal
	silent.reading(0, "a", 0, 20)
	for second := 4.0; second <= 20; second += 4 {
		silent.tick(second)
	}
	deleted, disabled := slices.Clone(silent), slices.Clone(silent)
	deleted.rule(21, deletion(iot.RuleOffline, 2))
	disabled.rule(21, iot.RuleEntry{Version: 2, Rule: iot.Rule{Name: iot.RuleOffline, Severity: iot.Warning, Disabled: true}})
	for name, j := range map[string]journal{"deleted": deleted, "disabled": disabled} {
		equal(t, "offline "+name, onePass(t, j).events(), []string{"device_offline a raised", "device_offline a cleared not_selected"})
	}
}

// What cannot be in force with the other rules is a dead letter, with every owner of the partition.
func TestARuleThatCannotBeInForceIsRejected(t *testing.T) {
	var j journal
	for i := range iot.MaxRules {
		j.rule(1, threshold(fmt.Sprintf("limit_%03d", i), 2, 30)) // With two of options.
	}
	typeless := threshold("typeless", 2, 30)
	typeless.Rule.Type = ""
	j.rule(1, typeless)
	j.rule(1, threshold(iot.RuleClock, 2, 30))
	j.kind(1, iot.RecordKind{Kind: iot.KindRule, Level: 1}, `{"version":0}`)
	j.rule(1, threshold("limit_000", 3, 31)) // One that is in force may change,
	j.rule(1, deletion("limit_001", 3))      // and makes room.
	j.rule(1, threshold("limit_099", 4, 30))
	elsewhere := threshold("humid", 2, 80)
	elsewhere.Rule.Type = iot.Humidity
	j.rule(1, elsewhere)
	unknown := threshold("of_a_type_that_another_owner_knows", 2, 30)
	unknown.Rule.Type = "flow_sensor"
	j.rule(1, unknown)
	j.reading(2, "a", 2, 32)
	out := onePass(t, j)
	var offsets []string
	for _, text := range out.rejects {
		offset, _, _ := strings.Cut(text, " ")
		offsets = append(offsets, offset)
	}
	equal(t, "rejects", offsets, []string{"98", "99", "100", "101", "102"})
	if got := out.events(); len(got) != 98 {
		t.Errorf("got %d alerts, want those of the 98 limits, and temperature_high not yet: %q", len(got), got)
	}
}

// Each level of a rule counts as a rule: the state of a device that violates all of them must fit into a record.
func TestLevelsCountAsRules(t *testing.T) {
	rule := threshold("tank", 2, 0)
	rule.Rule.Condition = iot.Condition{Kind: iot.LevelLimits, Levels: iot.Levels{{On: true, Limit: 1}, {On: true, Limit: 2}, {On: true, Limit: 36}, {On: true, Limit: 37}}}
	var j journal
	for i := range iot.MaxRules - 2 - 3 { // With two of options.
		full := threshold(fmt.Sprintf("limit_%03d", i), 2, 40)
		full.Rule.Disabled = i%2 == 0 // It may be enabled at any time.
		j.rule(1, full)
	}
	j.rule(1, rule)
	rule.Rule.Condition.Levels[0].On, rule.Version = false, 3
	j.rule(1, rule)
	j.reading(2, "a", 2, 38)
	out := onePass(t, j)
	if len(out.rejects) != 1 || !strings.HasPrefix(out.rejects[0], fmt.Sprint(iot.MaxRules-5, " device_type")) {
		t.Errorf("got the rejects %q, want the rule with four levels", out.rejects)
	}
	equal(t, "events", out.events(), []string{"tank.high a raised", "tank.high_high a raised", "temperature_critical a raised"}) // temperature_high not yet.
}

// What people write is compiled before it is in force; what an older version has admitted, by another grammar, stops nothing.
func TestAnExpressionThatCannotBeCompiledStopsNothing(t *testing.T) {
	rule := threshold("wrong", 2, 0)
	rule.Rule.Condition = iot.Condition{Kind: iot.Expression, Expression: "value > 30 and"}
	var j journal
	j.rule(1, rule)
	out := onePass(t, j)
	equal(t, "rejects", out.rejects, []string{"0 expression line 1, column 14: unexpected token EOF"})

	j = nil
	j.reading(2, "a", 2, 36)
	p, out := process.New(options(t), 3, process.Checkpoint{Level: process.MaxLevel}, false), newRecorder()
	value := wire.AppendRuleInForce(nil, &iot.RuleInForce{RuleEntry: rule})
	f, err := process.DecodeInForce(wire.AppendRuleKey(nil, "wrong"), value)
	if err != nil {
		t.Fatal(err)
	}
	p.RestoreInForce(f)
	if err := p.Process(j, out); err != nil {
		t.Fatal(err)
	}
	equal(t, "events", out.events(), []string{"temperature_critical a raised"})
	if counts := p.ResetCounts(); counts.Failing != 1 || counts.BeganToFail.Rule != "wrong" || counts.BeganToFail.Reason == "" {
		t.Errorf("got %d failing, %+v, want the rule reported", counts.Failing, counts.BeganToFail)
	}
}

// The sequence: processors of the last release, which know no rules in force, have raised an alert; records wait in the log when this
// program takes over. If it began without rules and appended its own behind them, the alert would be cleared for want of its rule.
func TestAPartitionBeginsWithTheRulesOfItsOwner(t *testing.T) {
	var j journal
	j.reading(1, "a", 1, 36)
	opts := options(t)
	before, p := owned(t, opts, j, process.Checkpoint{}, newRecorder())
	before.inForce = make(map[string][]byte)
	j.reading(2, "a", 2, 36)
	after, p := owned(t, opts, j, p.Checkpoint(), before)
	equal(t, "events", after.events(), before.events())
	want := []string{"device_offline 1 0", "temperature_critical 1 35", "temperature_high 1 28"}
	equal(t, "in force", after.rulesInForce(t), want)
	if entries := p.OutdatedRules(); entries != nil {
		t.Errorf("got %+v to append, want nothing", entries)
	}
	// A new partition that nobody writes to has them too: the first transaction need not have a record.
	out := newRecorder()
	process.New(opts, 3, process.Checkpoint{}, false).PublishStates(out)
	equal(t, "in force in an empty partition", out.rulesInForce(t), want)
}

// The sequence: consumers are replaced one after the other, and a partition goes back and forth between the old configuration and the
// new one.
func TestOfTheConfiguredRulesTheNewestAreInForce(t *testing.T) {
	older, newer := *options(t), *options(t)
	older.RuleRevision, newer.RuleRevision = 100, 200
	newer.Rules = slices.Clone(newer.Rules)
	newer.Rules[1].Threshold = 30
	newer.Rules = newer.Rules[1:] // Without temperature_high.
	var j journal
	out, p := owned(t, &older, j, process.Checkpoint{Level: process.MaxLevel}, newRecorder())
	equal(t, "the first owner's", out.rulesInForce(t), []string{"device_offline 100 0", "temperature_critical 100 35", "temperature_high 100 28"})

	out, p = owned(t, &newer, j, p.Checkpoint(), out)
	if _, _, overruled := p.OverruledRules(); overruled {
		t.Error("the newer configuration is overruled")
	}
	entries := p.OutdatedRules()
	if len(entries) != 2 || !entries[0].Deleted || entries[0].Rule.Name != "temperature_high" || entries[1].Rule.Threshold != 30 || entries[1].Version != 200 {
		t.Fatalf("got %+v to append, want the deletion first, then the rule that differs", entries)
	}
	for _, entry := range entries {
		j.rule(1, entry)
	}
	out, p = owned(t, &older, j, p.Checkpoint(), out) // The records are read by the other owner.
	want := []string{"device_offline 100 0", "temperature_critical 200 30", "temperature_high 200 deleted"}
	equal(t, "the newer one's", out.rulesInForce(t), want)
	for _, revision := range []int64{100, 200} { // Equal revisions that differ are no reason to change anything either.
		again := older
		again.RuleRevision = revision
		out, p = owned(t, &again, j, p.Checkpoint(), out)
		if entries := p.OutdatedRules(); entries != nil {
			t.Errorf("revision %d: got %+v to append, want nothing", revision, entries)
		}
		if configured, inForce, overruled := p.OverruledRules(); !overruled || configured != revision || inForce != 200 {
			t.Errorf("revision %d: got %d, %d, %v, want it reported that 200 is in force", revision, configured, inForce, overruled)
		}
		equal(t, "in force", out.rulesInForce(t), want)
	}
	_, p = owned(t, &newer, j, p.Checkpoint(), out)
	if _, _, overruled := p.OverruledRules(); overruled || p.OutdatedRules() != nil {
		t.Error("rules that are in force are overruled, or to be appended")
	}
}

// A configuration does not undo what people have decided.
func TestTheConfigurationLeavesTheRulesOfPeople(t *testing.T) {
	opts := *options(t)
	var j journal
	j.rule(1, threshold("temperature_high", 7, 26))
	j.rule(1, deletion("temperature_critical", 7))
	j.rule(1, threshold("mine", 7, 20))
	out, p := owned(t, &opts, j, process.Checkpoint{Level: process.MaxLevel}, newRecorder())
	opts.RuleRevision = 1000
	out, p = owned(t, &opts, j, p.Checkpoint(), out)
	if entries := p.OutdatedRules(); entries != nil {
		t.Errorf("got %+v to append, want nothing", entries)
	}
	equal(t, "in force", out.rulesInForce(t), []string{"device_offline 1 0", "mine 7 20", "temperature_critical 7 deleted", "temperature_high 7 26"})
}

// A program that is alone uses its own rules from its start on, whatever its clock says.
func TestAProgramAloneUsesItsOwnRules(t *testing.T) {
	opts := *options(t)
	opts.Alone, opts.RuleRevision = true, 500
	var j journal
	j.reading(1, "a", 1, 36)
	out, p := owned(t, &opts, j, process.Checkpoint{}, newRecorder())
	events := out.events()
	changed := opts
	changed.RuleRevision = 20
	changed.Rules = []iot.Rule{{Name: "temperature_high", Selector: iot.Selector{Type: iot.Temperature}, Severity: iot.Info, Condition: iot.Condition{Threshold: 40}}}
	checkpoint := p.Checkpoint()
	out, p = owned(t, &changed, j, checkpoint, out)
	equal(t, "events", out.events(), append(events, "temperature_critical a cleared not_selected"))
	equal(t, "in force", out.rulesInForce(t), []string{"device_offline 501 deleted", "temperature_critical 501 deleted", "temperature_high 501 40"})
	for key, value := range out.inForce {
		f, err := process.DecodeInForce([]byte(key), value)
		if err != nil || f.Offset < checkpoint.Position {
			t.Errorf("%q has position %d, %v, want no lower one than the committed %d: readers would ignore it", key, f.Offset, err, checkpoint.Position)
		}
	}
	if _, _, overruled := p.OverruledRules(); overruled || p.OutdatedRules() != nil {
		t.Error("a program that is alone is overruled, or appends its rules")
	}
	again, _ := owned(t, &changed, j, p.Checkpoint(), out)
	equal(t, "after another start", again.rulesInForce(t), out.rulesInForce(t))
}

// A condition goes on with what it remembers when its rule has another version, and begins anew when the rule has another condition.
func TestAConditionKeepsItsMemoryOverVersionsOfItsRule(t *testing.T) {
	stuck := func(version int64, within time.Duration) iot.RuleEntry {
		return iot.RuleEntry{Version: version, Rule: iot.Rule{
			Name: "stuck", Selector: iot.Selector{Type: iot.Temperature}, Severity: iot.Info, Condition: iot.Condition{Kind: iot.Stuck, Within: within},
		}}
	}
	for name, c := range map[string]struct {
		between []iot.RuleEntry
		want    []string
	}{
		"another version":   {[]iot.RuleEntry{stuck(3, 10*time.Second)}, []string{"stuck a raised"}},
		"another condition": {[]iot.RuleEntry{threshold("stuck", 3, 40), stuck(4, 10*time.Second)}, nil},
	} {
		var j journal
		j.rule(0, stuck(2, 20*time.Second))
		j.reading(0, "a", 0, 20)
		for _, entry := range c.between {
			j.rule(5, entry)
		}
		j.reading(9, "a", 9, 20)
		j.reading(11, "a", 11, 20)
		equal(t, name, onePass(t, j).events(), c.want)
	}
}

// An open alert follows its rule: how urgent it is and what is to be done at once, also on a silent device, and what was judged once that is true. What people
// have done about it stays.
func TestOpenAlertsFollowTheirRules(t *testing.T) {
	change := func(version int64, limit float64, severity iot.Severity, text string) iot.RuleEntry {
		entry := threshold("limit", version, limit)
		entry.Rule.Severity, entry.Rule.TextEN, entry.Rule.Procedure = severity, text, "https://plant.example/"+text
		return entry
	}
	var j journal
	j.rule(0, threshold("limit", 7, 25))
	j.rule(0, threshold("other", 7, 20))
	j.reading(1, "a", 1, 26)
	id := iot.AlertID("limit", iot.Identity{ID: "a"}, at(1))
	j.command(2, "a", iot.Command{ID: "ack", Action: iot.Acknowledge, Actor: "u-1", Time: at(2), Alert: id})
	j.rule(3, change(8, 25.5, iot.Critical, "hot"))    // 26 is beyond it, too.
	j.rule(4, change(8, 25.5, iot.Critical, "hot"))    // The same again.
	j.rule(5, change(9, 28, iot.Info, "less"))         // 26 is not: that is not said before a reading is.
	j.reading(6, "a", 6, 29)                           // It is.
	j.reading(7, "a", 7, 29)                           // Nothing else.
	j.rule(8, change(10, 40, iot.Warning, "unlikely")) // The next reading clears it.
	j.reading(9, "a", 9, 29)
	want := []string{
		"raised info 25 26 温度超过阈值: 26°C > 25°C",
		"acknowledged info 25 26 温度超过阈值: 26°C > 25°C u-1",
		"updated critical 25.5 26 hot u-1 rule_changed",
		"updated info 25.5 26 hot u-1 rule_changed",
		"updated info 28 29 less u-1 rule_changed",
		"updated warning 28 29 less u-1 rule_changed",
		"cleared warning 28 29 less u-1",
	}
	out := onePass(t, j)
	var got []string
	for _, text := range out.alerts {
		a, err := wire.DecodeAlert([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if a.Rule == "limit" {
			got = append(got, strings.TrimSpace(fmt.Sprint(a.Transition, " ", a.Severity, " ", a.Threshold, " ", a.Value, " ", a.Message, " ", a.AckedBy, " ", a.Reason)))
		}
	}
	for i := range got {
		got[i] = strings.ReplaceAll(got[i], "  ", " ")
	}
	equal(t, "events", got, want)
}

// An alert that has followed its rule is the same after a restart at any record: in its device's state, in its events and in the summaries that list it.
func TestAlertsFollowTheirRulesAlsoOverRestarts(t *testing.T) {
	entry := func(version int64, limit float64, severity iot.Severity) iot.RuleEntry {
		entry := threshold("limit", version, limit)
		entry.Rule.Severity, entry.Rule.Latch = severity, version == 9
		return entry
	}
	var j journal
	j.rule(0, entry(7, 25, iot.Info))
	j.reading(1, "a", 1, 26)
	j.rule(2, entry(8, 28, iot.Critical))
	j.reading(3, "a", 3, 29)
	j.rule(4, entry(9, 27, iot.Warning))
	j.reading(5, "a", 5, 29)
	j.tick(40)
	j.reading(41, "a", 41, 20)
	j.rule(42, entry(10, 22, iot.Critical))
	j.tick(75)
	want := onePass(t, j)
	for cut := range j {
		first, p := owned(t, options(t), j[:cut], process.Checkpoint{}, newRecorder())
		got, _ := owned(t, options(t), j, p.Checkpoint(), first)
		equal(t, fmt.Sprint("events, restarted at ", cut), got.alerts, want.alerts)
		equal(t, fmt.Sprint("windows, restarted at ", cut), got.finals, want.finals)
		equal(t, fmt.Sprint("state, restarted at ", cut), got.openAlerts(t), want.openAlerts(t))
	}
}
