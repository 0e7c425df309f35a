package modbus_test

import (
	"encoding/binary"
	"io"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"iotmon/internal/source/modbus"
)

// hostile listens and answers each request of 12 bytes with what answer makes of it, until that returns false.
func hostile(t *testing.T, answer func(request []byte, to net.Conn) bool) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	wait.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, conn)
			mu.Unlock()
			wait.Go(func() {
				defer conn.Close()
				request := make([]byte, 12)
				for {
					if _, err := io.ReadFull(conn, request); err != nil || !answer(request, conn) {
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		mu.Lock()
		for _, c := range open {
			_ = c.Close()
		}
		mu.Unlock()
		wait.Wait()
	})
	return "tcp://" + listener.Addr().String()
}

// answerOf returns the right answer to a request for registers: the number of each is 7.
func answerOf(request []byte) []byte {
	count := int(binary.BigEndian.Uint16(request[10:]))
	answer := append([]byte{}, request[:4]...)
	answer = append(answer, 0, byte(3+2*count), request[6], request[7], byte(2*count))
	for range count {
		answer = append(answer, 0, 7)
	}
	return answer
}

func write(answers ...[]byte) func([]byte, net.Conn) bool {
	return func(_ []byte, to net.Conn) bool {
		for _, a := range answers {
			if _, err := to.Write(a); err != nil {
				return false
			}
		}
		return true
	}
}

// No lie of a server becomes a reading, stops the source or costs memory without end.
func TestLiesAreNoReadings(t *testing.T) {
	t.Parallel()
	change := func(at int, to byte) func([]byte, net.Conn) bool {
		return func(request []byte, conn net.Conn) bool {
			answer := answerOf(request)
			answer[at] = to
			return write(answer)(nil, conn)
		}
	}
	endless := make([]byte, 1<<16)
	for name, answer := range map[string]func([]byte, net.Conn) bool{
		"length too short":      change(5, 4),
		"length too long":       change(5, 200),
		"length beyond a frame": change(4, 255),
		"no length":             change(5, 0),
		"other unit":            change(6, 9),
		"other function":        change(7, 4),
		"writing":               change(7, 6),
		"other count":           change(8, 2),
		"other protocol":        change(3, 1),
		"other transaction":     change(1, 0xee),
		"unknown exception": func(r []byte, c net.Conn) bool {
			return write([]byte{r[0], r[1], 0, 0, 0, 3, r[6], r[7] | 0x80, 99})(nil, c)
		},
		"half an answer":  func(r []byte, c net.Conn) bool { return write(answerOf(r)[:9])(nil, c) },
		"nothing":         write(),
		"closing at once": func([]byte, net.Conn) bool { return false },
		"endless zeros": func(_ []byte, c net.Conn) bool {
			for write(endless)(nil, c) {
			}
			return false
		},
		"endless other answers": func(r []byte, c net.Conn) bool {
			a := answerOf(r)
			a[0] ^= 0x55
			for write(a, a, a, a)(nil, c) {
			}
			return false
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			unit := modbus.Unit{ID: 1, Every: 20 * time.Millisecond, Registers: []modbus.Register{register(t, "number", modbus.Holding, 0, "uint32", "")}}
			o := modbus.Options{Connection: connection(hostile(t, answer)), Units: []modbus.Unit{unit}}
			o.Timeout = 100 * time.Millisecond
			s := poll(t, o)
			until(t, "an error", 5*time.Second, func() bool { return s.status.Snapshot().Error != "" })
			time.Sleep(300 * time.Millisecond)
			began := time.Now()
			s.stop()
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("it took %v to stop", took)
			}
			if got := s.of("number"); len(got) > 0 {
				t.Errorf("got the reading %v", got[0])
			}
			runtime.ReadMemStats(&after)
			if after.HeapInuse > before.HeapInuse+64<<20 {
				t.Errorf("uses %d MiB more", (after.HeapInuse-before.HeapInuse)>>20)
			}
		})
	}
}

// A device that answers late, or twice, is not taken at its word: the answer of an earlier request is no answer to this one.
func TestStaleTransactionsAreSkipped(t *testing.T) {
	t.Parallel()
	address := hostile(t, func(request []byte, to net.Conn) bool {
		stale := answerOf(request)
		binary.BigEndian.PutUint16(stale, binary.BigEndian.Uint16(request)-1)
		stale[len(stale)-1] = 9
		return write(stale, stale, answerOf(request), stale)(nil, to)
	})
	unit := modbus.Unit{ID: 1, Every: 10 * time.Millisecond, Registers: []modbus.Register{register(t, "number", modbus.Holding, 0, "uint16", "")}}
	s := poll(t, modbus.Options{Connection: connection(address), Units: []modbus.Unit{unit}})
	until(t, "readings", 10*time.Second, func() bool { return len(s.of("number")) > 30 })
	for _, r := range s.of("number") {
		if r.Value != 7 {
			t.Fatalf("got %v, want 7", r.Value)
		}
	}
	if got := s.status.Snapshot(); got.Connections != 1 {
		t.Errorf("got %d connections, want 1", got.Connections)
	}
}
