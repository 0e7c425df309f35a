package deliver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"iotmon/internal/iot"
	"iotmon/internal/notify"
)

// phase is how a receiver answers for some time.
type phase struct {
	answer string
	lasts  time.Duration
}

// receiver is a Sender that answers by the clock, and keeps what it has taken.
type receiver struct {
	began  time.Time
	phases []phase
	// never are the rules of alerts of which it refuses every message that is about nothing else.
	never map[string]bool
	// tries are when it was asked in vain, mostAtOnce how many were in vain in the same minute at most.
	tries []time.Time
	taken []notify.Message
	ids   map[string]int
}

// mergeAfter is after how long messages that wait become a digest.
const mergeAfter = 10 * time.Minute

var errHTTP = map[string]error{
	"400": notify.Refused(errors.New("the server answers 400 Bad Request")), "413": notify.Refused(errors.New("the server answers 413 Content Too Large")),
	"429": errors.New("the server answers 429 Too Many Requests"), "503": errors.New("the server answers 503 Service Unavailable"),
	"refused connection": errors.New("connect: connection refused"),
}

func (r *receiver) now() string {
	at := time.Since(r.began)
	for _, p := range r.phases {
		if at -= p.lasts; at < 0 {
			return p.answer
		}
	}
	return "200"
}

func (r *receiver) Send(ctx context.Context, _ string, m *notify.Message) (string, error) {
	answer := r.now()
	if answer == "200" && len(m.Groups) == 1 && r.never[m.Groups[0].Rule] {
		answer = "400"
	}
	if answer == "200" {
		r.taken = append(r.taken, *m)
		r.ids[m.ID]++
		return "ok", nil
	}
	r.tries = append(r.tries, time.Now())
	if answer == "hang" {
		<-ctx.Done()
		return "", ctx.Err()
	}
	return "", errHTTP[answer]
}

// most returns how many tries in vain there were in a minute at most.
func (r *receiver) most() (most int) {
	for first, at := range r.tries {
		last := first
		for last < len(r.tries) && r.tries[last].Sub(at) < time.Minute {
			last++
		}
		most = max(most, last-first)
	}
	return most
}

// works reports whether the receiver works for some time on end between two times since it began.
func (r *receiver) works(from, until, on time.Duration) bool {
	begin, since := time.Duration(0), time.Duration(-1)
	for _, p := range slices.Concat(r.phases, []phase{{"200", 100 * time.Hour}}) {
		end := begin + p.lasts
		if p.answer != "200" {
			since = -1
		} else if since < 0 {
			since = begin
		}
		if since >= 0 && min(end, until)-max(since, from) >= on {
			return true
		}
		begin = end
	}
	return false
}

// plant is what decides, sends and stores for one receiver, a step each second.
type plant struct {
	planner *notify.Planner
	queue   *queue
	to      *receiver
	// stored are all deliveries, with what has become of them.
	stored map[string]*notify.Delivery
	offset int64
	// troubles outlives a session, and writes to lines.
	troubles *troubles
	lines    *bytes.Buffer
}

func newPlant(to *receiver) *plant {
	to.began, to.ids = time.Now(), make(map[string]int)
	plan := &notify.Plan{Recipients: map[string][]string{"chat": nil}, Routes: []notify.Route{{
		Name: "all", Channels: []string{"chat"}, GroupBy: []notify.GroupBy{notify.ByRule}, Wait: time.Second, Interval: time.Minute, Repeat: 15 * time.Minute,
	}}}
	p := &plant{planner: notify.NewPlanner(plan, nil), to: to, stored: make(map[string]*notify.Delivery), lines: new(bytes.Buffer)}
	p.troubles = newTroubles(slog.New(slog.NewTextHandler(p.lines, nil)))
	p.queue = newTestQueue(to)
	p.queue.troubles = p.troubles
	return p
}

