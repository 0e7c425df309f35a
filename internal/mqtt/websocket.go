package mqtt

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"time"

	"github.com/gorilla/websocket"
)

// socket is a websocket as a stream: packets need not begin where messages do.
type socket struct {
	*websocket.Conn
	// message is the rest of the message that is being read; nil before the next one.
	message io.Reader
}

func dialWebsocket(ctx context.Context, address *url.URL, encryption *tls.Config) (net.Conn, error) {
	dialer := websocket.Dialer{TLSClientConfig: encryption, Subprotocols: []string{"mqtt"}}
	conn, response, err := dialer.DialContext(ctx, address.String(), nil)
	if errors.Is(err, websocket.ErrBadHandshake) && response != nil {
		return nil, fmt.Errorf("no websocket at %s: the server answers %s", address, response.Status)
	}
	if err != nil {
		return nil, err
	}
	return &socket{Conn: conn}, nil
}

// Read reads from the current message, or from the next one.
func (s *socket) Read(b []byte) (int, error) {
	for {
		if s.message == nil {
			kind, message, err := s.NextReader()
			if closed, ok := errors.AsType[*websocket.CloseError](err); ok {
				return 0, fmt.Errorf("the broker has closed the websocket (%d %s)", closed.Code, closed.Text)
			}
			if err != nil {
				return 0, err
			}
			if kind != websocket.BinaryMessage {
				return 0, errors.New("a text in the websocket, where MQTT has binary messages only")
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

// closeNow closes a connection without waiting for the other side to read, which a TLS connection would do for seconds.
func closeNow(conn net.Conn) {
	if s, ok := conn.(*socket); ok {
		conn = s.NetConn()
	}
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	_ = conn.Close()
}
