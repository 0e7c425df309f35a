package source

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"testing"
	"time"
)

type refusedLogin struct{}

func (refusedLogin) Error() string { return "no" }
func (refusedLogin) Cause() string { return "login" }

// The errors are those of real connections, as adapters wrap them.
func TestErrorsOfConnectionsHaveACause(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := silent.Addr().String()
	_ = silent.Close()
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	dial := func(address string) error {
		_, err := net.DialTimeout("tcp", address, time.Second)
		return err
	}
	_, untrusted := tls.Dial("tcp", server.Listener.Addr().String(), nil)
	for _, test := range []struct {
		err  error
		want Cause
	}{
		{dial(closed), CauseRefused},
		{&net.DNSError{Err: "no such host", Name: "plc"}, CauseName},
		{untrusted, CauseCertificate},
		{context.DeadlineExceeded, CauseSilent},
		{&net.OpError{Op: "read", Err: timeoutError{}}, CauseSilent},
		{io.ErrUnexpectedEOF, CauseClosed},
		{refusedLogin{}, CauseLogin},
		{errors.New("something else"), ""},
	} {
		if got := causeOf(fmt.Errorf("connecting: %w", test.err)); got != test.want {
			t.Errorf("%v: got %q, want %q", test.err, got, test.want)
		}
	}
}

type timeoutError struct{}

func (timeoutError) Error() string   { return "i/o timeout" }
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return true }