// raise raises, acknowledges or clears an alert of a rule.
func (p *plant) raise(rule string, severity iot.Severity, transition iot.Transition) {
	p.offset++
	a := iot.Alert{
		ID: "alert-" + rule, Rule: rule, DeviceID: "d", Severity: severity, Transition: transition, Onset: p.to.began, Time: time.Now(),
		Position: iot.Position{Offset: p.offset},
	}
	if transition == iot.Acknowledged {
		a.AckedAt = a.Time
	}
	p.planner.Apply(&a, nil, false, time.Now())
}

func (p *plant) step() {
	now := time.Now()
	decided, merged := p.planner.Decide(now, time.Time{}, p.queue.waiting())
	for _, id := range merged {
		p.store(p.queue.merge(id, now))
	}
	for i := range decided {
		d := decided[i]
		p.stored[d.ID] = &d
	}
	p.queue.add(decided)
	p.queue.dispatch(context.Background())
	time.Sleep(time.Second)
	synctest.Wait()
	for _, o := range p.queue.outcomes() {
		p.store(o)
	}
}

func (p *plant) pass(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		p.step()
	}
}

func (p *plant) store(o Outcome) {
	d := p.stored[o.ID]
	d.State, d.Attempts, d.Due, d.Done, d.Outcome = o.State, o.Attempts, o.Due, o.Done, o.Text
}

// restart has another process go on with what is stored.
func (p *plant) restart() {
	p.queue.close()
	for _, o := range p.queue.outcomes() {
		p.store(o)
	}
	p.queue = newTestQueue(p.to)
	p.queue.troubles = p.troubles
	for _, d := range p.stored {
		if d.State == notify.Pending {
			p.queue.add([]notify.Delivery{*d})
		}
	}
}

// count returns how many deliveries of critical alerts, or of others, are in a state.
func (p *plant) count(critical bool, state notify.State) (count int) {
	for _, d := range p.stored {
		if d.State == state && (d.Severity() == iot.Critical) == critical {
			count++
		}
	}
	return count
}

// notified returns the rules of the alerts that the receiver has been notified of.
func (r *receiver) notified() map[string]bool {
	rules := make(map[string]bool)
	for i := range r.taken {
		for j := range r.taken[i].Groups {
			rules[r.taken[i].Groups[j].Rule] = true
		}
	}
	return rules
}

// ordered reports messages about one group that came in another order than they were decided in, and those that came twice.
func (r *receiver) ordered() error {
	last := make(map[string]time.Time)
	for i := range r.taken {
		m := &r.taken[i]
		if r.ids[m.ID] > 1 {
			return fmt.Errorf("message %s came %d times", m.ID, r.ids[m.ID])
		}
		for j := range m.Groups {
			if rule := m.Groups[j].Rule; m.Time.Before(last[rule]) {
				return fmt.Errorf("the message about %s of %v came after that of %v", rule, m.Time, last[rule])
			}
			last[m.Groups[j].Rule] = m.Time
		}
	}
	return nil
}

// Sequence: a proxy before the receiver answers 400 for some time, with three critical alerts and a warning in it; then all is well.
func TestAReceiverThatRefusesForSomeTimeLosesNoCriticalMessage(t *testing.T) {
	for _, lasts := range []time.Duration{30 * time.Second, 70 * time.Second, 10 * time.Minute, 50 * time.Minute} {
		for _, restarts := range []bool{false, true} {
			t.Run(fmt.Sprint(lasts, restarts), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := newPlant(&receiver{phases: []phase{{"400", lasts}}})
					p.raise("w", iot.Warning, iot.Raised)
					for i := range 3 {
						p.raise(fmt.Sprint("c", i), iot.Critical, iot.Raised)
						p.pass(lasts / 4)
					}
					if restarts {
						p.restart()
					}
					p.pass(lasts / 4)
					p.pass(longestUrgent + time.Minute)
					for i := range 3 {
						if !p.to.notified()[fmt.Sprint("c", i)] {
							t.Errorf("the critical alert %d has not arrived", i)
						}
					}
					if got := p.count(true, notify.RefusedState) + p.count(true, notify.Pending); got > 0 {
						t.Errorf("got %d critical messages that have not arrived, want none", got)
					}
					if refused, sent := p.count(false, notify.RefusedState), p.count(false, notify.Sent)+p.count(false, notify.Merged); refused+sent == 0 || p.count(false, notify.Pending) > 0 {
						t.Errorf("got %d refused and %d sent of the warning, want to see what became of it", refused, sent)
					}
					p.queue.close()
				})
			})
		}
	}
}

