package opcua

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"sync"
	"time"

	"github.com/gopcua/opcua/id"
	"github.com/gopcua/opcua/ua"
	"github.com/gopcua/opcua/uapolicy"
)

const (
	// maxChunk is the maximum length in bytes of a chunk in either direction, maxMessage that of a message from the server.
	maxChunk, maxMessage = 65535, 4 << 20
	// maxChunks is the maximum number of chunks of a message from the server.
	maxChunks = 4 * maxMessage / maxChunk
	// minChunk is the shortest limit of chunks that a server may set (Part 6, 7.1.2.3).
	minChunk = 8192
	// connectTimeout is how long TCP may take to connect, writeTimeout how long the connection may take no byte.
	connectTimeout, writeTimeout = 5 * time.Second, 10 * time.Second
	// requestedLifetime is how long a token of the channel shall be valid.
	requestedLifetime = time.Hour
)

// security is how a channel is secured, and by which certificates.
type security struct {
	policy string
	mode   ua.MessageSecurityMode
	own    *identity
	// server is the server's certificate, in DER; empty if there is no security.
	server []byte
}

func (s *security) none() bool { return s.mode == ua.MessageSecurityModeNone }

// asymmetric returns the algorithms for what is encrypted or signed with the keys of the certificates.
func (s *security) asymmetric() (*uapolicy.EncryptionAlgorithm, error) {
	key, err := rsaKey(s.server)
	if err != nil {
		return nil, err
	}
	return uapolicy.Asymmetric(s.policy, s.own.key, key)
}

// response is the answer to a request: its body, or why there is none.
type response struct {
	body []byte
	err  error
	at   time.Time
}

// keys are those of one token of the channel.
type keys struct {
	token     uint32
	algorithm *uapolicy.EncryptionAlgorithm
}

// channel is a secure channel to a server (Part 6, 6.7). One goroutine reads from it until it is closed.
type channel struct {
	conn     net.Conn
	security *security
	// chunk is the maximum length of a chunk that the server receives, message that of a message; 0 means any.
	chunk, message uint32

	// sending guards what is below it, and the order of chunks.
	sending  sync.Mutex
	sequence uint32
	request  uint32

	mu sync.Mutex
	// What follows is guarded by mu.
	id      uint32
	current keys
	// previous are the keys before the last renewal, which may protect messages that are on their way.
	previous keys
	renewAt  time.Time
	// nonce is that of the pending request for a token; nil if there is none.
	nonce   []byte
	pending map[uint32]chan<- response
	// forgotten is how many requests may be answered although nobody waits for it any more.
	forgotten int

	// done is closed when the channel has ended, because of err.
	done chan struct{}
	err  error
	read sync.WaitGroup
}

// openChannel connects to an endpoint, opc.tcp://host:port/path, and opens a channel.
func openChannel(ctx context.Context, endpoint string, s *security) (*channel, error) {
	address, err := hostPort(endpoint)
	if err != nil {
		return nil, err
	}
	dialer := net.Dialer{Timeout: connectTimeout}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	c := &channel{conn: conn, security: s, pending: make(map[uint32]chan<- response), done: make(chan struct{})}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if err := c.hello(endpoint); err != nil {
		conn.Close()
		return nil, fmt.Errorf("greeting the server: %w", err)
	}
	c.read.Go(c.receive)
	if err := c.renew(ctx, ua.SecurityTokenRequestTypeIssue); err != nil {
		c.close()
		return nil, fmt.Errorf("opening a secure channel: %w", err)
	}
	return c, nil
}

// hostPort returns what an endpoint connects to.
func hostPort(endpoint string) (string, error) {
	address, err := url.Parse(endpoint)
	if err != nil || address.Scheme != "opc.tcp" || address.Hostname() == "" {
		return "", fmt.Errorf("%q is no endpoint such as opc.tcp://host:4840", endpoint)
	}
	port := address.Port()
	if port == "" {
		port = "4840"
	}
	return net.JoinHostPort(address.Hostname(), port), nil
}

