package recording

import (
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
)

// records splits a text into records. Instead of a record that cannot be read it returns the error.
func records(text string, delimiter rune) (all [][]string) {
	d, err := decodeText(strings.NewReader(text), UTF8)
	if err != nil {
		return nil
	}
	l := lineReader{text: d.Reader, end: '\n', split: splitter{delimiter}}
	for {
		r, err := l.next()
		if err != nil {
			return all
		}
		fields, reason := l.split.split(r.text, nil)
		if reason != "" {
			fields = []string{"error"}
		}
		all = append(all, fields)
	}
}

func TestFieldsAreCut(t *testing.T) {
	for _, test := range []struct {
		text      string
		delimiter rune
		want      string
	}{
		{"a,b,c\n", ',', "[[a b c]]"},
		{"a,\"b,\"\"c\"\"\",d", ',', `[[a b,"c" d]]`},
		{"a, \"b\" ,c", ',', "[[a b c]]"},
		{"a;\"b\nc\";d\ne;f;g", ';', "[[a b\nc d] [e f g]]"},
		{"a,b\"c,d\ne,f", ',', "[[error] [e f]]"},
		{"a,\"b\"c\ne,f", ',', "[[error] [e f]]"},
		{"a,,\n,,\nb,\n", ',', "[[a  ] [b ]]"},
		{"  a   b\tc  \n", Blanks, "[[a b c]]"},
		{"-1 \"19/07/2008 11:55:00\" 3.5\n", Blanks, "[[-1 19/07/2008 11:55:00 3.5]]"},
		{"a\t\tb\n", '\t', "[[a  b]]"},
		{"a，b\n", '，', "[[a b]]"},
		{"a\r\nb\r\n\x1a", ',', "[[a] [b]]"},
		{"a,\"\"\n", ',', "[[a ]]"},
	} {
		if got := fmt.Sprint(records(test.text, test.delimiter)); got != test.want {
			t.Errorf("%q: got %s, want %s", test.text, got, test.want)
		}
	}
}

// A text that encoding/csv accepts is split into the same fields.
func FuzzFields(f *testing.F) {
	f.Add("a,\"b\"\"c\",d\r\ne,\"f\ng\",h\n")
	f.Add("a,b\"c\n\"d,e")
	f.Add("\"\",\"\"\n\"a\" ,b")
	f.Fuzz(func(t *testing.T, text string) {
		if strings.ContainsAny(text, "\x00\x1a\uFEFF") || strings.Contains(strings.ReplaceAll(text, "\r\n", ""), "\r") {
			return // Ends of lines and of files are another's.
		}
		r := csv.NewReader(strings.NewReader(text))
		r.FieldsPerRecord = -1
		var want [][]string
		for {
			fields, err := r.Read()
			if err == io.EOF {
				break
			}
			if err != nil {
				return
			}
			// A line of nothing but delimiters is no row here.
			if !isBlank(strings.Join(fields, ""), ',') {
				want = append(want, fields)
			}
		}
		got := slices.DeleteFunc(records(text, ','), func(fields []string) bool { return isBlank(strings.Join(fields, ""), ',') })
		if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) && len(want) > 0 {
			t.Fatalf("%q: got %q, want %q", text, got, want)
		}
	})
}
