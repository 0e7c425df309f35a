package api

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"iotmon/internal/iot"
)

// origin says of which request a command is; see iot.Command.
type origin struct {
	key, request string
	// given means that the client has given the key. appended means that a command of the request may be in the log.
	given, appended bool
}

// originOf returns the origin of the commands of a request; parts are all that distinguishes it from others.
func originOf(key string, parts ...any) (*origin, error) {
	text, err := json.Marshal(parts)
	if err != nil {
		return nil, fmt.Errorf("distinguish a request: %w", err)
	}
	o := &origin{key: key, request: iot.Fingerprint(string(text)), given: key != ""}
	if !o.given {
		o.key = rand.Text()
	}
	return o, nil
}

// id returns the id of a command of the request; parts distinguish it from the others of the request. Another request with the same key has other ids, so
// that what came of one is never taken for what came of the other.
func (o *origin) id(parts ...string) string {
	return iot.Fingerprint(append([]string{o.key, o.request}, parts...)...)
}

// outcome returns what a processor has done with a command of a request. older is the id that a web service of an older version has given it.
func (s *server) outcome(id, older string, of *origin) (iot.Outcome, bool) {
	if o, known := s.o.Handled.Outcome(id); known {
		return o, true
	}
	o, known := s.o.Handled.Outcome(older)
	return o, known && o.Request == of.request
}

// claimKey has the key be that of the request. The caller calls done in the end: if nothing was appended, the key is free again. The error is the problem of a
// key that another request has used: one that the processors remember, or one that has come to this service since.
func (s *server) claimKey(of *origin) (done func(), err error) {
	if !of.given {
		return func() {}, nil
	}
	if request, known := s.o.Handled.Request(of.key); known && request != of.request || !s.keys.claim(of, s.o.Now()) {
		return nil, keyReused()
	}
	return func() { s.keys.done(of, s.o.Now()) }, nil
}

// keyReused is the problem of a key that another request has used.
func keyReused() error {
	return huma.Error422UnprocessableEntity("validation failed", &huma.ErrorDetail{
		Message: "another request, about something else, has this key: send a new one", Location: "header.Idempotency-Key",
	})
}

// keys remembers which requests to this service have which keys, until that is known from the processors and as long as they remember it. It may be used
// concurrently; the zero value is ready.
type keys struct {
	mu    sync.Mutex
	byKey map[string]*claimed
	// kept holds the keys of requests that are over and may be in the log, oldest first: at most iot.MaxOutcomes. A request that was sent again is there again.
	kept []keptKey
}

// claimed is the request that has a key.
type claimed struct {
	request string
	// running is how many of it are being answered, kept how many places it has in keys.kept.
	running, kept int
}

type keptKey struct {
	key  string
	over time.Time
}

// claim reports whether the key is free for the request, or is its own; it is its own then.
func (k *keys) claim(of *origin, now time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.forget(now)
	known := k.byKey[of.key]
	if known == nil {
		if k.byKey == nil {
			k.byKey = make(map[string]*claimed)
		}
		known = &claimed{request: of.request}
		k.byKey[of.key] = known
	}
	if known.request != of.request {
		return false
	}
	known.running++
	return true
}

// done ends what claim has begun.
func (k *keys) done(of *origin, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	known := k.byKey[of.key]
	known.running--
	if of.appended {
		known.kept++
		k.kept = append(k.kept, keptKey{of.key, now})
	}
	k.release(of.key)
	k.forget(now)
}

// release frees the key unless its request is still needed. The caller holds mu.
func (k *keys) release(key string) {
	if known := k.byKey[key]; known.running == 0 && known.kept == 0 {
		delete(k.byKey, key)
	}
}

// forget forgets what is too old or too much. The caller holds mu.
func (k *keys) forget(now time.Time) {
	for len(k.kept) > 0 {
		oldest := k.kept[0]
		if len(k.kept) <= iot.MaxOutcomes && now.Sub(oldest.over) < iot.OutcomeSpan {
			return
		}
		k.kept = k.kept[1:]
		k.byKey[oldest.key].kept--
		k.release(oldest.key)
	}
}
