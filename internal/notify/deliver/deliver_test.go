package deliver_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/notify"
	"iotmon/internal/notify/deliver"
)

var errAway = errors.New("no database")

// store is a deliver.Store in memory, which can be away.
type store struct {
	mu         sync.Mutex
	away       bool
	holder     string
	until      time.Time
	offsets    map[int32]deliver.Offset
	groups     map[string][]byte
	alerts     map[string][]byte
	deliveries map[string]notify.Delivery
	published  string
}

func newStore() *store {
	return &store{offsets: map[int32]deliver.Offset{}, groups: map[string][]byte{}, alerts: map[string][]byte{}, deliveries: map[string]notify.Delivery{}}
}

func (s *store) do(f func()) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return errAway
	}
	f()
	return nil
}

func (s *store) setAway(away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = away
}

func (s *store) Acquire(_ context.Context, holder string, lasts time.Duration) (held bool, before time.Time, err error) {
	err = s.do(func() {
		if held = s.holder == "" || s.holder == holder || s.until.Before(time.Now()); held {
			before, s.holder, s.until = s.until, holder, time.Now().Add(lasts)
		}
	})
	return held, before, err
}

func (s *store) Release(_ context.Context, holder string) error {
	return s.do(func() {
		if s.holder == holder {
			s.holder = ""
		}
	})
}

func (s *store) Load(context.Context) (*deliver.Saved, error) {
	saved := &deliver.Saved{Offsets: map[int32]deliver.Offset{}}
	err := s.do(func() {
		for id, o := range s.offsets {
			saved.Offsets[id] = o
		}
		for id, body := range s.groups {
			saved.Groups = append(saved.Groups, notify.Row{ID: id, Body: body})
		}
		for id, body := range s.alerts {
			saved.Alerts = append(saved.Alerts, notify.Row{ID: id, Body: body})
		}
		for _, d := range s.deliveries {
			if d.State == notify.Pending {
				saved.Waiting = append(saved.Waiting, d)
			}
		}
	})
	return saved, err
}

func (s *store) Commit(_ context.Context, holder string, lasts time.Duration, c *deliver.Changes) error {
	lost := false
	err := s.do(func() {
		if lost = s.holder != holder; lost {
			return
		}
		s.until = time.Now().Add(lasts)
		for id, o := range c.Offsets {
			s.offsets[id] = o
		}
		for into, rows := range map[*map[string][]byte][]notify.Row{&s.groups: c.Groups, &s.alerts: c.Alerts} {
			for _, row := range rows {
				if (*into)[row.ID] = row.Body; row.Body == nil {
					delete(*into, row.ID)
				}
			}
		}
		for _, d := range c.Deliveries {
			s.deliveries[d.ID] = d
		}
		for _, o := range c.Outcomes {
			d := s.deliveries[o.ID]
			d.State, d.Attempts, d.Outcome = o.State, o.Attempts, o.Text
			s.deliveries[o.ID] = d
		}
	})
	if lost {
		return deliver.ErrLeaseLost
	}
	return err
}

func (s *store) Asked(context.Context, int) ([]notify.Delivery, error) { return nil, s.do(func() {}) }

func (s *store) Prune(context.Context, time.Time, int, int) (int, error) { return 0, s.do(func() {}) }

func (s *store) Publish(_ context.Context, holder string, published []byte) error {
	return s.do(func() {
		if s.holder == holder {
			s.published = string(published)
		}
	})
}

// shown returns what is published.
func (s *store) shown() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.published
}

// log is a deliver.Log of one partition.
type log struct {
	mu     sync.Mutex
	alerts []iot.Alert
}

func (l *log) add(device string, severity iot.Severity, transition iot.Transition) {
	l.mu.Lock()
	defer l.mu.Unlock()
	id := iot.Identity{ID: iot.DeviceID(device)}
	l.alerts = append(l.alerts, iot.Alert{
		ID: iot.AlertID("high", id, time.Unix(0, 0)), Rule: "high", DeviceID: id.ID, Severity: severity, Transition: transition, Onset: time.Unix(0, 0), Time: time.Now(),
		Position: iot.Position{Offset: int64(len(l.alerts) + 1)},
	})
}

func (l *log) Open(context.Context) (deliver.Reader, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return &reader{log: l, end: int64(len(l.alerts))}, nil
}

func (l *log) OpenAlerts(context.Context) (open []iot.Alert, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	last := make(map[string]int)
	for i := range l.alerts {
		last[l.alerts[i].ID] = i
	}
	for i := range l.alerts {
		if last[l.alerts[i].ID] == i && l.alerts[i].Open() {
			open = append(open, l.alerts[i])
		}
	}
	return open, nil
}

