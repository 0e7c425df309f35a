package sourcetest

import (
	"context"
	"net"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// names are host names that tests may give another address at any time.
var names = struct {
	sync.Mutex
	addresses map[string][4]byte
	once      sync.Once
	server    net.PacketConn
}{addresses: make(map[string][4]byte)}

// Name makes a host name known to this process, with an IPv4 address. Calling it again gives the name another address.
func Name(t testing.TB, host, address string) {
	t.Helper()
	names.once.Do(func() {
		server, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		names.server = server
		go answer(server)
		net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "udp", server.LocalAddr().String())
		}}
	})
	names.Lock()
	defer names.Unlock()
	names.addresses[host+"."] = [4]byte(net.ParseIP(address).To4())
}

// answer answers questions about names until the process ends.
func answer(server net.PacketConn) {
	buffer := make([]byte, 1500)
	for {
		n, from, err := server.ReadFrom(buffer)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(buffer[:n]) != nil || len(m.Questions) != 1 {
			continue
		}
		question := m.Questions[0]
		names.Lock()
		address, known := names.addresses[question.Name.String()]
		names.Unlock()
		m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
		switch {
		case !known:
			m.RCode = dnsmessage.RCodeNameError
		case question.Type == dnsmessage.TypeA:
			m.Answers = []dnsmessage.Resource{{
				Header: dnsmessage.ResourceHeader{Name: question.Name, Type: question.Type, Class: question.Class},
				Body:   &dnsmessage.AResource{A: address},
			}}
		}
		if packet, err := m.Pack(); err == nil {
			_, _ = server.WriteTo(packet, from)
		}
	}
}
