package broker

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"pgregory.net/rapid"

	"iotmon/internal/mqtt/packet"
)

// FuzzPackets decodes every packet that a client may send. Neither texts nor lengths make it fail, and a message is what the decoder of an
// independent library says.
func FuzzPackets(f *testing.F) {
	will := &publication{topic: "w", payload: []byte("x"), qos: 1, retain: true}
	for _, version := range []byte{4, 5} {
		f.Add(hello{id: "a", username: "u", password: "p", will: will, clean: true}.packet(version)[2:], byte(0), version)
		f.Add([]byte{0, 1, 'a', 0, 1, 0, 'x'}, byte(2), version)
		f.Add([]byte{0, 1, 'a', 3, packet.PropTopicAlias, 0, 1, 'x'}, byte(1), version)
		f.Add([]byte{0, 1, 'a', 0, 1, 12, packet.PropUser, 0, 1, 'n', 0, 1, 'v', packet.PropMessageExpiry, 0, 0, 0, 9, 'x'}, byte(2), version)
		f.Add([]byte{0, 1, 2, packet.PropSubscriptionID, 5, 0, 3, 'a', '/', '#', 1}, byte(2), version)
		f.Add([]byte{0, 1, 0x10, 0}, byte(2), version)
		f.Add([]byte{4, 5, packet.PropSessionExpiry, 0, 0, 0, 1}, byte(0), version)
	}
	f.Fuzz(func(t *testing.T, body []byte, flags, version byte) {
		flags &= 0xf
		if version != 5 {
			version = 4
		}
		if c, err := decodeConnect(flags, body); err == nil && (c.version != 4 && c.version != 5 || !validText([]byte(c.clientID)) || c.will != nil && !validTopic([]byte(c.will.topic))) {
			t.Errorf("got %+v", c)
		}
		if _, _, all, err := decodeSubscribe(flags, body, version, true); err == nil {
			tree, s := new(tree), new(session)
			for _, r := range all {
				if validFilter(r.filter) {
					tree.add(s, r.filter, subscription{})
				}
			}
			for _, r := range all {
				tree.remove(s, r.filter)
			}
			if tree.count != 0 || len(tree.root.below) != 0 {
				t.Errorf("%q: %d are left", all, tree.count)
			}
		}
		_, _, _, _ = decodeSubscribe(flags, body, version, false)
		_, _, _ = decodeAnswer(body)
		_, _, _ = decodeDisconnect(body)
		p, err := decodePublish(flags, body, version)
		if err != nil {
			return
		}
		if version == 5 {
			compareWithLibrary(t, flags, body, &p)
		}
		// What a subscriber gets is what was published.
		m := &publication{topic: string(p.Topic), payload: p.Payload, qos: p.QoS}
		m.take(&p.properties)
		if m.topic == "" {
			return
		}
		sent := appendDelivery(nil, &delivery{message: m, qos: p.QoS, id: 7, subscriptions: []int{300}}, version, time.Now())
		c := packet.Cursor{Rest: sent[1:]}
		if c.Length() != len(c.Rest) {
			t.Fatalf("%x: the length is wrong", sent)
		}
		var again publish
		c.Text()
		if p.QoS > 0 {
			c.Uint16()
		}
		if version == 5 {
			again.properties.read(&c)
		}
		if c.Bad || !bytes.Equal(c.Rest, p.Payload) || !bytes.Equal(again.properties.forwarded, p.properties.forwarded) {
			t.Errorf("got %x, want payload %x", sent, p.Payload)
		}
	})
}

func compareWithLibrary(t *testing.T, flags byte, body []byte, p *publish) {
	t.Helper()
	control, err := packets.ReadPacket(bytes.NewReader(packet.Append(nil, packet.Publish, flags, body)))
	if err != nil {
		return // It is stricter.
	}
	want, ok := control.Content.(*packets.Publish)
	if ok && (want.Topic != string(p.Topic) || !bytes.Equal(want.Payload, p.Payload) || want.QoS != p.QoS || want.Retain != p.Retain) {
		t.Errorf("got %+v, want %+v", p, want)
	}
}

