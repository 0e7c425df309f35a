package wire

import "encoding/binary"

const (
	ones  = 0x0101010101010101
	highs = 0x80 * ones
)

// plain looks at text eight bytes at a time, from the front up to the first eight among which there is a quote, a backslash or a
// control character. It returns how many bytes it has passed, and whether they are all ASCII.
func plain(text []byte) (done int, ascii bool) {
	var all uint64
	for ; len(text)-done >= 8; done += 8 {
		word := binary.LittleEndian.Uint64(text[done:])
		// Of the lowest byte that qualifies the high bit is set in the difference; above it there may be more.
		quote, backslash := word^'"'*ones, word^'\\'*ones
		if ((word-' '*ones)&^word|(quote-ones)&^quote|(backslash-ones)&^backslash)&highs != 0 {
			break
		}
		all |= word
	}
	return done, all&highs == 0
}
