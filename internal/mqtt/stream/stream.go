// Package stream makes websockets streams of bytes, as MQTT needs them, and closes connections of every kind at once. Client and broker use it.
package stream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// ErrText is that of a websocket in which there is a text.
var ErrText = errors.New("a text in the websocket, where MQTT has binary messages only")

// subprotocol is the name of MQTT among the protocols of websockets.
const subprotocol = "mqtt"

// upgrader takes websockets. Their buffers are short, because there may be ten thousand of them, and those for writing are shared.
var upgrader = websocket.Upgrader{
	Subprotocols: []string{subprotocol}, ReadBufferSize: 1 << 10, WriteBufferSize: 1 << 10, WriteBufferPool: new(sync.Pool),
}

// Upgrade makes a request a websocket, and returns it as a stream. After an error it has answered the client. There is no limit for a message of the
// websocket, because nothing keeps one as a whole.
func Upgrade(w http.ResponseWriter, r *http.Request) (net.Conn, error) {
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return nil, err
	}
	return Of(conn), nil
}

// Dial connects to a websocket, whose scheme is ws or wss, and returns it as a stream. encryption is for wss.
func Dial(ctx context.Context, address string, encryption *tls.Config) (net.Conn, error) {
	dialer := websocket.Dialer{TLSClientConfig: encryption, Subprotocols: []string{subprotocol}}
	conn, response, err := dialer.DialContext(ctx, address, nil)
	if errors.Is(err, websocket.ErrBadHandshake) && response != nil {
		return nil, fmt.Errorf("no websocket at %s: the server answers %s", address, response.Status)
	}
	if err != nil {
		return nil, err
	}
	return Of(conn), nil
}

// Of returns a websocket as a stream.
func Of(conn *websocket.Conn) net.Conn { return &socket{Conn: conn} }

// socket is a websocket as a stream: packets need not begin where messages do.
type socket struct {
	*websocket.Conn
	// message is the rest of the message that is being read; nil before the next one.
	message io.Reader
}

// Read reads from the current message, or from the next one.
func (s *socket) Read(b []byte) (int, error) {
	for {
		if s.message == nil {
			kind, message, err := s.NextReader()
			if closed, ok := errors.AsType[*websocket.CloseError](err); ok {
				return 0, fmt.Errorf("the other side has closed the websocket (%d %s)", closed.Code, closed.Text)
			}
			if err != nil {
				return 0, err
			}
			if kind != websocket.BinaryMessage {
				return 0, ErrText
			}
			s.message = message
		}
		n, err := s.message.Read(b)
		if errors.Is(err, io.EOF) {
			s.message, err = nil, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// Write sends one message.
func (s *socket) Write(b []byte) (int, error) {
	if err := s.WriteMessage(websocket.BinaryMessage, b); err != nil {
		return 0, err
	}
	return len(b), nil
}

// SetDeadline sets both deadlines.
func (s *socket) SetDeadline(t time.Time) error {
	return errors.Join(s.SetReadDeadline(t), s.SetWriteDeadline(t))
}

// Close closes a connection without waiting for the other side to read, which a TLS connection would do for seconds.
func Close(conn net.Conn) {
	if s, ok := conn.(*socket); ok {
		conn = s.NetConn()
	}
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	_ = conn.Close()
}