// FuzzState loads any file.
func FuzzState(f *testing.F) {
	f.Add([]byte(`{"session":{"client_id":"a","expiry":60,"subscriptions":{"a/#":{"qos":1}}}}` + "\n" + `{"retained":{"topic":"a","payload":"eA=="}}`))
	f.Add([]byte(`{"session":{"client_id":"a","expiry":-1,"subscriptions":{"a/#/b":{"qos":9}}}}` + "\n{"))
	f.Fuzz(func(t *testing.T, text []byte) {
		b := New(Options{Limits: limits()})
		if err := b.load(bytes.NewReader(text), time.Now()); err != nil {
			t.Error(err)
		}
	})
}

// FuzzLogins reads any file of users.
func FuzzLogins(f *testing.F) {
	f.Add([]byte("a:$2a$10$abcdefghijklmnopqrstuuO7cqgXF0dq9jhDZjk4dRmDGVwZ9fPqS\n"))
	f.Add([]byte("b:$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$MTIzNDU2Nzg5MDEyMzQ1Ng\nc:$7$1$AAAA$AAAA\n#\n"))
	f.Add([]byte("d:sha256:" + strings.Repeat("00", 32)))
	f.Fuzz(func(t *testing.T, text []byte) { _, _, _ = parseLogins(text) })
}

// The tree finds the filters that match, and no others; and what covers a filter matches whatever that matches.
func TestTheTreeFindsWhatMatches(t *testing.T) {
	t.Parallel()
	level := rapid.SampledFrom([]string{"a", "b", ""})
	filterLevel := rapid.SampledFrom([]string{"a", "b", "", "+"})
	filters := rapid.Custom(func(t *rapid.T) string {
		levels := rapid.SliceOfN(filterLevel, 1, 4).Draw(t, "levels")
		if rapid.Bool().Draw(t, "all below") {
			levels = append(levels, "#")
		}
		return strings.Join(levels, "/")
	})
	rapid.Check(t, func(t *rapid.T) {
		topic := strings.Join(rapid.SliceOfN(level, 1, 5).Draw(t, "topic"), "/")
		if topic == "" {
			topic = "a"
		}
		found, want := new(tree), make(map[*session]bool)
		for _, filter := range rapid.SliceOfN(filters, 0, 6).Draw(t, "filters") {
			if !validFilter(filter) {
				continue
			}
			s := new(session)
			found.add(s, filter, subscription{})
			if Matches(filter, topic) {
				want[s] = true
			}
		}
		got := found.match(topic, nil)
		for _, target := range got {
			if !want[target.session] {
				t.Fatalf("%q: found a filter that does not match", topic)
			}
		}
		if len(got) != len(want) {
			t.Fatalf("%q: found %d, want %d", topic, len(got), len(want))
		}
		allowed, filter := filters.Draw(t, "allowed"), filters.Draw(t, "filter")
		if covers(allowed, filter) && Matches(filter, topic) && !Matches(allowed, topic) {
			t.Fatalf("%q covers %q, which matches %q", allowed, filter, topic)
		}
	})
}

func TestMatches(t *testing.T) {
	t.Parallel()
	for pair, want := range map[[2]string]bool{
		{"#", "a/b"}: true, {"a/#", "a"}: true, {"a/#", "a/b/c"}: true, {"a/#", "ab"}: false, {"+", "a"}: true, {"+", "a/b"}: false, {"+/+", "/a"}: true,
		{"a/+/c", "a//c"}: true, {"a", "a/b"}: false, {"a/b", "a"}: false, {"+/#", "a"}: true,
	} {
		if got := Matches(pair[0], pair[1]); got != want {
			t.Errorf("%q: got %v", pair, got)
		}
	}
}
