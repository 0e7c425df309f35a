package store_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"iotmon/internal/control"
	"iotmon/internal/store"
)

func TestAQueueKeepsTheOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := store.NewQueue()
		done, err := q.Wait(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var order []int
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				done, err := q.Wait(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				order = append(order, i)
				done()
			})
			synctest.Wait()
		}
		done()
		all.Wait()
		if !slices.IsSorted(order) || len(order) != 20 {
			t.Errorf("got %v, want the order in which they were asked for", order)
		}
	})
}

// Nobody waits for ever: of a change that does not end it is said that the database hangs, of many changes that it is busy.
func TestAQueueSaysWhyItsTurnDoesNotCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := store.NewQueue()
		hang := func(d time.Duration) {
			done, err := q.Wait(context.Background())
			if err != nil {
				t.Error(err)
				return
			}
			time.Sleep(d)
			done()
		}
		go hang(time.Minute)
		synctest.Wait()
		if _, err := q.Wait(t.Context()); err == nil || errors.Is(err, control.ErrBusy) || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want that the change before does not end", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := q.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the error of the context", err)
		}
		time.Sleep(time.Minute)
		for range 3 {
			go hang(store.MaxQueueWait/2 - time.Second/4)
			synctest.Wait()
		}
		if _, err := q.Wait(t.Context()); !errors.Is(err, control.ErrBusy) {
			t.Errorf("got %v, want ErrBusy", err)
		}
		time.Sleep(time.Minute)
		if done, err := q.Wait(t.Context()); err != nil {
			t.Error(err)
		} else {
			done()
		}
	})
}
