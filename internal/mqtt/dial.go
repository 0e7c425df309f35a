package mqtt

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"

	"iotmon/internal/mqtt/stream"
)

// TLS configures an encrypted connection. The files are read at each connection, so that they may be replaced.
type TLS struct {
	// CAFile has the certificates that the broker's must be signed by; empty for those of the system.
	CAFile string
	// CertFile and KeyFile are the client's own certificate; empty for none.
	CertFile, KeyFile string
	// ServerName is the name in the broker's certificate; empty for the host of the URL.
	ServerName string
}

// load reads the files.
func (t *TLS) load(host string) (*tls.Config, error) {
	config := &tls.Config{ServerName: cmp.Or(t.ServerName, host), MinVersion: tls.VersionTLS12}
	if t.CAFile != "" {
		text, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("tls.ca_file: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("tls.ca_file: no PEM certificate in %s", t.CAFile)
		}
	}
	if t.CertFile != "" {
		own, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("tls.cert_file, tls.key_file: %w", err)
		}
		config.Certificates = []tls.Certificate{own}
	}
	return config, nil
}

// dial connects to the broker, without a word of MQTT yet. The host's address is looked up each time.
func (o *Options) dial(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	address, err := url.Parse(o.URL)
	if err != nil {
		return nil, fmt.Errorf("url: %w", err)
	}
	var encryption *tls.Config
	switch address.Scheme {
	case "ssl", "mqtts", "wss":
		if encryption, err = o.TLS.load(address.Hostname()); err != nil {
			return nil, err
		}
	}
	var dialer net.Dialer
	switch address.Scheme {
	case "tcp", "mqtt":
		return dialer.DialContext(ctx, "tcp", hostPort(address, "1883"))
	case "ssl", "mqtts":
		secure := tls.Dialer{NetDialer: &dialer, Config: encryption}
		return secure.DialContext(ctx, "tcp", hostPort(address, "8883"))
	case "ws", "wss":
		return stream.Dial(ctx, o.URL, encryption)
	}
	return nil, fmt.Errorf("url: unknown scheme %q", address.Scheme)
}

// hostPort returns the host and the port of a URL, or the usual port.
func hostPort(address *url.URL, usual string) string {
	return net.JoinHostPort(strings.Trim(address.Hostname(), "[]"), cmp.Or(address.Port(), usual))
}

// password reads the password, without the line end that editors add.
func (o *Options) password() ([]byte, error) {
	if o.PasswordFile == "" {
		return nil, nil
	}
	text, err := os.ReadFile(o.PasswordFile)
	if err != nil {
		return nil, fmt.Errorf("password_file: %w", err)
	}
	return []byte(strings.TrimRight(string(text), "\r\n")), nil
}
