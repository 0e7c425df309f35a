package payload

import (
	"bytes"
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"iotmon/internal/iot"
)

type kind uint8

const (
	null kind = iota
	boolean
	number
	text
	array
	object
)

// node is a value of a tree. What an array or an object contains follows it, up to the index end.
type node struct {
	kind kind
	end  int32
	// name is the name of a member of an object.
	name []byte
	// text is a text, true or false, the digits of a number, or what an array or an object was in JSON; nil for those of other formats.
	text   []byte
	number float64
}

func (n *node) scalar() bool { return n.kind == boolean || n.kind == number || n.kind == text }

// tree is a decoded payload: its nodes in the order of the payload, the whole first.
type tree struct {
	nodes []node
	// in and at are the JSON text and the offset of what is parsed next.
	in []byte
	at int
}

// parse parses a JSON text, strictly but for NaN and infinities, which many programs write. The nodes refer to the text.
func (t *tree) parse(in []byte) error {
	t.nodes, t.in, t.at = t.nodes[:0], in, 0
	if err := t.value(nil, 0); err != nil {
		return err
	}
	if t.space(); t.at < len(t.in) {
		return t.wrong("something follows behind the value")
	}
	return nil
}

// wrong returns the error about what stands at the present offset.
func (t *tree) wrong(what string) error {
	got := t.in[t.at:]
	return iot.Invalid("", "not valid JSON at byte %d: %s (got %s)", t.at+1, what, iot.Quote(string(got[:min(len(got), 32)])))
}

func (t *tree) space() {
	for t.at < len(t.in) && (t.in[t.at] == ' ' || t.in[t.at] == '\t' || t.in[t.at] == '\n' || t.in[t.at] == '\r') {
		t.at++
	}
}

// add adds a node without its end and returns its index.
func (t *tree) add(n node) (int, error) {
	if len(t.nodes) >= maxNodes {
		return 0, iot.Invalid("", "more than %d values, objects and arrays", maxNodes)
	}
	n.end = int32(len(t.nodes)) + 1
	t.nodes = append(t.nodes, n)
	return len(t.nodes) - 1, nil
}

func (t *tree) value(name []byte, depth int) error {
	t.space()
	if t.at >= len(t.in) {
		return t.wrong("it ends too early")
	}
	var n node
	var err error
	switch c := t.in[t.at]; {
	case c == '{' || c == '[':
		return t.container(name, depth)
	case c == '"':
		n.kind = text
		n.text, err = t.string()
	case c == '-' || c >= '0' && c <= '9':
		n, err = t.numeric()
	default:
		n, err = t.word()
	}
	if err != nil {
		return err
	}
	n.name = name
	_, err = t.add(n)
	return err
}

// container parses an object or an array.
func (t *tree) container(name []byte, depth int) error {
	if depth >= MaxDepth {
		return iot.Invalid("", "more than %d objects and arrays within each other", MaxDepth)
	}
	start, kind, closing := t.at, array, byte(']')
	if t.in[t.at] == '{' {
		kind, closing = object, '}'
	}
	index, err := t.add(node{kind: kind, name: name})
	if err != nil {
		return err
	}
	t.at++
	for t.space(); t.at >= len(t.in) || t.in[t.at] != closing; t.space() {
		if len(t.nodes) > index+1 {
			if t.at >= len(t.in) || t.in[t.at] != ',' {
				return t.wrong("want a comma or " + strconv.QuoteRune(rune(closing)))
			}
			t.at++
		}
		if err := t.element(kind, depth); err != nil {
			return err
		}
	}
	t.at++
	t.nodes[index].end = int32(len(t.nodes))
	t.nodes[index].text = t.in[start:t.at]
	if kind == object {
		return t.unique(index)
	}
	return nil
}

// element parses an element of an array or a member of an object.
func (t *tree) element(of kind, depth int) error {
	if of == array {
		return t.value(nil, depth+1)
	}
	if t.space(); t.at >= len(t.in) || t.in[t.at] != '"' {
		return t.wrong("want the name of a member")
	}
	name, err := t.string()
	if err != nil {
		return err
	}
	if t.space(); t.at >= len(t.in) || t.in[t.at] != ':' {
		return t.wrong("want a colon")
	}
	t.at++
	return t.value(name, depth+1)
}

// fewMembers is how many members of an object are compared one with the other.
const fewMembers = 24

// unique checks that no two members of an object have the same name: nobody could say which value is meant.
func (t *tree) unique(index int) error {
	var names map[string]bool
	members := 0
	for i := index + 1; i < int(t.nodes[index].end); i = int(t.nodes[i].end) {
		name := t.nodes[i].name
		if members++; members > fewMembers {
			if names == nil {
				names = make(map[string]bool)
				for j := index + 1; j < i; j = int(t.nodes[j].end) {
					names[string(t.nodes[j].name)] = true
				}
			}
			if names[string(name)] {
				return duplicate(name)
			}
			names[string(name)] = true
			continue
		}
		for j := index + 1; j < i; j = int(t.nodes[j].end) {
			if bytes.Equal(t.nodes[j].name, name) {
				return duplicate(name)
			}
		}
	}
	return nil
}