type reader struct {
	log       *log
	end, next int64
}

func (r *reader) ID() string { return "topic" }

func (r *reader) Extents() map[int32]deliver.Extent {
	return map[int32]deliver.Extent{0: {End: r.end}}
}

func (r *reader) Start(from map[int32]int64) { r.next = from[0] }

func (r *reader) Poll(ctx context.Context) (deliver.Batch, error) {
	r.log.mu.Lock()
	all := r.log.alerts[r.next:]
	r.log.mu.Unlock()
	if len(all) == 0 {
		<-ctx.Done()
		return deliver.Batch{}, nil
	}
	r.next += int64(len(all))
	return deliver.Batch{Alerts: all, Next: map[int32]int64{0: r.next}}, nil
}

func (r *reader) Close() {}

// sender keeps what it has sent.
type sender struct {
	mu   sync.Mutex
	fail error
	hang bool
	sent []string
	ids  map[string]int
	// tries is how often it was asked to send.
	tries int
}

func (s *sender) Send(ctx context.Context, _ string, m *notify.Message) (string, error) {
	s.mu.Lock()
	s.tries++
	fail, hang := s.fail, s.hang
	s.mu.Unlock()
	if hang {
		<-ctx.Done()
		return "", ctx.Err()
	}
	if fail != nil {
		return "", fail
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ids == nil {
		s.ids = make(map[string]int)
	}
	s.ids[m.ID]++
	s.sent = append(s.sent, fmt.Sprintf("%s %s", m.Kind, m.Severity()))
	return "ok", nil
}

// tried returns how often it was asked to send since the last call.
func (s *sender) tried() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	tries := s.tries
	s.tries = 0
	return tries
}

// taken returns what was sent since the last call.
func (s *sender) taken() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := fmt.Sprint(s.sent)
	s.sent = nil
	return text
}

func (s *sender) set(fail error, hang bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail, s.hang = fail, hang
}

// run runs a notifier on a store and a log until the returned function is called.
func run(t *testing.T, s *store, l *log, senders map[string]deliver.Sender) (stop func()) {
	t.Helper()
	return follow(t, s, l, senders, nil)
}

// follow is run with what is decided.
func follow(t *testing.T, s *store, l *log, senders map[string]deliver.Sender, decided deliver.Follow) (stop func()) {
	t.Helper()
	plan := &notify.Plan{Recipients: map[string][]string{}}
	route := notify.Route{Name: "all", GroupBy: []notify.GroupBy{notify.ByRule}, Wait: time.Second, Interval: time.Minute}
	for name := range senders {
		plan.Recipients[name] = nil
		route.Channels = append(route.Channels, name)
	}
	plan.Routes = []notify.Route{route}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	var readings atomic.Int64 // As with a real clock, no reading is as early as the one before.
	now := func() time.Time { return time.Now().Add(time.Duration(readings.Add(1)) * time.Microsecond) }
	n := deliver.New(deliver.Options{
		Store: s, Log: l, Planned: deliver.Planned{Plan: plan, Published: []byte("file")}, Follow: decided, Senders: senders, Keep: time.Hour, Logger: slog.New(slog.DiscardHandler), Receivers: slog.New(slog.DiscardHandler), Now: now,
	})
	go func() { done <- n.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func want(t *testing.T, s *sender, d time.Duration, want string) {
	t.Helper()
	time.Sleep(d)
	synctest.Wait()
	if got := s.taken(); got != want {
		t.Errorf("after %v: got %s, want %s", d, got, want)
	}
}

// Sequence: the database goes away; a critical alert and a warning are raised; half an hour later the database is back.
func TestCriticalAlertsAreSentWithoutTheDatabase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l, chat := newStore(), &log{}, &sender{}
		stop := run(t, s, l, map[string]deliver.Sender{"chat": chat})
		l.add("old", iot.Critical, iot.Raised)
		want(t, chat, 10*time.Second, "[raised critical]")
		s.setAway(true)
		want(t, chat, 2*time.Minute, "[]")
		l.add("new", iot.Critical, iot.Raised)
		l.add("slow", iot.Warning, iot.Raised)
		chat.set(errors.New("busy"), false)
		want(t, chat, time.Minute, "[]")
		chat.set(nil, false)
		want(t, chat, 20*time.Second, "[from_memory critical]")
		want(t, chat, 30*time.Minute, "[]")
		s.setAway(false)
		want(t, chat, time.Minute, "[raised warning]")
		l.add("new", iot.Critical, iot.Cleared)
		want(t, chat, 2*time.Minute, "[changed critical]")
		stop()
	})
}

