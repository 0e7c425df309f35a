package opcua

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/gopcua/opcua/ua"
)

// NodeName is the id of a node as people write it: nsu=<URI of the namespace>;s=<text>, ns=<index of the namespace>;i=<number>, or i=<number> for
// nodes of the standard itself. Beside s and i there are g for GUIDs and b for bytes in hexadecimal. The index of a namespace may change when the
// server is restarted, its URI does not.
type NodeName struct {
	text string
	uri  string
	id   nodeID
}

// ParseNodeName parses a name.
func ParseNodeName(text string) (NodeName, error) {
	n := NodeName{text: text}
	rest := text
	if after, ok := strings.CutPrefix(rest, "nsu="); ok {
		at := identifierAt(after)
		if at <= 0 {
			return n, fmt.Errorf("%q must be nsu=, a URI, and then ;s=, ;i=, ;g= or ;b=", text)
		}
		n.uri, rest = after[:at], after[at+1:]
	} else if after, ok := strings.CutPrefix(rest, "ns="); ok {
		index, id, _ := strings.Cut(after, ";")
		namespace, err := strconv.ParseUint(index, 10, 16)
		if err != nil {
			return n, fmt.Errorf("%q must be ns=, a number, and then ;s=, ;i=, ;g= or ;b=", text)
		}
		n.id.namespace, rest = uint16(namespace), id
	}
	if len(rest) < 3 || rest[1] != '=' {
		return n, fmt.Errorf("%q must end with s=, i=, g= or b= and the node's identifier", text)
	}
	return n, n.id.parse(rest[0], rest[2:], text)
}

// identifierAt returns where the semicolon before the identifier is: a URI may have semicolons itself.
func identifierAt(text string) int {
	for i := range len(text) - 2 {
		if text[i] == ';' && strings.IndexByte("isgb", text[i+1]) >= 0 && text[i+2] == '=' {
			return i
		}
	}
	return -1
}

func (n *nodeID) parse(kind byte, identifier, text string) error {
	n.kind = kind
	switch kind {
	case 'i':
		number, err := strconv.ParseUint(identifier, 10, 32)
		if err != nil {
			return fmt.Errorf("%q: %q is no number up to 4294967295", text, identifier)
		}
		n.number = uint32(number)
	case 's':
		n.text = identifier
	case 'g':
		if _, err := ua.ParseNodeID("g=" + identifier); err != nil || len(identifier) != 36 {
			return fmt.Errorf("%q: %q is no GUID", text, identifier)
		}
		n.text = strings.ToLower(identifier)
	case 'b':
		b, err := hex.DecodeString(identifier)
		if err != nil {
			return fmt.Errorf("%q: %q is not hexadecimal", text, identifier)
		}
		n.text = string(b)
	default:
		return fmt.Errorf("%q must end with s=, i=, g= or b= and the node's identifier", text)
	}
	return nil
}
