package process_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"iotmon/internal/iot"
	"iotmon/internal/process"
	"iotmon/internal/wire"
)

const critical = "temperature_critical"

// handledEvents returns the events of temperature_critical as words: transition, second, person, and what suppresses it until when.
func handledEvents(t *testing.T, out *recorder) (events []string) {
	t.Helper()
	for _, text := range out.alerts {
		a, err := wire.DecodeAlert([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if a.Rule != critical {
			continue
		}
		event := fmt.Sprint(a.Transition, " ", a.Time.Sub(epoch).Seconds())
		for _, word := range []string{a.Actor, a.AckedBy, string(a.Suppressed)} {
			event += " " + word
		}
		if !a.SuppressedUntil.IsZero() {
			event += fmt.Sprint(" ", a.SuppressedUntil.Sub(epoch).Seconds())
		}
		events = append(events, strings.TrimRight(event, " "))
	}
	return events
}

func mustEqual(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
}

func shelvedInForce(t *testing.T, out *recorder, id iot.DeviceID) iot.ShelvedInForce {
	t.Helper()
	s, err := wire.DecodeShelvedInForce(out.inForce[string(wire.AppendInForceKey(nil, wire.ShelvedInForce, iot.Identity{ID: id}))])
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// refusedIn returns the number of commands that are refused in one pass over the journal.
func refusedIn(t *testing.T, j journal) int64 {
	t.Helper()
	p := process.New(options(t), 3, process.Checkpoint{}, false)
	p.Process(j, newRecorder())
	return p.ResetCounts().Refused
}

func acknowledge(rule string, device iot.DeviceID, onset float64) iot.Command {
	return iot.Command{Action: iot.Acknowledge, Alert: iot.AlertID(rule, iot.Identity{ID: device}, at(onset))}
}

func TestAnAcknowledgedAlertStaysSoUntilItClears(t *testing.T) {
	var j journal
	j.reading(0, "a", 0, 40)
	j.command(1, "a", acknowledge(critical, "a", 0))
	out := onePass(t, j)
	state := stateOf(t, out, "a")
	if got := state.OpenAlerts(); len(got) == 0 || got[0].Transition != iot.Acknowledged || got[0].AckedBy != "u-17" || !got[0].AckedAt.Equal(at(1)) {
		t.Errorf("got %+v, want it acknowledged in the state", got)
	}
	j.command(2, "a", acknowledge(critical, "a", 0)) // A producer's repetition.
	j.reading(3, "a", 3, 40)
	j.reading(4, "a", 4, 20)
	mustEqual(t, handledEvents(t, onePass(t, j)), "raised 0", "acknowledged 1 u-17 u-17", "cleared 4  u-17")
	if got := refusedIn(t, j); got != 1 {
		t.Errorf("got %d refused, want the repetition", got)
	}
}

// Sequence: an alert clears while somebody reads it, the person acknowledges it, and the rule raises another one that nobody has seen.
func TestAnAcknowledgementIsOfOneOccurrence(t *testing.T) {
	var j journal
	j.reading(0, "a", 0, 40)
	j.reading(1, "a", 1, 20)
	j.command(2, "a", acknowledge(critical, "a", 0))
	j.reading(3, "a", 3, 40)
	j.command(4, "a", acknowledge(critical, "a", 0))
	j.command(5, "b", acknowledge(critical, "a", 3)) // The alert is of another device.
	out, _ := owned(t, options(t), j, process.Checkpoint{Level: process.LevelOutcomes - 1}, newRecorder())
	for _, out := range []*recorder{out, onePass(t, j)} {
		mustEqual(t, handledEvents(t, out), "raised 0", "cleared 1", "cleared 1 u-17 u-17", "raised 3")
	}
	if got := refusedIn(t, j); got != 2 {
		t.Errorf("got %d refused, want the second acknowledgement and the one of another device", got)
	}
}

// Sequence: the alert has cleared, the consumer is restarted, and then somebody acknowledges it.
func TestAReturnedAlertIsAcknowledgedAfterARestart(t *testing.T) {
	var j journal
	j.reading(0, "a", 0, 40)
	j.reading(1, "a", 1, 20)
	p, out := process.New(options(t), 3, process.Checkpoint{}, false), newRecorder()
	p.Process(j, out)
	p.PublishStates(out)
	j.command(2, "a", acknowledge(critical, "a", 0))
	p = restore(t, options(t), p.Checkpoint(), out)
	p.Process(j[2:], out)
	p.PublishStates(out)
	mustEqual(t, handledEvents(t, out), "raised 0", "cleared 1", "cleared 1 u-17 u-17")
	for key, value := range out.inForce {
		if value != nil && strings.HasPrefix(key, string(wire.ReturnedInForce)) && strings.Contains(string(value), critical) {
			t.Errorf("got %s kept, want the acknowledged alert gone", value)
		}
	}
}

// Alerts that have cleared and that nobody acknowledges do not grow without end: of too many the oldest are ended by an event of their own, and every
// other one can be acknowledged.
func TestTheOldestReturnedAlertsAreWaived(t *testing.T) {
	var j journal
	const cycles = 10_100
	for i := range cycles {
		j.reading(float64(2*i), "a", float64(2*i), 40)
		j.reading(float64(2*i+1), "a", float64(2*i+1), 20)
	}
	out := onePass(t, j)
	last := lastEvents(t, out)
	waiting := 0
	for id, event := range last {
		_, kept := out.inForce[string(wire.AppendReturnedKey(nil, id))]
		kept = kept && out.inForce[string(wire.AppendReturnedKey(nil, id))] != nil
		if returned := event.LifeState() == iot.ReturnedUnacknowledged; returned != kept {
			t.Fatalf("got %+v, kept is %v", event, kept)
		}
		if !kept && event.Reason != iot.Waived {
			t.Fatalf("got %+v, want it to say why nobody has to acknowledge it", event)
		}
		if kept {
			waiting++
			j.command(2*cycles, "a", iot.Command{Action: iot.Acknowledge, Alert: id})
		}
	}
	if waiting != 10_000 || len(last) != cycles {
		t.Errorf("got %d of %d that wait, want 10,000 of %d", waiting, len(last), cycles)
	}
	j.command(2*cycles, "a", acknowledge(critical, "a", 0))
	out = onePass(t, j)
	for id, event := range lastEvents(t, out) {
		if event.Transition != iot.Noted && (event.LifeState() != iot.NormalState || event.AckedAt.IsZero() == (event.Reason != iot.Waived)) {
			t.Fatalf("got %s %+v, want it acknowledged or waived", id, event)
		}
	}
	if got := refusedIn(t, j); got != 1 {
		t.Errorf("got %d refused, want that of the oldest alert", got)
	}
}

// lastEvents returns the last event of each alert but historical ones.
func lastEvents(t fatal, out *recorder) map[string]iot.Alert {
	t.Helper()
	last := make(map[string]iot.Alert)
	for _, text := range out.alerts {
		a, err := wire.DecodeAlert([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if !a.Historical {
			last[a.ID] = a
		}
	}
	return last
}

// Shelving ends by the log's clock at its planned end, whatever processor reads the log and whenever.
func TestAShelvedAlertIsSuppressedUntilThePlannedEnd(t *testing.T) {
	var j journal
	j.reading(0, "a", 0, 40)
	j.command(1, "a", iot.Command{Action: iot.Shelve, Rule: critical, Until: at(4)})
	j.reading(3, "a", 3, 40)
	j.reading(5, "a", 5, 40)
	out := onePass(t, j)
	mustEqual(t, handledEvents(t, out), "raised 0", "updated 1 u-17  shelved 4", "updated 4")
	if got := shelvedInForce(t, out, "a"); len(got.Shelvings) != 0 || got.Revision != 4 {
		t.Errorf("got %+v, want nothing shelved, since the last record", got)
	}
	j = nil
	j.reading(0, "a", 0, 20)
	j.command(1, "a", iot.Command{Action: iot.Shelve, Until: at(100)}) // The whole device.
	j.reading(3, "a", 3, 40)
	j.reading(4, "a", 4, 20)
	mustEqual(t, handledEvents(t, onePass(t, j)), "raised 3   shelved 100", "cleared 4   shelved 100")
}

// Sequence: the reading that makes the log's clock pass the planned end clears the alert as well. Two events of one record would have one
// position.
func TestAShelvingThatEndsWithTheAlertMakesOneEvent(t *testing.T) {
	var j journal
	j.reading(0, "a", 0, 40)
	j.command(1, "a", iot.Command{Action: iot.Shelve, Until: at(4)})
	j.reading(5, "a", 5, 20)
	j.reading(6, "a", 6, 40)
	out := onePass(t, j)
	mustEqual(t, handledEvents(t, out), "raised 0", "updated 1 u-17  shelved 4", "cleared 5   shelved 4", "raised 6")
	j.tick(7)
	if got := shelvedInForce(t, onePass(t, j), "a"); len(got.Shelvings) != 0 {
		t.Errorf("got %+v, want the shelving ended with the next record", got)
	}
}

func TestOutOfServiceHasNoEnd(t *testing.T) {
	var j journal
	j.reading(0, "a", 0, 40)
	j.command(1, "a", iot.Command{Action: iot.TakeOutOfService})
	j.command(2, "a", iot.Command{Action: iot.Shelve, Rule: critical, Until: at(3), Revision: 2})
	for second := 3.0; second < 1000; second += 4 { // The first one raises temperature_high, so the shelving ends with the second.
		j.reading(second, "a", second, 40)
	}
	j.command(1000, "a", iot.Command{Action: iot.ReturnToService, Revision: 5})
	mustEqual(t, handledEvents(t, onePass(t, j)), "raised 0", "updated 1 u-17  out_of_service", "updated 2 u-17  out_of_service", "updated 1000 u-17")
}

// Sequence: one person shelves a rule while another one, who has not seen that, takes it out of service.
func TestACommandThatSawAnotherRevisionIsRefused(t *testing.T) {
	var j journal
	j.reading(0, "a", 0, 40)
	j.command(1, "a", iot.Command{Action: iot.Shelve, Rule: critical, Until: at(100)})
	j.command(2, "a", iot.Command{Action: iot.TakeOutOfService, Rule: critical, Actor: "u-18"})
	want := iot.ShelvedInForce{Revision: 2, Position: iot.Position{Partition: 3, Offset: 3}}
	got := shelvedInForce(t, onePass(t, j), "a")
	if len(got.Shelvings) != 1 || got.Shelvings[0].Actor != "u-17" || got.Revision != want.Revision || got.Position != want.Position {
		t.Errorf("got %+v, want what is true published again, at the position of the refused command", got)
	}
	j.command(3, "a", iot.Command{Action: iot.TakeOutOfService, Rule: critical, Actor: "u-18", Revision: 2})
	j.command(4, "a", iot.Command{Action: iot.ReturnToService, Rule: critical, Revision: 4})
	j.command(5, "a", iot.Command{Action: iot.Unshelve, Rule: critical, Revision: 5})
	j.command(6, "a", iot.Command{Action: iot.Unshelve, Rule: critical, Revision: 6})               // Nothing is shelved.
	j.command(7, "a", iot.Command{Action: iot.Shelve, Rule: critical, Until: at(100)})              // The first one, again.
	j.command(8, "a", iot.Command{Action: iot.Shelve, Until: at(8), Time: at(6), Revision: 6})      // Over already.
	j.command(9, "unseen", iot.Command{Action: iot.TakeOutOfService})                               // Nobody knows the device.
	j.command(10, "acme\x1fa", iot.Command{Action: iot.TakeOutOfService})                           // Nor this one.
	j.entry(11, "unseen", iot.DeviceEntry{Version: 1})                                              // Now it is registered.
	j.command(12, "unseen", iot.Command{Action: iot.TakeOutOfService, Reason: "not installed yet"}) // So it can be shelved.
	out := onePass(t, j)
	mustEqual(t, handledEvents(t, out), "raised 0", "updated 1 u-17  shelved 100", "updated 3 u-18  out_of_service",
		"updated 4 u-17  shelved 100", "updated 5 u-17")
	if got := refusedIn(t, j); got != 6 {
		t.Errorf("got %d refused, want 6", got)
	}
	if got := shelvedInForce(t, out, "unseen"); len(got.Shelvings) != 1 {
		t.Errorf("got %+v, want the device out of service before its first reading", got)
	}
}

// Sequence: the answer to a request is lost, so it is sent again later, with the same id and the revision of then.
func TestARequestThatIsSentAgainIsExecutedOnce(t *testing.T) {
	var j journal
	alert := iot.AlertID(critical, iot.Identity{ID: "a"}, at(0))
	j.reading(0, "a", 0, 40)
	j.command(1, "a", iot.Command{ID: "k-1", Action: iot.Shelve, Rule: critical, Until: at(100)})
	j.command(2, "a", iot.Command{ID: "k-1", Action: iot.Shelve, Rule: critical, Until: at(101), Revision: 2})
	j.command(3, "a", iot.Command{ID: "k-2", Action: iot.Unshelve, Rule: critical, Revision: 2})
	j.command(4, "a", iot.Command{ID: "k-1", Action: iot.Shelve, Rule: critical, Until: at(103), Revision: 4})
	j.command(5, "a", iot.Command{ID: "k-3", Action: iot.AddComment, Alert: alert, Reason: "bearing worn"})
	j.command(6, "a", iot.Command{ID: "k-3", Action: iot.AddComment, Alert: alert, Reason: "bearing worn"})
	out := onePass(t, j)
	mustEqual(t, handledEvents(t, out), "raised 0", "updated 1 u-17  shelved 100", "updated 3 u-17", "updated 5 u-17")
	if got := refusedIn(t, j); got != 3 {
		t.Errorf("got %d refused, want the three that came again", got)
	}
	if got := shelvedInForce(t, out, "a"); !slices.Equal(got.Commands, []string{"k-1", "k-2"}) {
		t.Errorf("got the commands %q", got.Commands)
	}
}

// While programs may share the partitions that remember no outcomes, comments are distinguished by their ids.
func TestCommentsAreUpsertedByIDUntilOutcomesAreRemembered(t *testing.T) {
	var j journal
	alert := iot.AlertID(critical, iot.Identity{ID: "a"}, at(0))
	comment := func(second float64, id, text string) {
		j.command(second, "a", iot.Command{ID: id, Action: iot.AddComment, Alert: alert, Reason: text})
	}
	j.reading(0, "a", 0, 40)
	j.command(1, "a", acknowledge(critical, "a", 0))
	comment(2, "c-1", "bearing worn")
	comment(3, "c-2", "ordered")
	j.reading(4, "a", 4, 20)
	comment(5, "c-1", "bearing broken")
	j = append(j, j[2]) // The first version, again.
	j[len(j)-1].Offset, j[len(j)-1].Appended = int64(len(j)-1), at(6)
	out, _ := owned(t, options(t), j, process.Checkpoint{Level: process.LevelOutcomes - 1}, newRecorder())
	got, err := wire.DecodeCommentsInForce(out.inForce[string(wire.AppendInForceKey(nil, wire.CommentsInForce, iot.Identity{ID: "a"}))])
	if err != nil || len(got.Comments) != 2 || got.Comments[0].Text != "bearing broken" || got.Comments[1].Text != "ordered" {
		t.Errorf("got %+v, %v, want two comments, the first one changed", got, err)
	}
	// An acknowledged alert stays so in the events of its comments.
	mustEqual(t, handledEvents(t, out), "raised 0", "acknowledged 1 u-17 u-17", "acknowledged 2 u-17 u-17", "acknowledged 3 u-17 u-17",
		"cleared 4  u-17")
	for key := range out.inForce {
		if strings.HasPrefix(key, string(wire.OutcomeInForce)) {
			t.Errorf("got %q, which older programs do not know", key)
		}
	}
}

func TestForeignCommandsAreRejected(t *testing.T) {
	var j journal
	j.reading(0, "a", 0, 40)
	j.decide(1, iot.KindCommand, "a", []byte("{"))
	j.command(2, " a", acknowledge(critical, "a", 0))
	j.command(3, "a", iot.Command{Action: "ignore"})
	if out := onePass(t, j); len(out.rejects) != 3 {
		t.Errorf("got rejects %q, want three", out.rejects)
	}
}

// The end of a shelving comes in a silent partition too: once it has, ticks are wanted.
func TestTheEndOfAShelvingWantsTicks(t *testing.T) {
	var j journal
	j.reading(0, "a", 0, 40)
	j.command(1, "a", iot.Command{Action: iot.Shelve, Until: at(200)})
	for second := 2.0; second < 60; second++ {
		j.tick(second)
	}
	opts := *options(t)
	opts.ForgetAfter = 0
	p := process.New(&opts, 3, process.Checkpoint{}, false)
	p.Process(j, newRecorder())
	if p.NeedsTicks(at(199)) {
		t.Error("ticks are wanted before anything is due")
	}
	if !p.NeedsTicks(at(200)) {
		t.Error("no ticks are wanted though a shelving is to end")
	}
}

// latching are options whose temperature_critical latches.
func latching(t *testing.T) *process.Options {
	o := *options(t)
	o.Rules = slices.Clone(o.Rules)
	o.Rules[1].Latch = true
	return &o
}

func passWith(t fatal, o *process.Options, j journal) *recorder {
	t.Helper()
	p, out := process.New(o, 3, process.Checkpoint{}, false), newRecorder()
	if err := p.Process(j, out); err != nil {
		t.Fatal(err)
	}
	p.PublishStates(out)
	return out
}

// A latched alert has to be acknowledged, and then reset. When its condition is violated again meanwhile it has to be acknowledged again.
func TestALatchedAlertStaysUntilItIsReset(t *testing.T) {
	reset := acknowledge(critical, "a", 0)
	reset.Action = iot.Reset
	var j journal
	j.reading(0, "a", 0, 40)
	j.reading(1, "a", 1, 20)
	j.command(2, "a", reset) // Nobody has acknowledged it.
	j.command(3, "a", acknowledge(critical, "a", 0))
	j.reading(4, "a", 4, 40)
	j.command(5, "a", reset)
	j.reading(6, "a", 6, 20)
	j.command(7, "a", acknowledge(critical, "a", 0))
	j.command(8, "a", reset)
	j.command(9, "a", reset) // A producer's repetition.
	j.reading(10, "a", 10, 40)
	out := passWith(t, latching(t), j)
	mustEqual(t, handledEvents(t, out), "raised 0", "updated 1", "acknowledged 3 u-17 u-17", "updated 4", "updated 6", "acknowledged 7 u-17 u-17",
		"cleared 8 u-17 u-17", "raised 10")
	var states []string
	for _, text := range out.alerts {
		a, err := wire.DecodeAlert([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if a.Rule == critical {
			states = append(states, string(a.LifeState()))
		}
	}
	mustEqual(t, states, "unacknowledged", "latched_unacknowledged", "latched_acknowledged", "unacknowledged", "latched_unacknowledged",
		"latched_acknowledged", "normal", "unacknowledged")
}

// Sequence: an operator shelves a nuisance until its alert has cleared. The next one notifies again.
func TestAOneShotShelvingEndsWithTheAlert(t *testing.T) {
	var j journal
	j.reading(0, "a", 0, 40)
	j.command(1, "a", iot.Command{Action: iot.Shelve, Rule: critical, Until: at(1000), OneShot: true})
	j.reading(2, "a", 2, 20)
	j.reading(3, "a", 3, 40)
	out := onePass(t, j)
	mustEqual(t, handledEvents(t, out), "raised 0", "updated 1 u-17  shelved 1000", "cleared 2   shelved 1000", "raised 3")
	if got := shelvedInForce(t, out, "a"); len(got.Shelvings) != 0 || got.Revision != 3 {
		t.Errorf("got %+v, want nothing shelved since the alert has cleared", got)
	}
}

// What a value was between two readings nobody knows, so a delay runs on through a silence, live and in a backlog.
func TestADelayIsNoShorterThanItSays(t *testing.T) {
	for name, test := range map[string]struct {
		seconds []float64
		raised  bool
	}{
		"not quite for long enough": {[]float64{0, 2.999999}, false},
		"exactly":                   {[]float64{0, 3}, true},
		"an outage of the device":   {[]float64{0, 600}, true},
	} {
		var live, past journal
		past.reading(2000, "a", 2000, 20)
		for i, second := range test.seconds {
			live.reading(second, "a", second, 30)
			past.reading(2001+float64(i), "a", second, 30)
		}
		past.reading(2030, "a", 2030, 20)
		for kind, j := range map[string]journal{"live": live, "past": past} {
			raised := slices.ContainsFunc(onePass(t, j).alerts, func(text string) bool { return strings.Contains(text, `"temperature_high"`) })
			if raised != test.raised {
				t.Errorf("%s, %s: got %v, want %v", name, kind, raised, test.raised)
			}
		}
	}
}
