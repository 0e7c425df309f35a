package translation

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// TestGlossaryExplainsEachWordOnce checks the glossary of docs/architecture.md: a row has the word, the Chinese word, and the
// meaning in both languages. No word of either language has two meanings.
func TestGlossaryExplainsEachWordOnce(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs", "architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	sections := parse("docs/architecture.md", string(text)).sections
	at := slices.IndexFunc(sections, func(s section) bool { return s.title == "Glossary" })
	if at < 0 {
		t.Fatal("docs/architecture.md has no heading Glossary")
	}
	seen := map[string]int{}
	for _, b := range sections[at].blocks {
		cells := strings.Split(strings.Trim(b.text, "|"), "|")
		if b.kind != row || strings.TrimSpace(cells[0]) == "word" {
			continue
		}
		if len(cells) != 4 {
			t.Errorf("docs/architecture.md:%d: %d cells, want word, 中文, meaning, 含义", b.line, len(cells))
			continue
		}
		for i, cell := range cells {
			chinese := strings.ContainsFunc(cell, func(r rune) bool { return unicode.Is(unicode.Han, r) })
			if strings.TrimSpace(cell) == "" || chinese != (i%2 == 1) {
				t.Errorf("docs/architecture.md:%d: %q stands in column %d, want English in 1 and 3, Chinese in 2 and 4", b.line, cell, i+1)
			}
		}
		for _, word := range cells[:2] {
			word = strings.TrimSpace(word)
			if line, ok := seen[word]; ok {
				t.Errorf("docs/architecture.md:%d: %s is explained in line %d already", b.line, word, line)
			}
			seen[word] = b.line
		}
	}
	if len(seen) < 100 {
		t.Errorf("the glossary has %d words in both languages, want more", len(seen))
	}
}
