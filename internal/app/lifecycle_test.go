package app

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv("FORWARD_SINK") != "" {
		serveSink()
	}
	goleak.VerifyTestMain(m)
}

// untilStopped is a component that runs until it is stopped.
func untilStopped(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestTheFirstFailureStopsTheOthers(t *testing.T) {
	broken := errors.New("disk full")
	var l lifecycle
	stopped := false
	l.add("hub", func(ctx context.Context) error {
		<-ctx.Done()
		stopped = true
		return errors.New("a consequence, not the cause")
	})
	l.add("archiver", func(context.Context) error { return broken })
	err := l.run(t.Context())
	if !errors.Is(err, broken) || err.Error() != "archiver: disk full" {
		t.Errorf("got %v, want archiver: disk full", err)
	}
	if !stopped {
		t.Error("run returned before the other component had stopped")
	}
}

func TestReturningUnaskedIsAFailure(t *testing.T) {
	var l lifecycle
	l.add("hub", untilStopped)
	l.add("tail", func(context.Context) error { return nil })
	if err := l.run(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "tail: ended") {
		t.Errorf("got %v, want that tail ended", err)
	}
}

func TestBeingStoppedIsSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var l lifecycle
		l.add("returns the context's error", untilStopped)
		l.add("returns nothing", func(ctx context.Context) error { <-ctx.Done(); return nil })
		ended := make(chan error)
		go func() { ended <- l.run(ctx) }()
		synctest.Wait()
		select {
		case err := <-ended:
			t.Fatalf("run ended before it was stopped: %v", err)
		default:
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("got %v, want success", err)
		}
	})
}

func TestClosersRunLastInFirstOutWhateverFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		l := lifecycle{logger: slog.New(slog.NewTextHandler(&log, nil))}
		var order []string
		add := func(name string, takes time.Duration, err error) {
			l.onClose(name, func() error {
				order = append(order, name)
				<-time.After(takes)
				return err
			})
		}
		add("listener", 0, nil)
		add("database", 0, errors.New("busy"))
		add("broker", 2*time.Second, nil)
		l.close()
		l.close() // A second call must not close anything again.
		if want := []string{"broker", "database", "listener"}; !slices.Equal(order, want) {
			t.Errorf("got %v, want %v", order, want)
		}
		for _, want := range []string{"component=database error=busy", "component=broker took=2s"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("log lacks %q:\n%s", want, log.String())
			}
		}
		if lines := strings.Count(log.String(), "\n"); lines != 2 {
			t.Errorf("got %d lines, want 2:\n%s", lines, log.String())
		}
	})
}
