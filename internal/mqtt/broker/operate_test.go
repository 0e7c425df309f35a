package broker

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/argon2"

	"iotmon/internal/mqtt/packet"
)

// A client that has said goodbye leaves no last will, also if its messages still wait when the connection ends.
func TestAGoodbyeThatNobodyHasReadLeavesNoWill(t *testing.T) {
	t.Parallel()
	disconnect := []byte{packet.Disconnect << 4, 0}
	for name, c := range map[string]struct {
		last  []byte
		reset bool
		wills int64
	}{
		"half-closed, taken over":  {disconnect, false, 0},
		"reset":                    {disconnect, true, 0},
		"without a goodbye":        {nil, false, 1},
		"a goodbye with the will":  {[]byte{packet.Disconnect << 4, 1, reasonWithWill}, false, 1},
		"a goodbye that is cut":    {[]byte{packet.Disconnect << 4}, false, 1},
		"without a goodbye, reset": {nil, true, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := limits()
			l.ReceiveMaximum = 3
			r := start(t, Options{Limits: l})
			press, _ := r.connect(4, hello{id: "press", clean: true, will: &publication{topic: "s", payload: []byte("gone")}})
			panel, _ := r.connect(5, hello{id: "panel", clean: true})
			press.subscribe("b", 0)
			r.hold(true)
			for id := range uint16(6) {
				press.send(press.publishPacket("a", "x", 1, id+1, 0))
			}
			press.send(c.last)
			r.until("messages that wait", func() bool { return len(r.payloads()) == 3 })
			if c.reset {
				panel.send(panel.publishPacket("b", "unread", 1, 1, 0))
				time.Sleep(50 * time.Millisecond) // It is there, and unread, when the client closes: then the kernel resets the connection.
				_ = press.Close()
				time.Sleep(50 * time.Millisecond)
				panel.send(panel.publishPacket("b", "fails", 1, 2, 0))
				r.until("end of the connection", func() bool { return r.Stats().Clients == 1 })
			} else {
				_ = press.Conn.(*net.TCPConn).CloseWrite()
				r.connect(4, hello{id: "press", clean: true})
			}
			if got := r.Stats().Wills; got != c.wills {
				t.Errorf("got %d wills, want %d", got, c.wills)
			}
			r.hold(false)
		})
	}
}

// What there is no room for is said at once, and then now and then with a count: other problems remain visible.
func TestRetainedMessagesWithoutRoomAreSaidOnce(t *testing.T) {
	t.Parallel()
	l := limits()
	l.MaxRetained = 1
	r := start(t, Options{Limits: l})
	c, _ := r.connect(5, hello{id: "a", clean: true})
	for id := range uint16(20) {
		c.send(c.publishPacket(fmt.Sprint("door/", id), "open", 1, id+1, packet.PublishRetain))
		c.want(packet.Puback)
	}
	r.sink.mu.Lock()
	if len(r.problems) != 1 || !strings.Contains(r.problems[0].Error(), `"door/1" is not retained`) {
		t.Errorf("got the problems %v", r.problems)
	}
	r.sink.mu.Unlock()
	if got := r.Stats().Dropped[dropRetainedFull]; got != 19 {
		t.Errorf("counted %d, want 19", got)
	}
	var n notice
	now := time.Now()
	for i, step := range []struct {
		after  time.Duration
		before int
		due    bool
	}{{0, 0, true}, {time.Second, 0, false}, {unretainedAgain - 1, 0, false}, {unretainedAgain, 2, true}, {unretainedAgain + 1, 0, false}, {2 * unretainedAgain, 1, true}} {
		if before, due := n.due(now.Add(step.after), unretainedAgain); before != step.before || due != step.due {
			t.Errorf("%d: got %d, %v, want %d, %v", i, before, due, step.before, step.due)
		}
	}
}

