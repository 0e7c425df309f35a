package embedded

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/net/nettest"
)

func TestPipeIsAConnection(t *testing.T) {
	nettest.TestConn(t, func() (client, server net.Conn, stop func(), err error) {
		client, server = newPipe()
		return client, server, func() { client.Close(); server.Close() }, nil
	})
}

// By the errors of a connection the client decides whether to retry, so they must be those of TCP.
func TestPipeFailsAsATCPConnectionDoes(t *testing.T) {
	client, server := newPipe()
	client.SetReadDeadline(time.Now())
	if _, err := client.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read after the deadline: got %v", err)
	}
	client.Close()
	if _, err := server.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("read after the other end was closed: got %v, want the end", err)
	}
	var op *net.OpError
	if _, err := server.Write([]byte("answer")); !errors.As(err, &op) || !errors.Is(err, net.ErrClosed) {
		t.Errorf("write to an end that was closed: got %v, want that it is closed", err)
	}
	if _, err := client.Write([]byte("more")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("write after closing: got %v, want that it is closed", err)
	}
	if _, err := client.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("read after closing: got %v, want that it is closed", err)
	}
	if err := client.Close(); err != nil {
		t.Errorf("closing again: got %v", err)
	}
}

func TestClientsWithinAndWithoutShareTheLog(t *testing.T) {
	b := open(t, t.TempDir())
	createTopic(t, b, "readings", 1, nil)
	within := kgo.Dialer(func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := b.Dial(ctx, network, address)
		if _, piped := conn.(pipeEnd); err == nil && !piped {
			t.Errorf("dial %s: got a %T, want a connection within the process", address, conn)
		}
		return conn, err
	})
	large := bytes.Repeat([]byte("large"), 100<<10)
	produce(t, dial(t, b, within), &kgo.Record{Topic: "readings", Value: large})
	produce(t, dial(t, b), &kgo.Record{Topic: "readings", Value: []byte("small")})
	want := []string{string(large), "small"}
	if got := values(t, b, "readings"); !slices.Equal(got, want) {
		t.Errorf("read over TCP: got %d records that differ from the %d produced", len(got), len(want))
	}
	want = append(want, "end")
	if got := values(t, b, "readings", within); !slices.Equal(got, want) {
		t.Errorf("read within: got %d records that differ from the %d produced", len(got), len(want))
	}
}

func TestDialReachesOtherAddresses(t *testing.T) {
	b := open(t, t.TempDir())
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	conn, err := b.Dial(t.Context(), "tcp", other.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if conn.RemoteAddr().String() != other.Addr().String() {
		t.Errorf("dial: got a connection to %s, want %s", conn.RemoteAddr(), other.Addr())
	}
	shut(t, b)
	if conn, err := b.Dial(t.Context(), "tcp", b.Addrs()[0]); err == nil {
		conn.Close()
		t.Error("dial a broker that is closed: got no error")
	}
}

// BenchmarkRoundTrip measures a request and its response.
func BenchmarkRoundTrip(b *testing.B) {
	for _, over := range []struct {
		name    string
		connect func() (client, server net.Conn)
	}{
		{"memory", newPipe},
		{"tcp", func() (client, server net.Conn) { return overTCP(b) }},
	} {
		for name, size := range map[string]int{"200B": 200, "256KiB": 256 << 10} {
			b.Run(over.name+"/"+name, func(b *testing.B) {
				client, server := over.connect()
				defer client.Close()
				go func() {
					defer server.Close()
					request := make([]byte, size)
					for {
						if _, err := io.ReadFull(server, request); err != nil {
							return
						}
						server.Write(request[:100])
					}
				}()
				request := make([]byte, size)
				b.ReportAllocs()
				for b.Loop() {
					client.SetReadDeadline(time.Now().Add(time.Minute))
					client.Write(request)
					io.ReadFull(client, request[:100])
				}
			})
		}
	}
}

func overTCP(b *testing.B) (client, server net.Conn) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	if client, err = net.Dial("tcp", l.Addr().String()); err != nil {
		b.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		b.Fatal(err)
	}
	return client, server
}
