package mqtt

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"iotmon/internal/mqtt/packet"
	"iotmon/internal/mqtt/stream"
)

const (
	// connectTimeout is how long it may take until the broker accepts the connection, and again until it accepts the subscriptions. Tries that
	// were lost on the way hold up the next one for as long, so a source that is to be back within 10 s needs less.
	connectTimeout = 8 * time.Second
	// leaveTimeout is how long the last answers may take.
	leaveTimeout = time.Second
	// retryRefused is how long after a refused subscription it is tried again.
	retryRefused = 30 * time.Second
	bufferSize   = 64 << 10
	// maxOut is how many bytes may wait to be written: more than the answers to all messages that can be under way.
	maxOut = 1 << 20
	// maxHead is the length of a message without its payload in MQTT 3.1.1.
	maxHead = 2 + 65535 + 2
	// maxTopics is how many topics are kept so that the next message of a topic does not need a text of its own.
	maxTopics = 10_000
	// slabSize is how many bytes are allocated together for short payloads.
	slabSize = 16 << 10
)

// connection is one connection to the broker. One goroutine reads from it, and another one writes.
type connection struct {
	client   *Client
	receiver Receiver
	net      net.Conn
	reader   *bufio.Reader
	// keepAlive is the client's, or what the broker says instead.
	keepAlive time.Duration
	lose      context.CancelCauseFunc

	// What follows belongs to the goroutine that reads.
	topics     map[string]string
	slab       []byte
	subscribed bool

	mu sync.Mutex
	// What follows is guarded by mu. out are packets to be written; refused are the filters that the broker has refused, and asked those that the
	// last SUBSCRIBE was about.
	out            []byte
	refused, asked []string
	// spare is the memory of what was written last. It belongs to the goroutine that writes.
	spare []byte
	// wake has an element when there is something to write.
	wake chan struct{}
}

// Run connects, subscribes and receives until ctx ends or the connection is lost. It returns why. Only if ctx ends the client takes leave of the broker: after
// anything else the broker publishes the will. Run may be called again, but not concurrently.
func (c *Client) Run(outer context.Context, receiver Receiver) error {
	ctx, lose := context.WithCancelCause(outer)
	defer lose(nil)
	socket, err := c.o.dial(ctx)
	if err != nil {
		return err
	}
	s := &connection{
		client: c, receiver: receiver, net: socket, keepAlive: c.o.KeepAlive, lose: lose,
		topics: make(map[string]string), wake: make(chan struct{}, 1),
	}
	s.reader = bufio.NewReaderSize(timedReader{s}, bufferSize)
	stop := context.AfterFunc(ctx, func() { stream.Close(socket) })
	kept, err := s.connect()
	if !stop() || err != nil {
		stream.Close(socket)
		return cause(ctx, err)
	}
	c.attach(s, kept)
	written := make(chan struct{})
	go func() {
		defer close(written)
		s.write(ctx, func() bool { return context.Cause(ctx) == context.Cause(outer) })
	}()
	s.subscribe(c.o.Topics)
	lose(s.read(ctx))
	<-written
	c.detach()
	return context.Cause(ctx)
}

// cause returns why ctx has ended, or else err.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// timedReader reads from the connection, and fails when the broker has been silent for one and a half times the keep-alive. Time in which nothing is
// read does not count: then the receiver is slow, not the broker.
type timedReader struct{ s *connection }

func (r timedReader) Read(b []byte) (int, error) {
	limit := r.s.keepAlive * 3 / 2
	if err := r.s.net.SetReadDeadline(time.Now().Add(limit)); err != nil {
		return 0, err
	}
	n, err := r.s.net.Read(b)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = &lostError{fmt.Sprintf("the broker does not answer: nothing received for %v", limit), err}
	case errors.Is(err, io.EOF):
		err = &lostError{"the broker has closed the connection", err}
	}
	return n, err
}

// lostError says in words what an error of the network means.
type lostError struct {
	text string
	err  error
}

