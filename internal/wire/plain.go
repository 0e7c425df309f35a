package wire

import "encoding/binary"

const (
	ones  = 0x0101010101010101
	highs = 0x80 * ones
)

// plain scans text eight bytes at a time and stops at the first eight that contain a quote, a backslash or a control
// character. It returns how many bytes it has passed, and whether they are all ASCII.
func plain(text []byte) (done int, ascii bool) {
	var all uint64
	for ; len(text)-done >= 8; done += 8 {
		word := binary.LittleEndian.Uint64(text[done:])
		// The subtraction sets the high bit of the lowest matching byte; higher bytes may be false matches.
		quote, backslash := word^'"'*ones, word^'\\'*ones
		if ((word-' '*ones)&^word|(quote-ones)&^quote|(backslash-ones)&^backslash)&highs != 0 {
			break
		}
		all |= word
	}
	return done, all&highs == 0
}
