package replay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// system is a running system. It records which readings it has received, and which of them it has acknowledged, by device and
// time.
type system struct {
	mu           sync.Mutex
	reached      map[string]int
	acknowledged map[string]int
	// trouble is asked before each request and may answer it in its own way; it reports whether it did.
	trouble func(w http.ResponseWriter, taken func()) bool
}

func newSystem() *system {
	return &system{reached: make(map[string]int), acknowledged: make(map[string]int)}
}

func identity(id iot.DeviceID, at time.Time) string {
	return string(id) + at.UTC().Format(time.RFC3339Nano)
}

func (s *system) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || r.URL.Path != "/api/v1/readings" || r.Header.Get("Content-Type") != "application/x-ndjson" {
		http.Error(w, "wrong request", http.StatusBadRequest)
		return
	}
	var readings []wire.Reading
	for decoder := json.NewDecoder(r.Body); ; {
		var reading wire.Reading
		err := decoder.Decode(&reading)
		if err == io.EOF {
			break
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		readings = append(readings, reading)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	reach := func() {
		for _, reading := range readings {
			s.reached[identity(reading.DeviceID, reading.Timestamp)]++
		}
	}
	if s.trouble != nil && s.trouble(w, reach) {
		return
	}
	reach()
	answer := wire.Ingested{Rejected: []wire.Rejection{}}
	for i, reading := range readings {
		if reading.Value < 0 {
			answer.Rejected = append(answer.Rejected, wire.Rejection{Index: i, Field: "value", Reason: "negative"})
			continue
		}
		answer.Accepted++
		s.acknowledged[identity(reading.DeviceID, reading.Timestamp)]++
	}
	switch {
	case len(answer.Rejected) == 0:
	case answer.Accepted == 0:
		w.WriteHeader(http.StatusUnprocessableEntity)
	default:
		w.WriteHeader(http.StatusMultiStatus)
	}
	_ = json.NewEncoder(w).Encode(answer)
}

var errDropped = errors.New("connection dropped")

// direct calls a handler on the goroutine of the request, so that time can be synthetic. If the handler panics with
// http.ErrAbortHandler, the connection is lost.
type direct struct{ handler http.Handler }

func (d direct) RoundTrip(r *http.Request) (response *http.Response, err error) {
	defer func() {
		if recover() != nil {
			response, err = nil, errDropped
		}
	}()
	w := httptest.NewRecorder()
	d.handler.ServeHTTP(w, r)
	return w.Result(), nil
}

func newClient(t testing.TB, o ClientOptions) *Client {
	t.Helper()
	if o.Base == "" {
		o.Base = "http://127.0.0.1:1"
	}
	client, err := NewClient(o)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func someReadings(n int) []iot.Reading {
	readings := make([]iot.Reading, n)
	for i := range readings {
		readings[i] = iot.Reading{
			Device: iot.Device{ID: "d", Type: iot.Temperature, Unit: "°C"},
			Time:   start.Add(time.Duration(i) * time.Second), Value: float64(i),
		}
	}
	return readings
}

func TestThroughTroubleNothingIsLostOrMiscounted(t *testing.T) {
	for seed := range uint64(5) {
		path := write(t, twoSensors(1500))
		synctest.Test(t, func(t *testing.T) {
			s, random := newSystem(), rand.New(rand.NewPCG(seed, 0))
			s.trouble = func(w http.ResponseWriter, reach func()) bool {
				switch random.IntN(8) {
				case 0:
					w.Header().Set("Retry-After", "3")
					w.WriteHeader(http.StatusTooManyRequests)
				case 1:
					w.WriteHeader(http.StatusServiceUnavailable)
				case 2:
					// The readings arrive, the answer does not.
					reach()
					panic(http.ErrAbortHandler)
				case 3:
					panic(http.ErrAbortHandler)
				case 4:
					reach()
					w.WriteHeader(http.StatusGatewayTimeout)
				default:
					return false
				}
				return true
			}
			client := newClient(t, ClientOptions{Transport: direct{s}, Patience: time.Hour})
			summary, err := Run(t.Context(), Options{File: path, Mapping: twoColumns}, client)
			if err != nil {
				t.Fatal(err)
			}
			if summary.Sent != 3000 || summary.Accepted != 3000 || len(s.acknowledged) != 3000 {
				t.Errorf("seed %d: got %d sent, %d accepted and %d acknowledged, want 3000 each", seed, summary.Sent, summary.Accepted, len(s.acknowledged))
			}
			for id, n := range s.acknowledged {
				if n != 1 || s.reached[id] < 1 {
					t.Errorf("seed %d: %s was acknowledged %d times, want once", seed, id, n)
				}
			}
		})
	}
}

func TestRealConnectionsThatDropAreTriedAgain(t *testing.T) {
	s := newSystem()
	calls := 0
	s.trouble = func(w http.ResponseWriter, reach func()) bool {
		calls++
		switch calls {
		case 1:
			reach()
			panic(http.ErrAbortHandler)
		case 2:
			// An answer that breaks off in the middle.
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, `{"accepted"`)
			return true
		}
		return false
	}
	server := httptest.NewServer(s)
	defer server.Close()
	client := newClient(t, ClientOptions{Base: server.URL, Patience: time.Minute})
	answer, err := client.Send(t.Context(), someReadings(5))
	if err != nil || answer.Accepted != 5 || len(s.acknowledged) != 5 || calls != 3 {
		t.Errorf("got %+v, %v after %d calls, want 5 accepted at the third", answer, err, calls)
	}
}

func TestBackoffGrowsAndRespectsWhatTheSystemAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var delays []time.Duration
		s := newSystem()
		s.trouble = func(w http.ResponseWriter, _ func()) bool {
			switch len(delays) {
			case 9:
				return false
			case 8:
				w.Header().Set("Retry-After", "30")
			}
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		}
		client := newClient(t, ClientOptions{Transport: direct{s}, Patience: time.Hour, Waiting: func(_ error, delay time.Duration) {
			delays = append(delays, delay)
		}})
		if _, err := client.Send(t.Context(), someReadings(1)); err != nil {
			t.Fatal(err)
		}
		for i, delay := range delays[:8] {
			whole := min(firstBackoff<<i, lastBackoff)
			if delay < whole/2 || delay >= whole {
				t.Errorf("wait %d: got %v, want between %v and %v", i, delay, whole/2, whole)
			}
		}
		if delays[8] != 30*time.Second {
			t.Errorf("got %v, want the 30s asked for", delays[8])
		}
	})
}

func TestPatienceEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		client := newClient(t, ClientOptions{Transport: direct{http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			panic(http.ErrAbortHandler)
		})}, Patience: time.Minute})
		_, err := client.Send(t.Context(), someReadings(1))
		if !errors.Is(err, errDropped) || !strings.Contains(err.Error(), "gave up after 1m0s") {
			t.Errorf("got %v, want the last error and how long it was tried", err)
		}
		if got := time.Since(begin); got < 50*time.Second || got > time.Minute {
			t.Errorf("got %v, want about a minute", got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := client.Send(ctx, someReadings(1)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the context's error", err)
		}
	})
}

func TestAnswersThatMakeNoSenseAreFinal(t *testing.T) {
	for name, test := range map[string]struct {
		status     int
		body, want string
	}{
		"not counted":   {200, `{"accepted":2,"rejected":[]}`, "for 2 of 3 readings"},
		"not JSON":      {200, `<html>`, "for 0 of 3 readings"},
		"refused":       {413, `{"title":"x","status":413,"detail":"the body is too long"}`, "413 Request Entity Too Large: the body is too long"},
		"not a system":  {404, `404 page not found`, "answered 404 Not Found"},
		"other problem": {422, `{"detail":"no"}`, "for 0 of 3 readings"},
	} {
		client := newClient(t, ClientOptions{Transport: direct{http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(test.status)
			fmt.Fprint(w, test.body)
		})}})
		if _, err := client.Send(t.Context(), someReadings(3)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
	}
}

func TestAddressesAreChecked(t *testing.T) {
	for _, base := range []string{"", "localhost:8080", "ftp://x", "http://", "://"} {
		if _, err := NewClient(ClientOptions{Base: base}); err == nil || !strings.Contains(err.Error(), "must be like http://127.0.0.1:8080") {
			t.Errorf("%q: got %v, want an error that shows the form", base, err)
		}
	}
}
