package payload

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"strings"
)

// compressed is the uuid of a message whose body is another message, compressed. The specification does not have it, but its reference
// implementations do.
const compressed = "SPBV1.0_COMPRESSED"

var errCompressed = errors.New("a compressed message that cannot be decompressed")

// decompress returns the message in the body of a compressed one, and any other message as it is.
func decompress(data []byte) ([]byte, error) {
	if !bytes.Contains(data, []byte(compressed)) {
		return data, nil
	}
	var body []byte
	is, algorithm := false, "DEFLATE"
	err := fields(data, func(f field) error {
		switch f.number {
		case payloadUUID:
			is = string(f.bytes) == compressed
		case payloadBody:
			body = f.bytes
		case payloadMetrics:
			var metrics []Metric
			err := new(decoder).metric(f, &metrics, 0)
			if err == nil && string(metrics[0].Name) == "algorithm" {
				algorithm = strings.ToUpper(string(metrics[0].Value.Bytes))
			}
			return err
		}
		return nil
	})
	if err != nil || !is {
		return data, err
	}
	var reader io.Reader
	switch algorithm {
	case "DEFLATE":
		reader, err = zlib.NewReader(bytes.NewReader(body))
	case "GZIP":
		reader, err = gzip.NewReader(bytes.NewReader(body))
	default:
		err = errCompressed
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errCompressed, err)
	}
	plain, err := io.ReadAll(io.LimitReader(reader, MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errCompressed, err)
	}
	if len(plain) > MaxSize {
		return nil, errTooLong
	}
	return plain, nil
}