// A receiver that refuses everything for ever, while critical alerts come for two hours: it is tried seldom, few messages wait for it, and an hour after
// the last of them all have ended.
func TestAReceiverThatRefusesForEverEnds(t *testing.T) {
	for _, every := range []time.Duration{5 * time.Second, time.Minute, 20 * time.Minute} {
		t.Run(every.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPlant(&receiver{phases: []phase{{"400", 100 * time.Hour}}})
				for i := range int(2 * time.Hour / every) {
					p.raise(fmt.Sprint("c", i), iot.Critical, iot.Raised)
					p.raise(fmt.Sprint("w", i), iot.Warning, iot.Raised)
					p.pass(every)
					p.raise(fmt.Sprint("c", i), iot.Critical, iot.Acknowledged)
					p.raise(fmt.Sprint("w", i), iot.Warning, iot.Acknowledged)
					if most := 52 + maxRefused; len(p.queue.pending) > most {
						t.Fatalf("got %d messages that wait, want at most %d", len(p.queue.pending), most)
					}
				}
				if tries := len(p.to.tries); tries > 2*60 || p.to.most() > 6 {
					t.Errorf("got %d tries in 2 hours, %d in a minute, want at most one a minute, and 6", tries, p.to.most())
				}
				p.pass(tryRefused + mergeAfter + 2*longestUrgent)
				if got := len(p.queue.pending); got > 0 {
					t.Errorf("got %d messages that wait an hour after the last alert, want none", got)
				}
				for _, d := range p.stored {
					if d.State == notify.Pending || d.Outcome == "" {
						t.Errorf("got %s %s of %v, tried %d times: %s", d.State, d.Kind, d.Created.Sub(p.to.began), d.Attempts, d.Outcome)
					}
				}
				p.queue.close()
			})
		})
	}
}

// A receiver that cannot take some critical messages, and takes all others: these come at once, in their order, and at the end those.
func TestACriticalMessageThatIsRefusedKeepsNoOtherBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		never := map[string]bool{"bad0": true, "bad1": true, "bad2": true}
		p := newPlant(&receiver{never: never})
		p.raise("bad0", iot.Critical, iot.Raised)
		p.raise("bad1", iot.Critical, iot.Raised)
		for i := range 90 {
			if i == 1 {
				p.raise("bad2", iot.Critical, iot.Raised)
			}
			rule := fmt.Sprint("good", i)
			before, began := len(p.to.taken), time.Now()
			p.raise(rule, []iot.Severity{iot.Warning, iot.Critical}[i%2], iot.Raised)
			// After two new messages that it refuses, the receiver seems to be one that refuses everything.
			for !p.to.notified()[rule] {
				if p.pass(5 * time.Second); len(p.to.taken) == before && time.Since(began) > 70*time.Second {
					t.Fatalf("%s has not arrived", rule)
				}
			}
			p.raise(rule, []iot.Severity{iot.Warning, iot.Critical}[i%2], iot.Acknowledged)
			p.pass(time.Minute)
		}
		if got := len(p.to.tries); got > 3*6*20 {
			t.Errorf("got %d tries in vain", got)
		}
		for rule := range never {
			p.raise(rule, iot.Critical, iot.Acknowledged)
		}
		p.pass(tryRefused + longestUrgent)
		if len(p.queue.pending) > 0 || p.count(true, notify.RefusedState) == 0 {
			t.Errorf("got %d that wait and %d refused, want none and some", len(p.queue.pending), p.count(true, notify.RefusedState))
		}
		p.queue.close()
	})
}

