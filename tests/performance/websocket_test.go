package performance

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	gorilla "github.com/gorilla/websocket"
)

// messages are the messages to send: one like a change of a few devices, and one like a part of a snapshot.
var messages = map[string][]byte{"1KiB": make([]byte, 1<<10), "64KiB": make([]byte, 64<<10)}

const viewers = 200

func init() {
	for _, m := range messages {
		for i := range m {
			m[i] = byte('a' + i%26)
		}
	}
}

// BenchmarkBroadcast sends one message to each of 200 clients on the loopback interface, which read and discard; one
// operation is one client's message.
func BenchmarkBroadcast(b *testing.B) {
	for _, size := range []string{"1KiB", "64KiB"} {
		for _, library := range []struct {
			name string
			// accept makes a connection of the request and returns how to send on it.
			accept func(http.ResponseWriter, *http.Request) (send func([]byte) error, err error)
		}{
			{"gorilla-prepared", acceptGorilla(true)},
			{"gorilla", acceptGorilla(false)},
			{"coder", acceptCoder},
			{"gobwas", acceptGobwas},
		} {
			b.Run(fmt.Sprintf("%s/%s", size, library.name), func(b *testing.B) { broadcast(b, messages[size], library.accept) })
		}
	}
}

func broadcast(b *testing.B, message []byte, accept func(http.ResponseWriter, *http.Request) (func([]byte) error, error)) {
	var mu sync.Mutex
	var clients []func([]byte) error
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		send, err := accept(w, r)
		if err != nil {
			b.Error(err)
			return
		}
		mu.Lock()
		clients = append(clients, send)
		mu.Unlock()
		<-release
	}))
	defer server.Close()
	defer close(release)
	for range viewers {
		conn, _, err := gorilla.DefaultDialer.Dial("ws"+strings.TrimPrefix(server.URL, "http"), nil)
		if err != nil {
			b.Fatal(err)
		}
		defer conn.Close()
		go func() { _, _ = io.Copy(io.Discard, conn.NetConn()) }()
	}
	for ready := 0; ready < viewers; {
		mu.Lock()
		ready = len(clients)
		mu.Unlock()
	}
	b.SetBytes(int64(len(message)))
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		if err := clients[i%viewers](message); err != nil {
			b.Fatal(err)
		}
	}
}

func acceptGorilla(prepared bool) func(http.ResponseWriter, *http.Request) (func([]byte) error, error) {
	// One frame for all viewers, as a hub sends it that has the same message for many.
	frames := make(map[int]*gorilla.PreparedMessage)
	return func(w http.ResponseWriter, r *http.Request) (func([]byte) error, error) {
		upgrader := gorilla.Upgrader{}
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return nil, err
		}
		if !prepared {
			return func(message []byte) error { return conn.WriteMessage(gorilla.TextMessage, message) }, nil
		}
		return func(message []byte) error {
			frame := frames[len(message)]
			if frame == nil {
				if frame, err = gorilla.NewPreparedMessage(gorilla.TextMessage, message); err != nil {
					return err
				}
				frames[len(message)] = frame
			}
			return conn.WritePreparedMessage(frame)
		}, nil
	}
}

func acceptCoder(w http.ResponseWriter, r *http.Request) (func([]byte) error, error) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return nil, err
	}
	return func(message []byte) error { return conn.Write(context.Background(), websocket.MessageText, message) }, nil
}

func acceptGobwas(w http.ResponseWriter, r *http.Request) (func([]byte) error, error) {
	var conn net.Conn
	conn, _, _, err := ws.UpgradeHTTP(r, w)
	if err != nil {
		return nil, err
	}
	return func(message []byte) error { return wsutil.WriteServerText(conn, message) }, nil
}
