package config

import (
	"bytes"
	"errors"
	"strings"

	"github.com/knadh/koanf/v2"
)

// oneDocument refuses further documents, which the parser would ignore, and rewrites its errors without Go's terms.
type oneDocument struct{ koanf.Parser }

func (p oneDocument) Unmarshal(text []byte) (map[string]any, error) {
	if hasSecondDocument(text) {
		return nil, errors.New("holds more than one YAML document, of which only the first would count")
	}
	values, err := p.Parser.Unmarshal(text)
	if err != nil {
		return nil, wordYAMLError(err)
	}
	return values, nil
}

// hasSecondDocument reports whether a separator line (---) follows a line with content. A separator begins at column 0,
// where no text within a document can look like it.
func hasSecondDocument(text []byte) bool {
	content := false
	for line := range bytes.Lines(text) {
		line = bytes.TrimRight(line, " \t\r\n")
		switch {
		case bytes.HasPrefix(line, []byte("---")):
			if content {
				return true
			}
			content = len(line) > len("---")
		case len(line) > 0 && line[0] != '#' && line[0] != '%':
			content = true
		}
	}
	return false
}

// wordYAMLError converts the parser's error to one line without the names of Go types.
func wordYAMLError(err error) error {
	text := strings.Join(strings.Fields(strings.TrimPrefix(err.Error(), "yaml: ")), " ")
	if strings.Contains(text, "into map[string]interface") {
		return errors.New("must consist of sections and keys, such as server: {port: 8080}")
	}
	return errors.New(strings.TrimPrefix(text, "unmarshal errors: "))
}
