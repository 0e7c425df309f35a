package process_test

import (
	"cmp"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"iotmon/internal/iot"
	"iotmon/internal/process"
	"iotmon/internal/wire"
)

// outcomeOf returns what is remembered of a command about a device, nil if it is not.
func outcomeOf(t fatal, out *recorder, device string, c iot.Command) *iot.Outcome {
	t.Helper()
	identity, err := wire.DecodeDeviceKey([]byte(device))
	if err != nil {
		t.Fatal(err)
	}
	c.Actor, c.Action = cmp.Or(c.Actor, "u-17"), cmp.Or(c.Action, iot.AddComment)
	id, _, _ := c.Origin(identity)
	value := out.inForce[string(wire.AppendOutcomeKey(nil, id))]
	if value == nil {
		return nil
	}
	o, err := wire.DecodeOutcome(value)
	if err != nil {
		t.Fatal(err)
	}
	return &o
}

// Each command is remembered with what was done: why it was refused, and who has done what it is about before.
func TestWhatWasDoneWithACommandIsRemembered(t *testing.T) {
	type step struct {
		c    iot.Command
		key  string
		want string
	}
	alert := iot.AlertID(critical, iot.Identity{ID: "a"}, at(0))
	of := func(action iot.Action, reason string) iot.Command {
		return iot.Command{Action: action, Alert: alert, Reason: reason}
	}
	shelve := func(rule string, until float64, revision int64, actor string) iot.Command {
		return iot.Command{Action: iot.Shelve, Rule: rule, Until: at(until), Revision: revision, Actor: actor, Reason: "of " + actor}
	}
	end := func(rule string, revision int64) iot.Command {
		return iot.Command{Action: iot.Unshelve, Rule: rule, Revision: revision}
	}
	for name, steps := range map[string][]step{
		"an alert that is open": {
			{of(iot.Reset, ""), "a", "not_acknowledged   latched_unacknowledged"},
			{of(iot.Acknowledge, ""), "a", " u-17 2 latched_acknowledged"},
			{iot.Command{Action: iot.Acknowledge, Alert: alert, Actor: "u-18"}, "a", "already_acknowledged u-17 2 latched_acknowledged"},
			{of(iot.Reset, ""), "a", "   normal"},
			{of(iot.Reset, ""), "a", "over   "},
			{of(iot.Acknowledge, ""), "a", "over   "},
			{of(iot.AddComment, "worn"), "a", "   "},
		},
		"another device": {
			{of(iot.Acknowledge, ""), "b", "over   "},
			{of(iot.AddComment, "worn"), "b", "   "}, // The interface refuses it: only the archive knows that the alert is of another device.
			{end("", 0), "unseen", "unknown_device   "},
			{of(iot.Reset, ""), "unseen", "over   "},
		},
		"two shelve at once": {
			{shelve(critical, 600, 0, "u-1"), "a", "   "},
			{shelve(critical, 1200, 0, "u-2"), "a", "changed_meanwhile u-1 1 "},
			{shelve(critical, 1200, 2, "u-2"), "a", "   "},
			{end(critical, 2), "a", "changed_meanwhile u-2 3 "},
			{end(critical, 4), "a", "   "},
			{end(critical, 4), "a", "changed_meanwhile   "},
			{end(critical, 6), "a", "nothing_to_end   "},
			{iot.Command{Action: iot.Shelve, Rule: critical, Until: at(7), Time: at(6), Revision: 6}, "a", "end_passed   "},
		},
		"the device is shelved": {
			{shelve("", 600, 0, "u-1"), "a", "   "},
			{end(critical, 2), "a", "nothing_to_end    device_shelved"},
			{shelve(critical, 300, 2, "u-2"), "a", "   "},
			{end(critical, 4), "a", "    device_shelved"},
			{end("", 5), "a", "   "},
		},
	} {
		var j journal
		j.reading(0, "a", 0, 40)
		if name == "an alert that is open" {
			j.reading(0.5, "a", 0.5, 20)
		}
		var last string
		for i, s := range steps {
			at := float64(len(j))
			if name == "an alert that is open" {
				at = float64(i + 1)
			}
			s.c.ID = fmt.Sprint("step ", i)
			j.command(at, s.key, s.c)
			out := passWith(t, latching(t), j)
			o := outcomeOf(t, out, s.key, s.c)
			if o == nil {
				t.Fatalf("%s: step %d is not remembered", name, i)
			}
			since := ""
			if !o.At.IsZero() {
				since = fmt.Sprint(o.At.Sub(epoch).Seconds())
			}
			last = strings.TrimRight(fmt.Sprint(o.Refused, " ", o.By, " ", since, " ", o.State, " ", o.Remains), " ")
			if want := strings.TrimRight(s.want, " "); last != want {
				t.Errorf("%s, step %d: got %q, want %q", name, i, last, want)
			}
		}
	}
}

