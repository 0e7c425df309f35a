package opcua_test

import (
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gopcua/opcua/ua"

	"iotmon/internal/source/opcua"
)

// A server may give a session less time than was asked for, and say for hours nothing.
func TestASessionWithAShortTimeoutIsKept(t *testing.T) {
	t.Parallel()
	const timeout = 2 * time.Second
	var mu sync.Mutex
	var asked []time.Time
	var silent atomic.Bool
	s := simulate(t, func(c *conversation, request uint32, req ua.Request) bool {
		switch r := req.(type) {
		case *ua.CreateSessionRequest:
			r.RequestedSessionTimeout = float64(timeout.Milliseconds())
		case *ua.CreateSubscriptionRequest:
			r.RequestedMaxKeepAliveCount = 1_000_000
		case *ua.ReadRequest:
			if r.NodesToRead[0].NodeID.IntID() == 2259 {
				mu.Lock()
				asked = append(asked, time.Now())
				mu.Unlock()
				return silent.Load()
			}
		}
		return false
	})
	r := run(t, newOptions(t, s.endpoint(), "Temp"))
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(asked)
	}
	r.within(20*time.Second, "five requests", func() bool { return count() >= 5 })
	if state := r.status.Snapshot(); state.Connections != 1 {
		t.Errorf("got %d connections (%s), want 1", state.Connections, state.Error)
	}
	mu.Lock()
	if took := asked[4].Sub(asked[0]); took < 2*time.Second {
		t.Errorf("got five requests within %v", took)
	}
	mu.Unlock()
	silent.Store(true)
	r.within(callTimeout+back, "the silence is noticed", func() bool {
		return strings.Contains(r.status.Snapshot().Error, "asking whether the server is well: reading attributes: no answer within")
	})
}

// The server has forgotten the session, and with it the subscriptions.
func TestAForgottenSessionIsMadeAnew(t *testing.T) {
	t.Parallel()
	var forgotten, logins atomic.Int32
	s := simulate(t, func(c *conversation, request uint32, req ua.Request) bool {
		switch req.(type) {
		case *ua.CreateSessionRequest:
			forgotten.CompareAndSwap(2, 3)
		case *ua.ActivateSessionRequest:
			if logins.Add(1) > 1 && forgotten.Load() == 2 {
				c.refuse(request, ua.StatusBadSessionIDInvalid)
				return true
			}
		case *ua.PublishRequest:
			time.Sleep(10 * time.Millisecond)
			if forgotten.CompareAndSwap(1, 2) {
				c.refuse(request, ua.StatusBadSessionIDInvalid)
				return true
			}
			number := 1.0
			if forgotten.Load() == 3 {
				number = 2
			}
			c.chunk("MSG", 'F', request, changes(t, simulatedSubscription, uint32(time.Now().UnixMilli()), firstItem, number))
			return true
		}
		return false
	})
	r := run(t, newOptions(t, s.endpoint(), "Temp"))
	r.connected("Temp")
	forgotten.Store(1)
	r.within(back, "a value of the new session", func() bool { return r.has("Temp", 2) })
}

func TestAUserMayLogInWithACertificate(t *testing.T) {
	t.Parallel()
	for _, p := range products {
		t.Run(string(p), func(t *testing.T) {
			t.Parallel()
			s, l := p.shared(t), servers[p]
			other, otherKey := filepath.Join(t.TempDir(), "other.pem"), filepath.Join(t.TempDir(), "other-key.pem")
			if err := opcua.MakeIdentity(other, otherKey); err != nil {
				t.Fatal(err)
			}
			o := newOptions(t, s.endpoint(), "Counter")
			trust(t, o.Trust, l.certificate())
			o.Security = "Basic256Sha256/SignAndEncrypt"
			o.UserCertFile, o.UserKeyFile = other, otherKey
			refused := run(t, o)
			refused.within(back, "the certificate of another is refused", func() bool {
				return strings.Contains(refused.status.Snapshot().Error, "logging in: Bad")
			})
			refused.stop()
			o.UserCertFile, o.UserKeyFile = l.userCert(), l.userKey()
			run(t, o).connected("Counter")
		})
	}
}

// Without security the password is encrypted for the server's certificate; a server without a certificate does not get it.
func TestAPasswordIsNeverSentAsItIs(t *testing.T) {
	t.Parallel()
	for _, p := range products {
		t.Run(string(p), func(t *testing.T) {
			t.Parallel()
			s := p.shared(t)
			o := newOptions(t, s.endpoint(), "Counter")
			o.User, o.PasswordFile = user, filepath.Join(t.TempDir(), "password")
			write(t, o.PasswordFile, password)
			trust(t, o.Trust, servers[p].certificate())
			r := run(t, o)
			r.connected("Counter")
		})
	}
	var logins atomic.Int32
	s := simulate(t, func(c *conversation, request uint32, req ua.Request) bool {
		switch req.(type) {
		case *ua.GetEndpointsRequest:
			e := c.endpoint()
			e.UserIdentityTokens = []*ua.UserTokenPolicy{{PolicyID: "name", TokenType: ua.UserTokenTypeUserName}}
			c.respond(request, &ua.GetEndpointsResponse{Endpoints: []*ua.EndpointDescription{e}})
			return true
		case *ua.ActivateSessionRequest:
			logins.Add(1)
		}
		return false
	})
	o := newOptions(t, s.endpoint(), "Temp")
	o.User, o.PasswordFile = user, filepath.Join(t.TempDir(), "password")
	write(t, o.PasswordFile, password)
	for _, o.Trust = range []string{o.Trust, opcua.TrustAny} {
		r := run(t, o)
		r.within(back, "refusing to send the password", func() bool { return strings.Contains(r.status.Snapshot().Error, "wants the password unencrypted") })
		r.stop()
	}
	if logins.Load() > 0 {
		t.Errorf("got %d logins", logins.Load())
	}
}
