package api

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"iotmon/internal/iot"
)

// A key is that of one request while one of it is answered, and as long afterwards as the processors remember it, if something was appended. Only so many are
// kept.
func TestKeysAreOfOneRequest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var k keys
		now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		type use struct {
			request string
			running []*origin
			over    time.Time
		}
		model := make(map[string]*use)
		free := func(u *use) bool {
			return len(u.running) == 0 && (u.over.IsZero() || now.Sub(u.over) >= iot.OutcomeSpan)
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			key := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "key")
			known := model[key]
			switch rapid.IntRange(0, 3).Draw(t, "action") {
			case 0:
				now = now.Add(rapid.SampledFrom([]time.Duration{time.Second, 13 * time.Hour}).Draw(t, "passes"))
			case 1, 2:
				of := &origin{key: key, request: rapid.SampledFrom([]string{"one", "other"}).Draw(t, "request")}
				want := known == nil || free(known) || known.request == of.request
				if got := k.claim(of, now); got != want {
					t.Fatalf("claim of %s by %s: got %v, want %v", key, of.request, got, want)
				}
				if want && (known == nil || free(known)) {
					known = &use{request: of.request}
					model[key] = known
				}
				if want {
					known.running = append(known.running, of)
				}
			case 3:
				if known == nil || len(known.running) == 0 {
					continue
				}
				of := known.running[0]
				known.running = known.running[1:]
				of.appended = rapid.Bool().Draw(t, "appended")
				k.done(of, now)
				if of.appended {
					known.over = now
				}
			}
		}
		if len(k.byKey) > 3 {
			t.Fatalf("got %d keys, want no more than there were", len(k.byKey))
		}
	})
}

func TestKeysAreBounded(t *testing.T) {
	var k keys
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	running := &origin{key: "running", request: "r", appended: true}
	k.claim(running, now)
	k.claim(&origin{key: "running", request: "r"}, now)
	k.done(running, now) // The other one still runs.
	for i := range 3 * iot.MaxOutcomes {
		of := &origin{key: fmt.Sprint(i), request: "r", appended: true}
		if !k.claim(of, now) {
			t.Fatalf("%d is not free", i)
		}
		k.done(of, now)
	}
	if len(k.kept) != iot.MaxOutcomes || len(k.byKey) != iot.MaxOutcomes+1 {
		t.Errorf("got %d keys and %d kept, want %d and the one of a running request", len(k.byKey), len(k.kept), iot.MaxOutcomes)
	}
	if k.claim(&origin{key: "running", request: "other"}, now) {
		t.Error("the key of a running request was forgotten")
	}
	if !k.claim(&origin{key: "0", request: "other"}, now) || k.claim(&origin{key: fmt.Sprint(3*iot.MaxOutcomes - 1), request: "other"}, now) {
		t.Error("want the oldest forgotten, and the newest kept")
	}
}
