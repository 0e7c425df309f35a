package push

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"pgregory.net/rapid"

	"iotmon/internal/iot"
	"iotmon/internal/view"
	"iotmon/internal/wire"
)

func compressing(o *HubOptions) { o.Compression = true }

// countedConn is a connection that counts what is read from it.
type countedConn struct {
	net.Conn
	mu    sync.Mutex
	bytes int
}

func (c *countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bytes += n
	return n, err
}

func (c *countedConn) read() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bytes
}

// openDeflated opens a connection that offers compression, and reports what the server answered.
func (p *plant) openDeflated(query url.Values) (v *browser, counted *countedConn, agreed string) {
	p.t.Helper()
	dialer := websocket.Dialer{EnableCompression: true, NetDial: func(network, address string) (net.Conn, error) {
		conn, err := net.Dial(network, address)
		counted = &countedConn{Conn: conn}
		return counted, err
	}}
	conn, response, err := dialer.Dial(p.url(query), nil)
	if err != nil {
		p.t.Fatalf("connect: %v (%v)", err, response)
	}
	response.Body.Close()
	p.t.Cleanup(func() { conn.Close() })
	return &browser{t: p.t, conn: conn}, counted, response.Header.Get(extensions)
}

// Two viewers that want the same, one of them with compression, are sent the same: a snapshot, a change, and another filter's snapshot.
func TestCompressedViewersAreSentTheSame(t *testing.T) {
	for _, query := range []url.Values{nil, {"filter": {`{"type":"filter","buildings":["A栋"],"min_severity":"warning"}`}}} {
		p := build(t, compressing)
		say := func(value int) {
			var b view.Batch
			for n := range 200 {
				b.States = append(b.States, p.Says(fmt.Sprint(n), iot.Temperature, "A栋", float64(value)))
			}
			b.Alerts = []iot.Alert{p.Alarm(value, iot.Temperature, "A栋", iot.Warning, iot.Raised)}
			b.Summaries = []iot.WindowSummary{p.Sums(value, iot.Temperature, true, float64(value))}
			p.Apply(b)
		}
		say(0)
		p.enter(hasDevice("199", 0)).conn.Close() // By now everything has been numbered.
		plain := p.open(query)
		small, counted, agreed := p.openDeflated(query)
		if want := "permessage-deflate; server_no_context_takeover; client_no_context_takeover"; agreed != want {
			t.Fatalf("agreed on %q, want %q", agreed, want)
		}
		uncompressed := 0
		same := func(until string) {
			t.Helper()
			got, _ := small.collect(until)
			want, size := plain.collect(until)
			uncompressed += size
			if !slices.Equal(got, want) {
				t.Errorf("until %s, compressed: got %d things, want %d:\n%.500q\n%.500q", until, len(got), len(want), got, want)
			}
		}
		same("199")
		say(1)
		same("199")
		for _, v := range []*browser{plain, small} {
			v.send(`{"type":"filter","device_ids":["7"]}`)
		}
		same("7")
		if read := counted.read(); read > uncompressed/2 {
			t.Errorf("%d bytes were sent for %d of messages", read, uncompressed)
		}
	}
}

// collect reads up to the message that ends with a device, and returns all devices, alerts and windows, and how many bytes the
// messages were.
func (v *browser) collect(until string) (received []string, size int) {
	v.t.Helper()
	for {
		data := v.readBytes()
		size += len(data)
		m := decode(v.t, data)
		for _, a := range m.Alerts {
			received = append(received, fmt.Sprintf("alert %s %s", a.ID, a.State))
		}
		if m.Type == wire.TypeAggregatedData {
			received = append(received, fmt.Sprintf("window %v %s", m.WindowStart, marshal(m.Data)))
		}
		for _, d := range m.Devices {
			received = append(received, fmt.Sprintf("%s %v", d.DeviceID, d.Value))
		}
		if n := len(m.Devices); n > 0 && m.Devices[n-1].DeviceID == iot.DeviceID(until) {
			return received, size
		}
	}
}

// At any time and under any filter, compressed or not, the frames of a batch hold its messages.
func TestCompressedFramesHoldTheMessages(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := newParts(t, nil)
		filters := []wire.Filter{{}, {DeviceIDs: []iot.DeviceID{"1", "3"}}}
		var vs []*viewer
		for range rapid.IntRange(1, 30).Draw(rt, "steps") {
			switch rapid.IntRange(0, 3).Draw(rt, "step") {
			case 0:
				f := filters[rapid.IntRange(0, len(filters)-1).Draw(rt, "filter")]
				v := p.join(opening{filter: newFilter(f)})
				v.deflate = rapid.Bool().Draw(rt, "deflate")
				vs = append(vs, v)
			case 1:
				var b view.Batch
				for n := range rapid.IntRange(1, 100).Draw(rt, "devices") {
					b.States = append(b.States, p.Says(fmt.Sprint(n), iot.Temperature, "A栋", rapid.Float64Range(-40, 80).Draw(rt, "value")))
				}
				p.apply(b)
			case 2:
				p.turns(rapid.Bool().Draw(rt, "status"))
			case 3:
				if len(vs) == 0 {
					continue
				}
				v := vs[rapid.IntRange(0, len(vs)-1).Draw(rt, "viewer")]
				batch, ok := p.dispatcher.next(v)
				if !ok {
					rt.Fatal("too slow for alerts")
				}
				checkFrames(rt, v, batch)
			}
		}
	})
}

