package source_test

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"iotmon/internal/source"
)

// adapter is an Adapter in one function.
type adapter func(ctx context.Context, s *source.Session) error

func (a adapter) Run(ctx context.Context, s *source.Session) error { return a(ctx, s) }

func runner(t *testing.T, a adapter) *source.Runner {
	t.Helper()
	return &source.Runner{Name: "test", Adapter: a, Pipeline: options(t, &records{}), Owner: source.Alone{}, Logger: slog.New(slog.DiscardHandler)}
}

// Whatever ends a connection, even a panic, the source connects anew, and says meanwhile what is wrong.
func TestARunnerConnectsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		r := runner(t, func(ctx context.Context, s *source.Session) error {
			switch calls++; calls {
			case 1:
				return errors.New("connection refused")
			case 2:
				panic("lying length")
			case 3:
				s.Connected("tcp://broker")
				return nil
			}
			s.Connected("tcp://broker")
			<-ctx.Done()
			return ctx.Err()
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- r.Run(ctx) }()
		status := r.Pipeline.Status
		synctest.Wait()
		if s := status.Snapshot(); s.State != source.Failed || s.Error != "connection refused" {
			t.Errorf("got %+v, want failed and why", s)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if s := status.Snapshot(); calls != 4 || s.State != source.Connected || s.Address != "tcp://broker" || s.Connections != 2 || s.Error != "the connection has ended" {
			t.Errorf("got %d connections and %+v, want a second one that lasts, and the last error", calls, s)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// owner gives the source away after a while, and takes it again.
type owner struct{ owned int }

func (o *owner) Acquire(ctx context.Context, _ string) (context.Context, func(), error) {
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
	o.owned++
	owned, release := context.WithTimeout(ctx, time.Minute)
	return owned, release, nil
}

// What an instance knew of a source that it no longer owns must not look like a fault for ever.
func TestASourceThatIsNoLongerOwnedIsNotBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := runner(t, func(ctx context.Context, s *source.Session) error {
			s.Connected("broker")
			s.Lag(7)
			if err := s.Send(ctx, &source.Message{Tags: tags, Payload: []byte("temp")}); err != nil {
				return err
			}
			<-ctx.Done()
			return ctx.Err()
		})
		r.Owner = new(owner)
		r.Pipeline.Log = failing(1 << 30)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- r.Run(ctx) }()
		status := r.Pipeline.Status
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if s := status.Snapshot(); s.Lag == nil || *s.Lag != 7 || s.LogError == "" {
			t.Errorf("owned: got %+v, want a lag and why the log does not acknowledge", s)
		}
		time.Sleep(time.Minute - 4*time.Second + 500*time.Millisecond)
		synctest.Wait()
		if s := status.Snapshot(); s.State != source.Waiting || s.Lag != nil || s.LogError != "" {
			t.Errorf("no longer owned: got %+v, want neither", s)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestASourceRunsOnlyWhileItIsOwned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var active atomic.Int64
		r := runner(t, func(ctx context.Context, s *source.Session) error {
			active.Add(1)
			defer active.Add(-1)
			s.Connected("plc")
			<-ctx.Done()
			return ctx.Err()
		})
		by := new(owner)
		r.Owner = by
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- r.Run(ctx) }()
		for round := range 5 {
			time.Sleep(500 * time.Millisecond)
			synctest.Wait()
			if s := r.Pipeline.Status.Snapshot(); active.Load() != 0 || s.State != source.Waiting {
				t.Errorf("round %d: not owned: got %d running and %s", round, active.Load(), s.State)
			}
			time.Sleep(time.Second)
			synctest.Wait()
			if s := r.Pipeline.Status.Snapshot(); active.Load() != 1 || s.State != source.Connected {
				t.Errorf("round %d: owned: got %d running and %s", round, active.Load(), s.State)
			}
			time.Sleep(59500 * time.Millisecond)
			synctest.Wait()
		}
		cancel()
		if err := <-ended; err != nil || by.owned < 5 {
			t.Errorf("got %v after %d times owned", err, by.owned)
		}
	})
}

// A try that waits for an answer in vain is not followed by a long pause: what has ended meanwhile is found at once.
func TestALongTryIsFollowedByAShortPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var began []time.Time
		r := runner(t, func(context.Context, *source.Session) error {
			began = append(began, time.Now())
			time.Sleep(8 * time.Second)
			return errors.New("no answer")
		})
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		if err := r.Run(ctx); err != nil {
			t.Error(err)
		}
		for i := range began[1:] {
			if pause := began[i+1].Sub(began[i]) - 8*time.Second; pause > time.Second {
				t.Errorf("got a pause of %v after try %d, want at most a second", pause, i)
			}
		}
	})
}
