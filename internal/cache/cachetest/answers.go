// Package cachetest is the conformance test of the caches.
package cachetest

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"iotmon/internal/api"
)

// Answers tests a cache of answers; open returns an empty one.
func Answers(t *testing.T, open func(t *testing.T) api.Answers) {
	ctx := t.Context()
	expect := func(t *testing.T, a api.Answers, key, want string) {
		t.Helper()
		if got, ok := a.Get(ctx, key); !ok || string(got) != want {
			t.Errorf("%q: got %q, %v, want %q", key, got, ok, want)
		}
	}
	t.Run("what was kept is found", func(t *testing.T) {
		a := open(t)
		if got, ok := a.Get(ctx, "nothing"); ok {
			t.Errorf("got %q for what nobody kept", got)
		}
		a.Keep(ctx, "k", []byte("one"), time.Minute)
		expect(t, a, "k", "one")
		a.Keep(ctx, "k", []byte("two"), time.Minute)
		expect(t, a, "k", "two")
	})
	t.Run("any bytes do", func(t *testing.T) {
		a := open(t)
		key, answer := "k \x00\xff 设备", bytes.Repeat([]byte{0, 0xff, '\r', '\n'}, 50_000)
		a.Keep(ctx, key, answer, time.Minute)
		expect(t, a, key, string(answer))
		a.Keep(ctx, "", nil, time.Minute)
		expect(t, a, "", "")
	})
	t.Run("what has expired is forgotten", func(t *testing.T) {
		a := open(t)
		a.Keep(ctx, "k", []byte("v"), 30*time.Millisecond)
		a.Keep(ctx, "l", []byte("v"), time.Minute)
		deadline := time.Now().Add(10 * time.Second)
		for _, ok := a.Get(ctx, "k"); ok; _, ok = a.Get(ctx, "k") {
			if time.Now().After(deadline) {
				t.Fatal("still there after 10 s")
			}
			time.Sleep(5 * time.Millisecond)
		}
		expect(t, a, "l", "v")
	})
	t.Run("asking does not make it younger", func(t *testing.T) {
		a := open(t)
		begun := time.Now()
		a.Keep(ctx, "k", []byte("v"), 200*time.Millisecond)
		for _, ok := a.Get(ctx, "k"); ok; _, ok = a.Get(ctx, "k") {
			if time.Since(begun) > 10*time.Second {
				t.Fatal("still there after 10 s")
			}
			time.Sleep(20 * time.Millisecond)
		}
	})
	t.Run("many at once", func(t *testing.T) {
		a := open(t)
		var all sync.WaitGroup
		for n := range 8 {
			all.Go(func() {
				for i := range 200 {
					key := fmt.Sprintf("%d %d", n, i)
					a.Keep(ctx, key, []byte(key), time.Minute)
					if got, ok := a.Get(ctx, key); ok && string(got) != key {
						t.Errorf("got %q for %q", got, key)
					}
				}
			})
		}
		all.Wait()
	})
	t.Run("nobody waits for an answer whose time is over", func(t *testing.T) {
		a := open(t)
		over, cancel := context.WithCancel(ctx)
		cancel()
		a.Keep(over, "k", []byte("v"), time.Minute)
		a.Get(over, "k")
	})
}