// Sequence: the receiver refuses that an alert was raised, and takes that it is over. That it was raised is not sent afterwards.
func TestWhatALaterMessageSaysIsNotSentAfterIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(&receiver{phases: []phase{{"400", 10 * time.Second}}})
		p.raise("c", iot.Critical, iot.Raised)
		p.pass(11 * time.Second)
		p.raise("c", iot.Critical, iot.Cleared)
		p.pass(10 * time.Minute)
		if err := p.to.ordered(); err != nil {
			t.Error(err)
		}
		if last := p.to.taken[len(p.to.taken)-1]; last.Kind != notify.Over || len(p.queue.pending) > 0 {
			t.Errorf("got %s last, and %d that wait, want over and none", last.Kind, len(p.queue.pending))
		}
		p.queue.close()
	})
}

// Somebody who asks has a critical message that was refused tried at once, and sees what comes of it; a test that is taken does so, too.
func TestWhoAsksHasARefusedMessageTriedAtOnce(t *testing.T) {
	for _, test := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			p := newPlant(&receiver{phases: []phase{{"400", 10 * time.Minute}}})
			p.raise("c", iot.Critical, iot.Raised)
			p.pass(9 * time.Minute)
			p.to.phases = nil // It works again.
			var id string
			for _, d := range p.stored {
				id = d.ID
			}
			asked := *p.stored[id]
			if asked.State != notify.Pending || asked.Attempts < 2 || !asked.Due.After(time.Now()) || asked.Outcome == "" {
				t.Errorf("got %+v, want one that is tried again later, and why", asked)
			}
			if test {
				asked = notify.Delivery{Target: asked.Target, Message: notify.NewTest("x", time.Now()), State: notify.Pending, Created: time.Now()}
				p.stored[asked.ID] = &asked
			}
			asked.Asked = time.Now()
			p.queue.add([]notify.Delivery{asked})
			p.pass(3 * time.Second)
			if got := p.stored[id].State; got != notify.Sent {
				t.Errorf("got %s, want sent at once (test: %v)", got, test)
			}
			p.queue.close()
		})
	}
}

// A receiver may answer anything at any time, and the process may be started again. Every critical alert arrives if the receiver works for some minutes on end
// within an hour of it; of everything else it is known what has become of it, messages about one alert come in their order, and the receiver
// is not stormed.
func TestCriticalMessagesArriveWhateverAReceiverAnswers(t *testing.T) {
	const (
		mostTries = 30 // in vain, in a minute
		on        = longestUrgent + 3*time.Minute
	)
	answers := append(slices.Sorted(maps.Keys(errHTTP)), "hang", "200", "200")
	rapid.Check(t, func(rt *rapid.T) {
		to := new(receiver)
		type event struct {
			rule     string
			severity iot.Severity
			restart  bool
			pass     time.Duration
		}
		var total time.Duration
		for i := range rapid.IntRange(1, 8).Draw(rt, "phases") {
			lasts := time.Duration(rapid.SampledFrom([]int{1, 5, 30, 70, 300, 600, 1500}).Draw(rt, fmt.Sprint("lasts", i))) * time.Second
			to.phases = append(to.phases, phase{rapid.SampledFrom(answers).Draw(rt, fmt.Sprint("answer", i)), lasts})
			total += lasts
		}
		var events []event
		for i := range rapid.IntRange(1, 60).Draw(rt, "events") {
			events = append(events, event{
				fmt.Sprint("rule", i), rapid.SampledFrom([]iot.Severity{iot.Info, iot.Critical, iot.Critical}).Draw(rt, fmt.Sprint("severity", i)),
				rapid.IntRange(0, 19).Draw(rt, fmt.Sprint("restart", i)) == 0, time.Duration(rapid.IntRange(0, 200).Draw(rt, fmt.Sprint("pass", i))) * time.Second,
			})
		}
		clears := rapid.Bool().Draw(rt, "clears")
		var failure error
		synctest.Test(t, func(*testing.T) {
			p := newPlant(to)
			raised := make(map[string]time.Duration)
			for i, e := range events {
				if p.raise(e.rule, e.severity, iot.Raised); e.severity == iot.Critical {
					raised[e.rule] = time.Since(to.began)
				}
				if clears && i > 3 {
					p.raise(events[i-3].rule, events[i-3].severity, iot.Cleared)
				}
				if p.pass(e.pass); e.restart {
					p.restart()
				}
			}
			p.pass(max(total-time.Since(to.began), 0) + on)
			notified := to.notified()
			for rule, at := range raised {
				if !notified[rule] && to.works(at, at+tryRefused, on) {
					failure = errors.Join(failure, fmt.Errorf("the critical alert %s of %v has not arrived", rule, at))
				}
			}
			for _, d := range p.stored {
				at := d.Created.Sub(to.began)
				if d.State == notify.RefusedState && d.Severity() == iot.Critical && to.works(at, at+tryRefused, on) {
					failure = errors.Join(failure, fmt.Errorf("the critical message %s of %v was refused for good: %s", d.ID, at, d.Outcome))
				}
				patience := time.Minute
				if d.Severity() != iot.Critical {
					patience += longestRefused
				}
				if d.State == notify.Pending && time.Since(d.Created) > patience || d.State != notify.Pending && d.State != notify.Sent && d.Outcome == "" {
					failure = errors.Join(failure, fmt.Errorf("the message %s of %v is %s at the end: %s", d.ID, at, d.State, d.Outcome))
				}
			}
			failure = errors.Join(failure, to.ordered())
			if most := to.most(); most > mostTries {
				failure = errors.Join(failure, fmt.Errorf("got %d tries in vain in a minute, want at most %d", most, mostTries))
			}
			p.queue.close()
		})
		if failure != nil {
			rt.Fatal(failure)
		}
	})
}