// While the state cannot be written, as on a full disk, the broker says so and goes on; when it can, everything is written.
func TestAFullDiskKeepsNobodyOut(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("needs /dev/full")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "sessions.jsonl")
	full := func() { // Of what is written anew. The disk is full at the start as well.
		if err := os.Symlink("/dev/full", file+".new"); err != nil {
			t.Fatal(err)
		}
	}
	full()
	r := start(t, Options{StateFile: file})
	problems := func() (count int) {
		r.sink.mu.Lock()
		defer r.sink.mu.Unlock()
		for _, err := range r.problems {
			if strings.Contains(err.Error(), "are not saved") {
				count++
			}
		}
		return count
	}
	r.until("problem", func() bool { return problems() == 1 })
	c, _ := r.connect(4, hello{id: "panel"})
	c.subscribe("press/+", 1)
	c.send(c.publishPacket("door", "open", 1, 1, packet.PublishRetain))
	c.want(packet.Puback)
	r.until("another attempt", func() bool { return problems() == 2 })
	r.sink.mu.Lock()
	if last := r.problems[len(r.problems)-1]; !strings.Contains(last.Error(), "no space left on device") {
		t.Errorf("got %v", last)
	}
	r.sink.mu.Unlock()
	if err := os.Remove(file + ".new"); err != nil {
		t.Fatal(err)
	}
	r.until("file", func() bool { _, err := os.Stat(file); return err == nil })
	before := problems()
	r.stop()
	r = start(t, Options{StateFile: file})
	if s := r.Stats(); s.Sessions != 1 || s.Subscriptions != 1 || s.Retained != 1 || before != 2 {
		t.Errorf("after %d problems: got %+v", before, s)
	}
	r.stop()

	// What could not be appended is in the file all the same when the broker ends before it tries again.
	b := New(Options{StateFile: file, Limits: limits()})
	var receiver Receiver = &sink{}
	b.receiver.Store(&receiver)
	if err := b.state.open(); err != nil {
		t.Fatal(err)
	}
	written := b.state.file
	var err error
	if b.state.file, err = os.OpenFile("/dev/full", os.O_WRONLY, 0); err != nil {
		t.Fatal(err)
	}
	_ = written.Close()
	b.retain(&publication{topic: "window", payload: []byte("shut"), retain: true})
	b.state.save()
	if got := receiver.(*sink).problems; len(got) != 1 {
		t.Errorf("got %v", got)
	}
	b.state.close()
	if text, err := os.ReadFile(file); err != nil || !strings.Contains(string(text), `"window"`) {
		t.Errorf("the file has %q, %v", text, err)
	}
}

// A client sends as many messages in a second as it may. Others do not wait for it.
func TestTheRateOfAClientIsBounded(t *testing.T) {
	t.Parallel()
	l := limits()
	l.MaxRate = 50
	r := start(t, Options{Limits: l})
	fast, _ := r.connect(5, hello{id: "fast", clean: true})
	began := time.Now()
	for range 100 {
		fast.send(fast.publishPacket("a", "fast", 0, 0, 0))
	}
	calm, _ := r.connect(5, hello{id: "calm", clean: true})
	calm.send(calm.publishPacket("a", "calm", 1, 1, 0))
	calm.want(packet.Puback)
	if got := len(r.payloads()); got > 100 {
		t.Errorf("all %d messages were received before another client's", got)
	}
	r.until("messages", func() bool { return len(r.payloads()) == 101 })
	if took := time.Since(began); took < 900*time.Millisecond {
		t.Errorf("100 messages took %v, want a second: the first 50 come at once", took)
	}
	if slowed := r.Stats().Slowed; slowed < 1 || slowed > 50 {
		t.Errorf("%d were slowed, want 50 at most: fewer if the machine is", slowed)
	}
}

// At the limit the session that was absent longest makes room; clients that are connected keep theirs, and a further one is refused.
func TestTheSessionThatWasAbsentLongestMakesRoom(t *testing.T) {
	t.Parallel()
	l := limits()
	l.MaxSessions = 2
	r := start(t, Options{Limits: l})
	leave := func(id string) {
		c, _ := r.connect(4, hello{id: id})
		_ = c.Close()
		r.until("end", func() bool { return r.Stats().Clients == 0 })
	}
	leave("oldest")
	leave("newer")
	r.connect(4, hello{id: "third", clean: true})
	if _, present := r.connect(4, hello{id: "newer"}); !present {
		t.Error("the session of the client that left last is lost")
	}
	c := r.dial(5)
	c.send(hello{id: "oldest"}.packet(5))
	if body := c.want(packet.Connack); body[1] != reasonQuota {
		t.Errorf("got %x", body)
	}
	if s := r.Stats(); s.Evicted != 1 || s.Sessions != 2 || s.Refused[string(refusedSessions)] != 1 {
		t.Errorf("got %+v", s)
	}
}

