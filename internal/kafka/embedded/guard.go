package embedded

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// maxRequest is the largest request that a client may send, in bytes; it is also the client's own limit. The first bytes of a text
// protocol, read as the length of a request, are far larger.
const maxRequest = 100 << 20

// guardedConn passes requests on unchanged until one is too large or of an unknown kind, at which reading fails. kfake alone would
// allocate any length that a client claims and panic at an unknown kind, so an HTTP client that connects by mistake would end the
// process. Only one goroutine may read.
type guardedConn struct {
	net.Conn
	// head has the length and the kind of the current request. pending is the part of head that has not been passed on.
	head    [6]byte
	pending []byte
	// rest is the number of bytes after head that are still to be read of the current request.
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
