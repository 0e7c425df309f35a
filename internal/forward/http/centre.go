package httpforward

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"iotmon/internal/forward"
	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// Options configure a Centre.
type Options struct {
	// URL is the address of the central iotmon, such as https://central.example. A path in it is that of a proxy before iotmon.
	URL string
	// TLS returns how to encrypt; it is called for each connection. Nil means the system's certificates.
	TLS func() (*tls.Config, error)
	// TokenFile has a token that is sent as Authorization: Bearer. It is read at each request; empty sends none.
	TokenFile string
	// UserAgent names this program, Gateway this machine.
	UserAgent, Gateway string
	// Skew is called with how far the clock of this machine is at least ahead of the centre's, by its answers; negative if it is behind. Nil
	// is for no calls.
	Skew func(time.Duration)
}

// GatewayHeader is the header that names the machine that forwards.
const GatewayHeader = "Iotmon-Gateway"

// Centre implements forward.Centre by POST /api/v1/readings.
type Centre struct {
	o      Options
	url    string
	client *http.Client
	body   bytes.Buffer
	line   []byte
	gzip   *gzip.Writer
}

var _ forward.Centre = (*Centre)(nil)

const (
	dialTimeout = 10 * time.Second
	// maxAnswer bounds the body of an answer. An answer has a reason for each rejected reading.
	maxAnswer = 8 << 20
	// maxToken bounds the token file.
	maxToken = 16 << 10
	// maxReasonBytes bounds what is kept of a text of the centre.
	maxReasonBytes = 500
)

// New returns a Centre. It does not connect before it is used.
func New(o Options) (*Centre, error) {
	base, err := url.Parse(o.URL)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, fmt.Errorf("address must be like https://central.example (got %q)", o.URL)
	}
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: 15 * time.Second}
	transport := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         dialer.DialContext,
		TLSHandshakeTimeout: dialTimeout,
		IdleConnTimeout:     time.Minute,
		MaxIdleConns:        1,
		DisableCompression:  true,
	}
	if o.TLS != nil && base.Scheme == "https" {
		transport.DialTLSContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			return dialTLS(ctx, dialer, network, address, o.TLS)
		}
	}
	writer, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	client := &http.Client{
		Transport: transport,
		// A POST that is redirected would become a GET, whose answer says nothing of the readings.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return &Centre{o: o, url: base.JoinPath("api/v1/readings").String(), client: client, gzip: writer}, nil
}

// dialTLS connects and encrypts, with certificates that are read anew.
func dialTLS(ctx context.Context, dialer *net.Dialer, network, address string, options func() (*tls.Config, error)) (net.Conn, error) {
	config, err := options()
	if err != nil {
		return nil, err
	}
	if config == nil {
		config = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if config.ServerName == "" {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		config = config.Clone()
		config.ServerName = host
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	return (&tls.Dialer{NetDialer: dialer, Config: config}).DialContext(ctx, network, address)
}

// Reports implements forward.Centre.
func (*Centre) Reports() bool { return true }

// Close implements forward.Centre.
func (c *Centre) Close() { c.client.CloseIdleConnections() }

// Send implements forward.Centre. It returns when ctx ends at the latest.
func (c *Centre) Send(ctx context.Context, entries []forward.Entry) ([]forward.Rejection, error) {
	var rejected []forward.Rejection
	indexes, err := c.encode(entries, &rejected)
	if err != nil || len(indexes) == 0 {
		return rejected, err
	}
	answer, clock, err := c.post(ctx, len(indexes))
	if err != nil {
		c.client.CloseIdleConnections() // The address and the certificates may have changed.
		return nil, err
	}
	seen := make(map[int]bool)
	for _, r := range answer.Rejected {
		if r.Index < 0 || r.Index >= len(indexes) || seen[r.Index] {
			return nil, fmt.Errorf("%s rejects reading %d of %d, which makes no sense", c.url, r.Index, len(indexes))
		}
		seen[r.Index] = true
		index := indexes[r.Index]
		rejected = append(rejected, forward.Rejection{
			Index: index, Field: short(r.Field), Reason: short(r.Reason), Early: isTime(r.Field) && !clock.IsZero() && entries[index].Time.After(clock),
		})
	}
	return rejected, nil
}

// isTime reports whether a field is the time of a reading or of a report.
func isTime(field string) bool { return field == "timestamp" || field == "report.time" }

// encode fills the body, and returns the index of the entry in each line. HTTP knows no tenants: the centre gets the tenant from the
// token, so the devices of different tenants would become one.
func (c *Centre) encode(entries []forward.Entry, rejected *[]forward.Rejection) (indexes []int, err error) {
	c.body.Reset()
	c.gzip.Reset(&c.body)
	for i := range entries {
		if entries[i].Device.Tenant != "" {
			*rejected = append(*rejected, forward.Rejection{Index: i, Field: "tenant", Reason: "readings of tenants cannot be forwarded over HTTP"})
			continue
		}
		if bytes.ContainsAny(entries[i].Value, "\r\n") { // Lines separate the readings.
			value := new(bytes.Buffer)
			if err := json.Compact(value, entries[i].Value); err != nil {
				*rejected = append(*rejected, forward.Rejection{Index: i, Reason: "not JSON: " + err.Error()})
				continue
			}
			entries[i].Value = value.Bytes()
		}
		indexes = append(indexes, i)
		if err := c.write(&entries[i]); err != nil {
			return nil, fmt.Errorf("compress: %w", err)
		}
	}
	return indexes, c.gzip.Close()
}

// write writes an entry as a line.
func (c *Centre) write(e *forward.Entry) error {
	line := e.Value
	if e.Kind == iot.KindStatus {
		c.line = wire.AppendDeviceReport(c.line[:0], e.Device.ID, e.Value)
		line = c.line
	}
	if _, err := c.gzip.Write(line); err != nil {
		return err
	}
	_, err := c.gzip.Write([]byte{'\n'})
	return err
}

// post sends the body once, and returns the answer about count entries, and an upper bound of the centre's clock when it answered; zero if that is not known.
func (c *Centre) post(ctx context.Context, count int) (answer *wire.Ingested, clock time.Time, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(c.body.Bytes()))
	if err != nil {
		return nil, clock, fmt.Errorf("make request: %w", err)
	}
	request.Header.Set("Content-Type", "application/x-ndjson")
	request.Header.Set("Content-Encoding", "gzip")
	request.Header.Set("User-Agent", c.o.UserAgent)
	request.Header.Set(GatewayHeader, c.o.Gateway)
	if err := c.authorize(request); err != nil {
		return nil, clock, err
	}
	sent := time.Now()
	response, err := c.client.Do(request)
	if err != nil {
		return nil, clock, err
	}
	defer response.Body.Close()
	clock = c.compareClocks(response, sent)
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return nil, clock, fmt.Errorf("read the answer of %s: %w", c.url, err)
	}
	answer, err = c.read(response, body, count)
	return answer, clock, err
}