// A session ends when its client has been away for as long as it has asked for, or for session_expiry if that is shorter.
func TestSessionsExpire(t *testing.T) {
	t.Parallel()
	r := start(t, Options{}) // session_expiry is an hour.
	for id, expiry := range map[string][]byte{"minute": {packet.PropSessionExpiry, 0, 0, 0, 60}, "ever": {packet.PropSessionExpiry, 255, 255, 255, 255}} {
		c, _ := r.connect(5, hello{id: id, properties: expiry})
		c.subscribe("#", 0)
		_ = c.Close()
	}
	old, _ := r.connect(4, hello{id: "old"})
	r.connect(4, hello{id: "connected"})
	_ = old.Close()
	r.until("ends", func() bool { return r.Stats().Clients == 1 })
	for _, step := range []struct {
		after    time.Duration
		sessions int
	}{{0, 4}, {59 * time.Second, 4}, {61 * time.Second, 3}, {59 * time.Minute, 3}, {time.Hour + time.Second, 1}, {1000 * time.Hour, 1}} {
		r.expire(time.Now().Add(step.after))
		if s := r.Stats(); s.Sessions != step.sessions {
			t.Errorf("after %v: got %d sessions, want %d", step.after, s.Sessions, step.sessions)
		}
	}
	if s := r.Stats(); s.Subscriptions != 0 {
		t.Errorf("got %d subscriptions of nobody", s.Subscriptions)
	}
}

// Each message of a shared subscription goes to one member of the group, in turns, and to one that is connected if there is one.
func TestASharedSubscription(t *testing.T) {
	t.Parallel()
	r := start(t, Options{})
	panel, _ := r.connect(4, hello{id: "panel", clean: true})
	panel.subscribe("a/#", 1)
	members := make([]*client, 3)
	for i := range members {
		members[i], _ = r.connect(4, hello{id: fmt.Sprint("member", i)})
		members[i].subscribe("$share/workers/a/+", 1)
	}
	other, _ := r.connect(4, hello{id: "other", clean: true})
	other.subscribe("$share/others/a/+", 1)
	_ = members[2].Close()
	r.until("end", func() bool { return r.Stats().Clients == 4 })
	device, _ := r.connect(4, hello{id: "device", clean: true})
	const count = 10
	for i := range uint16(count) {
		device.send(device.publishPacket("a/1", fmt.Sprint(i), 1, i+1, 0))
		device.want(packet.Puback)
	}
	receive := func(c *client, number int) (all []string) {
		for range number {
			p, _, payload := c.message()
			c.send(packet.AppendAnswer(nil, packet.Puback, p.ID))
			all = append(all, payload)
		}
		return all
	}
	shared := append(receive(members[0], count/2), receive(members[1], count/2)...)
	slices.Sort(shared)
	want := []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}
	for name, got := range map[string][]string{"the group": shared, "another group": receive(other, count), "without a group": receive(panel, count)} {
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	// Of a group whose members are all away, one gets it when it comes back.
	_, _ = members[0].Close(), members[1].Close()
	r.until("ends", func() bool { return r.Stats().Clients == 3 })
	device.send(device.publishPacket("a/1", "late", 1, 99, 0))
	device.want(packet.Puback)
	got := 0
	for i := range members {
		c, _ := r.connect(4, hello{id: fmt.Sprint("member", i)})
		c.send([]byte{packet.Pingreq << 4, 0})
		for kind := byte(0); kind>>4 != packet.Pingresp; {
			var err error
			if kind, _, err = c.next(); err != nil {
				t.Fatal(err)
			}
			if kind>>4 == packet.Publish {
				got++
			}
		}
	}
	if got != 1 {
		t.Errorf("%d of the group got the message, want 1", got)
	}
}

// A message that has waited for as long as its sender wants goes to nobody any more; another one says how long it is still worth something.
func TestMessagesExpire(t *testing.T) {
	t.Parallel()
	r := start(t, Options{})
	panel, _ := r.connect(5, hello{id: "panel", properties: []byte{packet.PropSessionExpiry, 0, 0, 0, 60}})
	panel.subscribe("a/#", 1)
	_ = panel.Close()
	r.until("end", func() bool { return r.Stats().Clients == 0 })
	device, _ := r.connect(5, hello{id: "device", clean: true})
	for i, seconds := range []byte{1, 100} {
		body := append(packet.AppendText(nil, fmt.Sprint("a/", seconds)), 0, byte(i+1), 5, packet.PropMessageExpiry, 0, 0, 0, seconds)
		device.send(packet.Append(nil, packet.Publish, 1<<1|packet.PublishRetain, append(body, 'x')))
		device.want(packet.Puback)
	}
	time.Sleep(1100 * time.Millisecond)
	late, _ := r.connect(5, hello{id: "late", clean: true})
	panel, _ = r.connect(5, hello{id: "panel", properties: []byte{packet.PropSessionExpiry, 0, 0, 0, 60}})
	late.subscribe("a/#", 1) // It gets what is retained.
	for name, c := range map[string]*client{"the absent": panel, "the late": late} {
		p, topic, _ := c.message()
		if topic != "a/100" || p.properties.expiry < 90 || p.properties.expiry > 99 {
			t.Errorf("%s got %s, worth something for %d s more, want a/100 and 98 s or 99 s", name, topic, p.properties.expiry)
		}
	}
	r.until("end of the retained message", func() bool { return r.Stats().Retained == 1 })
	if s := r.Stats(); s.Dropped[dropExpired] != 1 {
		t.Errorf("got %+v", s)
	}
}

