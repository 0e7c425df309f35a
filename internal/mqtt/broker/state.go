package broker

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"
)

const (
	// saveInterval is how often what has changed is written.
	saveInterval = 200 * time.Millisecond
	// minRewrite is how long the file is at least before it is written anew.
	minRewrite = 4 << 20
	// maxStateLine is the maximum length of a line of the file.
	maxStateLine = 64 << 20
	// retrySave is how long after a failure it is tried again to write.
	retrySave = 5 * time.Second
)

// entry is one line of the file: what is true of a session or of the retained message of a topic from there on.
type entry struct {
	Session  *savedSession  `json:"session,omitempty"`
	Retained *savedRetained `json:"retained,omitempty"`
}

// savedSession is a session. One without an expiry has ended.
type savedSession struct {
	Username string `json:"username,omitempty"`
	ClientID string `json:"client_id"`
	// Expiry is how long the session outlives its connection, in seconds, and Left when that ended; zero if it had not ended.
	Expiry        int64                        `json:"expiry,omitempty"`
	Left          time.Time                    `json:"left,omitzero"`
	Subscriptions map[string]savedSubscription `json:"subscriptions,omitempty"`
}

type savedSubscription struct {
	QoS               byte `json:"qos,omitempty"`
	NoLocal           bool `json:"no_local,omitempty"`
	RetainAsPublished bool `json:"retain_as_published,omitempty"`
	ID                int  `json:"id,omitempty"`
}

// savedRetained is a retained message. One without a payload has ended.
type savedRetained struct {
	Topic      string `json:"topic"`
	Payload    []byte `json:"payload,omitempty"`
	QoS        byte   `json:"qos,omitempty"`
	Properties []byte `json:"properties,omitempty"`
	// Expires is when nobody wants the message any more, and Lifetime how long that was when it was published, in seconds: the clock may have been
	// set back since.
	Expires  time.Time `json:"expires,omitzero"`
	Lifetime int64     `json:"lifetime,omitempty"`
}

// state keeps sessions and retained messages in a file, so that clients find them after a restart: each change is appended, and the file is written
// anew when most of it no longer holds. What has changed in the last moments before the process is killed may be missing; a client then begins
// anew. It may be used concurrently.
type state struct {
	broker *Broker
	// name is empty if nothing is kept.
	name string

	mu sync.Mutex
	// What follows is guarded by mu: what has changed since it was written.
	sessions map[key]struct{}
	topics   map[string]struct{}

	// What follows belongs to Broker.Run. file is nil until it is open, loaded whether it was read, and kept are the sessions that the file has. incomplete
	// is whether something could not be written, and retry when that is tried again.
	kept               map[key]struct{}
	file               *os.File
	loaded, incomplete bool
	size, rewritten    int64
	retry              time.Time
}

func newState(b *Broker, name string) *state {
	return &state{broker: b, name: name, sessions: make(map[key]struct{}), topics: make(map[string]struct{})}
}

// changed notes that a session has changed. The caller may have locked it.
func (s *state) changed(changed *session) {
	if s.name == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions[changed.key] = struct{}{}
}

// retained notes that the retained message of a topic has changed.
func (s *state) retained(topic string) {
	if s.name == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.topics[topic] = struct{}{}
}

// open reads the file, once, and opens it for what follows. If it cannot be written, the broker goes on without: clients can connect.
func (s *state) open() error {
	if s.name == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(s.name), 0o700); err != nil {
		return fmt.Errorf("the state of sessions: %w", err)
	}
	if !s.loaded {
		file, err := os.Open(s.name)
		switch {
		case err == nil:
			err = s.broker.load(file, time.Now())
			_ = file.Close()
		case errors.Is(err, os.ErrNotExist):
			err = nil
		}
		if err != nil {
			return fmt.Errorf("the state of sessions: %w", err)
		}
		s.loaded = true
	}
	s.incomplete, s.retry = true, time.Time{}
	s.save()
	return nil
}

// load takes over sessions and retained messages. Lines that cannot be read, such as one that was cut off, do not count.
func (b *Broker) load(from io.Reader, now time.Time) error {
	lines := bufio.NewReaderSize(from, 64<<10)
	for {
		line, err := longLine(lines)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		var e entry
		if json.Unmarshal(line, &e) == nil {
			if e.Session != nil {
				b.loadSession(e.Session, now)
			}
			if e.Retained != nil {
				b.loadRetained(e.Retained, now)
			}
		}
		if err != nil {
			return nil
		}
	}
}

