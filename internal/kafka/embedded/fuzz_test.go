package embedded

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Whatever a client sends, kfake gets the requests before the first invalid one, and nothing of that.
func FuzzGuard(f *testing.F) {
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	f.Add([]byte{0, 0, 0, 5, 0, 3, 1, 2, 3, 0, 0, 0, 2, 0, 18, 0, 0, 0, 9, 0x7f, 0, 1})
	f.Fuzz(func(t *testing.T, sent []byte) {
		client, server := net.Pipe()
		go func() {
			_, _ = client.Write(sent) // The guard may hang up.
			client.Close()
		}()
		got, _ := io.ReadAll(&guardedConn{Conn: server})
		server.Close()
		want := sent[:validPrefix(sent)]
		if !bytes.Equal(got, want) {
			t.Errorf("passed on: got %v, want %v", got, want)
		}
	})
}

// validPrefix returns the length of the longest beginning made of requests that are neither too large nor unknown; the last
// may be cut.
func validPrefix(sent []byte) int {
	at := 0
	for len(sent)-at >= 6 {
		size := binary.BigEndian.Uint32(sent[at:])
		if size < 2 || size > maxRequest || kmsg.RequestForKey(int16(binary.BigEndian.Uint16(sent[at+4:]))) == nil {
			return at
		}
		if int(size) > len(sent)-at-4 {
			return len(sent)
		}
		at += 4 + int(size)
	}
	return at
}

// Whatever a crash of the machine leaves, repair succeeds, and a second repair changes nothing.
func FuzzRepair(f *testing.F) {
	f.Add([]byte{3, 0, 0, 0, 1, 2, 3, 4, 1, 0, 9}, make([]byte, 61), make([]byte, indexEntry))
	f.Fuzz(func(t *testing.T, commits, segment, index []byte) {
		dir := t.TempDir()
		partition := filepath.Join(dir, "partitions", "t-0")
		files := map[string][]byte{
			filepath.Join(dir, "groups.log"):  commits,
			filepath.Join(partition, "0.dat"): segment,
			filepath.Join(partition, "0.idx"): index,
		}
		if err := os.MkdirAll(partition, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, content := range files {
			if err := os.WriteFile(name, content, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		first := repaired(t, dir)
		if second := repaired(t, dir); !bytes.Equal(first, second) {
			t.Errorf("second repair: got %v, want %v", second, first)
		}
	})
}

// repaired repairs and returns what all files hold then.
func repaired(t *testing.T, dir string) []byte {
	t.Helper()
	if err := repair(dir); err != nil {
		t.Fatal(err)
	}
	var all []byte
	for _, name := range []string{"groups.log", "partitions/t-0/0.dat", "partitions/t-0/0.idx"} {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		all = append(append(all, content...), '\n')
	}
	return all
}
