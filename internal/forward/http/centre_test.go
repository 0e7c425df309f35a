package httpforward_test

import (
	"bufio"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"iotmon/internal/forward"
	httpforward "iotmon/internal/forward/http"
	"iotmon/internal/iot"
)

// entries returns readings with the given texts.
func entries(values ...string) []forward.Entry {
	var all []forward.Entry
	for _, value := range values {
		all = append(all, forward.Entry{Device: iot.Identity{ID: "d"}, Key: []byte("d"), Value: []byte(value)})
	}
	return all
}

// serve returns a centre that is answered by handle.
func serve(t *testing.T, o httpforward.Options, handle http.HandlerFunc) *httpforward.Centre {
	t.Helper()
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	o.URL = server.URL + o.URL
	return newCentre(t, o)
}

func newCentre(t *testing.T, o httpforward.Options) *httpforward.Centre {
	t.Helper()
	centre, err := httpforward.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(centre.Close)
	return centre
}

func answer(w http.ResponseWriter, status int, contentType, body string) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

func TestReadingsAreSentAsCompressedLines(t *testing.T) {
	t.Parallel()
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("first\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var got []string
	var authorization string
	ahead := make(chan time.Duration, 10)
	centre := serve(t, httpforward.Options{URL: "/prefix", TokenFile: token, Skew: func(d time.Duration) { ahead <- d }}, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.URL.Path != "/prefix/api/v1/readings" || r.Header.Get("Content-Type") != "application/x-ndjson" {
			t.Errorf("got %s %s of %s", r.Method, r.URL, r.Header.Get("Content-Type"))
		}
		body, err := gzip.NewReader(r.Body)
		if err != nil {
			t.Error(err)
			return
		}
		for lines := bufio.NewScanner(body); lines.Scan(); {
			got = append(got, lines.Text())
		}
		authorization = r.Header.Get("Authorization")
		w.Header().Set("Date", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat))
		answer(w, 200, "application/json", fmt.Sprintf(`{"accepted":%d,"rejected":[]}`, len(got)))
	})
	rejected, err := centre.Send(t.Context(), entries(`{"a":1}`, "{\n\"b\": 2}"))
	if err != nil || len(rejected) > 0 {
		t.Fatalf("got %v, %v", rejected, err)
	}
	if want := []string{`{"a":1}`, `{"b":2}`}; !slices.Equal(got, want) || authorization != "Bearer first" {
		t.Errorf("got %q with %q, want %q", got, authorization, want)
	}
	if d := <-ahead; d < 59*time.Minute || d > 61*time.Minute {
		t.Errorf("got %v ahead, want an hour", d)
	}
	if err := os.WriteFile(token, []byte("second"), 0o600); err != nil {
		t.Fatal(err)
	}
	got = nil
	if _, err := centre.Send(t.Context(), entries(`{}`)); err != nil || authorization != "Bearer second" {
		t.Errorf("got %q, %v, want the new token", authorization, err)
	}
	if err := os.Remove(token); err != nil {
		t.Fatal(err)
	}
	if _, err := centre.Send(t.Context(), entries(`{}`)); err == nil {
		t.Error("readings are sent without the token")
	}
}

