package httpsource

import "bytes"

// splitBroken splits an array in which some element is malformed. It stops after limit+1 elements. The text must begin and end with
// the array's brackets. An element ends before the next comma outside its own brackets and quotes. If its brackets or quotes do not
// match, that comma cannot be found; then the element ends before the next complete object.
func splitBroken(text []byte, limit int) [][]byte {
	s := brokenArray{text: text[:len(text)-1], budget: 4*len(text) + maxReadingBytes}
	var elements [][]byte
	for at := 1; at < len(s.text) && len(elements) <= limit; {
		end, ok := s.elementEnd(at)
		if !ok {
			end = s.resume(at)
		}
		if element := bytes.TrimSpace(s.text[at:end]); len(element) > 0 {
			elements = append(elements, element)
		}
		at = end + 1
	}
	return elements
}

// brokenArray is the text of an array, without its last bracket.
type brokenArray struct {
	text []byte
	// budget is how many bytes may still be read in search of the next complete object. Without it, a text made for the purpose
	// would take a time that grows with the square of its length.
	budget int
}

// elementEnd returns the index of the comma after the element that begins at the index at, or of the end of the array. It returns
// false if brackets do not match, if a string does not end in its line, or if the element is longer than maxReadingBytes.
func (s *brokenArray) elementEnd(at int) (int, bool) {
	const deepest = 64
	var open []byte
	last := min(len(s.text), at+maxReadingBytes+1)
	start := at
	defer func() { s.budget -= at - start }()
	for ; at < last; at++ {
		switch c := s.text[at]; c {
		case '"':
			if at = s.stringEnd(at, last); at < 0 {
				at = last
				return 0, false
			}
		case '{', '[':
			open = append(open, c+2) // In ASCII, the closing bracket is two after the opening one.
			if len(open) > deepest {
				return 0, false
			}
		case '}', ']':
			if len(open) == 0 || open[len(open)-1] != c {
				return 0, false
			}
			open = open[:len(open)-1]
		case ',':
			if len(open) == 0 {
				return at, true
			}
		}
	}
	return len(s.text), at == len(s.text) && len(open) == 0
}

// stringEnd returns the index of the quote that closes the string that begins at the index at, or -1 if there is none in its line.
func (s *brokenArray) stringEnd(at, last int) int {
	for at++; at < last; at++ {
		switch s.text[at] {
		case '\\':
			at++
		case '"':
			return at
		case '\n', '\r':
			return -1
		}
	}
	return -1
}

// resume returns the index of the comma before the next complete object after the index at, or of the end of the array.
func (s *brokenArray) resume(at int) int {
	for comma := at; s.budget > 0; comma++ {
		next := bytes.IndexByte(s.text[comma:], ',')
		if next < 0 {
			break
		}
		comma += next
		object := len(s.text) - len(bytes.TrimLeft(s.text[comma+1:], " \t\r\n"))
		if object == len(s.text) || s.text[object] != '{' {
			continue
		}
		if _, ok := s.elementEnd(object); ok {
			return comma
		}
	}
	return len(s.text)
}
