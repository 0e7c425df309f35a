package deliver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/notify"
)

// answers is a Sender that answers by a function, and keeps what it was asked to send.
type answers struct {
	answer func(recipient, id string) error
	tried  []string
}

func (a *answers) Send(_ context.Context, recipient string, m *notify.Message) (string, error) {
	a.tried = append(a.tried, m.ID)
	return "ok", a.answer(recipient, m.ID)
}

// notice returns a delivery about a group of its own.
func notice(id string, severity iot.Severity, at time.Time) notify.Delivery {
	return notify.Delivery{
		Target: notify.Target{Channel: "chat"}, State: notify.Pending, Created: at, Due: at,
		Message: notify.Message{ID: id, Kind: notify.Raised, Time: at, Groups: []notify.View{{Key: notify.Key{Rule: id, Severity: severity}}}},
	}
}

// pass lets the queue work for some time, a step each second, and returns the outcomes.
func pass(q *queue, d time.Duration) (outcomes []Outcome) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		q.dispatch(context.Background())
		time.Sleep(time.Second)
		synctest.Wait()
		outcomes = append(outcomes, q.outcomes()...)
	}
	return outcomes
}

func newTestQueue(s Sender) *queue {
	var metrics Metrics
	metrics.fill()
	return newQueue(map[string]Sender{"chat": s}, metrics, newTroubles(slog.New(slog.DiscardHandler)), time.Now)
}

// Sequence: a receiver is away while a critical message and fifty warnings wait for it. The critical one was tried all the while, and is the first to be
// sent when it is back, or the second.
func TestWhatIsUrgentIsSentFirstAfterAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away := true
		s := &answers{answer: func(string, string) error {
			if away {
				return errors.New("away")
			}
			return nil
		}}
		q := newTestQueue(s)
		for i := range 50 {
			q.add([]notify.Delivery{notice(fmt.Sprint("w", i), iot.Warning, time.Now())})
		}
		q.add([]notify.Delivery{notice("c", iot.Critical, time.Now())})
		pass(q, time.Hour)
		if q.pending["c"].Attempts < 10 {
			t.Errorf("got %d tries of the critical one in an hour", q.pending["c"].Attempts)
		}
		away, s.tried = false, nil
		pass(q, 3*time.Minute)
		if len(s.tried) != 51 || s.tried[0] != "c" && s.tried[1] != "c" {
			t.Errorf("got %d messages, %q first, want the critical one first or second", len(s.tried), s.tried[:min(2, len(s.tried))])
		}
		q.close()
	})
}

// A receiver that cannot take one critical message, however often it is tried, gets the others all the same.
func TestAMessageThatCannotBeTakenKeepsNoOtherBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &answers{answer: func(_, id string) error {
			if id == "c" {
				return errors.New("internal error")
			}
			return nil
		}}
		q := newTestQueue(s)
		q.add([]notify.Delivery{notice("c", iot.Critical, time.Now())})
		for i := range 50 {
			q.add([]notify.Delivery{notice(fmt.Sprint("w", i), iot.Warning, time.Now())})
		}
		pass(q, 5*time.Minute)
		if len(q.pending) != 1 || q.pending["c"] == nil {
			t.Errorf("got %d that wait, want the critical one alone", len(q.pending))
		}
		q.close()
	})
}

// An address that does not exist, and a message for it every minute for a day: it is tried some thirty times, nothing waits for good, and what
// is sent after the address exists arrives within an hour, or at once if somebody asks.
func TestARecipientThatIsRefusedIsTriedSeldom(t *testing.T) {
	for _, asks := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			exists := false
			s := &answers{answer: func(recipient, _ string) error {
				if recipient == "nobody@plant.example" && !exists {
					return notify.Refused(errors.New("550 no such user"))
				}
				return nil
			}}
			q := newTestQueue(s)
			sent := func(outcomes []Outcome) (sent, refused, untried int) {
				for _, o := range outcomes {
					switch {
					case o.State == notify.Sent:
						sent++
					case o.State == notify.RefusedState && o.Attempts == 0:
						untried++
					case o.State == notify.RefusedState:
						refused++
					}
				}
				return sent, refused, untried
			}
			var outcomes []Outcome
			for i := range 24 * 60 {
				d := notice(fmt.Sprint("m", i), iot.Warning, time.Now())
				d.Recipient = "nobody@plant.example"
				q.add([]notify.Delivery{d})
				if i%60 == 0 { // Another recipient of the channel.
					q.add([]notify.Delivery{notice(fmt.Sprint("other", i), iot.Info, time.Now())})
				}
				outcomes = append(outcomes, pass(q, time.Minute)...)
			}
			if got, refused, untried := sent(outcomes); got != 24 || refused < 10 || refused > 32 || untried < 1_300 || len(q.pending) > 70 {
				t.Errorf("got %d sent, %d refused, %d not tried and %d that wait", got, refused, untried, len(q.pending))
			}
			exists = true
			within := time.Hour + time.Minute
			d := notice("last", iot.Critical, time.Now())
			d.Recipient = "nobody@plant.example"
			if asks {
				d.Asked, within = time.Now(), 2*time.Second
			}
			q.add([]notify.Delivery{d})
			s.tried = nil
			pass(q, within)
			if len(s.tried) == 0 || s.tried[0] != "last" {
				t.Errorf("got %d tries, want the critical message first", len(s.tried))
			}
			q.close()
		})
	}
}
