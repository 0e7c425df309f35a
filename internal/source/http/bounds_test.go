package httpsource_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"iotmon/internal/iot"
	httpsource "iotmon/internal/source/http"
	"iotmon/internal/wire"
)

// logFunc is a log that is one function.
type logFunc func(ctx context.Context, readings []iot.Reading) error

func (f logFunc) Append(ctx context.Context, readings []iot.Reading) error { return f(ctx, readings) }

// The log fails and recovers while many clients send. Every reading that was accepted in an answer must be in the log.
func TestNoAcceptedReadingIsLost(t *testing.T) {
	var log memoryLog
	h := newHandler(t, &log, nil)
	var accepted sync.Map
	var clients sync.WaitGroup
	for client := range 8 {
		clients.Go(func() {
			for i := range 50 {
				if client == 0 {
					log.fail([]error{nil, errors.New("broker is gone")}[i%2])
				}
				a, b := fmt.Sprintf("c%d-%d-a", client, i), fmt.Sprintf("c%d-%d-b", client, i)
				w := post(h, "application/json", strings.NewReader("["+reading(a, nil)+","+reading("", nil)+","+reading(b, nil)+"]"))
				switch w.Code {
				case http.StatusMultiStatus:
					accepted.Store(a, true)
					accepted.Store(b, true)
				case http.StatusServiceUnavailable:
				default:
					t.Errorf("got %d %s, want 207 or 503", w.Code, w.Body)
				}
			}
		})
	}
	clients.Wait()
	stored := map[iot.DeviceID]bool{}
	for _, r := range log.readings {
		stored[r.ID] = true
	}
	accepted.Range(func(id, _ any) bool {
		if !stored[iot.DeviceID(id.(string))] {
			t.Errorf("%v was accepted but is not in the log", id)
		}
		return true
	})
}

func TestAnswerWaitsForTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		acknowledge := make(chan struct{})
		h := newHandler(t, logFunc(func(context.Context, []iot.Reading) error { <-acknowledge; return nil }), nil)
		answered := make(chan int, 1)
		go func() { answered <- post(h, "application/json", strings.NewReader(reading("a", nil))).Code }()
		synctest.Wait()
		select {
		case code := <-answered:
			t.Fatalf("answered %d before the log acknowledged", code)
		default:
		}
		close(acknowledge)
		if code := <-answered; code != http.StatusOK {
			t.Errorf("got %d, want 200", code)
		}
	})
}

func TestSilentLogIsAnswered503(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged bytes.Buffer
		silent := logFunc(func(ctx context.Context, _ []iot.Reading) error { <-ctx.Done(); return ctx.Err() })
		h := newHandler(t, silent, func(o *httpsource.Options) {
			o.AppendTimeout = 3 * time.Second
			o.Logger = slog.New(slog.NewTextHandler(&logged, nil))
		})
		for range 3 {
			start := time.Now()
			w := post(h, "application/json", strings.NewReader(reading("a", nil)))
			checkProblem(t, w, http.StatusServiceUnavailable, "send the whole request again")
			if took := time.Since(start); took != 3*time.Second {
				t.Errorf("answered after %v, want 3s", took)
			}
			if w.Header().Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
		}
		if lines := strings.Count(logged.String(), "\n"); lines != 1 {
			t.Errorf("logged %d lines for one outage, want 1:\n%s", lines, &logged)
		}
	})
}

