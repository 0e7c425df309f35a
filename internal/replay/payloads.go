package replay

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"iotmon/internal/iot"
	"iotmon/internal/mapping"
	"iotmon/internal/mapping/payload"
	"iotmon/internal/replay/recording"
)

// payloads reads a recording with a payload in each line, as sources receive them.
type payloads struct {
	text    *bufio.Reader
	format  Format
	topic   string
	decoder *payload.Decoder
	line    int
	read    int64
	buffer  []byte
	values  []mapping.Point
}

func newPayloads(text io.Reader, format Format, topic string) *payloads {
	return &payloads{text: bufio.NewReaderSize(text, 64<<10), format: format, topic: topic, decoder: payload.NewDecoder(payload.Format(format))}
}

func (p *payloads) next() (record, error) {
	for {
		line, err := p.readLine()
		if err != nil {
			return record{}, err
		}
		text := bytes.TrimSpace(line)
		if len(text) == 0 || p.format == LineProtocol && text[0] == '#' {
			continue
		}
		p.values, err = p.decoder.Decode(text, p.values[:0])
		if err != nil {
			return record{}, p.refusal(err)
		}
		for i := range p.values {
			p.values[i].Topic = p.topic
		}
		return record{p.line, p.values}, nil
	}
}

// refusal returns the reason why a line cannot be decoded.
func (p *payloads) refusal(err error) error {
	invalid, ok := errors.AsType[*iot.InvalidError](err)
	if !ok {
		return err // Unreachable: decoders return no other.
	}
	field := invalid.Field
	if field == "" {
		field = "line"
	}
	return &recording.RowError{Line: p.line, Field: field, Reason: invalid.Reason}
}

// readLine reads the next line, which is valid until the one after it. Of one that is longer than a payload may be, it keeps one byte more than
// that, for which the decoder refuses it.
func (p *payloads) readLine() ([]byte, error) {
	p.buffer = p.buffer[:0]
	p.line++
	for {
		part, err := p.text.ReadSlice('\n')
		p.read += int64(len(part))
		p.buffer = append(p.buffer, part[:min(len(part), payload.MaxBytes+1-len(p.buffer))]...)
		switch {
		case err == bufio.ErrBufferFull:
			continue
		case err == io.EOF && len(p.buffer) > 0:
			return p.buffer, nil
		}
		return p.buffer, err
	}
}

// value does nothing: in payloads, numbers and texts are distinguished already.
func (p *payloads) value(*mapping.Point) error { return nil }

// Offset returns how many bytes have been read.
func (p *payloads) Offset() int64 { return p.read }

// Backwards returns false: the order of payloads is not known before they are read.
func (p *payloads) Backwards() bool { return false }
