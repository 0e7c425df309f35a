package recording

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"time"
)

// openText returns the recording that the text is.
func openText(t testing.TB, text string, layout Layout) *Table {
	t.Helper()
	r, err := Open(strings.NewReader(text), layout)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// readAll renders every row, or the error of a row that cannot be read, in a line.
func readAll(t testing.TB, r *Table) []string {
	t.Helper()
	var got []string
	for {
		row, err := r.Next()
		if err == io.EOF {
			return got
		}
		if refused, ok := errors.AsType[*RowError](err); ok {
			got = append(got, refused.Error())
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%d %s %q", row.Line, row.Time.Format(time.RFC3339Nano), row.Cells))
	}
}

func detectDelimiterOf(text string) rune {
	s := sample{text: []byte(text), end: '\n'}
	return s.detectDelimiter(Layout{})
}

func TestDelimiterIsDetected(t *testing.T) {
	for text, want := range map[string]rune{
		"time,value\n2020-01-01 00:00:00,1\n":                                                 ',',
		"time;value\n2020-01-01 00:00:00;1,5\n":                                               ';',
		"time;a;b\r\n2020-01-01 00:00:00;1,5;2,5\r\n":                                         ';',
		"time\tvalue\n2020-01-01 00:00:00\t1\n":                                               '\t',
		"time|value\n2020-01-01 00:00:00|1\n":                                                 '|',
		"time,\"a;b;c\"\n2020-01-01 00:00:00,\"1;2;3\"\n":                                     ',',
		"time;v\n2020-01-01 00:00:00;1\n2020-01-01;\n2020-01-01 00:00:00;1;2\n2020-01-01;3\n": ';',
		"time\n2020-01-01 00:00:00\n":                                                         ',',
	} {
		if got := detectDelimiterOf(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestTimeColumnIsFound(t *testing.T) {
	for _, test := range []struct {
		text   string
		layout Layout
		want   int
	}{
		{"timestamp,value\n", Layout{}, 0},
		{"value,Date Time\n1,2020-01-01 00:00:00\n", Layout{}, 1},
		{"date,timestamp\nx,2020-01-01 00:00:00\n", Layout{}, 1},
		{"value;gemessen\n1;2020-01-01T00:00:00Z\n2;2020-01-01T00:00:01Z\n", Layout{}, 1},
		{"time,gemessen\n1,2020-01-01 00:00:00\n", Layout{TimeColumns: []string{"gemessen"}}, 1},
	} {
		if got := openText(t, test.text, test.layout).TimeColumns[0]; got != test.want {
			t.Errorf("%q: got column %d, want %d", test.text, got, test.want)
		}
	}
}

func TestRecordingsThatCannotBeReadSayWhy(t *testing.T) {
	for _, test := range []struct {
		text, want string
		layout     Layout
	}{
		{"", "the recording is empty", Layout{}},
		{"\xEF\xBB\xBF \r\n", "the recording is empty", Layout{}},
		{"\xFF\xFEt\x00", "UTF-16", Layout{}},
		{"time,\xb5\xe7\xc1\xf7\n2020-01-01,1\n", "the names of the columns are not UTF-8", Layout{}},
		{"a,b\n1,2\n", `0 columns look like times; name the one with -time-column (columns: "a", "b")`, Layout{}},
		{"a,b\n2020-01-01,2020-01-02\n", "2 columns look like times", Layout{}},
		{"2020-01-01 00:00:00,1\n2020-01-01 00:00:01,1\n", "put a header above it", Layout{}},
		{"a,time\n", `no column is called "Time" (columns: "a", "time")`, Layout{TimeColumns: []string{"Time"}}},
		{"ti\"me,b\n", "read the header", Layout{}},
	} {
		_, err := Open(strings.NewReader(test.text), test.layout)
		if _, misuse := errors.AsType[*LayoutError](err); !misuse || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: got %v, want a usage error with %q", test.text, err, test.want)
		}
	}
}

func TestTimesAreRead(t *testing.T) {
	for text, want := range map[string]string{
		"2020-02-08T13:30:47Z":              "2020-02-08T13:30:47Z",
		"2020-02-08T13:30:47.1234567+08:00": "2020-02-08T05:30:47.123456Z",
		"2020-02-08 13:30:47":               "2020-02-08T13:30:47Z",
		" 2020-02-08 13:30:47.25 ":          "2020-02-08T13:30:47.25Z",
		"2020-02-08 13:30:47.000001":        "2020-02-08T13:30:47.000001Z",
		"2020-02-08T13:30:47.5":             "2020-02-08T13:30:47.5Z",
		"2020-02-08 13:30":                  "2020-02-08T13:30:00Z",
		"2020-02-08":                        "2020-02-08T00:00:00Z",
		"2020-02-08 13:30:47+01:00":         "2020-02-08T12:30:47Z",
		"1581168647":                        "2020-02-08T13:30:47Z",
		"1581168647.123456":                 "2020-02-08T13:30:47.123456Z",
		"1581168647250":                     "2020-02-08T13:30:47.25Z",
		"0":                                 "1970-01-01T00:00:00Z",
		"":                                  "missing",
		"08.02.2020 13:30":                  "not a time",
		"2020-13-08 13:30:47":               "not a time",
		"-5":                                "not a time",
		"NaN":                               "not a time",
		"1581168647250001":                  "2020-02-08T13:30:47.250001Z",
		"1581168647250001999":               "2020-02-08T13:30:47.250002Z",
		"1e19":                              "not a time",
	} {
		var r clock
		got, err := r.read(text)
		if err != nil {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q: got %v, want %s", text, err, want)
			}
			continue
		}
		if got := got.Format(time.RFC3339Nano); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	location, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return location
}

func TestClocksThatGoBackAreFollowed(t *testing.T) {
	const text = `time,v
2024-10-27 01:59:00,1
2024-10-27 02:00:00,2
2024-10-27 02:59:00,3
2024-10-27 02:00:00,4
2024-10-27 02:59:00,5
2024-10-27 03:00:00,6
`
	var got []string
	for _, line := range readAll(t, openText(t, text, Layout{Zone: zone(t, "Europe/Berlin")})) {
		got = append(got, strings.Fields(line)[1][11:16])
	}
	if got, want := strings.Join(got, " "), "23:59 00:00 00:59 01:00 01:59 02:00"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestAnHourThatNeverCameIsRefused(t *testing.T) {
	r := openText(t, "time,v\n2024-03-31 01:59:59,1\n2024-03-31 02:30:00,2\n2024-03-31 03:00:00,3\n", Layout{Zone: zone(t, "Europe/Berlin")})
	got := strings.Join(readAll(t, r), "\n")
	want := `2 2024-03-31T00:59:59Z ["2024-03-31 01:59:59" "1"]
line 3: timestamp: never came in Europe/Berlin, where clocks went forward (got "2024-03-31 02:30:00")
4 2024-03-31T01:00:00Z ["2024-03-31 03:00:00" "3"]`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestEveryMomentIsReadBackFromItsZone(t *testing.T) {
	for _, name := range []string{"Asia/Shanghai", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"} {
		r := clock{zone: zone(t, name)}
		for at := time.Date(2023, 1, 1, 0, 0, 0, 0, time.UTC); at.Year() == 2023; at = at.Add(10 * time.Minute) {
			got, err := r.read(at.In(r.zone).Format("2006-01-02 15:04:05"))
			if err != nil || !got.Equal(at) {
				t.Fatalf("%s: got %v, %v, want %v", name, got, err, at)
			}
		}
	}
}

func TestMalformedRowsAreRefusedByLine(t *testing.T) {
	const text = "\xEF\xBB\xBFtime,\"a, b\",c\r\n" +
		"2020-01-01,1,2\r\n" +
		"\r\n" +
		"2020-01-01,1\r\n" +
		"2020-01-01,1,2,3\r\n" +
		"2020-01-01,\"x\"\"y\nz\",2\r\n" +
		"2020-01-01,1\"1,2\r\n" +
		"yesterday,1,2\r\n" +
		"2020-01-01,\"1\",2"
	got := strings.Join(readAll(t, openText(t, text, Layout{})), "\n")
	want := `2 2020-01-01T00:00:00Z ["2020-01-01" "1" "2"]
line 4: row: must have 3 fields (got 2)
line 5: row: must have 3 fields (got 4)
6 2020-01-01T00:00:00Z ["2020-01-01" "x\"y\nz" "2"]
line 8: row: bare " in non-quoted-field
line 9: timestamp: not a time: RFC 3339, 2006-01-02 15:04:05, or Unix time (got "yesterday")
10 2020-01-01T00:00:00Z ["2020-01-01" "1" "2"]`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// endless repeats a line for ever.
type endless struct {
	line string
	at   int
}

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.line[e.at:])
	e.at = (e.at + n) % len(e.line)
	return n, nil
}

func TestAnOpenQuoteDoesNotPullTheFileIntoMemory(t *testing.T) {
	text := io.MultiReader(strings.NewReader("time,v\n2020-01-01,\"1\n"), &endless{line: "2020-01-01,2\n"})
	r, err := Open(text, Layout{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Next(); err == nil || !strings.Contains(err.Error(), "quote left open") {
		t.Errorf("got %v, want an error about an open quote", err)
	}
}

func TestARecordingIsReadInConstantMemory(t *testing.T) {
	text := io.MultiReader(strings.NewReader("time,v\n"), &endless{line: "2020-01-01,2\n"})
	r, err := Open(text, Layout{})
	if err != nil {
		t.Fatal(err)
	}
	// More rows than the limit of one record has bytes: the limit must be for each record, not for all.
	for range maxRecordBytes / 5 {
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
	}
	if got := testing.AllocsPerRun(1000, func() { _, _ = r.Next() }); got > 1 {
		t.Errorf("got %v allocations a row, want only its text", got)
	}
}

func FuzzRecording(f *testing.F) {
	for _, seed := range []string{
		"timestamp,value\n2013-07-04 00:00:00,69.88\n",
		"datetime;Current;anomaly\r\n2020-03-09 10:14:33;1.33;0.0\r\n",
		"time\tdevice\tvalue\n1581168647\tx\tNaN\n",
		"\xEF\xBB\xBFtime,\"a\nb\"\n2020-01-01T00:00:00+01:00,\"1\"\n",
	} {
		f.Add([]byte(seed), false)
	}
	berlin := zone(f, "Europe/Berlin")
	f.Fuzz(func(t *testing.T, text []byte, naive bool) {
		layout := Layout{Numbers: Numbers{DecimalComma: naive}}
		if naive {
			layout.Zone = berlin
		}
		r, err := Open(strings.NewReader(string(text)), layout)
		if err != nil {
			if _, misuse := errors.AsType[*LayoutError](err); !misuse {
				t.Fatalf("got %v, want a usage error for any text", err)
			}
			return
		}
		for rows := 0; ; rows++ {
			row, err := r.Next()
			if err == io.EOF {
				return
			}
			if refused, ok := errors.AsType[*RowError](err); ok {
				if refused.Line < 1 || refused.Field == "" || refused.Reason == "" {
					t.Fatalf("got a refusal %+v, want a line, a field and a reason", refused)
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			if len(row.Cells) != len(r.Columns) || row.Line < 1 || rows > len(text) || row.Time != row.Time.UTC().Truncate(time.Microsecond) {
				t.Fatalf("got row %+v of %d columns", row, len(r.Columns))
			}
			for _, cell := range row.Cells {
				if value, err := r.Numbers().Read(cell); err == nil && value.Word == "" && (math.IsNaN(value.Number) || math.IsInf(value.Number, 0)) {
					t.Fatalf("got %v from %q, want a finite number", value, cell)
				}
			}
		}
	})
}
