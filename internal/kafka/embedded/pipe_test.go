package embedded

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
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

func TestPipePassesWritesOfAnySizeInOrder(t *testing.T) {
	client, server := newPipe()
	random := rand.New(rand.NewPCG(1, 2))
	sent := make([]byte, 4<<20)
	for i := range sent {
		sent[i] = byte(random.Uint32())
	}
	sizes := []int{0, 1, 4, 100, 4096, maxBuffered - 1, maxBuffered, maxBuffered + 1, 5 * maxBuffered, 300 << 10}
	var writing sync.WaitGroup
	writing.Go(func() {
		defer client.Close()
		random := rand.New(rand.NewPCG(3, 4))
		for rest := sent; len(rest) > 0; {
			size := min(sizes[random.IntN(len(sizes))], len(rest))
			if n, err := client.Write(rest[:size]); n != size || err != nil {
				t.Errorf("write of %d: got %d, %v", size, n, err)
				return
			}
			rest = rest[size:]
		}
	})
	var got []byte
	piece := make([]byte, 400<<10)
	for {
		n, err := server.Read(piece[:1+random.IntN(len(piece)-1)>>random.IntN(18)])
		got = append(got, piece[:n]...)
		if err != nil {
			if !errors.Is(err, io.EOF) {
				t.Errorf("read: got %v, want the end", err)
			}
			break
		}
	}
	writing.Wait()
	if !bytes.Equal(got, sent) {
		t.Errorf("read: got %d bytes that differ from the %d sent", len(got), len(sent))
	}
}

func TestPipeDoesNotMixWrites(t *testing.T) {
	client, server := newPipe()
	var writing sync.WaitGroup
	const length = maxBuffered/2 + 100 // Two of them do not fit.
	for i := range 4 {
		writing.Go(func() {
			for range 50 {
				if _, err := client.Write(bytes.Repeat([]byte{byte(i)}, length)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	message := make([]byte, length)
	for range 4 * 50 {
		if _, err := io.ReadFull(server, message); err != nil {
			t.Fatal(err)
		}
		if slices.Max(message) != slices.Min(message) {
			t.Fatalf("read: got bytes of writers %d and %d in one write", slices.Min(message), slices.Max(message))
		}
	}
	writing.Wait()
}

func TestPipeHoldsBackWhoWritesMoreThanIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := newPipe()
		written := 0
		go func() {
			for range 10 {
				n, err := client.Write(make([]byte, maxBuffered/4))
				if err != nil {
					t.Error(err)
				}
				written += n
			}
		}()
		synctest.Wait()
		if written != maxBuffered {
			t.Errorf("written without a reader: got %d bytes, want %d", written, maxBuffered)
		}
		if n, err := io.ReadFull(server, make([]byte, 10*maxBuffered/4)); err != nil {
			t.Errorf("read: got %d, %v", n, err)
		}
		synctest.Wait()
		if written != 10*maxBuffered/4 {
			t.Errorf("written in the end: got %d bytes, want %d", written, 10*maxBuffered/4)
		}
	})
}

func TestPipeDeadlinesEndWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := newPipe()
		begun := time.Now()
		// A deadline that is moved while somebody waits counts as it was set last, later or sooner.
		for _, last := range []time.Duration{30 * time.Second, 2 * time.Second} {
			client.SetReadDeadline(begun.Add(10 * time.Second))
			time.AfterFunc(time.Second, func() { client.SetReadDeadline(begun.Add(last)) })
			_, err := client.Read(make([]byte, 1))
			if !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begun) != last {
				t.Errorf("read: got %v after %v, want the deadline after %v", err, time.Since(begun), last)
			}
			begun = time.Now()
		}
		// What waits to be written is told how much of it was read.
		client.SetWriteDeadline(time.Now().Add(time.Second))
		var reading sync.WaitGroup
		reading.Go(func() { io.ReadFull(server, make([]byte, 1000)) })
		n, err := client.Write(make([]byte, maxBuffered+1))
		if n != 1000 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("write: got %d, %v, want 1000 and the deadline", n, err)
		}
		reading.Wait()
		client.SetDeadline(time.Time{})
		if n, err := client.Write([]byte("on")); n != 2 || err != nil {
			t.Errorf("write without deadline: got %d, %v", n, err)
		}
		if n, err := server.Read(make([]byte, 10)); n != 2 || err != nil {
			t.Errorf("read of what was written after the deadline: got %d, %v", n, err)
		}
	})
}

func TestPipeClosedAtOneEnd(t *testing.T) {
	client, server := newPipe()
	if _, err := client.Write([]byte("last words")); err != nil {
		t.Fatal(err)
	}
	client.Close()
	if got, err := io.ReadAll(server); string(got) != "last words" || err != nil {
		t.Errorf("read after the other end was closed: got %q, %v", got, err)
	}
	var system *os.SyscallError // By which a client knows that it may try again.
	if _, err := server.Write([]byte("answer")); !errors.As(err, &system) || !errors.Is(err, syscall.EPIPE) {
		t.Errorf("write to an end that was closed: got %v, want a broken pipe", err)
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

func TestPipeClosedWhileOthersWait(t *testing.T) {
	for name, closed := range map[string]int{"at the own end": 0, "at the other end": 1} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := newPipe()
				var waiting sync.WaitGroup
				waiting.Go(func() {
					if n, err := client.Read(make([]byte, 1)); n != 0 || err == nil {
						t.Errorf("read: got %d, %v, want an error", n, err)
					}
				})
				waiting.Go(func() {
					if n, err := client.Write(make([]byte, maxBuffered+1)); n != 0 || err == nil {
						t.Errorf("write: got %d, %v, want an error", n, err)
					}
				})
				synctest.Wait()
				[]net.Conn{client, server}[closed].Close()
				waiting.Wait()
			})
		})
	}
}

func TestClientsWithinAndWithoutShareTheLog(t *testing.T) {
	b := open(t, t.TempDir())
	createTopic(t, b, "readings", 1, nil)
	within := kgo.Dialer(func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := b.Dial(ctx, network, address)
		if _, piped := conn.(*pipeEnd); err == nil && !piped {
			t.Errorf("dial %s: got a %T, want a connection within the process", address, conn)
		}
		return conn, err
	})
	large := bytes.Repeat([]byte("large"), 100<<10) // More than is buffered between the ends.
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

// BenchmarkRoundTrip is a request and its response, as of a client that waits for it.
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