func TestWhatAnAnswerMeans(t *testing.T) {
	t.Parallel()
	const problem = "application/problem+json"
	for _, test := range []struct {
		name              string
		status            int
		contentType, body string
		header            string
		// rejected is the indexes of the rejected entries, of three; nil with an error.
		rejected []int
		err      string
		after    time.Duration
		content  bool
		final    bool
	}{
		{name: "all accepted", status: 200, body: `{"accepted":3,"rejected":[]}`},
		{name: "some rejected", status: 207, body: `{"accepted":1,"rejected":[{"index":0,"reason":"a"},{"index":2,"field":"value","reason":"b"}]}`, rejected: []int{0, 2}},
		{name: "all rejected", status: 422, body: `{"accepted":0,"rejected":[{"index":0},{"index":1},{"index":2}]}`, rejected: []int{0, 1, 2}},
		{name: "too few", status: 200, body: `{"accepted":2,"rejected":[]}`, err: "is it an iotmon?"},
		{name: "a page of a proxy", status: 200, contentType: "text/html", body: `<html>Log in`, err: "is it an iotmon?"},
		{name: "empty", status: 200, err: "is it an iotmon?"},
		{name: "a negative number", status: 207, body: `{"accepted":-1,"rejected":[{"index":0},{"index":1},{"index":2},{"index":3}]}`, err: "is it an iotmon?"},
		{name: "an index of none", status: 207, body: `{"accepted":2,"rejected":[{"index":3}]}`, err: "no sense"},
		{name: "one index twice", status: 207, body: `{"accepted":1,"rejected":[{"index":1},{"index":1}]}`, err: "no sense"},
		{name: "busy", status: 429, contentType: problem, body: `{"detail":"64 requests are in flight"}`, header: "7", err: "64 requests", after: 7 * time.Second},
		{name: "the log is down", status: 503, header: "5", err: "503", after: 5 * time.Second},
		{name: "a lying Retry-After", status: 503, header: "-5", err: "503"},
		{name: "too large", status: 413, contentType: problem, err: "413", content: true, final: true},
		{name: "too large for a proxy", status: 413, contentType: "text/html", err: "413", content: true},
		{name: "not understood", status: 400, contentType: problem, err: "400", content: true, final: true},
		{name: "not allowed", status: 401, contentType: problem, err: "401"},
		{name: "elsewhere", status: 302, err: "says that the address is"},
		{name: "no such path", status: 404, err: "404"},
		{name: "broken", status: 500, err: "500"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			centre := serve(t, httpforward.Options{}, func(w http.ResponseWriter, _ *http.Request) {
				if test.header != "" {
					w.Header().Set("Retry-After", test.header)
				}
				if test.status == 302 {
					w.Header().Set("Location", "/login")
				}
				answer(w, test.status, test.contentType, test.body)
			})
			rejected, err := centre.Send(t.Context(), entries("{}", "{}", "{}"))
			if test.err == "" {
				var indexes []int
				for _, r := range rejected {
					indexes = append(indexes, r.Index)
				}
				if err != nil || !slices.Equal(indexes, test.rejected) {
					t.Errorf("got %v, %v, want %v rejected", rejected, err, test.rejected)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Fatalf("got %v, want an error with %q", err, test.err)
			}
			refused, _ := errors.AsType[*forward.RefusedError](err)
			if refused == nil {
				refused = new(forward.RefusedError)
			}
			if refused.After != test.after || refused.Content != test.content || refused.Final != test.final {
				t.Errorf("got %+v, want after %v, content %v, final %v", refused, test.after, test.content, test.final)
			}
		})
	}
}

func TestReadingsOfTenantsAreRejected(t *testing.T) {
	t.Parallel()
	centre := serve(t, httpforward.Options{}, func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 207, "", `{"accepted":1,"rejected":[{"index":1,"reason":"b"}]}`)
	})
	sent := entries("{}", "{}", "{}")
	sent[1].Device.Tenant = "t"
	rejected, err := centre.Send(t.Context(), sent)
	if err != nil || len(rejected) != 2 || rejected[0].Index != 1 || rejected[0].Field != "tenant" || rejected[1].Index != 2 {
		t.Errorf("got %+v, %v, want the second for its tenant and the third", rejected, err)
	}
}

func TestACentreThatHangsOrTalksForEverCostsABoundedAmount(t *testing.T) {
	t.Parallel()
	centre := serve(t, httpforward.Options{}, func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := centre.Send(ctx, entries("{}")); err == nil || ctx.Err() != nil {
		t.Errorf("got %v, want an error before the time is over", err)
	}
	hangs := serve(t, httpforward.Options{}, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // Until it is read, the server does not notice that the client has gone.
		<-r.Context().Done()
	})
	ctx, cancel = context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := hangs.Send(ctx, entries("{}")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the end of the time", err)
	}
}