// A client whose network was cut is lost after one and a half times its keep-alive, although it is sent messages, which the network takes.
func TestAHalfOpenClientIsLost(t *testing.T) {
	t.Parallel()
	r := start(t, Options{})
	press, _ := r.connect(5, hello{id: "press", clean: true, keepAlive: 1, will: &publication{topic: "s", payload: []byte("gone")}})
	press.subscribe("a", 0)
	began := time.Now() // From now on nothing comes from it.
	panel, _ := r.connect(5, hello{id: "panel", clean: true})
	gone := func() bool { return slices.Contains(r.payloads(), "gone") }
	for id := uint16(1); !gone(); id++ {
		if time.Since(began) > 5*time.Second {
			t.Fatalf("no will after %v", time.Since(began))
		}
		panel.send(panel.publishPacket("a", "x", 1, id, 0))
		panel.want(packet.Puback)
		time.Sleep(20 * time.Millisecond)
	}
	if took := time.Since(began); took < 1400*time.Millisecond {
		t.Errorf("lost after %v, want 1.5 s", took)
	}
	if got := r.Stats().Ended["keep_alive"]; got != 1 {
		t.Errorf("got %v", r.Stats().Ended)
	}
}

// Whatever the clock says after a restart, a session and a message are not kept for longer than they were to be; and what the clock says later does
// not count: the times that are kept have what the clock of the machine's uptime says.
func TestExpiriesAreBoundedWhateverTheClockSays(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, ahead := range []time.Duration{0, 24 * time.Hour, 365 * 24 * time.Hour} { // By how much the clock was set back.
		b := New(Options{Limits: limits()})
		var file strings.Builder
		for _, e := range []entry{
			{Session: &savedSession{ClientID: "panel", Expiry: 60, Left: now.Add(ahead).Round(0)}},
			{Retained: &savedRetained{Topic: "door", Payload: []byte("open"), Expires: now.Add(ahead + 50*time.Second).Round(0), Lifetime: 60}},
			{Retained: &savedRetained{Topic: "for ever", Payload: []byte("x")}},
		} {
			if err := json.NewEncoder(&file).Encode(e); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.load(strings.NewReader(file.String()), now); err != nil {
			t.Fatal(err)
		}
		s, door := b.sessions[key{clientID: "panel"}], b.retained.get("door")
		if s == nil || door == nil {
			t.Fatalf("%v: got the session %v, the message %v", ahead, s, door)
		}
		if s.left.After(now) || !strings.Contains(s.left.String(), " m=") {
			t.Errorf("%v: the client has left at %v", ahead, s.left)
		}
		if rest := door.expires.Sub(now); rest > time.Minute || rest < 49*time.Second || !strings.Contains(door.expires.String(), " m=") {
			t.Errorf("%v: the message is worth something until %v, for %v", ahead, door.expires, rest)
		}
		if m := b.retained.get("for ever"); m == nil || !m.expires.IsZero() {
			t.Errorf("got %+v", m)
		}
	}
}

// A password of argon2id lets its user in, as others do; a hash that would use up the machine is refused when the file is read.
func TestLoginsOfArgon2id(t *testing.T) {
	t.Parallel()
	hash := func(memory, rounds uint32, threads uint8) string {
		salt := []byte("somesaltofsixteen")
		key := argon2.IDKey([]byte("secret"), salt, rounds, min(memory, 64), threads, 32)
		return fmt.Sprintf("$argon2id$v=19$m=%d,t=%d,p=%d$%s$%s", memory, rounds, threads, base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(key))
	}
	file := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(file, []byte("press:"+hash(64, 3, 2)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := start(t, Options{Login: Login{File: file}})
	r.connect(5, hello{id: "a", username: "press", password: "secret"})
	c := r.dial(5)
	c.send(hello{id: "a", username: "press", password: "Secret"}.packet(5))
	if body := c.want(packet.Connack); body[1] != reasonLogin {
		t.Errorf("a wrong password: got %x", body)
	}
	for _, wrong := range []string{hash(4<<20, 1, 1), hash(64, 101, 1), strings.Replace(hash(64, 1, 1), "v=19", "v=16", 1), strings.Replace(hash(64, 1, 1), "argon2id", "argon2i", 1)} {
		if _, _, err := parseLogins([]byte("press:" + wrong)); err == nil {
			t.Errorf("%s is accepted", wrong)
		}
	}
}