// authorize adds the token to the request.
func (c *Centre) authorize(request *http.Request) error {
	if c.o.TokenFile == "" {
		return nil
	}
	file, err := os.Open(c.o.TokenFile)
	if err != nil {
		return fmt.Errorf("token_file: %w", err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxToken))
	if err != nil {
		return fmt.Errorf("token_file: %w", err)
	}
	token := strings.TrimSpace(string(text))
	if token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return fmt.Errorf("token_file: %s must have one line of printable ASCII", c.o.TokenFile)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	return nil
}

// compareClocks reports how far the clock of this machine is at least ahead of the centre's, or behind it. The centre has answered between
// the moment of sending and now, and its header has whole seconds. It returns an upper bound of the centre's clock.
func (c *Centre) compareClocks(response *http.Response, sent time.Time) time.Time {
	at, err := http.ParseTime(response.Header.Get("Date"))
	if err != nil {
		return time.Time{}
	}
	latest := at.Add(time.Second)
	if c.o.Skew != nil {
		// By the clock on the wall, which may have been set since.
		least, most := sent.Round(0).Sub(latest), time.Now().Round(0).Sub(at)
		c.o.Skew(max(least, 0) + min(most, 0))
	}
	return latest
}

// read decodes an answer. Only an answer that accounts for each reading is one; everything else is an error, after which the readings
// are sent again.
func (c *Centre) read(response *http.Response, body []byte, count int) (*wire.Ingested, error) {
	var answer struct {
		wire.Ingested
		Detail string `json:"detail"`
	}
	decodeErr := json.Unmarshal(body, &answer)
	switch response.StatusCode {
	case http.StatusOK, http.StatusMultiStatus, http.StatusUnprocessableEntity:
		if decodeErr == nil && answer.Accepted >= 0 && answer.Accepted+len(answer.Rejected) == count {
			return &answer.Ingested, nil
		}
		if response.StatusCode != http.StatusUnprocessableEntity {
			return nil, fmt.Errorf("%s answered %s, but not for %d readings: is it an iotmon?", c.url, response.Status, count)
		}
	}
	err := fmt.Errorf("%s answered %s", c.url, response.Status)
	if answer.Detail != "" {
		err = fmt.Errorf("%w: %s", err, short(answer.Detail))
	}
	refused := &forward.RefusedError{Err: err, After: retryAfter(response.Header.Get("Retry-After"))}
	switch response.StatusCode {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		mediaType, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
		refused.Content, refused.Final = true, mediaType == "application/problem+json"
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		refused.Err = errors.Join(err, fmt.Errorf("it says that the address is %s", short(response.Header.Get("Location"))))
	}
	return nil, refused
}

// retryAfter returns the pause that a Retry-After header asks for: seconds, or a date.
func retryAfter(header string) time.Duration {
	if seconds, err := strconv.ParseUint(header, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(header); err == nil {
		return max(time.Until(at), 0)
	}
	return 0
}

// short cuts a text of the centre.
func short(text string) string {
	if len(text) > maxReasonBytes {
		text = text[:maxReasonBytes] + "…"
	}
	return strings.ToValidUTF8(text, "�")
}