// hello agrees with the server on the lengths of chunks and messages.
func (c *channel) hello(endpoint string) error {
	_ = c.conn.SetDeadline(time.Now().Add(connectTimeout))
	defer c.conn.SetDeadline(time.Time{})
	hello := []byte("HELF\x00\x00\x00\x00")
	for _, n := range [...]uint32{0, maxChunk, maxChunk, maxMessage, maxChunks, uint32(len(endpoint))} {
		hello = binary.LittleEndian.AppendUint32(hello, n)
	}
	hello = append(hello, endpoint...)
	binary.LittleEndian.PutUint32(hello[4:], uint32(len(hello)))
	if _, err := c.conn.Write(hello); err != nil {
		return err
	}
	kind, _, body, err := readChunk(c.conn, nil)
	if err != nil {
		return err
	}
	if kind != "ACK" {
		return fmt.Errorf("the server answers with %q", kind)
	}
	r := reader{b: body}
	r.u32()
	r.u32()
	c.chunk, c.message = r.u32(), r.u32()
	if r.err == nil && c.chunk < minChunk {
		return fmt.Errorf("the server receives chunks of %d bytes, but at least %d are needed", c.chunk, minChunk)
	}
	c.chunk = min(c.chunk, maxChunk)
	return r.err
}

// chunkHeader is the length of the part of a chunk that is before its body: type, finality and length.
const chunkHeader = 8

// readChunk reads a chunk into the buffer, or into a new one if it is too short. The type is MSG, OPN, CLO, ACK or ERR; ERR is returned as an error.
func readChunk(conn io.Reader, buffer []byte) (kind string, final byte, body []byte, err error) {
	var header [chunkHeader]byte
	if _, err := io.ReadFull(conn, header[:]); err != nil {
		return "", 0, nil, err
	}
	size := binary.LittleEndian.Uint32(header[4:])
	if size < chunkHeader || size > maxChunk {
		return "", 0, nil, fmt.Errorf("the server sends a chunk of %d bytes: at most %d are allowed, or it is no server of OPC UA", size, maxChunk)
	}
	if uint32(cap(buffer)) < size {
		buffer = make([]byte, maxChunk)
	}
	chunk := buffer[:size]
	copy(chunk, header[:])
	if _, err := io.ReadFull(conn, chunk[chunkHeader:]); err != nil {
		return "", 0, nil, err
	}
	kind, body = string(chunk[:3]), chunk[chunkHeader:]
	if kind == "ERR" {
		r := reader{b: body}
		code, reason := r.u32(), r.string()
		return "", 0, nil, &serverError{code: code, reason: reason}
	}
	return kind, chunk[3], body, nil
}

// serverError is why a server has ended the connection.
type serverError struct {
	code   uint32
	reason string
}

func (e *serverError) Error() string {
	text := "the server has ended the connection: " + statusName(e.code)
	if e.reason != "" {
		text += " (" + shorten(e.reason) + ")"
	}
	return text
}

// statusName returns the name of a status code, such as BadNodeIdUnknown, or its number.
func statusName(code uint32) string {
	const info = 0xffff // The lower half has details that are no part of the name.
	if known, ok := ua.StatusCodes[ua.StatusCode(code&^info)]; ok && code != 0 {
		return standardName(known.Name)
	}
	if code>>30 == 0 {
		return "Good"
	}
	return fmt.Sprintf("0x%08X", code)
}

// errClosed is why a channel has ended that this program has closed.
var errClosed = errors.New("the channel is closed")

// fail ends the channel.
func (c *channel) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.done:
	default:
		c.err = err
		close(c.done)
		c.conn.Close()
	}
}

// close ends the channel without a message to the server, and waits for its goroutine.
func (c *channel) close() {
	c.fail(errClosed)
	c.read.Wait()
}