// checkFrames checks that the frames of a batch are its messages, and no longer than those.
func checkFrames(t *rapid.T, v *viewer, b frameBatch) {
	stream := bytes.Join(b.frames, nil)
	for _, m := range b.messages {
		first, data, rest := nextFrame(t, stream)
		stream = rest
		if len(data) != v.size(m) || len(data) > len(m.data) {
			t.Fatalf("%d bytes were sent of %d, and reported as %d", len(data), len(m.data), v.size(m))
		}
		switch {
		case first == 0xc1 && v.deflate:
			data = inflate(t, data)
		case first != 0x81:
			t.Fatalf("a frame begins with %x", first)
		}
		if !bytes.Equal(data, m.data) {
			t.Fatalf("got %.200q, want %.200q", data, m.data)
		}
	}
	if len(stream) > 0 {
		t.Fatalf("%d bytes more than the messages", len(stream))
	}
}

// nextFrame splits a stream after its first frame, which is not masked.
func nextFrame(t *rapid.T, stream []byte) (first byte, payload, rest []byte) {
	if len(stream) < 2 {
		t.Fatal("a frame is missing")
	}
	first, n, head := stream[0], int(stream[1]), 2
	if extended := map[int]int{126: 2, 127: 8}[n]; extended > 0 {
		n = 0
		for _, b := range stream[2 : 2+extended] {
			n = n<<8 | int(b)
		}
		head += extended
	}
	return first, stream[head : head+n], stream[head+n:]
}

// inflate decompresses as RFC 7692 has it.
func inflate(t *rapid.T, data []byte) []byte {
	const end = "\x00\x00\xff\xff\x01\x00\x00\xff\xff"
	plain, err := io.ReadAll(flate.NewReader(io.MultiReader(bytes.NewReader(data), strings.NewReader(end))))
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

func TestAThousandViewersShareOneCompression(t *testing.T) {
	p := newParts(t, nil)
	var vs []*viewer
	for i := range 1000 {
		v := p.join(everything())
		v.deflate = i%10 != 9
		vs = append(vs, v)
	}
	p.rounds.begin(true)
	for _, v := range vs {
		p.dispatcher.next(v)
	}
	var b view.Batch
	for n := range 10 {
		b.States = append(b.States, p.Says(fmt.Sprint(n), iot.Temperature, "A", 20))
	}
	p.apply(b)
	p.rounds.begin(false)
	copies := map[bool]map[*byte]struct{}{false: {}, true: {}}
	for _, v := range vs {
		batch, _ := p.dispatcher.next(v)
		if len(batch.frames) != 1 {
			t.Fatalf("got %d frames, want all in one", len(batch.frames))
		}
		copies[v.deflate][&batch.frames[0][0]] = struct{}{}
	}
	if len(copies[false]) != 1 || len(copies[true]) != 1 {
		t.Errorf("got %d and, compressed, %d copies of what all are sent, want one of each", len(copies[false]), len(copies[true]))
	}
}

func TestCompressionIsAgreedOnOnlyAsTheHubCanDoIt(t *testing.T) {
	for offer, want := range map[string]bool{
		"":                   false,
		"permessage-deflate": true,
		"permessage-deflate; client_max_window_bits":                                 true, // Chromium.
		`permessage-deflate;client_max_window_bits="15"`:                             true,
		"permessage-deflate; client_max_window_bits = 10":                            true,
		"permessage-deflate; server_no_context_takeover; client_no_context_takeover": true,
		// gorilla/websocket compresses with a window of 15 bits, whatever it was asked for.
		"permessage-deflate; server_max_window_bits=10":                      false,
		"permessage-deflate; server_max_window_bits=10, permessage-deflate":  true,
		"permessage-deflate; client_max_window_bits=16":                      false,
		"permessage-deflate; client_max_window_bits=":                        false,
		"permessage-deflate; client_max_window_bits; client_max_window_bits": false,
		"permessage-deflate; server_no_context_takeover=1":                   false,
		"permessage-deflate; something_else":                                 false,
		"permessage-deflate;":                                                false,
		"x-webkit-deflate-frame":                                             false,
		"a b c, permessage-deflate":                                          true,
	} {
		for _, on := range []bool{true, false} {
			p := prepare(t, func(o *HubOptions) { o.Compression = on })
			got := handshake(t, p, offer)
			if (got != "") != (want && on) {
				t.Errorf("%q, compression %v: got %q", offer, on, got)
			}
		}
	}
}

// handshake asks for a WebSocket with an offer of extensions, which gorilla's dialer does not let one write, and returns those
// agreed on.
func handshake(t *testing.T, p *plant, offer string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.server.URL+"/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	for key, value := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
		"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", extensions: offer} {
		request.Header.Set(key, value)
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("got %s", response.Status)
	}
	return response.Header.Get(extensions)
}

