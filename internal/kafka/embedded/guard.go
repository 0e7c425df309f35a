package embedded

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// maxRequest is the largest request a client may send, the same as the client's own limit. Text of any protocol, read as
// the length of a request, is far larger.
const maxRequest = 100 << 20

// guardedConn ends with an error at a request that is too large or of an unknown kind: kfake allocates whatever length a
// client claims and panics on a request it has never heard of, so a stray HTTP client would end the process. One goroutine
// reads it.
type guardedConn struct {
	net.Conn
	// head is what has been read ahead of the current request: its length and its kind.
	head    [6]byte
	pending []byte
	// rest is how many bytes of the current request lie behind head.
	rest int
}

func (c *guardedConn) Read(p []byte) (int, error) {
	if len(c.pending) == 0 && c.rest == 0 {
		if err := c.next(); err != nil {
			return 0, err
		}
	}
	if len(c.pending) > 0 {
		n := copy(p, c.pending)
		c.pending = c.pending[n:]
		return n, nil
	}
	n, err := c.Conn.Read(p[:min(len(p), c.rest)])
	c.rest -= n
	return n, err
}

// next reads and checks the head of a request.
func (c *guardedConn) next() error {
	if _, err := io.ReadFull(c.Conn, c.head[:]); err != nil {
		return err
	}
	size := binary.BigEndian.Uint32(c.head[:4])
	kind := int16(binary.BigEndian.Uint16(c.head[4:]))
	if size < 2 || size > maxRequest || kmsg.RequestForKey(kind) == nil {
		return fmt.Errorf("not a Kafka client: request of kind %d with %d bytes", kind, size)
	}
	c.pending, c.rest = c.head[:], int(size)-2
	return nil
}
