package broker

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"golang.org/x/net/netutil"

	"iotmon/internal/mqtt/stream"
)

// Listener is an address where the broker takes connections.
type Listener struct {
	// Addr is host:port.
	Addr string
	// TLS is whether connections are encrypted.
	TLS bool
	// Path is that of websockets; empty for connections without them.
	Path string
}

// TLS has the files for encrypted connections. They are read again when they have changed.
type TLS struct {
	CertFile, KeyFile string
	// ClientCAFile has the certificates that those of clients must be signed by; empty for no client certificates.
	ClientCAFile string
	// RequireCertificate is whether each client must have a certificate.
	RequireCertificate bool
}

// listener takes connections at one address.
type listener struct {
	Listener
	broker *Broker
	net    net.Listener
	// encryption is nil without TLS.
	encryption *tls.Config

	mu sync.Mutex
	// What follows is guarded by mu. server is that of websockets; nil without them. handlers are those that work.
	server   *http.Server
	closed   bool
	handlers sync.WaitGroup
}

func (l *listener) websocket() bool { return l.Path != "" }

// url returns the address with its scheme.
func (l *listener) url() string {
	schemes := map[[2]bool]string{{false, false}: "tcp", {true, false}: "ssl", {false, true}: "ws", {true, true}: "wss"}
	return schemes[[2]bool{l.TLS, l.websocket()}] + "://" + l.net.Addr().String() + l.Path
}

// listen opens all addresses, or none.
func (b *Broker) listen(ctx context.Context) (all []*listener, err error) {
	defer func() {
		if err != nil {
			for _, l := range all {
				l.close()
			}
		}
	}()
	files := &certificates{files: b.o.TLS, problem: b.problem}
	for _, configured := range b.o.Listeners {
		l := &listener{Listener: configured, broker: b}
		if configured.TLS {
			if _, err := files.current(); err != nil {
				return all, err
			}
			l.encryption = &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return files.current() }}
		}
		if l.net, err = new(net.ListenConfig).Listen(ctx, "tcp", configured.Addr); err != nil {
			return all, fmt.Errorf("listen on %s: %w", configured.Addr, err)
		}
		all = append(all, l)
	}
	return all, nil
}

// close ends the taking of connections.
func (l *listener) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	_ = l.net.Close()
	if l.server != nil {
		_ = l.server.Close()
	}
}

// serve takes connections until the listener is closed, and serves each in a goroutine of the group.
func (l *listener) serve(ctx context.Context, group *sync.WaitGroup) error {
	if l.websocket() {
		return l.serveWebsockets(ctx)
	}
	const first, longest = 5 * time.Millisecond, time.Second
	wait := first
	for {
		conn, err := l.net.Accept()
		switch {
		case err == nil:
			wait = first
			group.Go(func() { l.broker.accept(ctx, conn, l, "") })
		case errors.Is(err, net.ErrClosed) || ctx.Err() != nil:
			return err
		default: // Such as too many open files, which others will close.
			l.broker.problem(fmt.Errorf("accept a connection: %w", err))
			pause(ctx, wait)
			wait = min(2*wait, longest)
		}
	}
}

// serveWebsockets takes websockets until the listener is closed, and waits for all of them.
func (l *listener) serveWebsockets(ctx context.Context) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+l.Path, func(w http.ResponseWriter, r *http.Request) {
		if !l.begin() {
			return
		}
		defer l.handlers.Done()
		conn, err := stream.Upgrade(w, r)
		if err != nil {
			return // Upgrade has answered the client.
		}
		name := ""
		if r.TLS != nil {
			name = nameOf(*r.TLS)
		}
		l.broker.accept(ctx, conn, l, name)
	})
	var strangers sync.Map // What ends being one, by connection.
	server := &http.Server{
		Handler: mux, ReadHeaderTimeout: connectTimeout, MaxHeaderBytes: 16 << 10, TLSConfig: l.encryption, ErrorLog: log.New(io.Discard, "", 0),
		IdleTimeout: connectTimeout,
		ConnState: func(conn net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				strangers.Store(conn, l.broker.stranger(conn))
			case http.StateHijacked, http.StateClosed:
				if known, ok := strangers.LoadAndDelete(conn); ok {
					known.(func())()
				}
			}
		},
	}
	l.mu.Lock()
	l.server = server
	closed := l.closed
	l.mu.Unlock()
	if closed {
		return net.ErrClosed
	}
	limited := netutil.LimitListener(l.net, l.broker.o.Limits.MaxConnections)
	if l.encryption != nil {
		limited = tls.NewListener(limited, l.encryption)
	}
	err := server.Serve(limited)
	_ = server.Close()
	l.handlers.Wait()
	return err
}

// begin counts a handler. It reports false if the listener is closed.
func (l *listener) begin() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.handlers.Add(1)
	return true
}

// nameOf returns the common name in the certificate of a client; empty without one.
func nameOf(s tls.ConnectionState) string {
	if len(s.VerifiedChains) == 0 {
		return ""
	}
	name := s.PeerCertificates[0].Subject.CommonName
	if len(name) > maxUsername || !validText([]byte(name)) {
		return ""
	}
	return name
}

// certificates reads the files of TLS again when they have changed. It may be used concurrently.
type certificates struct {
	files   TLS
	problem func(error)

	mu sync.Mutex
	// What follows is guarded by mu. looked is when it was looked whether the files have changed, and stamps what they were then.
	config *tls.Config
	looked time.Time
	stamps [3]stamp
}

// stamp distinguishes two versions of a file.
type stamp struct {
	modified time.Time
	size     int64
}

// lookInterval is how often it is looked whether files have changed.
const lookInterval = time.Second

// current returns the configuration of the files. While new ones cannot be read, those before are used.
func (c *certificates) current() (*tls.Config, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.config != nil && time.Since(c.looked) < lookInterval {
		return c.config, nil
	}
	c.looked = time.Now()
	var stamps [3]stamp
	for i, name := range []string{c.files.CertFile, c.files.KeyFile, c.files.ClientCAFile} {
		if info, err := os.Stat(name); err == nil {
			stamps[i] = stamp{info.ModTime(), info.Size()}
		}
	}
	if c.config != nil && stamps == c.stamps {
		return c.config, nil
	}
	config, err := c.files.load()
	if err != nil {
		if c.config == nil {
			return nil, err
		}
		c.problem(fmt.Errorf("the certificates before are still used: %w", err))
		return c.config, nil
	}
	c.config, c.stamps = config, stamps
	return config, nil
}

// load reads the files.
func (t *TLS) load() (*tls.Config, error) {
	own, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("tls.cert_file, tls.key_file: %w", err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{own}, MinVersion: tls.VersionTLS12}
	if t.ClientCAFile == "" {
		return config, nil
	}
	text, err := os.ReadFile(t.ClientCAFile)
	if err != nil {
		return nil, fmt.Errorf("tls.client_ca_file: %w", err)
	}
	config.ClientCAs, config.ClientAuth = x509.NewCertPool(), tls.VerifyClientCertIfGiven
	if !config.ClientCAs.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("tls.client_ca_file: no PEM certificate in %s", t.ClientCAFile)
	}
	if t.RequireCertificate {
		config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return config, nil
}
