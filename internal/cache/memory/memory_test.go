package memory_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"iotmon/internal/api"
	"iotmon/internal/cache/cachetest"
	"iotmon/internal/cache/memory"
)

func TestAnswersConform(t *testing.T) {
	cachetest.Answers(t, func(*testing.T) api.Answers { return memory.NewAnswers(1<<20, func(string) {}) })
}

func TestAnswersAreBounded(t *testing.T) {
	outcomes := make(map[string]int)
	a := memory.NewAnswers(1<<20, func(outcome string) { outcomes[outcome]++ })
	for i := range 100 {
		a.Keep(t.Context(), fmt.Sprintf("%03d", i), bytes.Repeat([]byte{'v'}, 100<<10), time.Minute)
	}
	a.Keep(t.Context(), "too large", make([]byte, 2<<20), time.Minute)
	var kept []int
	for i := range 100 {
		if _, ok := a.Get(t.Context(), fmt.Sprintf("%03d", i)); ok {
			kept = append(kept, i)
		}
	}
	if len(kept) != 10 || kept[0] != 90 {
		t.Errorf("kept %v, want the newest ten", kept)
	}
	if _, ok := a.Get(t.Context(), "too large"); ok {
		t.Error("an answer larger than all is kept")
	}
	if outcomes["hit"] != 10 || outcomes["miss"] != 91 {
		t.Errorf("got outcomes %v, want 10 hits and 91 misses", outcomes)
	}
}
