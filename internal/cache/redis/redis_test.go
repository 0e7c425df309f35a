package redis

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"iotmon/internal/api"
	"iotmon/internal/cache/cachetest"
	"iotmon/tests/testenv"
)

func open(t testing.TB, url string) *Client {
	t.Helper()
	c, err := Open(Options{URL: url, Expiry: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestAnswersConform(t *testing.T) {
	cachetest.Answers(t, func(t *testing.T) api.Answers {
		return NewAnswers(open(t, testenv.Redis(t)), func(string) {})
	})
}

// speechless returns the address of a server that accepts connections and never answers.
func speechless(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { c.Close() })
		}
	}()
	return "redis://" + l.Addr().String()
}

func TestAnswersThatDoNotComeAreNotWaitedForLong(t *testing.T) {
	outcomes := make(map[string]int)
	a := NewAnswers(open(t, speechless(t)), func(outcome string) { outcomes[outcome]++ })
	begun := time.Now()
	for range 1000 {
		if _, ok := a.Get(t.Context(), "k"); ok {
			t.Fatal("got an answer from nobody")
		}
		a.Keep(t.Context(), "k", []byte("v"), time.Minute)
	}
	// One call waits, then none for a second.
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("1,000 questions took %v", took)
	}
	if outcomes["error"] != 1000 {
		t.Errorf("got outcomes %v, want 1000 errors", outcomes)
	}
}

func TestAnswersComeBackWithRedis(t *testing.T) {
	env := testenv.Own(t, "redis")
	a := NewAnswers(open(t, env.RedisURL()), func(string) {})
	a.Keep(t.Context(), "k", []byte("v"), time.Hour)
	env.Kill("redis")
	if _, ok := a.Get(t.Context(), "k"); ok {
		t.Error("got an answer from a server that was killed")
	}
	env.Start("redis")
	deadline := time.Now().Add(10 * time.Second)
	for found := false; !found; _, found = a.Get(t.Context(), "k") {
		if time.Now().After(deadline) {
			t.Fatal("no answers 10 s after the server came back")
		}
		a.Keep(t.Context(), "k", []byte("v"), time.Hour)
		time.Sleep(20 * time.Millisecond)
	}
}

func TestOpenExplainsWithoutThePassword(t *testing.T) {
	for _, url := range []string{"redis://user:se cret@h:1", "redis://:secret@h:1/x", "http://:secret@h:1", "redis://:secret@h:1?nothing=1"} {
		_, err := Open(Options{URL: url})
		if err == nil || strings.Contains(err.Error(), "cret") {
			t.Errorf("%s: got %v, want an error without the password", url, err)
		}
	}
}

func TestPingSaysWhy(t *testing.T) {
	c := open(t, "redis://127.0.0.1:1")
	if err := c.Ping(t.Context()); err == nil {
		t.Error("nobody is there, and answers")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := open(t, speechless(t)).Ping(ctx); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v, want that time was over", err)
	}
}
