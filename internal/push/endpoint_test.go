package push

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

func TestConnectionsBeyondTheLimitAreRefusedUntilOneLeaves(t *testing.T) {
	left := make(chan Reason, 1)
	p := build(t, func(o *HubOptions) {
		o.Limits.Connections = 1
		o.Metrics.Disconnected = func(r Reason) { left <- r }
	})
	first := p.connect(nil)
	_, response, err := websocket.DefaultDialer.Dial(p.url(nil), nil)
	if err == nil || response == nil || response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "" {
		t.Errorf("second connection: got %v, %v, want 503 with Retry-After", response, err)
	}
	if err := first.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if reason := <-left; reason != ClientLeft {
		t.Errorf("first connection ended: got %q, want %q", reason, ClientLeft)
	}
	p.connect(nil)
}

func TestBadQueriesAreRefused(t *testing.T) {
	p := build(t, nil)
	for _, query := range []url.Values{{"since": {"yesterday"}}, {"filter": {"{"}}, {"filter": {`{"type":"hello"}`}}} {
		_, response, err := websocket.DefaultDialer.Dial(p.url(query), nil)
		if err == nil || response == nil || response.StatusCode != http.StatusBadRequest {
			t.Errorf("%v: got %v, %v, want 400", query, response, err)
		}
	}
	response, err := http.Get(p.server.URL + "/ws")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusBadRequest {
		t.Errorf("plain request: got %v, want 400", response.Status)
	}
}

func TestOnlyPagesOfKnownOriginsMayConnect(t *testing.T) {
	p := build(t, func(o *HubOptions) { o.AllowedOrigins = []string{"https://plant.example"} })
	for origin, want := range map[string]int{
		"":                         http.StatusSwitchingProtocols,
		p.server.URL:               http.StatusSwitchingProtocols,
		"https://plant.example":    http.StatusSwitchingProtocols,
		"https://evil.example":     http.StatusForbidden,
		"http://plant.example":     http.StatusForbidden,
		"https://plant.example.co": http.StatusForbidden,
		"null":                     http.StatusForbidden,
		"::":                       http.StatusForbidden,
	} {
		header := http.Header{}
		if origin != "" {
			header.Set("Origin", origin)
		}
		conn, response, err := websocket.DefaultDialer.Dial(p.url(nil), header)
		if response == nil {
			t.Fatal(err)
		}
		if response.StatusCode != want {
			t.Errorf("origin %q: got %v, want %d", origin, response.Status, want)
		}
		if conn != nil {
			conn.Close()
		}
	}
}

// A page whose WebSocket was refused asks for the reason at the same address.
func TestARefusedPageGetsTheReason(t *testing.T) {
	p := build(t, nil)
	for origin, want := range map[string]int{p.server.URL: http.StatusNoContent, "https://other.example": http.StatusForbidden} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.server.URL+"/ws", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Origin", origin)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("origin %s: got %s, want %d", origin, response.Status, want)
		}
	}
}
