package replay

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/retry"
	"iotmon/internal/wire"
)

const (
	// requestTimeout limits one request. It is longer than the server's own timeout for its log, so that the client gets the
	// server's error.
	requestTimeout = 30 * time.Second
	// firstBackoff is the first pause between two tries. It doubles with each try, up to lastBackoff.
	firstBackoff, lastBackoff = 100 * time.Millisecond, 5 * time.Second
	// maxAnswer limits the body of a response, in bytes.
	maxAnswer = 16 << 20
)

// Client sends readings to a running system over HTTP. It is not safe for concurrent use.
type Client struct {
	base     *url.URL
	url      string
	http     *http.Client
	patience time.Duration
	waiting  func(err error, delay time.Duration)
	// body is the body of the request, one JSON object per line.
	body []byte
}

// ClientOptions configures a Client.
type ClientOptions struct {
	// Base is the system's address, such as http://127.0.0.1:8080.
	Base string
	// Transport is nil for the default one.
	Transport http.RoundTripper
	// Patience is how long a request is repeated while the system cannot be reached, before Send returns an error.
	Patience time.Duration
	// Waiting is called before each pause between two tries; nil is allowed.
	Waiting func(err error, delay time.Duration)
}

// NewClient returns a Client. It does not connect.
func NewClient(o ClientOptions) (*Client, error) {
	base, err := url.Parse(o.Base)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, fmt.Errorf("address of the system must be like http://127.0.0.1:8080 (got %q)", o.Base)
	}
	if o.Waiting == nil {
		o.Waiting = func(error, time.Duration) {}
	}
	return &Client{
		base:     base,
		url:      base.JoinPath("api/v1/readings").String(),
		http:     &http.Client{Transport: o.Transport, Timeout: requestTimeout},
		patience: o.Patience,
		waiting:  o.Waiting,
	}, nil
}

// busyError means that the same request may succeed later: the system is down, overloaded or unreachable, or its response was
// lost. Repeating a request whose readings have arrived does no harm.
type busyError struct {
	err error
	// after is the pause that the system has asked for, by Retry-After; 0 for none.
	after time.Duration
}

func (e *busyError) Error() string { return e.err.Error() }

func (e *busyError) Unwrap() error { return e.err }

// Send sends readings and returns when the system has accepted or rejected each of them. While the system cannot be reached, it
// repeats the request for up to Patience. After an error it is unknown which readings have arrived.
func (c *Client) Send(ctx context.Context, readings []iot.Reading) (wire.Ingested, error) {
	c.body = c.body[:0]
	for i := range readings {
		c.body = append(wire.AppendReading(c.body, &readings[i]), '\n')
	}
	deadline := time.Now().Add(c.patience)
	backoff := retry.NewBackoff(firstBackoff, lastBackoff)
	for again := false; ; again = true {
		answer, err := c.post(ctx, len(readings))
		busy, isBusy := errors.AsType[*busyError](err)
		if !isBusy || ctx.Err() != nil {
			if again {
				// An earlier try may have delivered readings, which then look repeated.
				answer.Duplicates, answer.Conflicts = 0, 0
			}
			return answer, err
		}
		delay := max(busy.after, backoff.Next())
		if time.Now().Add(delay).After(deadline) {
			return answer, fmt.Errorf("gave up after %v: %w", c.patience, err)
		}
		c.waiting(err, delay)
		if err := retry.Wait(ctx, delay); err != nil {
			return answer, err
		}
	}
}

// post sends the body once. It returns a busyError if another try may succeed.
func (c *Client) post(ctx context.Context, count int) (wire.Ingested, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(c.body))
	if err != nil {
		return wire.Ingested{}, fmt.Errorf("make request: %w", err)
	}
	request.Header.Set("Content-Type", "application/x-ndjson")
	response, err := c.http.Do(request)
	if err != nil {
		return wire.Ingested{}, &busyError{err: err}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return wire.Ingested{}, &busyError{err: fmt.Errorf("read answer: %w", err)}
	}
	return c.readAnswer(response, body, count)
}

// readAnswer decodes the response to a request with count readings.
func (c *Client) readAnswer(response *http.Response, body []byte, count int) (wire.Ingested, error) {
	var answer struct {
		wire.Ingested
		Detail string `json:"detail"`
	}
	decodeErr := json.Unmarshal(body, &answer)
	switch response.StatusCode {
	case http.StatusOK, http.StatusMultiStatus, http.StatusUnprocessableEntity:
		if got := answer.Accepted + len(answer.Rejected); decodeErr != nil || got != count {
			return wire.Ingested{}, fmt.Errorf("%s answered %s for %d of %d readings: %.200q", c.url, response.Status, got, count, body)
		}
		return answer.Ingested, nil
	}
	err := fmt.Errorf("%s answered %s", c.url, response.Status)
	if answer.Detail != "" {
		err = fmt.Errorf("%w: %s", err, answer.Detail)
	}
	switch response.StatusCode {
	case http.StatusTooManyRequests, http.StatusRequestTimeout, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		seconds, _ := strconv.ParseUint(response.Header.Get("Retry-After"), 10, 16)
		return wire.Ingested{}, &busyError{err: err, after: time.Duration(seconds) * time.Second}
	}
	return wire.Ingested{}, err
}
