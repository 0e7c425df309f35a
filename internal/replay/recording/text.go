package recording

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
)

// UTF8 is the default encoding.
const UTF8 = "utf-8"

// encodings are the known encodings by their name in flags. GBK is decoded as GB18030, which contains it. The byte order of
// utf-16 is that of the byte order mark, or little-endian without one.
var encodings = map[string]encoding.Encoding{
	UTF8:           nil,
	"utf-16":       unicode.UTF16(unicode.LittleEndian, unicode.UseBOM),
	"utf-16le":     unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM),
	"utf-16be":     unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM),
	"gbk":          simplifiedchinese.GB18030,
	"gb18030":      simplifiedchinese.GB18030,
	"latin1":       charmap.ISO8859_1,
	"iso-8859-15":  charmap.ISO8859_15,
	"windows-1252": charmap.Windows1252,
	"windows-1251": charmap.Windows1251,
	"windows-1250": charmap.Windows1250,
}

// spellings are other names of the same encodings, without hyphens and underscores.
var spellings = map[string]string{
	"utf8": UTF8, "utf8sig": UTF8, "utf8bom": UTF8, "ascii": UTF8, "usascii": UTF8,
	"utf16": "utf-16", "ucs2": "utf-16", "unicode": "utf-16", "utf16le": "utf-16le", "utf16be": "utf-16be",
	"gb2312": "gbk", "cp936": "gbk", "ansi936": "gbk",
	"iso88591": "latin1", "l1": "latin1", "iso885915": "iso-8859-15", "latin9": "iso-8859-15",
	"cp1252": "windows-1252", "ansi": "windows-1252", "windows1252": "windows-1252",
	"cp1251": "windows-1251", "windows1251": "windows-1251", "cp1250": "windows-1250", "windows1250": "windows-1250",
}

// ParseEncoding returns the name that this package uses for an encoding. Empty stays empty: found out from the text.
func ParseEncoding(name string) (string, error) {
	folded := strings.ToLower(strings.TrimSpace(name))
	if _, ok := encodings[folded]; ok || folded == "" {
		return folded, nil
	}
	folded = strings.NewReplacer("-", "", "_", "", " ", "").Replace(folded)
	if known, ok := spellings[folded]; ok {
		return known, nil
	}
	if _, ok := encodings[folded]; ok {
		return folded, nil
	}
	return "", fmt.Errorf("must be one of %s (got %q)", strings.Join(encodingNames(), ", "), name)
}

func encodingNames() []string {
	var names []string
	for name := range encodings {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// decodedText is a text in UTF-8 without a byte order mark.
type decodedText struct {
	*bufio.Reader
	// sample is the beginning of the text. whole is set if it is the whole text.
	sample []byte
	whole  bool
	// encoding is the encoding of the text. mark is set if the text begins with a byte order mark.
	encoding string
	mark     bool
	// raw counts the bytes read from the undecoded text.
	raw *countingReader
}

// decodeText returns the text in UTF-8. An empty name is found out from its first bytes.
func decodeText(text io.Reader, name string) (*decodedText, error) {
	raw := &countingReader{source: text}
	beginning := bufio.NewReaderSize(raw, sampleBytes)
	head, err := beginning.Peek(sampleBytes)
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("read the beginning: %w", err)
	}
	d := &decodedText{encoding: name, mark: hasMark(head), raw: raw}
	if name == "" {
		d.encoding = detectEncoding(head)
	}
	d.Reader = beginning
	if e := encodings[d.encoding]; e != nil {
		d.Reader = bufio.NewReaderSize(e.NewDecoder().Reader(beginning), sampleBytes)
	}
	sample, err := d.Peek(sampleBytes)
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("read the beginning: %w", err)
	}
	d.whole = err == io.EOF
	const mark = "\uFEFF"
	if bytes.HasPrefix(sample, []byte(mark)) {
		sample = sample[len(mark):]
		if _, err := d.Discard(len(mark)); err != nil {
			return nil, fmt.Errorf("skip the byte order mark: %w", err)
		}
	}
	if len(bytes.Trim(sample, " \t\r\n\x00\x1a")) == 0 {
		return nil, mistake("the recording is empty")
	}
	d.sample = sample
	return d, nil
}

func hasMark(head []byte) bool {
	return bytes.HasPrefix(head, []byte("\xEF\xBB\xBF")) || bytes.HasPrefix(head, []byte("\xFF\xFE")) || bytes.HasPrefix(head, []byte("\xFE\xFF"))
}

// detectEncoding recognizes UTF-16 by its byte order mark, or by the zero bytes of ASCII letters. Other encodings cannot be
// distinguished, so any other text counts as UTF-8 unless the user names the encoding.
func detectEncoding(head []byte) string {
	if bytes.HasPrefix(head, []byte("\xFF\xFE")) || bytes.HasPrefix(head, []byte("\xFE\xFF")) {
		return "utf-16"
	}
	var zeros [2]int
	head = head[:min(len(head), 512)]
	for i, b := range head {
		if b == 0 {
			zeros[i%2]++
		}
	}
	half := len(head) / 2
	switch {
	case half >= 4 && zeros[1] > half*3/4 && zeros[0] < half/4:
		return "utf-16le"
	case half >= 4 && zeros[0] > half*3/4 && zeros[1] < half/4:
		return "utf-16be"
	}
	return UTF8
}

// Rendering is a text decoded with one of the possible encodings.
type Rendering struct{ Encoding, Text string }

// likelyEncodings returns the text decoded with each encoding that is possible, the most likely first.
func likelyEncodings(text string) []Rendering {
	names := []string{"windows-1252", "windows-1251", "gbk"}
	if onlyPairs(text) {
		names = []string{"gbk", "windows-1252", "windows-1251"}
	}
	var fitting []Rendering
	for _, name := range names {
		decoded, err := encodings[name].NewDecoder().String(text)
		if err == nil && !strings.ContainsFunc(decoded, func(r rune) bool { return r == utf8.RuneError || r >= 0x80 && r < 0xA0 }) {
			fitting = append(fitting, Rendering{name, decoded})
		}
	}
	return fitting
}

// onlyPairs reports whether all bytes that are not ASCII come in pairs, as in GBK. Accented letters of other encodings are mostly
// single bytes.
func onlyPairs(text string) bool {
	for i := 0; i < len(text); i++ {
		if text[i] < utf8.RuneSelf {
			continue
		}
		if text[i] < 0xA1 || i+1 == len(text) || text[i+1] < 0xA1 {
			return false
		}
		i++
	}
	return true
}

// countingReader counts the bytes that are read through it.
type countingReader struct {
	source io.Reader
	n      int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.source.Read(p)
	c.n += int64(n)
	return n, err
}
