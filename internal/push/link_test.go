package push

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"
)

// linked returns a link and its far end, with small buffers between them.
func linked(t *testing.T) (*link, net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	far, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	near, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close(); far.Close() })
	if err := errors.Join(near.(*net.TCPConn).SetWriteBuffer(16<<10), far.(*net.TCPConn).SetReadBuffer(16<<10)); err != nil {
		t.Fatal(err)
	}
	l := newLink(near)
	if !canAttempt {
		t.Skip("on this system nothing is written without waiting")
	}
	if l.raw == nil {
		t.Fatal("a TCP connection cannot be written without waiting")
	}
	return l, far
}

// overfill writes more than the kernel accepts at once, and returns all of it.
func overfill(t *testing.T, l *link) []byte {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.ready() {
		t.Fatal("a new link is not ready")
	}
	frames := [][]byte{bytes.Repeat([]byte("a"), 100_000), bytes.Repeat([]byte("b"), 20<<20), bytes.Repeat([]byte("c"), 100_000)}
	all, err := l.writeNow(frames)
	if all || err != nil {
		t.Fatalf("20 MB were written at once: %v, %v", all, err)
	}
	if l.ready() {
		t.Error("ready while something is left")
	}
	return bytes.Join(frames, nil)
}

func TestWhatIsLeftIsWrittenBeforeAnythingElse(t *testing.T) {
	l, far := linked(t)
	want := append(overfill(t, l), "ping"...)
	var writing sync.WaitGroup
	writing.Go(func() {
		_ = l.SetWriteDeadline(time.Now().Add(10 * time.Second))
		if n, err := l.Write([]byte("ping")); n != 4 || err != nil {
			t.Errorf("write: %d, %v", n, err)
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		if !l.ready() {
			t.Error("not ready again")
		}
		if all, err := l.writeNow([][]byte{[]byte("more")}); !all || err != nil {
			t.Errorf("write after a deadline: %v, %v", all, err)
		}
	})
	got := make([]byte, len(want)+len("more"))
	if _, err := io.ReadFull(far, got); err != nil {
		t.Fatal(err)
	}
	writing.Wait()
	if !bytes.Equal(got, append(want, "more"...)) {
		t.Error("what arrived is not what was written, in that order")
	}
}

func TestAfterHalfAFrameNothingMoreIsWritten(t *testing.T) {
	l, _ := linked(t)
	overfill(t, l)
	l.mu.Lock()
	err := l.flush(nil, time.Millisecond)
	l.mu.Unlock()
	if !errors.Is(err, os.ErrDeadlineExceeded) || writeFailure(err) != TooSlow {
		t.Errorf("flush to a client that does not read: got %v, want that time has run out", err)
	}
	if _, again := l.Write([]byte("ping")); !errors.Is(again, err) {
		t.Errorf("write after that: got %v, want %v", again, err)
	}
	if l.ready() {
		t.Error("ready though it is broken")
	}
}

func TestLinkThatCannotBeWrittenToWithoutWaitingIsNeverReady(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	if newLink(near).ready() {
		t.Error("a pipe is ready")
	}
}
