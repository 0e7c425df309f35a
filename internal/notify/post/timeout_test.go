package post

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"iotmon/internal/notify"
)

// A receiver that takes the request and does not answer is waited for as long as documented.
func TestAReceiverThatHangsHasTheWholeTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := New(Options{})
		transport := client.http.Transport.(*http.Transport)
		transport.Proxy = nil
		transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
			near, far := net.Pipe()
			go io.Copy(io.Discard, far) //nolint:errcheck // It ends with the connection.
			return near, nil
		}
		ctx, cancel := context.WithTimeout(t.Context(), notify.SendTimeout)
		defer cancel()
		began := time.Now()
		if _, err := client.JSON(ctx, "http://receiver.example/", nil, []byte("{}")); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != notify.SendTimeout {
			t.Errorf("got %v after %v, want the end of the context after %v", err, time.Since(began), notify.SendTimeout)
		}
		transport.CloseIdleConnections()
	})
}