// Error returns the words alone.
func (e *lostError) Error() string { return e.text }

// Unwrap returns the error of the network.
func (e *lostError) Unwrap() error { return e.err }

// connect sends CONNECT and reads the answer. kept is whether the broker has kept the session.
func (s *connection) connect() (kept bool, err error) {
	connect, err := s.client.o.connectPacket()
	if err != nil {
		return false, err
	}
	if err := s.net.SetDeadline(time.Now().Add(connectTimeout)); err != nil {
		return false, err
	}
	if _, err := s.net.Write(connect); err != nil {
		return false, fmt.Errorf("send CONNECT: %w", err)
	}
	s.keepAlive = connectTimeout * 2 / 3
	kind, body, _, err := s.next()
	if err != nil {
		return false, fmt.Errorf("no answer to CONNECT: %w", err)
	}
	if kind>>4 != packet.Connack {
		return false, fmt.Errorf("the broker answers CONNECT with a packet of type %d: is it an MQTT broker?", kind>>4)
	}
	answer, err := decodeConnack(body, s.client.o.Version)
	if err != nil {
		return false, err
	}
	if answer.reason != 0 {
		return false, newReasonError(refused, s.client.o.Version, answer.reason, answer.properties)
	}
	s.keepAlive = s.client.o.KeepAlive
	if seconds := answer.properties.serverKeepAlive; seconds > 0 {
		s.keepAlive = time.Duration(seconds) * time.Second
	}
	return answer.present, nil
}

func (o *Options) connectPacket() ([]byte, error) {
	password, err := o.password()
	if err != nil {
		return nil, err
	}
	level, flags := byte(4), byte(0)
	if o.Version == 5 {
		level = 5
	}
	if o.Clean {
		flags |= packet.ConnectClean
	}
	if o.Username != "" {
		flags |= packet.ConnectUsername
	}
	if password != nil {
		flags |= packet.ConnectPassword
	}
	flags |= o.Will.flags()
	body := append(packet.AppendText(nil, "MQTT"), level, flags)
	body = binary.BigEndian.AppendUint16(body, uint16(o.KeepAlive/time.Second))
	if o.Version == 5 {
		body = o.appendProperties(body)
	}
	body = packet.AppendText(body, o.ClientID)
	body = o.Will.appendWill(body, o.Version)
	if o.Username != "" {
		body = packet.AppendText(body, o.Username)
	}
	if password != nil {
		body = packet.AppendText(body, password)
	}
	return packet.Append(nil, packet.Connect, 0, body), nil
}

func (o *Options) appendProperties(to []byte) []byte {
	expiry := uint32(o.SessionExpiry / time.Second)
	if o.Clean {
		expiry = 0
	}
	p := binary.BigEndian.AppendUint32([]byte{packet.PropSessionExpiry}, expiry)
	p = binary.BigEndian.AppendUint16(append(p, packet.PropReceiveMaximum), o.ReceiveMaximum)
	p = binary.BigEndian.AppendUint32(append(p, packet.PropMaximumPacket), uint32(o.MaxPacket))
	return append(packet.AppendLength(to, len(p)), p...)
}

// subscribe asks for the filters. The answer comes among the messages.
func (s *connection) subscribe(filters []string) {
	const packetID = 1 // No publication has it, and the client asks again only after the answer.
	body := binary.BigEndian.AppendUint16(nil, packetID)
	options := s.client.o.QoS
	if s.client.o.Version == 5 {
		body = append(body, 0) // No properties.
		options |= retainIfNew
	}
	for _, filter := range filters {
		body = append(packet.AppendText(body, filter), options)
	}
	s.mu.Lock()
	s.asked = filters
	s.out = packet.Append(s.out, packet.Subscribe, 2, body)
	s.mu.Unlock()
	s.signal()
}

