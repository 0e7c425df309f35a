package tests

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// banned are words that describe programs by images of debt and of people. They make a sentence hard to understand, above all for readers
// whose first language is not English. Beside them are the words of the field.
var banned = map[string]string{
	"owe owes owed owing debt debts": "what is still to be sent, written or read: backfill, lag, pending",
	"pay pays paid paying repay repaid lend lends lent loan loans borrow borrows borrowed": "what is sent, used or taken from a pool",
	"instalment instalments installment installments parcel parcels":                       "chunk, batch or page",
	"settle settles settled settling settlement":                                           "what happens: confirm, commit, end, decide",
	"standing endings":            "what it is: state, comparison, result",
	"hear hears heard":            "received, last seen, has sent",
	"speak speaks speaking spoke": "send, use a protocol",
	"tell tells telling told":     "notify, publish, record, show; distinguish",
	"obey obeys obeyed obeying":   "apply, execute",
	"believe believes believed wish wishes wished suffer suffers suffered liar": "what the program does or has stored",
	"rests rested resting": "is paused, relies on",
	"whoever whomever":     "the name of the reader, the program or the part",
}

// kept is where a banned word stays, and why.
var kept = map[string]string{
	// The key of LastSeen in the records of device-state: consumers of other versions read and write them.
	"internal/wire/state.go": "heard",
}

// TestWordsArePlain reads every text of the tree: code, documents, pages and scripts.
func TestWordsArePlain(t *testing.T) {
	advice := make(map[string]string)
	for forms, instead := range banned {
		for form := range strings.FieldsSeq(forms) {
			advice[form] = instead
		}
	}
	unused, texts := make(map[string]string), 0
	for name, word := range kept {
		unused[name] = word
	}
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if path != ".." && foreign(entry.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		if !entry.Type().IsRegular() || slices.Contains([]string{"go.sum", "package-lock.json", "words_test.go"}, entry.Name()) {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil || bytes.IndexByte(text, 0) >= 0 {
			return err
		}
		texts++
		name := strings.TrimPrefix(filepath.ToSlash(path), "../")
		for i, line := range strings.Split(string(text), "\n") {
			for _, word := range wordsOf(line) {
				switch instead, found := advice[word]; {
				case !found:
				case kept[name] == word:
					delete(unused, name)
				default:
					t.Errorf("%s:%d: %q; say instead %s\n\t%s", name, i+1, word, instead, strings.TrimSpace(line))
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, word := range unused {
		t.Errorf("%s does not say %q any more: remove it from kept", name, word)
	}
	if texts < 1000 {
		t.Errorf("read %d texts, not the whole tree", texts)
	}
}

// foreign reports whether a directory holds what others have written, or what is made of the tree.
func foreign(dir string) bool {
	return strings.HasPrefix(dir, ".") && dir != ".ci" ||
		slices.Contains([]string{"node_modules", "vendor", "testdata", "swagger", "bin", "data"}, dir)
}

// wordsOf returns the English words of a line in lower case. Names are divided where their case changes: NeverHeard is never and heard.
func wordsOf(line string) []string {
	var words []string
	var word []rune
	end := func() {
		if len(word) > 0 {
			words = append(words, strings.ToLower(string(word)))
		}
		word = word[:0]
	}
	runes := []rune(line)
	for i, r := range runes {
		if !unicode.IsLetter(r) || r > unicode.MaxASCII {
			end()
			continue
		}
		afterLower := i > 0 && unicode.IsLower(runes[i-1])
		beforeLower := i+1 < len(runes) && unicode.IsLower(runes[i+1])
		if unicode.IsUpper(r) && (afterLower || beforeLower) {
			end()
		}
		word = append(word, r)
	}
	end()
	return words
}

func TestWordsOfNames(t *testing.T) {
	for line, want := range map[string]string{
		"NeverHeard never_heard `json:\"x\"`": "never heard never heard json x",
		"JSONText parseURL, isOwed()":         "json text parse url is owed",
		"已settled。it's":                       "settled it s",
		"":                                    "",
	} {
		if got := strings.Join(wordsOf(line), " "); got != want {
			t.Errorf("%q: got %q, want %q", line, got, want)
		}
	}
}