func TestExcessRequestsAreRefusedAtOnce(t *testing.T) {
	size := int64(len(reading("a", nil)))
	tests := []struct {
		name  string
		bound func(*httpsource.Options)
	}{
		{"requests", func(o *httpsource.Options) { o.MaxRequests = 2 }},
		{"bytes", func(o *httpsource.Options) { o.MaxBody, o.MaxBytes = size, 2*size+10 }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				acknowledge := make(chan struct{})
				waiting := logFunc(func(context.Context, []iot.Reading) error { <-acknowledge; return nil })
				h := newHandler(t, waiting, test.bound)
				var first sync.WaitGroup
				for range 2 {
					first.Go(func() {
						if w := post(h, "application/json", strings.NewReader(reading("a", nil))); w.Code != http.StatusOK {
							t.Errorf("within the bound: got %d %s, want 200", w.Code, w.Body)
						}
					})
				}
				synctest.Wait()
				w := post(h, "application/json", strings.NewReader(reading("a", nil)))
				checkProblem(t, w, http.StatusTooManyRequests, "in flight")
				if w.Header().Get("Retry-After") == "" {
					t.Error("no Retry-After")
				}
				close(acknowledge)
				first.Wait()
				if w := post(h, "application/json", strings.NewReader(reading("a", nil))); w.Code != http.StatusOK {
					t.Errorf("after the others have ended: got %d %s, want 200", w.Code, w.Body)
				}
			})
		})
	}
}

func TestOneBodyAlwaysFits(t *testing.T) {
	body := reading("a", nil)
	h := newHandler(t, &memoryLog{}, func(o *httpsource.Options) { o.MaxBody, o.MaxBytes = int64(len(body)), 1 })
	if w := post(h, "application/json", strings.NewReader(body)); w.Code != http.StatusOK {
		t.Errorf("got %d %s, want 200", w.Code, w.Body)
	}
}

func TestSlowBodyIsCutOff(t *testing.T) {
	h := newHandler(t, &memoryLog{}, func(o *httpsource.Options) { o.BodyTimeout = 20 * time.Millisecond })
	server := httptest.NewServer(h)
	defer server.Close()
	body, writer := io.Pipe()
	defer writer.Close()
	go func() { _, _ = io.WriteString(writer, `{"device_id":`) }()
	response, err := http.Post(server.URL, "application/json", body)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusRequestTimeout {
		t.Errorf("got %d, want 408", response.StatusCode)
	}
}

func TestSlowClientsDoNotCountAsRequestsInFlight(t *testing.T) {
	h := newHandler(t, &memoryLog{}, func(o *httpsource.Options) { o.MaxRequests = 1 })
	body, writer := io.Pipe()
	var slow sync.WaitGroup
	slow.Go(func() { post(h, "application/json", body) })
	if _, err := io.WriteString(writer, `{"device_id":`); err != nil {
		t.Fatal(err)
	}
	if w := post(h, "application/json", strings.NewReader(reading("a", nil))); w.Code != http.StatusOK {
		t.Errorf("beside a client that is slow to send: got %d %s, want 200", w.Code, w.Body)
	}
	writer.Close()
	slow.Wait()
}

// A client that announces a body and does not send all of it is answered in time, whatever the answer. Without a deadline the
// server would wait for the rest of a short body before it answers.
func TestAnswersDoNotWaitForTheRestOfABody(t *testing.T) {
	h := newHandler(t, &memoryLog{}, func(o *httpsource.Options) { o.BodyTimeout = 50 * time.Millisecond })
	server := httptest.NewServer(h)
	defer server.Close()
	for contentType, want := range map[string]string{"application/json": "408", "text/plain": "415"} {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
		fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: 100\r\n\r\n{", contentType)
		answer, err := io.ReadAll(conn)
		if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 "+want) {
			t.Errorf("%s: got %q and %v, want %s and the end of the connection", contentType, answer, err, want)
		}
	}
}

func TestAnsweredRequestsAreCounted(t *testing.T) {
	var accepted, rejected int
	h := newHandler(t, &memoryLog{}, func(o *httpsource.Options) {
		o.Answered = func(_ *http.Request, r *wire.Ingested) {
			accepted, rejected = accepted+r.Accepted, rejected+len(r.Rejected)
		}
	})
	post(h, "application/json", strings.NewReader("["+reading("a", nil)+",1,2]"))
	post(h, "application/json", strings.NewReader("nonsense"))
	if accepted != 1 || rejected != 2 {
		t.Errorf("counted %d accepted and %d rejected, want 1 and 2", accepted, rejected)
	}
}
