package mqtt

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"iotmon/internal/mqtt/packet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// receiver notes what a client reports.
type receiver struct {
	receive func(ctx context.Context, m *Message) error

	mu        sync.Mutex
	connected int
	problems  []string
	messages  []*Message
}

func (r *receiver) Connected() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.connected++
}

func (r *receiver) Problem(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.problems = append(r.problems, err.Error())
}

func (r *receiver) Receive(ctx context.Context, m *Message) error {
	r.mu.Lock()
	r.messages = append(r.messages, m)
	r.mu.Unlock()
	if r.receive != nil {
		return r.receive(ctx, m)
	}
	return nil
}

func (r *receiver) all() []*Message {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.messages)
}

// forgetful is a Receiver that keeps nothing.
type forgetful struct{}

func (forgetful) Connected()                              {}
func (forgetful) Problem(error)                           {}
func (forgetful) Receive(context.Context, *Message) error { return nil }

// peer is the broker's side of a connection.
type peer struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

// packet reads a packet of the client.
func (p *peer) packet() (kind byte, body []byte) {
	kind, err := p.r.ReadByte()
	if err != nil {
		return 0, nil
	}
	size, err := binary.ReadUvarint(p.r)
	if err != nil {
		return 0, nil
	}
	body = make([]byte, size)
	_, _ = io.ReadFull(p.r, body)
	return kind, body
}

// want reads packets but pings until one of the given type.
func (p *peer) want(kind byte) []byte {
	p.t.Helper()
	for {
		_ = p.SetReadDeadline(time.Now().Add(10 * time.Second))
		got, body := p.packet()
		if got>>4 == kind {
			return body
		}
		if got>>4 != packet.Pingreq {
			p.t.Errorf("got a packet of type %d, want %d", got>>4, kind)
			return nil
		}
	}
}

// accept accepts the connection and the subscriptions with the given codes.
func (p *peer) accept(kept bool, codes ...byte) {
	p.t.Helper()
	p.want(packet.Connect)
	present := byte(0)
	if kept {
		present = 1
	}
	p.send([]byte{packet.Connack << 4, 3, present, 0, 0})
	p.want(packet.Subscribe)
	p.send(packet.Append(nil, packet.Suback, 0, append([]byte{0, 1, 0}, codes...)))
}

func (p *peer) send(b []byte) { _, _ = p.Write(b) }

// publish sends a message of MQTT 5.
func (p *peer) publish(qos byte, id uint16, flags byte, payload string) {
	body := packet.AppendText(nil, "plant/1")
	if qos > 0 {
		body = binary.BigEndian.AppendUint16(body, id)
	}
	p.send(packet.Append(nil, packet.Publish, qos<<1|flags, append(append(body, 0), payload...)))
}

// listen runs a broker: each connection of the client runs the next script.
func listen(t *testing.T, scripts ...func(p *peer)) Options {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for _, script := range scripts {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			script(&peer{t, conn, bufio.NewReader(conn)})
			conn.Close()
		}
	})
	t.Cleanup(func() {
		listener.Close()
		running.Wait()
	})
	return Options{
		URL: "tcp://" + listener.Addr().String(), Version: 5, ClientID: "c", Topics: []string{"plant/#"}, QoS: 2,
		KeepAlive: time.Second, SessionExpiry: time.Hour, ReceiveMaximum: 100, MaxPacket: 64 << 10,
	}
}

