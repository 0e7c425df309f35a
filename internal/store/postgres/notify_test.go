package postgres_test

import (
	"errors"
	"testing"
	"time"

	"iotmon/internal/notify/deliver"
	"iotmon/internal/store/storetest"
)

func TestNotify(t *testing.T) {
	storetest.RunNotify(t, func(t *testing.T) storetest.NotifyStore { return open(t, newURL(t)).Notify() })
}

// Sequence: a process that has the lease is stopped for longer than it lasts. Another one takes it; the first must store nothing when it goes on.
func TestALeaseIsTakenOverWhenItHasEnded(t *testing.T) {
	s := open(t, newURL(t)).Notify()
	acquire := func(holder string) bool {
		t.Helper()
		held, _, err := s.Acquire(t.Context(), holder, 300*time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		return held
	}
	if !acquire("one") || acquire("two") {
		t.Fatal("want the first to have the lease, and the second not")
	}
	for began := time.Now(); !acquire("two"); time.Sleep(20 * time.Millisecond) {
		if time.Since(began) > 10*time.Second {
			t.Fatal("the lease does not end")
		}
	}
	if err := s.Commit(t.Context(), "one", time.Second, &deliver.Changes{}); !errors.Is(err, deliver.ErrLeaseLost) {
		t.Errorf("got %v, want %v", err, deliver.ErrLeaseLost)
	}
}