// lost returns why the channel has ended; it must have.
func (c *channel) lost() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// start sends a request, whose header it fills. The response, or why the server gives none, is sent to answers, which must have room for it;
// forget must be called if it is no longer wanted. Nothing is sent to answers after an error, or when the channel ends.
func (c *channel) start(req ua.Request, session *ua.NodeID, timeout time.Duration, answers chan<- response) (request uint32, err error) {
	c.sending.Lock()
	defer c.sending.Unlock()
	c.request++
	if session == nil {
		session = ua.NewTwoByteNodeID(0)
	}
	req.SetHeader(&ua.RequestHeader{
		AuthenticationToken: session, Timestamp: time.Now(), RequestHandle: c.request, TimeoutHint: uint32(timeout.Milliseconds()),
	})
	body, err := encode(req)
	if err != nil {
		return 0, err
	}
	if c.message != 0 && len(body) > int(c.message) {
		return 0, fmt.Errorf("the request has %d bytes, but the server receives at most %d", len(body), c.message)
	}
	c.mu.Lock()
	c.pending[c.request] = answers
	c.mu.Unlock()
	_, opening := req.(*ua.OpenSecureChannelRequest)
	if opening {
		err = c.writeOpening(body)
	} else {
		err = c.write("MSG", body)
	}
	if err != nil { // Part of a message may have been sent: nothing can be sent after it.
		c.fail(fmt.Errorf("sending to the server: %w", err))
		return 0, c.lost()
	}
	return c.request, nil
}

// encode returns a request with the id of its type before it.
func encode(req ua.Request) ([]byte, error) {
	kind, err := ua.Encode(ua.NewFourByteExpandedNodeID(0, ua.ServiceTypeID(req)))
	if err != nil {
		return nil, err
	}
	body, err := ua.Encode(req)
	return append(kind, body...), err
}

func (c *channel) forget(request uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pending[request] != nil {
		c.forgotten++
	}
	delete(c.pending, request)
}

// call sends a request and returns the body of the response.
func (c *channel) call(ctx context.Context, req ua.Request, session *ua.NodeID, timeout time.Duration) ([]byte, error) {
	answers := make(chan response, 1)
	request, err := c.start(req, session, timeout, answers)
	if err != nil {
		return nil, err
	}
	defer c.forget(request)
	expired := time.NewTimer(timeout)
	defer expired.Stop()
	select {
	case r := <-answers:
		return r.body, r.err
	case <-c.done:
		return nil, c.lost()
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-expired.C:
		return nil, fmt.Errorf("no answer within %v", timeout)
	}
}

// renew asks for a new token, whose keys are in force when it returns.
func (c *channel) renew(ctx context.Context, kind ua.SecurityTokenRequestType) error {
	nonce := []byte{}
	if !c.security.none() {
		asymmetric, err := c.security.asymmetric()
		if err != nil {
			return err
		}
		if nonce, err = asymmetric.MakeNonce(); err != nil {
			return err
		}
	}
	c.mu.Lock()
	c.nonce = nonce
	c.mu.Unlock()
	_, err := c.call(ctx, &ua.OpenSecureChannelRequest{
		RequestType: kind, SecurityMode: c.security.mode, ClientNonce: nonce, RequestedLifetime: uint32(requestedLifetime.Milliseconds()),
	}, nil, callTimeout)
	return err
}

// opened decodes the response to renew, and puts the keys of the token in force. It belongs to the goroutine that reads, because the next
// message may need the keys.
func (c *channel) opened(body []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.nonce == nil {
		return errors.New("the server opens a channel that was not asked for")
	}
	nonce := c.nonce
	c.nonce = nil
	r, err := answer(body, id.OpenSecureChannelResponse_Encoding_DefaultBinary)
	if err != nil {
		return err
	}
	r.u32()
	channelID, token := r.u32(), r.u32()
	r.time()
	lifetime := time.Duration(r.u32()) * time.Millisecond
	serverNonce := r.bytes()
	if r.err != nil {
		return r.err
	}
	algorithm, err := uapolicy.Symmetric(c.security.policy, nonce, serverNonce)
	if err != nil {
		return err
	}
	if !c.security.none() && len(serverNonce) != len(nonce) {
		return fmt.Errorf("the server's nonce has %d bytes instead of %d", len(serverNonce), len(nonce))
	}
	const shortest = 5 * time.Second // A server that lets tokens live for less would keep the channel busy with nothing else.
	c.id, c.previous, c.current = channelID, c.current, keys{token, algorithm}
	c.renewAt = time.Now().Add(max(shortest, min(lifetime, requestedLifetime)) * 3 / 4)
	return nil
}

// renewal returns when the token must be renewed.
func (c *channel) renewal() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.renewAt
}