func (s *connection) answer(kind byte, id uint16) {
	s.mu.Lock()
	s.out = packet.AppendAnswer(s.out, kind, id)
	full := len(s.out) > maxOut
	s.mu.Unlock()
	if full {
		s.lose(errors.New("the broker does not read the answers that it asks for"))
	}
	s.signal()
}

func (s *connection) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// write writes what is to be written, and pings, until ctx ends. Then it closes the connection, and takes leave before if the client is leaving: a broker that has
// read DISCONNECT drops the will, which is for those who are to know that the connection is lost.
func (s *connection) write(ctx context.Context, leaving func() bool) {
	defer stream.Close(s.net)
	ping := time.NewTicker(s.keepAlive / 2)
	defer ping.Stop()
	accepted := time.AfterFunc(connectTimeout, func() { s.lose(&lostError{"the broker does not answer SUBSCRIBE", os.ErrDeadlineExceeded}) })
	defer accepted.Stop()
	var retry <-chan time.Time
	for {
		var more []byte
		select {
		case <-s.wake:
		case <-ping.C:
			more = []byte{packet.Pingreq << 4, 0}
		case <-retry:
			retry = nil
			s.mu.Lock()
			refused := s.refused
			s.mu.Unlock()
			s.subscribe(refused)
		case <-ctx.Done():
			if leaving() {
				more = []byte{packet.Disconnect << 4, 0}
			}
			_ = s.flush(more, leaveTimeout)
			return
		}
		if err := s.flush(more, s.keepAlive*3/2); err != nil {
			s.lose(err)
			return
		}
		s.mu.Lock()
		if s.asked == nil {
			accepted.Stop()
			if len(s.refused) > 0 && retry == nil {
				retry = time.After(retryRefused)
			}
		}
		s.mu.Unlock()
	}
}

// flush writes everything that is to be written, and more.
func (s *connection) flush(more []byte, timeout time.Duration) error {
	s.mu.Lock()
	packets := append(s.out, more...)
	s.out = s.spare[:0]
	s.mu.Unlock()
	s.spare = packets
	if len(packets) == 0 {
		return nil
	}
	if err := s.net.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	if _, err := s.net.Write(packets); err != nil {
		return fmt.Errorf("the broker does not read: %w", err)
	}
	return nil
}

// next reads a packet. The body is valid until the next call. length is that of the whole packet if the body is only its beginning.
func (s *connection) next() (kind byte, body []byte, length int, err error) {
	kind, err = s.reader.ReadByte()
	if err != nil {
		return 0, nil, 0, err
	}
	size := 0
	for shift := 0; ; shift += 7 {
		b, err := s.reader.ReadByte()
		if err != nil {
			return 0, nil, 0, err
		}
		size |= int(b&0x7f) << shift
		if b < 0x80 {
			break
		}
		if shift == 7*(packet.MaxLengthBytes-1) {
			return 0, nil, 0, errors.New("a malformed packet: no length")
		}
	}
	if size > s.client.o.MaxPacket {
		if kind>>4 != packet.Publish {
			return 0, nil, 0, fmt.Errorf("a packet of type %d with %d bytes, more than max_packet_bytes", kind>>4, size)
		}
		body, err = s.beginning(size)
		return kind, body, size, err
	}
	if size > s.reader.Size() {
		body = make([]byte, size)
		_, err = io.ReadFull(s.reader, body)
		return kind, body, 0, err
	}
	if body, err = s.reader.Peek(size); err == nil {
		_, err = s.reader.Discard(size) // Changes nothing in body until the next read.
	}
	return kind, body, 0, err
}

// beginning reads the beginning of a packet that is too long, and passes over the rest.
func (s *connection) beginning(size int) ([]byte, error) {
	body := make([]byte, min(size, max(s.client.o.MaxPacket, maxHead)))
	if _, err := io.ReadFull(s.reader, body); err != nil {
		return nil, err
	}
	_, err := io.CopyN(io.Discard, s.reader, int64(size-len(body)))
	return body, err
}

