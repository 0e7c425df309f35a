package httpsource

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"

	"golang.org/x/sync/semaphore"

	"iotmon/internal/mapping/payload"
	"iotmon/internal/wire"
)

// format is how the readings of a body are separated.
type format int

const (
	jsonText format = iota
	jsonLines
	lineProtocol
)

// formatOf returns the format that the content type names. A request without a content type is refused: a web page of anybody can
// make the browser of a visitor send such a request to any address. For the types that are accepted here, browsers ask the server
// for permission first.
func formatOf(header http.Header) (format, error) {
	given := header.Get("Content-Type")
	mediaType, params, err := mime.ParseMediaType(given)
	if charset := params["charset"]; err == nil && (charset == "" || strings.EqualFold(charset, "utf-8")) {
		switch mediaType {
		case "application/json":
			return jsonText, nil
		case "application/x-ndjson", "application/ndjson":
			return jsonLines, nil
		case "application/vnd.influx.line-protocol": // Not text/plain, which any page can send.
			return lineProtocol, nil
		}
	}
	return 0, refuse(http.StatusUnsupportedMediaType,
		"Content-Type must be application/json, application/x-ndjson or application/vnd.influx.line-protocol in UTF-8 (got %q)", given,
	).with("Accept-Post", "application/json, application/x-ndjson")
}

// errBusy means that the bodies in flight have reached MaxBytes together.
var errBusy = errors.New("too many bytes in flight")

// meter is a reader that counts what it reads against a budget shared by all requests. It returns errBusy when the budget is used
// up.
type meter struct {
	source io.Reader
	budget *semaphore.Weighted
	held   int64
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.source.Read(p)
	if !m.budget.TryAcquire(int64(n)) {
		return 0, errBusy
	}
	m.held += int64(n)
	return n, err
}

// release returns what was read to the budget.
func (m *meter) release() { m.budget.Release(m.held) }

// readBody returns the decompressed body. Memory grows with the bytes that have arrived, which m counts, and never beyond MaxBody,
// whatever length the headers announce and however far a compressed body expands.
func (h *Handler) readBody(w http.ResponseWriter, r *http.Request, m *meter) ([]byte, error) {
	if r.ContentLength > h.o.MaxBody {
		return nil, h.tooLarge()
	}
	decoded, err := decode(http.MaxBytesReader(w, r.Body, h.o.MaxBody), r.Header)
	if err != nil {
		return nil, h.bodyProblem(err)
	}
	m.source = io.LimitReader(decoded, h.o.MaxBody+1)
	data, err := io.ReadAll(m)
	if err != nil {
		return nil, h.bodyProblem(err)
	}
	if int64(len(data)) > h.o.MaxBody {
		return nil, h.tooLarge()
	}
	return data, nil
}

// decode returns a reader of the decompressed body.
func decode(body io.Reader, header http.Header) (io.Reader, error) {
	switch encoding := strings.Join(header.Values("Content-Encoding"), ", "); strings.ToLower(encoding) {
	case "", "identity":
		return body, nil
	case "gzip", "x-gzip":
		return gzip.NewReader(body)
	default:
		return nil, refuse(http.StatusUnsupportedMediaType, "Content-Encoding must be gzip or absent (got %q)", encoding).
			with("Accept-Encoding", "gzip")
	}
}

func (h *Handler) tooLarge() error {
	return refuse(http.StatusRequestEntityTooLarge, "the body is longer than %d bytes, as sent or as decompressed", h.o.MaxBody)
}

// bodyProblem returns the answer to a body that could not be read.
func (h *Handler) bodyProblem(err error) error {
	if _, ok := errors.AsType[*problem](err); ok {
		return err
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return h.tooLarge()
	}
	switch {
	case errors.Is(err, errBusy):
		return refuse(http.StatusTooManyRequests, "bodies of %d bytes together are in flight already", h.o.MaxBytes).
			with("Retry-After", retryBusy)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return refuse(http.StatusRequestTimeout, "the body did not arrive within %v", h.o.BodyTimeout)
	}
	return refuse(http.StatusBadRequest, "the body cannot be read: %v", err)
}

