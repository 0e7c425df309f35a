package mqtt

import (
	"bytes"
	"testing"

	"github.com/eclipse/paho.golang/packets"

	"iotmon/internal/mqtt/packet"
)

// sample returns a message as the library encodes it.
func sample(t testing.TB, p *packets.Publish) (flags byte, body []byte) {
	t.Helper()
	var written bytes.Buffer
	if _, err := p.WriteTo(&written); err != nil {
		t.Fatal(err)
	}
	flags, _ = written.ReadByte()
	for {
		if b, _ := written.ReadByte(); b < 0x80 {
			return flags & 0xf, written.Bytes()
		}
	}
}

// FuzzPublish compares the decoder with the library's: what both can decode is the same. And neither texts nor lengths make it fail.
func FuzzPublish(f *testing.F) {
	id := 7
	for _, p := range []*packets.Publish{
		{Topic: "plant/1/telemetry", Payload: []byte(`{"t": 21.5}`), Properties: &packets.Properties{}},
		{Topic: "a", QoS: 1, PacketID: 1, Retain: true, Properties: &packets.Properties{User: []packets.User{{Key: "line", Value: "3"}, {Key: "line", Value: "4"}}}},
		{Topic: "ä/b", QoS: 2, PacketID: 65535, Duplicate: true, Properties: &packets.Properties{ContentType: "json", ResponseTopic: "r", CorrelationData: []byte{1}, SubscriptionIdentifier: &id}},
	} {
		flags, body := sample(f, p)
		f.Add(flags, body)
	}
	f.Add(byte(0), []byte{0xff, 0xff, 'a'})
	f.Add(byte(2), []byte{0, 1, 'a', 0, 1, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, flags byte, body []byte) {
		if _, err := decodePublish(flags, body, 3); err == nil && len(body) < 3 {
			t.Errorf("decoded from %d bytes", len(body))
		}
		got, err := decodePublish(flags, body, 5)
		if err != nil {
			return
		}
		want := packets.Publish{QoS: flags >> 1 & 3, Properties: &packets.Properties{}}
		if want.Unpack(bytes.NewBuffer(bytes.Clone(body))) != nil {
			return // It is stricter with some properties.
		}
		if string(got.Topic) != want.Topic || got.ID != want.PacketID || !bytes.Equal(got.Payload, want.Payload) || got.QoS != want.QoS {
			t.Errorf("got %+v, want %+v", got, want)
		}
		for _, user := range want.Properties.User {
			if _, ok := got.properties.user[packet.ToText([]byte(user.Key))]; !ok && len(got.properties.user) < maxUserProperties {
				t.Errorf("got %v, want %s", got.properties.user, user.Key)
			}
		}
	})
}

func FuzzAnswers(f *testing.F) {
	f.Add([]byte{1, 0, 0})
	f.Add([]byte{0, 0x9d, 9, packet.PropServerReference, 0, 1, 'b', packet.PropReasonString, 0, 2, 'm', 'n'})
	f.Add([]byte{0x9d, 4, packet.PropServerReference, 0, 1, 'b'})
	f.Add([]byte{0, 1, 0, 1, 0x87})
	f.Fuzz(func(_ *testing.T, body []byte) {
		for _, version := range []int{3, 5} {
			_, _ = decodeConnack(body, version)
			_, _ = decodeSuback(body, version)
		}
		_, _, _ = decodeDisconnect(body)
	})
}

func BenchmarkDecodePublish(b *testing.B) {
	flags, body := sample(b, &packets.Publish{
		Topic: "plant/hall-3/line-2/telemetry", QoS: 1, PacketID: 1, Payload: bytes.Repeat([]byte("x"), 100), Properties: &packets.Properties{},
	})
	b.Run("own", func(b *testing.B) {
		b.ReportAllocs()
		s := &connection{topics: make(map[string]string)}
		for b.Loop() {
			p, err := decodePublish(flags, body, 5)
			if err != nil {
				b.Fatal(err)
			}
			_ = &Message{Topic: s.topic(p.Topic), Payload: s.copy(p.Payload)}
		}
	})
	encoded := packet.Append(nil, packet.Publish, flags, body)
	b.Run("library", func(b *testing.B) {
		b.ReportAllocs()
		reader := bytes.NewReader(encoded)
		for b.Loop() {
			reader.Reset(encoded)
			if _, err := packets.ReadPacket(reader); err != nil {
				b.Fatal(err)
			}
		}
	})
}
