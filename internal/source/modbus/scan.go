package modbus

import (
	"context"
	"errors"
	"fmt"
)

// ScanOptions say which addresses of a device are looked at.
type ScanOptions struct {
	Connection
	Unit uint8
	Kind Kind
	// From and To are the first and the last offset.
	From, To uint16
	// MaxRequests is how many requests are made at most; 0 means 2,000.
	MaxRequests int
}

// Scanned is an address that answers. Value has the register as it is, 0 or 1 of a bit.
type Scanned struct {
	Kind   Kind
	Offset uint16
	Value  uint16
}

// scanBlock is how many addresses the first request for a block asks for.
const scanBlock = 64

// Scan reads the addresses block by block, and writes nothing. A block that the device refuses is halved, until it answers or is a single
// address, which is left out. truncated is whether MaxRequests were not enough. The error says why the device does not answer; what was found
// before is returned too. It returns at the latest the time of one connect and one request after ctx has ended.
func Scan(ctx context.Context, o ScanOptions) (found []Scanned, truncated bool, err error) {
	left := o.MaxRequests
	if left == 0 {
		left = 2000
	}
	c, err := o.open()
	if err != nil {
		return nil, false, err
	}
	defer func() { _ = c.Close() }() // Nothing was written.
	type span struct{ from, to int }
	var spans []span
	for from := int(o.From); from <= int(o.To); from += scanBlock {
		spans = append(spans, span{from, min(from+scanBlock-1, int(o.To))})
	}
	for len(spans) > 0 {
		s := spans[0]
		spans = spans[1:]
		switch {
		case ctx.Err() != nil:
			return found, true, nil
		case left == 0:
			return found, true, nil
		}
		left--
		bytes, err := readAddresses(c, o.Unit, o.Kind, uint16(s.from), uint16(s.to-s.from+1))
		if err == nil {
			found = append(found, values(o.Kind, s.from, bytes)...)
			continue
		}
		switch judge(err) {
		case illegal, refused:
			if s.from == s.to {
				continue
			}
			middle := (s.from + s.to) / 2
			spans = append([]span{{s.from, middle}, {middle + 1, s.to}}, spans...)
		case gone:
			return found, false, fmt.Errorf("unit %d: %w", o.Unit, err)
		default:
			if len(found) == 0 {
				return nil, false, fmt.Errorf("unit %d does not answer: %w", o.Unit, err)
			}
			_ = c.Close() // A late answer could be taken for that of the next request.
			if c, err = o.open(); err != nil {
				return found, true, errors.Join(errors.New("the device has ended the connection"), err)
			}
			left -= min(left, 50) // A device that ends every connection ends the scan soon.
		}
	}
	return found, false, nil
}

// values returns the addresses of an answer.
func values(kind Kind, from int, bytes []byte) []Scanned {
	var found []Scanned
	if kind == Coil || kind == Discrete {
		for i, bit := range bytes {
			found = append(found, Scanned{kind, uint16(from + i), uint16(bit)})
		}
		return found
	}
	for i := 0; i+1 < len(bytes); i += 2 {
		found = append(found, Scanned{kind, uint16(from + i/2), uint16(bytes[i])<<8 | uint16(bytes[i+1])})
	}
	return found
}