// batch is a body split into its elements, which are not decoded yet.
type batch struct {
	elements [][]byte
	// single is true if the body is a single JSON object, not in an array.
	single bool
	// lineProtocol is true if the elements are lines of InfluxDB's line protocol rather than JSON.
	lineProtocol bool
}

// split splits a body into its elements, at most limit. A malformed element does not affect the others: it is rejected alone, when
// it is decoded. A body that is cut off, or that is not JSON outside its elements, is refused as a whole.
func split(body []byte, format format, limit int) (batch, error) {
	var b batch
	switch text := wire.TrimJSON(body); {
	case isUTF16(body):
		return b, refuse(http.StatusBadRequest, "the body is UTF-16: send UTF-8")
	case len(text) == 0:
	case format == lineProtocol:
		b.elements, b.lineProtocol = payload.SplitLines(text, limit), true
	case format == jsonLines:
		b.elements = splitLines(text, limit)
		b.single = len(b.elements) == 1
	case wire.Valid(text):
		var wrapped bool
		if b.elements, wrapped = unwrap(text, limit); !wrapped {
			b.elements, b.single = splitText(text, limit), text[0] != '['
		}
	case startsWithLine(text):
		b.elements = splitLines(text, limit)
	case text[0] == '[' && text[len(text)-1] == ']':
		b.elements = splitBroken(text, limit)
	default:
		return b, malformed(text)
	}
	switch {
	case len(b.elements) == 0:
		return b, refuse(http.StatusBadRequest, "no readings")
	case len(b.elements) > limit:
		return b, refuse(http.StatusRequestEntityTooLarge, "more than %d readings in one request", limit)
	}
	return b, nil
}

func isUTF16(body []byte) bool {
	return bytes.HasPrefix(body, []byte("\xff\xfe")) || bytes.HasPrefix(body, []byte("\xfe\xff"))
}

// startsWithLine reports whether the first line is a complete JSON object and more lines follow. Such a body has one reading in
// each line, even if the content type is application/json.
func startsWithLine(body []byte) bool {
	line, _, more := bytes.Cut(body, []byte{'\n'})
	return more && line[0] == '{' && wire.Valid(line)
}

// splitLines returns the lines that are not blank. It stops after limit+1, which the caller refuses.
func splitLines(body []byte, limit int) [][]byte {
	var lines [][]byte
	for line := range bytes.Lines(body) {
		if line = wire.TrimJSON(line); len(line) > 0 {
			lines = append(lines, line)
		}
		if len(lines) > limit {
			break
		}
	}
	return lines
}

// splitText returns the elements of an array, or the text itself if it is not an array. It stops after limit+1. The text must be
// valid as wire.Valid defines it, without space around it.
func splitText(text []byte, limit int) [][]byte {
	if text[0] != '[' {
		return [][]byte{text}
	}
	var elements [][]byte
	depth, quoted, start := 0, false, 1
	for i := 0; i < len(text) && len(elements) <= limit; i++ {
		switch c := text[i]; {
		case quoted:
			if c == '\\' {
				i++
			} else if c == '"' {
				quoted = false
			}
		case c == '"':
			quoted = true
		case c == '[' || c == '{':
			depth++
		case c == ',' && depth == 1, c == ']' && depth == 1:
			// In valid JSON, only an empty array has an empty element.
			if element := bytes.TrimSpace(text[start:i]); len(element) > 0 {
				elements = append(elements, element)
			}
			start = i + 1
		case c == ']' || c == '}':
			depth--
		}
	}
	return elements
}

// malformed returns the answer to a body that is not valid JSON, with the offset of the first byte that is wrong.
func malformed(body []byte) error {
	var text json.RawMessage
	err := json.Unmarshal(body, &text)
	syntax, ok := errors.AsType[*json.SyntaxError](err)
	if !ok {
		return refuse(http.StatusBadRequest, "not valid JSON: %v", err)
	}
	p := refuse(http.StatusBadRequest, "not valid JSON at byte %d: %v", syntax.Offset, err)
	p.Offset = &syntax.Offset
	return p
}