// A receiver that refuses what is sent from memory may be a proxy that does: it is tried again, but not stormed.
func TestWhatIsRefusedFromMemoryIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l, chat := newStore(), &log{}, &sender{}
		stop := run(t, s, l, map[string]deliver.Sender{"chat": chat})
		want(t, chat, 10*time.Second, "[]")
		s.setAway(true)
		l.add("a", iot.Critical, iot.Raised)
		chat.set(notify.Refused(errors.New("400 Bad Request")), false)
		for i := range 50 {
			l.add(fmt.Sprint("device", i), iot.Critical, iot.Raised)
			time.Sleep(12 * time.Second)
		}
		if got := chat.tried(); got > 10*6*2 {
			t.Errorf("got %d tries in 10 minutes, want at most 12 a minute", got)
		}
		chat.set(nil, false)
		time.Sleep(6 * time.Minute)
		synctest.Wait()
		if got := len(chat.ids); got < 40 {
			t.Errorf("got %d messages once the receiver takes them, want those of 51 alerts", got)
		}
		stop()
	})
}

// A receiver that fails is tried after pauses that grow up to two minutes, and one that refuses what it gets after a minute, two, and so on.
func TestAReceiverThatFailsIsPaused(t *testing.T) {
	for name, test := range map[string]struct {
		fail        error
		least, most int
	}{
		"failing":  {errors.New("503 Service Unavailable"), 5, 20},
		"refusing": {notify.Refused(errors.New("400 Bad Request")), 2, 20},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, l, chat := newStore(), &log{}, &sender{fail: test.fail}
				stop := run(t, s, l, map[string]deliver.Sender{"chat": chat})
				// Alerts that come and go are messages all the while.
				for i := range 60 {
					l.add(fmt.Sprint("device", i), iot.Critical, iot.Raised)
					time.Sleep(10 * time.Second)
				}
				if got := chat.tried(); got < test.least || got > test.most {
					t.Errorf("got %d tries in 10 minutes, want from %d to %d", got, test.least, test.most)
				}
				chat.set(nil, false)
				time.Sleep(time.Hour)
				synctest.Wait()
				if chat.taken() == "[]" {
					t.Error("got nothing sent in the hour after the receiver was back")
				}
				stop()
			})
		})
	}
}

// One of two processes sends; the other takes over. Nothing comes twice under another id.
func TestOneOfTwoSends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l, chat := newStore(), &log{}, &sender{}
		first := run(t, s, l, map[string]deliver.Sender{"chat": chat})
		time.Sleep(time.Second)
		second := run(t, s, l, map[string]deliver.Sender{"chat": chat})
		l.add("a", iot.Warning, iot.Raised)
		want(t, chat, 10*time.Second, "[raised warning]")
		first()
		l.add("b", iot.Critical, iot.Raised)
		want(t, chat, 10*time.Second, "[raised critical]")
		second()
	})
}

// A receiver that hangs delays no other channel; what is refused for good does not keep back what comes after it.
func TestAReceiverDelaysItsOwnChannelAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l, chat, mail := newStore(), &log{}, &sender{}, &sender{}
		mail.set(nil, true)
		stop := run(t, s, l, map[string]deliver.Sender{"chat": chat, "mail": mail})
		time.Sleep(time.Second)
		l.add("a", iot.Warning, iot.Raised)
		want(t, chat, 5*time.Second, "[raised warning]")
		mail.set(notify.Refused(errors.New("no such user")), false)
		time.Sleep(2 * time.Minute)
		mail.set(nil, false)
		l.add("b", iot.Critical, iot.Raised)
		want(t, mail, time.Minute, "[raised critical]")
		stop()
		failed := 0
		for _, d := range s.deliveries {
			if d.State == notify.RefusedState && d.Outcome == "no such user" {
				failed++
			}
		}
		if failed != 1 {
			t.Errorf("got %d deliveries with their refusal, want one", failed)
		}
	})
}

// A process that ends waits a little for a message that is being sent, and cuts it off then. The next one sends it under the same id.
func TestWhatWasCutOffIsSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l, chat := newStore(), &log{}, &sender{}
		chat.set(nil, true)
		stop := run(t, s, l, map[string]deliver.Sender{"chat": chat})
		time.Sleep(time.Second)
		l.add("a", iot.Warning, iot.Raised)
		time.Sleep(5 * time.Second)
		began := time.Now()
		stop()
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("the end took %v", took)
		}
		chat.set(nil, false)
		stop = run(t, s, l, map[string]deliver.Sender{"chat": chat})
		want(t, chat, 5*time.Second, "[raised warning]")
		stop()
	})
}