// Sequence: critical alerts are raised while the receiver is out; after ten minutes their messages become a digest, and the receiver is back when their
// repetition would be due. It is counted from the digest.
func TestARepetitionIsCountedFromTheDigest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(&receiver{phases: []phase{{"503", 15*time.Minute + 5*time.Second}}})
		for i := range 3 {
			p.raise(fmt.Sprint("c", i), iot.Critical, iot.Raised)
		}
		kinds := func() (kinds []notify.Kind) {
			for i := range p.to.taken {
				kinds = append(kinds, p.to.taken[i].Kind)
			}
			return kinds
		}
		p.pass(24 * time.Minute)
		if got := kinds(); !slices.Equal(got, []notify.Kind{notify.Digest}) {
			t.Errorf("after the outage: got %v, want a digest alone", got)
		}
		p.pass(3 * time.Minute)
		if got := kinds(); !slices.Equal(got, []notify.Kind{notify.Digest, notify.Repeated, notify.Repeated, notify.Repeated}) {
			t.Errorf("15 minutes after the digest: got %v, want each repeated", got)
		}
		p.queue.close()
	})
}

// Sequence: a receiver is out while 90 critical alerts come, and some of them go, in groups of one and of many; the messages become digests of digests. What it
// gets in the end has each alert as new once.
func TestDigestsSayHowManyAlertsAreNew(t *testing.T) {
	for _, out := range []time.Duration{time.Minute, 12 * time.Minute, 40 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			p := newPlant(&receiver{phases: []phase{{"503", out}}})
			for i := range 90 {
				p.raise(fmt.Sprint("c", i), iot.Critical, iot.Raised)
				p.pass(8 * time.Second)
				if i%3 == 2 {
					p.raise(fmt.Sprint("c", i-2), iot.Critical, iot.Cleared)
				}
			}
			p.pass(45 * time.Minute)
			fresh := 0
			for i := range p.to.taken {
				for j := range p.to.taken[i].Groups {
					fresh += p.to.taken[i].Groups[j].New
				}
			}
			if fresh != 90 {
				t.Errorf("out for %v: got %d alerts that were new to the receiver, want 90", out, fresh)
			}
			p.queue.close()
		})
	}
}
