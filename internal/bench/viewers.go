package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

// Viewed is what the viewers received.
type Viewed struct {
	Clients           int     `json:"clients"`
	Messages          int64   `json:"messages"`
	MessagesPerSecond float64 `json:"messages_per_second"`
	// Gaps counts gaps in the sequence of a connection, where it was sent fewer messages than others; Lost counts the
	// connections that ended.
	Gaps int64 `json:"gaps"`
	Lost int64 `json:"connections_lost"`
	// Cores is the CPU usage of the viewers' own process.
	Cores   float64   `json:"viewer_cores"`
	Latency Quantiles `json:"created_to_socket"`
	Reason  string    `json:"reason,omitempty"`
}

// ViewersCommand is the first argument of the process of the viewers; the others are the URL and their number. It prints a
// line when all are connected, and a Viewed as JSON once its standard input ends.
const ViewersCommand = "bench-viewers"

// Viewers are many clients of a WebSocket in a process of their own, so that their work is not the server's.
type Viewers struct {
	command *exec.Cmd
	stop    io.Closer
	output  *json.Decoder
}

// StartViewers starts so many viewers and returns when all are connected.
func StartViewers(ctx context.Context, url string, clients int) (*Viewers, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := exec.CommandContext(ctx, self, ViewersCommand, url, strconv.Itoa(clients))
	command.Stderr = os.Stderr
	input, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	output, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("start the viewers: %w", err)
	}
	v := &Viewers{command, input, json.NewDecoder(output)}
	var connected Viewed
	if err := v.output.Decode(&connected); err != nil {
		return nil, fmt.Errorf("the viewers do not connect: %w", errors.Join(err, command.Wait()))
	}
	if connected.Reason != "" {
		return nil, fmt.Errorf("the viewers do not connect: %s", connected.Reason)
	}
	return v, nil
}

// Stop ends the viewers and returns what they received.
func (v *Viewers) Stop() (*Viewed, error) {
	var seen Viewed
	err := errors.Join(v.stop.Close(), v.output.Decode(&seen), v.command.Wait())
	return &seen, err
}

// RunViewers is the main function of the process of the viewers.
func RunViewers(args []string, stdin io.Reader, stdout io.Writer) error {
	if len(args) != 2 {
		return errors.New("want a URL and a number")
	}
	clients, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	raiseFileLimit()
	s := &spectators{url: args[0], latency: NewLatency(), seen: newSeenMessages()}
	out := json.NewEncoder(stdout)
	if err := s.connect(clients); err != nil {
		return out.Encode(Viewed{Reason: err.Error()})
	}
	if err := out.Encode(Viewed{Clients: clients}); err != nil {
		return err
	}
	begun := time.Now()
	before, _ := usage()
	_, _ = io.Copy(io.Discard, stdin) // Wait for its end.
	took := time.Since(begun).Seconds()
	s.stopping.Store(true)
	for _, conn := range s.conns {
		_ = conn.Close() // Its reader sees the end.
	}
	s.readers.Wait()
	after, _ := usage()
	return out.Encode(Viewed{
		Clients: clients, Messages: s.messages.Load(), MessagesPerSecond: float64(s.messages.Load()) / took,
		Gaps: s.gaps.Load(), Lost: s.lost.Load(), Cores: (after - before).Seconds() / took, Latency: s.latency.Quantiles(),
	})
}

// spectators are the viewers of one process.
type spectators struct {
	url                  string
	conns                []*websocket.Conn
	readers              sync.WaitGroup
	latency              *Latency
	seen                 *seenMessages
	messages, gaps, lost atomic.Int64
	stopping             atomic.Bool
}

// storm is how many viewers connect concurrently.
const storm = 100

func (s *spectators) connect(clients int) error {
	conns := make([]*websocket.Conn, clients)
	dialer := websocket.Dialer{HandshakeTimeout: 30 * time.Second, ReadBufferSize: 4096, WriteBufferSize: 512}
	var all sync.WaitGroup
	var failed atomic.Pointer[error]
	gate := make(chan struct{}, storm)
	for i := range conns {
		all.Go(func() {
			gate <- struct{}{}
			defer func() { <-gate }()
			conn, _, err := dialer.Dial(s.url, nil)
			if err != nil {
				failed.Store(&err)
				return
			}
			conns[i] = conn
		})
	}
	all.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	s.conns = conns
	for _, conn := range conns {
		s.readers.Go(func() { s.watch(conn) })
	}
	return nil
}

// watch reads one connection to its end.
func (s *spectators) watch(conn *websocket.Conn) {
	last := int64(-1)
	var text bytes.Buffer
	for {
		text.Reset()
		_, reader, err := conn.NextReader()
		if err == nil {
			_, err = text.ReadFrom(reader)
		}
		arrived := time.Now()
		if err != nil {
			if !s.stopping.Load() {
				s.lost.Add(1)
			}
			return
		}
		message, err := s.seen.decode(text.Bytes())
		if err != nil {
			s.gaps.Add(1)
			continue
		}
		s.messages.Add(1)
		if last >= 0 && message.Seq != last+1 {
			s.gaps.Add(1)
		}
		if !message.Snapshot && message.Type != "hello" {
			last = message.Seq // From the first change on: during a snapshot, numbers in between belong to messages for other viewers.
			for _, device := range message.Devices {
				s.latency.Record(arrived.Sub(device.Timestamp))
			}
		}
	}
}

// seenMessage holds the fields of a message that a viewer uses.
type seenMessage struct {
	Type     string `json:"type"`
	Seq      int64  `json:"seq"`
	Snapshot bool   `json:"snapshot"`
	Devices  []struct {
		Timestamp time.Time `json:"timestamp"`
	} `json:"devices"`
	text []byte
}

// seenMessages caches the newest decoded messages. All viewers receive the same messages, and on a machine that also runs
// the server a thousand viewers cannot each decode them: the first one decodes a message, and the others compare theirs
// with it byte by byte.
type seenMessages struct {
	seed maphash.Seed

	mu     sync.RWMutex
	byHash map[uint64]*seenMessage // guarded by mu
}

// mostSeen is the maximum number of cached messages.
const mostSeen = 1024

func newSeenMessages() *seenMessages {
	return &seenMessages{seed: maphash.MakeSeed(), byHash: make(map[uint64]*seenMessage)}
}

func (s *seenMessages) decode(text []byte) (*seenMessage, error) {
	hash := maphash.Bytes(s.seed, text)
	s.mu.RLock()
	known := s.byHash[hash]
	s.mu.RUnlock()
	if known != nil && bytes.Equal(known.text, text) {
		return known, nil
	}
	message := &seenMessage{text: bytes.Clone(text)}
	if err := json.Unmarshal(text, message); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.byHash) >= mostSeen {
		clear(s.byHash)
	}
	s.byHash[hash] = message
	return message, nil
}