func duplicate(name []byte) error {
	return iot.Invalid("", "the name %s occurs twice in one object", iot.Quote(string(name)))
}

func (t *tree) numeric() (node, error) {
	start := t.at
	if t.in[t.at] == '-' {
		if t.at++; t.at < len(t.in) && isLetter(t.in[t.at]) {
			return t.notFinite(start, -1)
		}
	}
	whole := t.digits()
	if whole == 0 || whole > 1 && t.in[t.at-whole] == '0' {
		return node{}, t.wrong("want a number without leading zeros")
	}
	if t.at < len(t.in) && t.in[t.at] == '.' {
		if t.at++; t.digits() == 0 {
			return node{}, t.wrong("want digits after the point")
		}
	}
	if t.at < len(t.in) && t.in[t.at]|0x20 == 'e' {
		if t.at++; t.at < len(t.in) && (t.in[t.at] == '+' || t.in[t.at] == '-') {
			t.at++
		}
		if t.digits() == 0 {
			return node{}, t.wrong("want digits in the exponent")
		}
	}
	digits := t.in[start:t.at]
	value, _ := strconv.ParseFloat(string(digits), 64) // Beyond the range it is infinite, which no reading may be.
	return node{kind: number, text: digits, number: value}, nil
}

func (t *tree) digits() int {
	start := t.at
	for t.at < len(t.in) && t.in[t.at] >= '0' && t.in[t.at] <= '9' {
		t.at++
	}
	return t.at - start
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// letters reads letters in lower case.
func (t *tree) letters() string {
	start := t.at
	for t.at < len(t.in) && isLetter(t.in[t.at]) {
		t.at++
	}
	return string(bytes.ToLower(t.in[start:t.at]))
}

// notFinite parses NaN or an infinity. start is where its sign is.
func (t *tree) notFinite(start, sign int) (node, error) {
	switch t.letters() {
	case "nan":
		return node{kind: number, text: t.in[start:t.at], number: math.NaN()}, nil
	case "inf", "infinity":
		return node{kind: number, text: t.in[start:t.at], number: math.Inf(sign)}, nil
	}
	t.at = start
	return node{}, t.wrong("want a value")
}

func (t *tree) word() (node, error) {
	for _, known := range []struct {
		word string
		kind kind
	}{{"true", boolean}, {"false", boolean}, {"null", null}} {
		if bytes.HasPrefix(t.in[t.at:], []byte(known.word)) {
			word := t.in[t.at : t.at+len(known.word)]
			t.at += len(known.word)
			return node{kind: known.kind, text: word}, nil
		}
	}
	start := t.at
	if t.in[t.at] == '+' {
		t.at++
	}
	return t.notFinite(start, 1)
}

// string parses a string. Without escapes, which is nearly always, it is a part of the JSON text.
func (t *tree) string() ([]byte, error) {
	start := t.at
	for t.at++; t.at < len(t.in); t.at++ {
		switch c := t.in[t.at]; {
		case c == '"':
			t.at++
			return t.in[start+1 : t.at-1], nil
		case c == '\\':
			return t.escaped(bytes.Clone(t.in[start+1 : t.at]))
		case c < ' ':
			return nil, t.wrong("a control character in a string")
		}
	}
	t.at = start
	return nil, t.wrong("a string that does not end")
}

// escaped parses the rest of a string, from its first escape on.
func (t *tree) escaped(begin []byte) ([]byte, error) {
	for s := begin; t.at < len(t.in); {
		switch c := t.in[t.at]; {
		case c == '"':
			t.at++
			return s, nil
		case c < ' ':
			return nil, t.wrong("a control character in a string")
		case c != '\\':
			s = append(s, c)
			t.at++
		default:
			r, ok := t.escape()
			if !ok {
				return nil, t.wrong("an unknown escape")
			}
			s = utf8.AppendRune(s, r)
		}
	}
	return nil, t.wrong("a string that does not end")
}

// escape parses one escape; two of them that are the halves of one character. A half alone becomes U+FFFD.
func (t *tree) escape() (rune, bool) {
	if t.at+1 >= len(t.in) {
		return 0, false
	}
	if i := bytes.IndexByte([]byte(`"\/bfnrt`), t.in[t.at+1]); i >= 0 {
		t.at += 2
		return rune("\"\\/\b\f\n\r\t"[i]), true
	}
	r, ok := t.unicode()
	if !ok || !utf16.IsSurrogate(r) {
		return r, ok
	}
	before := t.at
	if low, ok := t.unicode(); ok {
		if whole := utf16.DecodeRune(r, low); whole != utf8.RuneError {
			return whole, true
		}
		t.at = before
	}
	return utf8.RuneError, true
}

// unicode parses an escape such as \u00b0.
func (t *tree) unicode() (rune, bool) {
	const length = len(`\u0000`)
	if len(t.in)-t.at < length || t.in[t.at] != '\\' || t.in[t.at+1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range t.in[t.at+2 : t.at+length] {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	t.at += length
	return r, true
}
