package deliver_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/notify"
	"iotmon/internal/notify/deliver"
)

// decided is what people have decided, and whether that can be read.
type decided struct {
	mu      sync.Mutex
	planned *deliver.Planned
	err     error
}

func (d *decided) follow(context.Context) (*deliver.Planned, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.planned, d.err
}

func (d *decided) set(p *deliver.Planned, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.planned, d.err = p, err
}

func planned(name string, channel string) *deliver.Planned {
	return &deliver.Planned{Published: []byte(name), Plan: &notify.Plan{
		Recipients: map[string][]string{"chat": nil, "boss": nil},
		Routes:     []notify.Route{{Name: name, Channels: []string{channel}, Wait: time.Second, Interval: time.Minute}},
	}}
}

func TestWhatIsDecidedIsInForceWithinTwoSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l, chat, boss := newStore(), &log{}, &sender{}, &sender{}
		channels := map[string]deliver.Sender{"chat": chat, "boss": boss}
		d := &decided{planned: planned("one", "chat")}
		stop := follow(t, s, l, channels, d.follow)
		l.add("a", iot.Critical, iot.Raised)
		want(t, chat, 10*time.Second, "[raised critical]")
		d.set(planned("two", "boss"), nil)
		time.Sleep(time.Second)
		if synctest.Wait(); s.shown() != "two" {
			t.Errorf("got %q in force after a second", s.shown())
		}
		want(t, boss, 10*time.Second, "[raised critical]")
		want(t, chat, 10*time.Minute, "[]")
		stop()

		// It is decided while nobody sends, and the process that starts is killed at once.
		d.set(planned("three", "chat"), nil)
		for range 3 {
			stop = follow(t, s, l, channels, d.follow)
			time.Sleep(300 * time.Millisecond)
			stop()
		}
		stop = follow(t, s, l, channels, d.follow)
		want(t, chat, 10*time.Second, "[raised critical]")
		want(t, boss, 10*time.Minute, "[]")
		l.add("a", iot.Critical, iot.Cleared)
		want(t, chat, 2*time.Minute, "[over critical over critical]") // As one of route one, and as one of route three.
		want(t, boss, 0, "[over critical]")
		stop()
	})
}

func TestThePlanStaysWhileWhatIsDecidedCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l, chat, boss := newStore(), &log{}, &sender{}, &sender{}
		d := &decided{planned: planned("one", "boss")}
		stop := follow(t, s, l, map[string]deliver.Sender{"chat": chat, "boss": boss}, d.follow)
		time.Sleep(time.Second)
		d.set(nil, errors.New("no database"))
		time.Sleep(time.Minute)
		l.add("a", iot.Critical, iot.Raised)
		want(t, boss, 10*time.Second, "[raised critical]")
		s.setAway(true) // Now critical alerts are sent from memory, by what is decided.
		time.Sleep(time.Minute)
		l.add("b", iot.Critical, iot.Raised)
		want(t, boss, time.Minute, "[from_memory critical]")
		want(t, chat, 0, "[]")
		s.setAway(false)
		d.set(planned("two", "chat"), nil)
		want(t, chat, 20*time.Second, "[raised critical]")
		stop()
	})
}
