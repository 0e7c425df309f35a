// Package post sends messages over HTTP to servers that may fail, hang, or answer anything.
package post

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"

	"iotmon/internal/notify"
)

const (
	// maxAnswer is how much of an answer is read, maxShown how much of it is shown.
	maxAnswer = 16 << 10
	maxShown  = 200
	// maxRedirects is how many redirects are followed, within one host.
	maxRedirects = 3
	// maxSecret is the maximum length of a secret in a file.
	maxSecret = 16 << 10
)

// Secret returns a secret, as it is now.
type Secret func() (string, error)

// Text returns a secret that is given as it is.
func Text(secret string) Secret { return func() (string, error) { return secret, nil } }

// File returns the secret in a file, without a line end behind it. The file is read each time, so that it may change.
func File(path string) Secret {
	return func() (string, error) {
		f, err := os.Open(path)
		if err != nil {
			return "", err
		}
		defer f.Close() //nolint:errcheck // It was only read.
		text, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
		if err != nil {
			return "", err
		}
		secret := strings.TrimRight(string(text), "\r\n")
		if secret == "" || len(text) > maxSecret {
			return "", fmt.Errorf("%s must hold 1 to %d bytes", path, maxSecret)
		}
		return secret, nil
	}
}

// Options configure a Client.
type Options struct {
	// TLS returns how to encrypt connections to https; it is called for each of them. Nil means the system's certificates.
	TLS func() (*tls.Config, error)
	// UserAgent names this program.
	UserAgent string
}

// Client posts messages. It may be used concurrently.
type Client struct {
	http      *http.Client
	userAgent string
}

// New returns a client.
func New(o Options) *Client {
	dialer := &net.Dialer{Timeout: notify.ConnectTimeout}
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: dialer.DialContext, TLSHandshakeTimeout: notify.ConnectTimeout,
		MaxIdleConns: 4, IdleConnTimeout: 30 * time.Second, MaxResponseHeaderBytes: maxAnswer, ForceAttemptHTTP2: true,
	}
	if o.TLS != nil {
		transport.DialTLSContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			config, err := o.TLS()
			if err != nil {
				return nil, err
			}
			if config == nil {
				config = new(tls.Config)
			}
			return (&tls.Dialer{NetDialer: dialer, Config: config}).DialContext(ctx, network, address)
		}
	}
	noRedirect := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{http: &http.Client{Transport: transport, CheckRedirect: noRedirect}, userAgent: o.UserAgent}
}

// JSON posts a body of JSON within the time of ctx, and returns the answer of a server that has taken it. The error neither has the URL, which may contain a secret,
// nor the body. A server that refuses the body whatever happens makes an error of notify.Refused.
func (c *Client) JSON(ctx context.Context, address string, header http.Header, body []byte) (answer []byte, err error) {
	for range maxRedirects + 1 {
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
		if err != nil {
			return nil, errors.New("the address is not a URL")
		}
		for name, values := range header {
			request.Header[name] = values
		}
		request.Header.Set("Content-Type", "application/json; charset=utf-8")
		request.Header.Set("User-Agent", c.userAgent)
		next, answer, err := c.once(request)
		if err != nil || next == "" {
			return answer, err
		}
		address = next
	}
	return nil, fmt.Errorf("the server redirects more than %d times", maxRedirects)
}

// once makes one request. next is where to post instead, empty if the server has answered.
func (c *Client) once(request *http.Request) (next string, answer []byte, err error) {
	response, err := c.http.Do(request)
	if err != nil {
		return "", nil, withoutURL(err)
	}
	defer response.Body.Close() //nolint:errcheck // What is left of it does not matter.
	answer, err = io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	switch status := response.StatusCode; {
	case status >= 200 && status < 300 && err != nil:
		return "", nil, fmt.Errorf("read the answer: %w", withoutURL(err))
	case status >= 200 && status < 300:
		return "", answer, nil
	case status >= 300 && status < 400:
		next, err := redirect(request, response)
		return next, nil, err
	default:
		err := fmt.Errorf("the server answers %s%s", response.Status, shown(answer))
		if slices.Contains(final, status) {
			err = notify.Refused(err)
		}
		return "", nil, err
	}
}

// final are the statuses that say that the message itself is refused. Others, such as of a wrong password or of a path that is not there at the moment, may
// pass.
var final = []int{
	http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusNotAcceptable, http.StatusGone, http.StatusLengthRequired, http.StatusRequestEntityTooLarge,
	http.StatusRequestURITooLong, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity, http.StatusNotImplemented,
}

// redirect returns where a message is to be posted instead: on the same host, by a status that keeps the method and the body. Signed messages and
// secrets go nowhere else.
func redirect(request *http.Request, response *http.Response) (string, error) {
	target, err := response.Location()
	if err != nil {
		return "", fmt.Errorf("the server answers %s without saying where to", response.Status)
	}
	if kept := response.StatusCode == http.StatusTemporaryRedirect || response.StatusCode == http.StatusPermanentRedirect; !kept {
		return "", fmt.Errorf("the server redirects with %s, which loses the message: configure the address %s://%s", response.Status, target.Scheme, target.Host)
	}
	if target.Scheme != request.URL.Scheme || target.Host != request.URL.Host {
		return "", fmt.Errorf("the server redirects to another host, %s://%s: configure that one", target.Scheme, target.Host)
	}
	return target.String(), nil
}

// withoutURL removes the URL from an error of the HTTP client.
func withoutURL(err error) error {
	if failed, ok := errors.AsType[*url.Error](err); ok {
		return failed.Err
	}
	return err
}

// Shown returns the beginning of an answer in one line, to be shown.
func Shown(answer []byte) string {
	text := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(string(answer), "?"))
	return notify.Cut(strings.TrimSpace(text), maxShown)
}

func shown(answer []byte) string {
	if text := Shown(answer); text != "" {
		return ": " + text
	}
	return ""
}
