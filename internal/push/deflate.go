package push

import (
	"bytes"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/klauspost/compress/flate"
)

const (
	extensions        = "Sec-WebSocket-Extensions"
	permessageDeflate = "permessage-deflate"
)

// offersDeflate reports whether a handshake offers permessage-deflate (RFC 7692) in a form that the hub can accept: without a
// limit on the server's window, which gorilla/websocket would ignore, and without parameters that the RFC does not define. Offers with
// either must be declined; the client is then sent everything uncompressed.
func offersDeflate(header http.Header) bool {
	for _, line := range header.Values(extensions) {
		if slices.ContainsFunc(strings.Split(line, ","), acceptable) {
			return true
		}
	}
	return false
}

// acceptable reports whether one offer of an extension is permessage-deflate with parameters that the hub can accept.
func acceptable(offer string) bool {
	parameters := strings.Split(offer, ";")
	if strings.TrimSpace(parameters[0]) != permessageDeflate {
		return false
	}
	seen := make(map[string]bool)
	for _, parameter := range parameters[1:] {
		key, value, hasValue := strings.Cut(parameter, "=")
		key, value = strings.TrimSpace(key), strings.Trim(strings.TrimSpace(value), `"`)
		if seen[key] {
			return false
		}
		seen[key] = true
		switch key {
		case "server_no_context_takeover", "client_no_context_takeover":
			if hasValue {
				return false
			}
		case "client_max_window_bits":
			if bits, err := strconv.Atoi(value); hasValue && (err != nil || bits < 8 || bits > 15) {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// deflater compresses messages. A hub has one for all viewers, so its memory does not grow with them. The lock of shared guards it.
type deflater struct {
	// writer is made for the first message, and used again for the others.
	writer *flate.Writer
}

// deflateFrom is the minimum size in bytes of a message that is compressed. A shorter one fits into one packet anyway, so compression
// would save little.
const deflateFrom = 256

// emptyBlock is what a compressor writes at the end of a flush. RFC 7692 requires that a message leaves it out.
var emptyBlock = []byte{0x00, 0x00, 0xff, 0xff}

// deflate sets the compressed form of a message, unless it is set. It does not depend on earlier messages, so all viewers can
// share it. For a message that would not become shorter, the compressed form is the message itself.
func (d *deflater) deflate(m *message) {
	if m.deflated != nil {
		return
	}
	m.deflated, m.deflatedFrame = m.data, m.frame
	if len(m.data) < deflateFrom {
		return
	}
	framed := sink(make([]byte, frameHead, frameHead+len(m.data)/4))
	if !d.write(&framed, m.data) || !bytes.HasSuffix(framed, emptyBlock) {
		return
	}
	framed = framed[:len(framed)-len(emptyBlock)]
	if data := framed[frameHead:]; len(data) < len(m.data) {
		const finalCompressedText = finalText | 0x40
		m.deflated, m.deflatedFrame = data, putHead(finalCompressedText, framed)
	}
}

// write compresses data into framed and reports whether that worked.
func (d *deflater) write(framed *sink, data []byte) bool {
	if d.writer == nil {
		writer, err := flate.NewWriter(framed, flate.BestSpeed)
		if err != nil {
			return false
		}
		d.writer = writer
	} else {
		d.writer.Reset(framed)
	}
	if _, err := d.writer.Write(data); err != nil {
		return false
	}
	return d.writer.Flush() == nil
}

// sink is a slice of bytes that an io.Writer appends to.
type sink []byte

func (s *sink) Write(p []byte) (int, error) {
	*s = append(*s, p...)
	return len(p), nil
}

// deflated returns the batch of a change set with its messages compressed, made once for all viewers that agreed on compression. The
// lock of shared is held.
func (s *changeSet) deflated(d *deflater) frameBatch {
	if s.compressed == nil {
		for _, m := range s.messages {
			d.deflate(m)
		}
		packed := pack(s.messages, deflatedFrame)
		s.compressed = &packed
	}
	return *s.compressed
}

// plainFrame and deflatedFrame return what a message is written as. Messages for one viewer alone have no compressed form.
func plainFrame(m *message) []byte { return m.frame }

func deflatedFrame(m *message) []byte { return m.deflatedFrame }