// Two operators who shelve, one knowing of the other: both are in the story, also if the second changes nothing about who is notified.
func TestEveryShelvingIsInTheStory(t *testing.T) {
	var j journal
	j.reading(0, "a", 0, 40)
	j.command(1, "a", iot.Command{Action: iot.Shelve, Rule: critical, Until: at(600), Reason: "A"})
	j.command(2, "a", iot.Command{Action: iot.Shelve, Until: at(300), Reason: "B", Actor: "u-18", Revision: 2})
	j.command(3, "a", iot.Command{Action: iot.Shelve, Rule: "temperature_high", Until: at(300), Reason: "C", Revision: 3})
	mustEqual(t, handledEvents(t, onePass(t, j)), "raised 0", "updated 1 u-17  shelved 600", "updated 2 u-18  shelved 600")
}

// What is said about an alert that is over, and what is said with a second acknowledgement, goes to the archive, which knows the alert.
func TestWhatIsSaidTooLateIsKept(t *testing.T) {
	alert := iot.AlertID(critical, iot.Identity{ID: "a"}, at(0))
	var j journal
	j.reading(0, "a", 0, 40)
	j.command(1, "a", acknowledge(critical, "a", 0))
	j.command(2, "a", iot.Command{Action: iot.Acknowledge, Alert: alert, Actor: "u-18", Reason: "me too"})
	j.reading(3, "a", 3, 20)
	j.command(4, "a", iot.Command{ID: "late", Action: iot.AddComment, Alert: alert, Reason: "post mortem"})
	j.command(5, "a", iot.Command{ID: "late", Action: iot.AddComment, Alert: alert, Reason: "post mortem"}) // Sent again.
	j.forget(6, "a")
	j.command(7, "a", iot.Command{Action: iot.AddComment, Alert: alert, Reason: "scrapped"})
	var got []string
	for _, text := range onePass(t, j).alerts {
		a, err := wire.DecodeAlert([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if a.ID == alert {
			got = append(got, strings.TrimSpace(fmt.Sprint(a.Transition, " ", a.DeviceID, " ", a.Time.Sub(epoch).Seconds(), " ", a.Actor, " ", a.Comment)))
		}
	}
	mustEqual(t, got, "raised a 0", "acknowledged a 1 u-17", "acknowledged a 2 u-18 me too", "cleared a 3", "noted a 4 u-17 post mortem", "noted a 7 u-17 scrapped")
}

// The key of a request is that of one request, whatever the other is about, and whatever version has written it.
func TestAKeyIsOfOneRequest(t *testing.T) {
	alert := iot.AlertID(critical, iot.Identity{ID: "a"}, at(0))
	comment := func(id, key, request, text string) iot.Command {
		return iot.Command{ID: id, Key: key, Request: request, Action: iot.AddComment, Alert: alert, Reason: text}
	}
	var j journal
	j.reading(0, "a", 0, 40)
	j.reading(0, "b", 0, 40)
	j.command(1, "a", comment("1", "k", "r", "first"))
	j.command(2, "a", comment("2", "k", "r", "of the same request about another alert"))
	j.command(3, "a", comment("3", "k", "s", "second"))
	j.command(4, "b", comment("4", "k", "s", "of another device"))
	j.command(5, "a", comment("1", "k", "s", "under the same id"))
	j.command(6, "a", iot.Command{ID: "old", Action: iot.AddComment, Alert: alert, Reason: "of an older version"})
	j.command(7, "a", iot.Command{ID: "old", Action: iot.AddComment, Alert: alert, Reason: "again"})
	j.command(8, "b", iot.Command{ID: "old", Action: iot.Shelve, Until: at(100)}) // An id of an older version is of one device.
	out := onePass(t, j)
	var got []string
	for id, want := range map[string]iot.Refusal{"1": "", "2": "", "3": iot.KeyReused, "4": iot.KeyReused} {
		if o := outcomeOf(t, out, "a", iot.Command{ID: id, Request: "r"}); o == nil || o.Refused != want {
			t.Errorf("%s: got %+v, want refused %q", id, o, want)
		}
	}
	for _, device := range []string{"a", "b"} {
		if o := outcomeOf(t, out, device, iot.Command{ID: "old"}); o == nil || o.Refused != "" {
			t.Errorf("%s: got %+v, want the older command executed", device, o)
		}
	}
	for _, event := range handledEvents(t, out) {
		if strings.HasPrefix(event, "updated") {
			got = append(got, event)
		}
	}
	mustEqual(t, got, "updated 1 u-17", "updated 2 u-17", "updated 6 u-17", "updated 8 u-17  shelved 100")
	if o := outcomeOf(t, out, "a", iot.Command{ID: "1", Request: "r"}); o.Key != "k" || o.Request != "r" {
		t.Errorf("got %+v, want the first request", o)
	}
}

// Outcomes do not grow without end, neither in number nor in age.
func TestOutcomesAreForgotten(t *testing.T) {
	count := func(out *recorder) (n int) {
		for key, value := range out.inForce {
			if value != nil && strings.HasPrefix(key, string(wire.OutcomeInForce)) {
				n++
			}
		}
		return n
	}
	var j journal
	j.reading(0, "a", 0, 40)
	const more = 50
	for i := range iot.MaxOutcomes + more {
		j.command(1, "a", iot.Command{ID: fmt.Sprint(i), Action: iot.AddComment, Alert: "none", Reason: "x"})
	}
	out := onePass(t, j)
	if n := count(out); n != iot.MaxOutcomes || outcomeOf(t, out, "a", iot.Command{ID: fmt.Sprint(more - 1)}) != nil ||
		outcomeOf(t, out, "a", iot.Command{ID: fmt.Sprint(more)}) == nil {
		t.Errorf("got %d, want the last %d", n, iot.MaxOutcomes)
	}
	day := iot.OutcomeSpan.Seconds()
	j = j[:100]
	for _, step := range []struct {
		second float64
		want   int
	}{{day, 100}, {1 + day, 101}, {2 + day, 3}, {3 + 2*day, 1}} {
		j.command(step.second, "a", iot.Command{Action: iot.AddComment, Alert: "none", Reason: "x"})
		if n := count(onePass(t, j)); n != step.want {
			t.Errorf("after %v: got %d, want %d", time.Duration(step.second)*time.Second, n, step.want)
		}
	}
	j = nil
	j.command(1, "a", iot.Command{ID: "1", Action: iot.AddComment, Alert: "none", Reason: "x", Key: "k", Request: "r"})
	j.command(2+day, "a", iot.Command{ID: "2", Action: iot.AddComment, Alert: "none", Reason: "x", Key: "other", Request: "r"})
	j.command(3+day, "a", iot.Command{ID: "3", Action: iot.AddComment, Alert: "none", Reason: "x", Key: "k", Request: "s"})
	if o := outcomeOf(t, onePass(t, j), "a", iot.Command{ID: "3", Request: "s"}); o == nil || o.Refused != "" {
		t.Errorf("got %+v, want the key free again", o)
	}
}

// What is remembered of a command is what it has done: it has made an event exactly if it was executed, or said something with an acknowledgement that
// was refused; the alert is then as the outcome says; and of two commands with one id the first counts.
func TestAnOutcomeSaysWhatWasDone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		j := drawJournal(t)
		p := process.New(conditionOptions(t), 3, process.Checkpoint{}, false)
		known := make(map[string]iot.Outcome)
		for i := range j {
			step := newRecorder()
			p.Process(j[i:i+1], step)
			p.PublishStates(step)
			c, err := wire.DecodeCommand(j[i].Value)
			if _, keyed := wire.DecodeDeviceKey(j[i].Key); j[i].Kind != iot.KindCommand || err != nil || keyed != nil {
				continue
			}
			identity, _ := wire.DecodeDeviceKey(j[i].Key)
			id, _, _ := c.Origin(identity)
			o := outcomeOf(t, step, string(j[i].Key), c)
			if first, any := known[id]; any {
				if o != nil && p.Checkpoint().Clock.Sub(first.Time) <= iot.OutcomeSpan {
					t.Fatalf("got %+v, want the first %+v", o, first)
				}
				continue
			}
			if o == nil {
				t.Fatalf("%+v is not remembered", c)
			}
			known[id] = *o
			mustHaveDone(t, &c, o, step)
		}
	})
}