// read receives until the connection is lost, and returns why.
func (s *connection) read(ctx context.Context) error {
	for {
		kind, body, length, err := s.next()
		if err == nil {
			err = s.packet(ctx, kind, body, length)
		}
		if err != nil {
			return err
		}
	}
}

func (s *connection) packet(ctx context.Context, kind byte, body []byte, length int) error {
	version := s.client.o.Version
	switch kind >> 4 {
	case packet.Publish:
		return s.publish(ctx, kind&0xf, body, length)
	case packet.Pubrel:
		c := packet.Cursor{Rest: body}
		s.client.release(c.Uint16())
		return c.Err()
	case packet.Suback:
		return s.answered(body)
	case packet.Pingresp, packet.Puback: // What is published is not waited for.
		return nil
	case packet.Disconnect:
		if version != 5 {
			break
		}
		reason, p, err := decodeDisconnect(body)
		if err != nil {
			return err
		}
		return newReasonError(disconnected, version, reason, p)
	}
	return fmt.Errorf("the broker sends a packet of type %d, which a client does not expect", kind>>4)
}

// publish receives a message.
func (s *connection) publish(ctx context.Context, flags byte, body []byte, length int) error {
	p, err := decodePublish(flags, body, s.client.o.Version)
	if err != nil {
		return err
	}
	m := &Message{
		Topic: s.topic(p.Topic), Payload: s.copy(p.Payload), Length: length, Retained: p.Retain, User: p.properties.user,
		client: s.client, id: p.ID, qos: p.QoS,
	}
	if m.qos > 0 && !s.client.begin(m, p.Duplicate) {
		return nil
	}
	if err := s.receiver.Receive(ctx, m); err != nil {
		m.Done(err)
		return err
	}
	return nil
}

// topic returns the text of a topic.
func (s *connection) topic(name []byte) string {
	if known, ok := s.topics[string(name)]; ok {
		return known
	}
	text := packet.ToText(name)
	if len(s.topics) >= maxTopics {
		clear(s.topics)
	}
	s.topics[string(name)] = text
	return text
}

// copy copies a payload. Short ones are parts of one allocation.
func (s *connection) copy(payload []byte) []byte {
	if len(payload) > slabSize/8 {
		return slices.Clone(payload)
	}
	if len(payload) > len(s.slab) {
		s.slab = make([]byte, slabSize)
	}
	copied := s.slab[:len(payload):len(payload)]
	s.slab = s.slab[len(payload):]
	copy(copied, payload)
	return copied
}

// answered handles the answer to SUBSCRIBE.
func (s *connection) answered(body []byte) error {
	answer, err := decodeSuback(body, s.client.o.Version)
	if err != nil {
		return err
	}
	s.mu.Lock()
	asked := s.asked
	s.asked, s.refused = nil, nil
	var problems []error
	for i, filter := range asked {
		if i >= len(answer.codes) {
			s.mu.Unlock()
			return errors.New("the broker answers SUBSCRIBE with fewer codes than filters")
		}
		switch code := answer.codes[i]; {
		case code >= 0x80:
			s.refused = append(s.refused, filter)
			problems = append(problems, newReasonError("the broker refuses the subscription to "+filter, 5, code, answer.properties))
		case code < s.client.o.QoS:
			problems = append(problems, fmt.Errorf("the broker grants QoS %d for %s, not %d: messages may be lost", code, filter, s.client.o.QoS))
		}
	}
	none := len(s.refused) == len(s.client.o.Topics)
	s.mu.Unlock()
	s.signal()
	if none {
		return joined(problems)
	}
	if !s.subscribed {
		s.subscribed = true
		s.receiver.Connected()
	}
	if len(problems) > 0 {
		s.receiver.Problem(joined(problems))
	}
	return nil
}

// joined makes one line of errors.
func joined(errs []error) error {
	const most = 5
	var texts []string
	for _, err := range errs[:min(len(errs), most)] {
		texts = append(texts, err.Error())
	}
	if more := len(errs) - most; more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	return errors.New(strings.Join(texts, "; "))
}
