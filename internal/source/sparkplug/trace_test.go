package sparkplug_test

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"iotmon/internal/mqtt/packet"
)

// tracer is a way to a broker that records every packet of both directions, in the order in which they pass.
type tracer struct {
	address string

	mu      sync.Mutex
	packets []passed
	// ended is closed when the first connection has ended.
	ended chan struct{}
}

// passed is a packet that has passed.
type passed struct {
	fromHost bool
	at       time.Time
	kind     byte
	flags    byte
	body     []byte
}

func newTracer(t *testing.T, broker string) *tracer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tr := &tracer{address: listener.Addr().String(), ended: make(chan struct{})}
	var running sync.WaitGroup
	running.Go(func() {
		for first := true; ; first = false {
			host, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				tr.connect(host, broker)
				if first {
					close(tr.ended)
				}
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		running.Wait()
	})
	return tr
}

// connect passes the packets of one connection until it ends.
func (tr *tracer) connect(host net.Conn, address string) {
	defer func() { _ = host.Close() }()
	broker, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer func() { _ = broker.Close() }()
	var both sync.WaitGroup
	both.Go(func() { tr.pass(broker, host, true) })
	both.Go(func() { tr.pass(host, broker, false) })
	both.Wait()
}

func (tr *tracer) pass(to, from net.Conn, fromHost bool) {
	defer func() { _ = to.Close() }()
	reader := bufio.NewReader(from)
	for {
		p, raw, err := readPacket(reader)
		if err != nil {
			return
		}
		p.fromHost, p.at = fromHost, time.Now()
		tr.mu.Lock()
		tr.packets = append(tr.packets, p)
		tr.mu.Unlock()
		if _, err := to.Write(raw); err != nil {
			return
		}
	}
}

func readPacket(reader *bufio.Reader) (passed, []byte, error) {
	first, err := reader.ReadByte()
	if err != nil {
		return passed{}, nil, err
	}
	length, err := binary.ReadUvarint(reader) // MQTT's own numbers are coded the same way.
	if err != nil {
		return passed{}, nil, err
	}
	if length > 1<<20 {
		return passed{}, nil, errors.New("a packet that is too long for a test")
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(reader, body); err != nil {
		return passed{}, nil, err
	}
	return passed{kind: first >> 4, flags: first & 15, body: body}, append(binary.AppendUvarint([]byte{first}, length), body...), nil
}

// all returns what has passed, without pings.
func (tr *tracer) all() []passed {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(tr.packets), func(p passed) bool { return p.kind == packet.Pingreq || p.kind == packet.Pingresp })
}

// fields reads the parts of a packet.
type fields struct {
	t    *testing.T
	rest []byte
}

func (f *fields) bytes(n int) []byte {
	f.t.Helper()
	if n > len(f.rest) {
		f.t.Fatalf("a packet ends too early: %x", f.rest)
	}
	part := f.rest[:n]
	f.rest = f.rest[n:]
	return part
}

func (f *fields) text() string {
	f.t.Helper()
	return string(f.bytes(int(binary.BigEndian.Uint16(f.bytes(2)))))
}

// properties returns the properties of MQTT 5, and nothing of 3.1.1, which has none.
func (f *fields) properties(version byte) []byte {
	f.t.Helper()
	if version < 5 {
		return nil
	}
	length, n := binary.Uvarint(f.rest)
	f.bytes(n)
	return f.bytes(int(length))
}

// connected is a CONNECT packet with a will.
type connected struct {
	version, flags byte
	properties     []byte
	will           published
}

// published is a PUBLISH packet, or a will.
type published struct {
	topic    string
	qos      byte
	retained bool
	payload  []byte
	at       time.Time
}

func (p passed) connect(t *testing.T) connected {
	t.Helper()
	f := &fields{t, p.body}
	f.text() // The name of the protocol.
	c := connected{version: f.bytes(1)[0], flags: f.bytes(1)[0]}
	f.bytes(2) // The keep-alive.
	c.properties = f.properties(c.version)
	f.text() // The client.
	if c.flags&4 == 0 {
		t.Fatal("CONNECT has no will")
	}
	f.properties(c.version)
	c.will = published{topic: f.text(), payload: []byte(f.text()), qos: c.flags >> 3 & 3, retained: c.flags&32 != 0, at: p.at}
	return c
}

func (p passed) publish(t *testing.T, version byte) published {
	t.Helper()
	f := &fields{t, p.body}
	got := published{topic: f.text(), qos: p.flags >> 1 & 3, retained: p.flags&1 != 0, at: p.at}
	if got.qos > 0 {
		f.bytes(2)
	}
	f.properties(version)
	got.payload = f.rest
	return got
}

// certificate decodes the state of a host strictly: JSON of two keys and no others.
func (p published) certificate(t *testing.T) hostState {
	t.Helper()
	var keys map[string]any
	if err := json.Unmarshal(p.payload, &keys); err != nil {
		t.Fatalf("%s: %v", p.payload, err)
	}
	online, isFlag := keys["online"].(bool)
	milliseconds, isNumber := keys["timestamp"].(float64)
	if len(keys) != 2 || !isFlag || !isNumber || milliseconds != float64(int64(milliseconds)) {
		t.Errorf("got %s, want a flag online and whole milliseconds timestamp", p.payload)
	}
	return hostState{online, int64(milliseconds)}
}