func mustHaveDone(t *rapid.T, c *iot.Command, o *iot.Outcome, step *recorder) {
	var said []iot.Alert
	for _, a := range lastEvents(t, step) {
		if a.Actor == c.Actor {
			said = append(said, a)
		}
	}
	if c.Alert == "" {
		if o.Refused != "" && len(said) > 0 {
			t.Fatalf("%+v was refused, %+v, and has made %+v", c, o, said)
		}
		return
	}
	want := o.Refused == "" || c.Action == iot.Acknowledge && (o.Refused == iot.AlertOver || o.Refused == iot.AlreadyAcknowledged && c.Reason != "")
	if len(said) > 1 || (len(said) == 1) != want {
		t.Fatalf("%+v has the outcome %+v and the events %+v", c, o, said)
	}
	if !want {
		return
	}
	event := said[0]
	if event.ID != c.Alert || event.Comment != c.Reason || o.State != "" && event.LifeState() != o.State || (o.State == "") != (event.Transition == iot.Noted) {
		t.Fatalf("%+v has the outcome %+v and the event %+v", c, o, event)
	}
	if c.Action == iot.Acknowledge && o.Refused != iot.AlertOver && (o.By != event.AckedBy || !o.At.Equal(event.AckedAt)) {
		t.Fatalf("%+v has the outcome %+v and the event %+v", c, o, event)
	}
}
