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
// limit on the server's window, which gorilla/websocket would ignore, and without parameters that the RFC does not know. Both
// have to be declined; the client is then sent everything uncompressed.
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

// deflater compresses messages. There is one for each hub, used under the hub's lock: clients cost it nothing.
type deflater struct {
	writer *flate.Writer
}

// deflateFrom is from how many bytes on a message is compressed. Shorter ones gain less than the rest of a packet takes.
const deflateFrom = 256

// emptyBlock ends what a compressor flushes. RFC 7692 has it left out of the message.
var emptyBlock = []byte{0x00, 0x00, 0xff, 0xff}

// deflate sees to it that the message has its compressed form, made without a view to earlier messages so that all clients can
// share it. A message that would gain nothing stands for itself.
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

// sink is a slice of bytes that can be written to.
type sink []byte

func (s *sink) Write(p []byte) (int, error) {
	*s = append(*s, p...)
	return len(p), nil
}

// deflated returns the batch of a change set with its messages compressed, made once for all clients that accept compression. The caller
// holds the hub's lock.
func (r *changeSet) deflated(d *deflater) frameBatch {
	if r.compressed == nil {
		for _, m := range r.messages {
			d.deflate(m)
		}
		packed := pack(r.messages, deflatedFrame)
		r.compressed = &packed
	}
	return *r.compressed
}

// plainFrame and deflatedFrame are what a message is written as. Messages that are one client's own have no compressed form.
func plainFrame(m *message) []byte { return m.frame }

func deflatedFrame(m *message) []byte { return m.deflatedFrame }

// size returns how many bytes of the message the client was sent, without the head of the frame.
func (c *client) size(m *message) int {
	if c.deflate && m.deflated != nil {
		return len(m.deflated)
	}
	return len(m.data)
}