func TestCertificatesAreReadAtEachConnection(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 200, "", `{"accepted":1,"rejected":[]}`)
	}))
	t.Cleanup(server.Close)
	pool := x509.NewCertPool()
	centre := newCentre(t, httpforward.Options{URL: server.URL, TLS: func() (*tls.Config, error) { return &tls.Config{RootCAs: pool, ServerName: "example.com"}, nil }})
	if _, err := centre.Send(t.Context(), entries("{}")); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("got %v, want an unknown certificate", err)
	}
	pool = x509.NewCertPool()
	pool.AddCert(server.Certificate())
	if _, err := centre.Send(t.Context(), entries("{}")); err != nil {
		t.Errorf("with the certificate: %v", err)
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add(200, `{"accepted":3,"rejected":[]}`, "1")
	f.Add(207, `{"accepted":1,"rejected":[{"index":0},{"index":99999999999}]}`, "")
	f.Add(422, `{"accepted":0,"rejected":null}`, "Mon, 02 Jan 2006 15:04:05 GMT")
	f.Fuzz(func(t *testing.T, status int, body, retryAfter string) {
		if status < 200 || status > 599 || strings.ContainsAny(retryAfter, "\r\n\x00") {
			return // No HTTP server can answer so.
		}
		centre := serve(t, httpforward.Options{}, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", retryAfter)
			answer(w, status, "application/json", body)
		})
		rejected, err := centre.Send(t.Context(), entries("{}", "{}", "{}"))
		if err != nil {
			return
		}
		var said struct {
			Accepted int `json:"accepted"`
		}
		if json.Unmarshal([]byte(body), &said) != nil || said.Accepted+len(rejected) != 3 {
			t.Errorf("%d %q: got %d rejected of 3", status, body, len(rejected))
		}
		for _, r := range rejected {
			if r.Index < 0 || r.Index > 2 {
				t.Errorf("got index %d", r.Index)
			}
		}
	})
}

func TestReportsAreSentInTheirPlace(t *testing.T) {
	t.Parallel()
	var got []string
	centre := serve(t, httpforward.Options{Gateway: "press-hall"}, func(w http.ResponseWriter, r *http.Request) {
		if name := r.Header.Get("Iotmon-Gateway"); name != "press-hall" {
			t.Errorf("got the gateway %q", name)
		}
		body, err := gzip.NewReader(r.Body)
		if err != nil {
			t.Error(err)
			return
		}
		for lines := bufio.NewScanner(body); lines.Scan(); {
			got = append(got, lines.Text())
		}
		answer(w, 200, "application/json", fmt.Sprintf(`{"accepted":%d,"rejected":[]}`, len(got)))
	})
	sent := entries(`{"a":1}`, `{"status":"offline"}`)
	sent[1].Kind = iot.KindStatus
	if rejected, err := centre.Send(t.Context(), sent); err != nil || len(rejected) > 0 || !centre.Reports() {
		t.Fatalf("got %v, %v", rejected, err)
	}
	if want := []string{`{"a":1}`, `{"device_id":"d","report":{"status":"offline"}}`}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// What is rejected because its time is ahead of the centre's clock is accepted later; what has another wrong time, or another fault, is not.
func TestWhatIsAheadOfTheCentresClockIsEarly(t *testing.T) {
	t.Parallel()
	now := time.Now()
	var skew time.Duration
	centre := serve(t, httpforward.Options{Skew: func(ahead time.Duration) { skew = ahead }}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", now.Add(-time.Hour).UTC().Format(http.TimeFormat))
		answer(w, 207, "application/json", `{"accepted":1,"rejected":[{"index":0,"field":"timestamp"},{"index":1,"field":"timestamp"},{"index":2,"field":"value"},{"index":3,"field":"report.time"}]}`)
	})
	sent := entries("{}", "{}", "{}", "{}", "{}")
	for i, at := range []time.Time{now, now.Add(-2 * time.Hour), now, now, now} {
		sent[i].Time = at
	}
	sent[3].Kind = iot.KindStatus
	rejected, err := centre.Send(t.Context(), sent)
	var early []bool
	for _, r := range rejected {
		early = append(early, r.Early)
	}
	if err != nil || !slices.Equal(early, []bool{true, false, false, true}) {
		t.Errorf("got %+v, %v", rejected, err)
	}
	if skew < time.Hour-2*time.Second || skew > time.Hour {
		t.Errorf("got %v ahead, want at most an hour: what is said must be sure", skew)
	}
}

// A slow answer must not look like a clock that is wrong.
func TestASlowAnswerIsNoWrongClock(t *testing.T) {
	t.Parallel()
	skew := time.Duration(-1)
	centre := serve(t, httpforward.Options{Skew: func(ahead time.Duration) { skew = ahead }}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat))
		time.Sleep(2500 * time.Millisecond)
		answer(w, 200, "application/json", `{"accepted":1,"rejected":[]}`)
	})
	if _, err := centre.Send(t.Context(), entries("{}")); err != nil || skew != 0 {
		t.Errorf("got %v ahead, %v, want 0", skew, err)
	}
}
