package opcua

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
)

// maxDepth is how deep values may be nested: a variant in a variant, a structure in a structure.
const maxDepth = 32

// maxMessageElements is how many elements the arrays of one message may have in all: an element occupies up to a hundred times as many bytes in
// memory as in the message.
const maxMessageElements = 200_000

var (
	errShort    = errors.New("the message ends too early")
	errElements = fmt.Errorf("the arrays of a message have more than %d elements", maxMessageElements)
	errNested   = fmt.Errorf("values are nested more than %d levels deep", maxDepth)
)

// reader decodes the binary encoding of OPC UA (Part 6, 5.2). After the first error, which is in err, its methods return zero values. Byte
// strings that it returns are parts of b.
type reader struct {
	b     []byte
	err   error
	depth int
	// elements counts those of arrays of values, and the fields of structures: a field that is a structure without fields occupies no byte.
	elements int
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err, r.b = err, nil
	}
}

func (r *reader) take(n int) []byte {
	if r.err != nil || n < 0 || n > len(r.b) {
		r.fail(errShort)
		return nil
	}
	taken := r.b[:n:n]
	r.b = r.b[n:]
	return taken
}

// enter begins a nested value, and reports whether it may be decoded. leave must be called afterwards.
func (r *reader) enter() bool {
	if r.depth++; r.depth > maxDepth {
		r.fail(errNested)
	}
	return r.err == nil
}

func (r *reader) leave() { r.depth-- }

// spend counts elements, and reports whether a message may have so many.
func (r *reader) spend(n int) bool {
	if r.elements += n; r.elements > maxMessageElements {
		r.fail(errElements)
	}
	return r.err == nil
}

func (r *reader) u8() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) u16() uint16 {
	if b := r.take(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (r *reader) u32() uint32 {
	if b := r.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (r *reader) u64() uint64 {
	if b := r.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (r *reader) f64() float64 { return math.Float64frombits(r.u64()) }

func (r *reader) bool() bool { return r.u8() != 0 }

// count decodes the number of elements of an array whose elements are at least size bytes long. A null array has none.
func (r *reader) count(size int) int {
	n := int32(r.u32())
	if n <= 0 {
		return 0
	}
	if int(n) > len(r.b)/size {
		r.fail(fmt.Errorf("an array of %d elements is longer than its message", n))
		return 0
	}
	return int(n)
}

func (r *reader) u32s() []uint32 {
	all := make([]uint32, r.count(4))
	for i := range all {
		all[i] = r.u32()
	}
	return all
}

// bytes returns nil for null.
func (r *reader) bytes() []byte {
	n := int32(r.u32())
	if n < 0 {
		return nil
	}
	return r.take(int(n))
}

func (r *reader) string() string { return string(r.bytes()) }

// ticksTo1970 is the number of 100 ns between 1601, where times begin, and 1970.
const ticksTo1970 = 116444736000000000

// time returns the zero time for a time that the server does not know.
func (r *reader) time() time.Time {
	ticks := int64(r.u64())
	if ticks <= 0 || ticks == math.MaxInt64 {
		return time.Time{}
	}
	ticks -= ticksTo1970
	return time.Unix(ticks/1e7, ticks%1e7*100).UTC()
}

func (r *reader) guid() string {
	b := r.take(16)
	if b == nil {
		return ""
	}
	return fmt.Sprintf("%08x-%04x-%04x-%x-%x", binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint16(b[4:]), binary.LittleEndian.Uint16(b[6:]), b[8:10], b[10:])
}

// nodeID is the id of a node in the present connection. kind is i, s, g or b; the number is that of i, the text that of the others: a GUID
// in its usual form, bytes as they are.
type nodeID struct {
	namespace uint16
	kind      byte
	number    uint32
	text      string
}

func (n nodeID) String() string { return n.under("ns=" + strconv.Itoa(int(n.namespace))) }

// under returns the id as a text behind the name of its namespace, which the standard's own namespace goes without.
func (n nodeID) under(namespace string) string {
	id := n.text
	switch n.kind {
	case 'i', 0:
		id, n.kind = strconv.FormatUint(uint64(n.number), 10), 'i'
	case 'b':
		id = hex.EncodeToString([]byte(n.text))
	}
	if n.namespace == 0 {
		return string(n.kind) + "=" + id
	}
	return namespace + ";" + string(n.kind) + "=" + id
}

const (
	hasNamespaceURI = 0x80
	hasServerIndex  = 0x40
)

func (r *reader) nodeID() nodeID { return r.nodeIDBody(r.u8()) }

func (r *reader) nodeIDBody(encoding byte) nodeID {
	switch encoding {
	case 0:
		return nodeID{kind: 'i', number: uint32(r.u8())}
	case 1:
		return nodeID{kind: 'i', namespace: uint16(r.u8()), number: uint32(r.u16())}
	case 2:
		return nodeID{kind: 'i', namespace: r.u16(), number: r.u32()}
	case 3:
		return nodeID{kind: 's', namespace: r.u16(), text: r.string()}
	case 4:
		return nodeID{kind: 'g', namespace: r.u16(), text: r.guid()}
	case 5:
		return nodeID{kind: 'b', namespace: r.u16(), text: r.string()}
	}
	r.fail(fmt.Errorf("%d is no encoding of a node id", encoding))
	return nodeID{}
}

// expandedNodeID also returns the namespace's URI, if the id has that instead of an index, and whether the node is in another server.
func (r *reader) expandedNodeID() (id nodeID, uri string, elsewhere bool) {
	encoding := r.u8()
	id = r.nodeIDBody(encoding &^ (hasNamespaceURI | hasServerIndex))
	if encoding&hasNamespaceURI != 0 {
		uri = r.string()
	}
	if encoding&hasServerIndex != 0 {
		elsewhere = r.u32() != 0
	}
	return id, uri, elsewhere
}

func (r *reader) qualifiedName() (namespace uint16, name string) { return r.u16(), r.string() }

// localizedText returns the text without its locale.
func (r *reader) localizedText() string {
	mask := r.u8()
	if mask&1 != 0 {
		r.bytes()
	}
	if mask&2 != 0 {
		return r.string()
	}
	return ""
}

// skipDiagnostics skips a DiagnosticInfo.
func (r *reader) skipDiagnostics() {
	if r.enter() {
		mask := r.u8()
		for bit := byte(1); bit <= 8; bit <<= 1 {
			if mask&bit != 0 {
				r.u32()
			}
		}
		if mask&0x10 != 0 {
			r.bytes()
		}
		if mask&0x20 != 0 {
			r.u32()
		}
		if mask&0x40 != 0 {
			r.skipDiagnostics()
		}
	}
	r.leave()
}

// structure is an ExtensionObject: the id of its encoding, and its body, which is nil if it has none or has one in XML.
type structure struct {
	encoding nodeID
	body     []byte
}

func (r *reader) structure() structure {
	s := structure{}
	s.encoding, _, _ = r.expandedNodeID()
	switch mask := r.u8(); mask {
	case 0:
	case 1:
		s.body = r.bytes()
	case 2:
		r.bytes()
	default:
		r.fail(fmt.Errorf("%d is no encoding of a structure", mask))
	}
	return s
}