func TestARefusalSaysWhy(t *testing.T) {
	for want, script := range map[string]func(p *peer){
		"the broker refuses the connection: wrong username or password (reason code 0x86): who?": func(p *peer) {
			p.want(packet.Connect)
			p.send([]byte{packet.Connack << 4, 10, 0, 0x86, 7, packet.PropReasonString, 0, 4, 'w', 'h', 'o', '?'})
		},
		"does not know this version of MQTT (reason code 0x01)": func(p *peer) {
			p.want(packet.Connect)
			p.send([]byte{packet.Connack << 4, 2, 0, 1})
		},
		"the server has moved (reason code 0x9d); the broker says to use b: change url": func(p *peer) {
			p.accept(false, 2)
			p.send([]byte{packet.Disconnect << 4, 6, 0x9d, 4, packet.PropServerReference, 0, 1, 'b'})
		},
		"another client connected with the same client_id": func(p *peer) {
			p.accept(false, 2)
			p.send([]byte{packet.Disconnect << 4, 1, 0x8e})
		},
		"the broker refuses the subscription to plant/#: not authorized": func(p *peer) { p.accept(false, 0x87) },
		"fewer codes than filters":                                       func(p *peer) { p.accept(false) },
		"the broker has closed the connection":                           func(p *peer) { p.accept(false, 2) },
		"is it an MQTT broker?":                                          func(p *peer) { p.send([]byte("HTTP/1.1 400 Bad Request\r\n" + strings.Repeat(" ", 100))) },
		"a malformed packet: no length":                                  func(p *peer) { p.send([]byte{0x20, 0xff, 0xff, 0xff, 0xff, 0x7f}); p.want(packet.Connect) },
		"a packet of type 9 with 268435455 bytes": func(p *peer) {
			p.accept(false, 2)
			p.send([]byte{0x90, 0xff, 0xff, 0xff, 0x7f})
			time.Sleep(100 * time.Millisecond)
		},
		"a topic alias": func(p *peer) {
			p.accept(false, 2)
			p.send([]byte{packet.Publish << 4, 7, 0, 1, 'a', 3, packet.PropTopicAlias, 0, 1})
		},
		"which a client does not expect": func(p *peer) { p.accept(false, 2); p.send([]byte{0xf0, 0}) },
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			if err := New(listen(t, script)).Run(t.Context(), new(receiver)); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A client that ends on its own will says so, after the acknowledgements that are due.
func TestAClientTakesLeave(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r := &receiver{receive: func(_ context.Context, m *Message) error {
		m.Done(nil)
		cancel()
		return nil
	}}
	o := listen(t, func(p *peer) {
		p.accept(false, 2)
		p.publish(1, 7, 0, "a")
		p.want(packet.Puback)
		p.want(packet.Disconnect)
	})
	if err := New(o).Run(ctx, r); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// A filter that the broker refuses leaves the others alone.
func TestAPartOfTheSubscriptionsMayBeRefused(t *testing.T) {
	o := listen(t, func(p *peer) { p.accept(false, 1, 0x8f) })
	o.Topics = []string{"a", "b"}
	r := new(receiver)
	_ = New(o).Run(t.Context(), r)
	if r.connected != 1 || len(r.problems) != 1 || !strings.Contains(r.problems[0], "QoS 1 for a, not 2") || !strings.Contains(r.problems[0], "refuses the subscription to b: topic filter not allowed") {
		t.Errorf("connected %d times, problems %q", r.connected, r.problems)
	}
}

// Nothing is acknowledged before the receiver is done, and then in the order of the messages.
func TestAMessageIsAcknowledgedWhenItIsDone(t *testing.T) {
	r := new(receiver)
	o := listen(t, func(p *peer) {
		p.accept(false, 2)
		p.publish(0, 0, 0, "zero")
		p.publish(1, 7, 0, "one")
		p.publish(2, 8, 0, "two")
		for len(r.all()) < 3 {
			time.Sleep(time.Millisecond)
		}
		for _, m := range r.all() {
			m.Done(nil)
		}
		if body := p.want(packet.Puback); !slices.Equal(body, []byte{0, 7}) {
			t.Errorf("got PUBACK of %v, want 7", body)
		}
		if body := p.want(packet.Pubrec); !slices.Equal(body, []byte{0, 8}) {
			t.Errorf("got PUBREC of %v, want 8", body)
		}
		p.publish(2, 8, packet.PublishDuplicate, "two") // The answer was lost.
		p.want(packet.Pubrec)
		p.send([]byte{packet.Pubrel<<4 | 2, 2, 0, 8})
		p.want(packet.Pubcomp)
		p.publish(2, 8, 0, "another two")
	})
	_ = New(o).Run(t.Context(), r)
	var payloads []string
	for _, m := range r.all() {
		payloads = append(payloads, string(m.Payload))
	}
	if want := []string{"zero", "one", "two", "another two"}; !slices.Equal(payloads, want) {
		t.Errorf("got %q, want %q", payloads, want)
	}
}

// Sequence: the log is away, the connection is lost, and the broker repeats what is still on its way to the log. It is received once, and acknowledged in
// the new connection. What was given up is received again.
func TestAMessageUnderWayIsNotReceivedTwice(t *testing.T) {
	for _, qos := range []byte{1, 2} {
		t.Run(fmt.Sprintf("QoS %d", qos), func(t *testing.T) {
			answer := map[byte]byte{1: packet.Puback, 2: packet.Pubrec}[qos]
			r := new(receiver)
			repeated := func(p *peer) {
				p.accept(true, 2)
				p.publish(qos, 7, packet.PublishDuplicate, "a")
			}
			o := listen(t, func(p *peer) {
				p.accept(false, 2)
				p.publish(qos, 7, 0, "a")
			}, func(p *peer) {
				repeated(p)
				p.publish(0, 0, 0, "after it")
				for len(r.all()) < 2 {
					time.Sleep(time.Millisecond)
				}
				r.all()[0].Done(nil)
				p.want(answer)
				p.publish(qos, 8, 0, "b")
				for len(r.all()) < 3 {
					time.Sleep(time.Millisecond)
				}
				r.all()[2].Done(errors.New("the source ends"))
			}, func(p *peer) {
				p.accept(true, 2)
				p.publish(qos, 8, packet.PublishDuplicate, "b")
			}, func(p *peer) { // The broker has lost the session, so its identifiers mean other messages.
				p.accept(false, 2)
				p.publish(qos, 8, 0, "c")
			})
			c := New(o)
			for range 4 {
				_ = c.Run(t.Context(), r)
			}
			var payloads []string
			for _, m := range r.all() {
				payloads = append(payloads, string(m.Payload))
			}
			if want := []string{"a", "after it", "b", "b", "c"}; !slices.Equal(payloads, want) {
				t.Errorf("got %q, want %q", payloads, want)
			}
		})
	}
}

// While the log is away nothing is read, and the connection lasts: the broker gets its pings, and its answers behind what is not read do not matter.
func TestTheConnectionLastsWhileTheReceiverBlocks(t *testing.T) {
	const silence = 4 * time.Second
	var pings atomic.Int64
	o := listen(t, func(p *peer) {
		p.accept(false, 2)
		go func() {
			for range 200 { // More than the buffers of both sides have room for.
				p.publish(0, 0, 0, strings.Repeat("x", 60<<10))
			}
		}()
		for began := time.Now(); ; pings.Add(1) {
			_ = p.SetReadDeadline(time.Now().Add(1500 * time.Millisecond))
			kind, _ := p.packet()
			if kind == 0 && time.Since(began) >= silence {
				return // The connection has ended by an error, so the client does not take leave.
			}
			if kind>>4 != packet.Pingreq {
				t.Errorf("got a packet of type %d after %d pings, want a ping", kind>>4, pings.Load())
				return
			}
		}
	})
	blocked := time.After(silence + time.Second)
	r := &receiver{receive: func(ctx context.Context, _ *Message) error {
		select {
		case <-blocked:
		case <-ctx.Done():
		}
		return errors.New("over")
	}}
	if err := New(o).Run(t.Context(), r); err == nil || err.Error() != "over" || pings.Load() < 6 {
		t.Errorf("got %v after %d pings", err, pings.Load())
	}
}

// A message that is too long becomes known by its beginning, is acknowledged, and the next one arrives.
func TestAMessageThatIsTooLongIsPassedOver(t *testing.T) {
	r := new(receiver)
	o := listen(t, func(p *peer) {
		p.accept(false, 2)
		p.publish(1, 7, 0, strings.Repeat("x", 5<<20))
		p.publish(1, 8, 0, "next")
		for end := time.Now().Add(10 * time.Second); len(r.all()) < 2 && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
		}
	})
	o.KeepAlive = 20 * time.Second // The peer answers no ping.
	_ = New(o).Run(t.Context(), r)
	all := r.all()
	if len(all) != 2 || all[0].Length < 5<<20 || len(all[0].Payload) > 70<<10 || all[0].Topic != "plant/1" || string(all[1].Payload) != "next" || all[1].Length != 0 {
		t.Errorf("got %d messages", len(all))
	}
}

// Whatever a broker sends for ever costs a bounded amount of memory.
func TestAnEndlessBrokerCostsABoundedAmount(t *testing.T) {
	endless := map[string][]byte{
		"releases":       []byte{packet.Pubrel<<4 | 2, 2, 0, 8},
		"answers":        []byte{packet.Pingresp << 4, 0},
		"long messages":  packet.Append(nil, packet.Publish, 0, append(packet.AppendText(nil, "a"), make([]byte, 1<<20)...)),
		"the same again": packet.Append(nil, packet.Publish, 2<<1, append(packet.AppendText(nil, "a"), 0, 1, 0)),
	}
	for name, sent := range endless {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			o := listen(t, func(p *peer) {
				p.accept(false, 2)
				runtime.GC()
				runtime.ReadMemStats(&before)
				_ = p.SetWriteDeadline(time.Now().Add(time.Second))
				for {
					if _, err := p.Write(sent); err != nil {
						break
					}
				}
				runtime.GC()
				runtime.ReadMemStats(&after)
			})
			_ = New(o).Run(t.Context(), forgetful{})
			if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 32<<20 {
				t.Errorf("the heap has grown by %d bytes", grown)
			}
		})
	}
}