func TestCompressedMessagesOfClients(t *testing.T) {
	masked := func(first byte, payload []byte) func(*websocket.Conn) error {
		return func(c *websocket.Conn) error {
			frame := append([]byte{first, 0x80 | byte(len(payload)), 0, 0, 0, 0}, payload...) // A mask of zeros.
			_, err := c.NetConn().Write(frame)
			return err
		}
	}
	const compressedText = 0xc1
	for _, test := range []struct {
		name    string
		send    func(*websocket.Conn) error
		closing int
		reason  Reason
	}{
		{"a filter", text(`{"type":"filter","device_ids":["7"]}`), 0, ""},
		{"a filter of the greatest length allowed", text(`{"type":"filter","device_ids":["7"]` + strings.Repeat(" ", 4096-36) + "}"), 0, ""},
		{"a byte more", text(`{"type":"filter","device_ids":["7"]` + strings.Repeat(" ", 4096-35) + "}"), websocket.CloseMessageTooBig, TooLarge},
		{"3 MB in 3 KB", text(strings.Repeat(" ", 3<<20)), websocket.CloseMessageTooBig, TooLarge},
		{"bytes that are no compressed message", masked(compressedText, []byte{0xff, 0xff, 0xff, 0xff}), websocket.CloseInvalidFramePayloadData, Undecodable},
		{"half a message", masked(0x41, []byte{0x00}), websocket.ClosePolicyViolation, Unfinished},
		{"half a message and pings", func(c *websocket.Conn) error {
			if err := masked(0x41, []byte{0x00})(c); err != nil {
				return err
			}
			return c.WriteControl(websocket.PongMessage, nil, time.Now().Add(time.Second))
		}, websocket.ClosePolicyViolation, Unfinished},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := build(t, func(o *HubOptions) {
				o.Compression = true
				o.Limits.WriteTimeout = 500 * time.Millisecond
			})
			p.Apply(view.Batch{States: []iot.DeviceState{p.Says("7", iot.Temperature, "A", 1), p.Says("8", iot.Temperature, "A", 1)}})
			v, _, _ := p.openDeflated(nil)
			v.readUntil(hasDevice("8", 1))
			if err := test.send(v.conn); err != nil {
				t.Fatal(err)
			}
			if test.closing == 0 {
				all := v.readUntil(isSnapshot(wire.TypeDeviceData))
				if got := all[len(all)-1].Devices; len(got) != 1 || got[0].DeviceID != "7" {
					t.Errorf("after the filter: got %v, want device 7", got)
				}
			} else if closed := v.readToEnd(); closed.Code != test.closing || closed.Text != string(test.reason) && closed.Code != websocket.CloseMessageTooBig {
				t.Errorf("closed with %v, want code %d, %q", closed, test.closing, test.reason)
			}
		})
	}
}

func TestResumedConnectionIsCompressedToo(t *testing.T) {
	p := build(t, compressing)
	p.Apply(view.Batch{States: []iot.DeviceState{p.Says("1", iot.Temperature, "A", 1)}})
	p.enter(hasDevice("1", 1)).conn.Close() // By now it has been numbered, and is part of a snapshot rather than a change.
	v, _, _ := p.openDeflated(nil)
	v.session = v.read().Session
	v.readUntil(isSnapshot(wire.TypeDeviceData))
	v.conn.Close()
	var b view.Batch
	for n := range 100 {
		b.States = append(b.States, p.Says(fmt.Sprint(n), iot.Temperature, "A", 2))
	}
	p.Apply(b)
	again, bytesRead, _ := p.openDeflated(v.resume())
	if hello := again.read(); !hello.Resumed {
		t.Fatal("not resumed")
	}
	before := bytesRead.read()
	missed := again.readUntil(hasDevice("99", 2))
	if last := missed[len(missed)-1]; last.Snapshot || len(last.Devices) != 100 {
		t.Errorf("got %d devices, snapshot %v, want the 100 that changed", len(last.Devices), last.Snapshot)
	}
	if read := bytesRead.read() - before; read > 10_000 {
		t.Errorf("%d bytes for 100 devices", read)
	}
}