// longLine reads a line, or skips it if it is too long.
func longLine(from *bufio.Reader) (line []byte, err error) {
	for {
		part, err := from.ReadSlice('\n')
		if len(line)+len(part) <= maxStateLine {
			line = append(line, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

func (b *Broker) loadSession(saved *savedSession, now time.Time) {
	k := key{saved.Username, saved.ClientID}
	b.mu.Lock()
	defer b.mu.Unlock()
	if before := b.sessions[k]; before != nil {
		b.end(before)
	}
	limits := &b.o.Limits
	expiry := min(time.Duration(min(max(saved.Expiry, 0), 1<<32))*time.Second, limits.SessionExpiry)
	left := now
	if !saved.Left.IsZero() {
		// If the clock was set back the session is kept for its time from now on. By its age it does not depend on the clock any more.
		left = now.Add(-max(now.Sub(saved.Left), 0))
	}
	if expiry == 0 || now.Sub(left) >= expiry || len(b.sessions) >= limits.MaxSessions {
		return
	}
	s := newSession(b, k)
	s.expiry, s.left = expiry, left
	for filter, o := range saved.Subscriptions {
		if !validFilter(filter) || o.QoS > 2 || len(s.subscriptions) >= limits.MaxSubscriptions || !b.subscribed.reserve(k.username, subscriptionBytes(filter)) {
			continue
		}
		if s.subscriptions == nil {
			s.subscriptions = make(map[string]subscription)
		}
		s.subscriptions[filter] = subscription{o.QoS, o.NoLocal, o.RetainAsPublished, o.ID}
		b.tree.add(s, filter, s.subscriptions[filter])
	}
	b.sessions[k] = s
}

func (b *Broker) loadRetained(saved *savedRetained, now time.Time) {
	if !validTopic([]byte(saved.Topic)) || saved.QoS > 2 {
		return
	}
	m := &publication{topic: saved.Topic, payload: saved.Payload, qos: saved.QoS, retain: true, properties: saved.Properties}
	if !saved.Expires.IsZero() {
		rest := saved.Expires.Sub(now)
		if m.lifetime = time.Duration(min(max(saved.Lifetime, 0), 1<<32)) * time.Second; m.lifetime > 0 {
			rest = min(rest, m.lifetime)
		}
		m.expires = now.Add(rest)
	}
	if m.expired(now) {
		m.payload = nil
	}
	b.retained.set(m)
}

// run writes what has changed until ctx ends.
func (s *state) run(ctx context.Context) {
	tick := time.NewTicker(saveInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.save()
		}
	}
}

// close writes what has changed, and closes the file.
func (s *state) close() {
	if s.name == "" {
		return
	}
	s.retry = time.Time{}
	s.save()
	if s.file != nil {
		_ = s.file.Close()
		s.file = nil
	}
}

// save writes what has changed. After a failure, such as a full disk, all is written anew later.
func (s *state) save() {
	if s.name == "" || time.Now().Before(s.retry) {
		return
	}
	s.mu.Lock()
	sessions, topics := s.sessions, s.topics
	s.sessions, s.topics = make(map[key]struct{}), make(map[string]struct{})
	s.mu.Unlock()
	var err error
	switch {
	case s.incomplete || s.size > max(minRewrite, 2*s.rewritten):
		err = s.rewrite()
	case len(sessions)+len(topics) > 0:
		err = s.write(s.file, sessions, topics)
	}
	s.incomplete = err != nil
	if err != nil {
		s.retry = time.Now().Add(retrySave)
		s.broker.problem(fmt.Errorf("sessions and retained messages are not saved: %w", err))
	}
}

// write appends what holds now of sessions and topics.
func (s *state) write(file io.Writer, sessions map[key]struct{}, topics map[string]struct{}) error {
	counted := &counter{to: file}
	buffer := bufio.NewWriterSize(counted, 64<<10)
	lines := json.NewEncoder(buffer)
	for k := range sessions {
		saved := s.broker.saved(k)
		if _, kept := s.kept[k]; saved.Expiry == 0 && !kept {
			continue
		}
		if err := lines.Encode(entry{Session: saved}); err != nil {
			return err
		}
		s.kept[k] = struct{}{}
		if saved.Expiry == 0 {
			delete(s.kept, k)
		}
	}
	for topic := range topics {
		saved := &savedRetained{Topic: topic}
		if m := s.broker.retained.get(topic); m != nil {
			*saved = savedRetained{Topic: topic, Payload: m.payload, QoS: m.qos, Properties: m.properties, Expires: m.expires}
			saved.Lifetime = int64((m.lifetime + time.Second - 1) / time.Second)
		}
		if err := lines.Encode(entry{Retained: saved}); err != nil {
			return err
		}
	}
	err := buffer.Flush()
	s.size += counted.bytes
	return err
}

// counter counts what is written.
type counter struct {
	to    io.Writer
	bytes int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.to.Write(b)
	c.bytes += int64(n)
	return n, err
}

// saved returns what is saved of a session. One that has ended has no expiry.
func (b *Broker) saved(k key) *savedSession {
	saved := &savedSession{Username: k.username, ClientID: k.clientID}
	b.mu.Lock()
	s := b.sessions[k]
	b.mu.Unlock()
	if s == nil {
		return saved
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.expiry == 0 {
		return saved
	}
	saved.Expiry = int64(s.expiry / time.Second)
	if s.conn == nil {
		saved.Left = s.left.Round(0)
	}
	saved.Subscriptions = make(map[string]savedSubscription, len(s.subscriptions))
	for filter, o := range s.subscriptions {
		saved.Subscriptions[filter] = savedSubscription{o.qos, o.noLocal, o.retainAsPublished, o.id}
	}
	return saved
}

// rewrite replaces the file by one with everything that holds.
func (s *state) rewrite() error {
	b := s.broker
	sessions, topics := make(map[key]struct{}), make(map[string]struct{})
	b.mu.Lock()
	for k := range b.sessions {
		sessions[k] = struct{}{}
	}
	b.mu.Unlock()
	for _, m := range b.retained.all() {
		topics[m.topic] = struct{}{}
	}
	file, err := os.OpenFile(s.name+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	s.size, s.kept = 0, make(map[key]struct{})
	err = s.write(file, sessions, topics)
	if err == nil {
		err = file.Sync() // A loss of power must not leave an empty file.
	}
	if err == nil {
		err = os.Rename(file.Name(), s.name)
	}
	if err != nil {
		_ = file.Close()
		return err
	}
	if s.file != nil {
		_ = s.file.Close()
	}
	s.file, s.rewritten = file, s.size
	return nil
}
