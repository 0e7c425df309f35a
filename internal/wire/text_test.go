package wire_test

import (
	"encoding/json"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

func TestTimesAreThoseOfTheLibrary(t *testing.T) {
	check := func(t interface{ Errorf(string, ...any) }, at time.Time) {
		want := at.UTC().Format(time.RFC3339Nano)
		got := wire.AppendTime(nil, at)
		if string(got) != `"`+want+`"` {
			t.Errorf("%v: got %s, want %q", at, got, want)
		}
		var again time.Time
		if !wire.ParseRFC3339([]byte(want), &again) || again != at.UTC() {
			t.Errorf("%s: read as %v", want, again)
		}
	}
	// Every day from 1969 to 2169, and each end of the rest.
	for day := -365; day < 200*366; day++ {
		check(t, time.Unix(int64(day)*86400+86399, int64(day&1)*120_000_000))
	}
	for _, at := range []time.Time{{}, time.Unix(0, 1), time.Unix(-1, 0), time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC)} {
		check(t, at)
	}
	rapid.Check(t, func(t *rapid.T) {
		check(t, time.Unix(rapid.Int64Range(-62135596800, 253402300799).Draw(t, "seconds"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanoseconds")))
	})
}

func FuzzParseTime(f *testing.F) {
	for _, text := range []string{
		"2024-02-29T10:30:00Z", "2023-02-29T10:30:00Z", "2024-01-30T10:30:00.123456789Z", "2024-01-30T10:30:00.1234567891Z",
		"2024-01-30T24:00:00Z", "2024-01-30T10:30:60Z", "2024-01-30T10:30:00+08:00", "2024-01-30T10:30:00,5Z", "2024-01-30T10:30:00.Z",
		"1969-12-31T23:59:59Z", "0000-01-01T00:00:00Z", "2024-00-10T10:30:00Z", "2024-04-31T10:30:00Z", "2024-1-30T10:30:00Z", "",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var got, want time.Time
		ok := wire.ParseRFC3339(text, &got)
		err := want.UnmarshalText(text)
		if ok != (err == nil) || ok && got != want.UTC() {
			t.Fatalf("%q: got %v, %v, want %v, %v", text, got, ok, want.UTC(), err)
		}
	})
}

func TestNumbersAreThoseOfTheLibrary(t *testing.T) {
	check := func(t interface{ Errorf(string, ...any) }, f float64) {
		form := byte('f')
		if size := math.Abs(f); size != 0 && (size < 1e-6 || size >= 1e21) {
			form = 'e'
		}
		want := strconv.FormatFloat(f, form, -1, 64)
		if got := wire.AppendFloat(nil, f); string(got) != want {
			t.Errorf("got %s, want %s", got, want)
		}
		var again float64
		if !wire.ParseFloat([]byte(want), &again) || math.Float64bits(again) != math.Float64bits(f) {
			t.Errorf("%s: read as %v", want, again)
		}
	}
	for _, f := range []float64{0, math.Copysign(0, -1), 0.1, -0.0001, 1e15, 1e15 - 0.5, -1e15, 1 << 53, 999999999999.999, math.MaxFloat64, math.SmallestNonzeroFloat64} {
		check(t, f)
	}
	for whole := -200_000; whole < 200_000; whole++ {
		check(t, float64(whole)/1000)
	}
	rapid.Check(t, func(t *rapid.T) {
		check(t, rapid.OneOf(rapid.Float64(), rapid.Custom(func(t *rapid.T) float64 {
			return float64(rapid.Int64Range(-1e16, 1e16).Draw(t, "digits")) / math.Pow10(rapid.IntRange(0, 18).Draw(t, "decimals"))
		})).Draw(t, "number"))
	})
}

func FuzzParseFloat(f *testing.F) {
	for _, text := range []string{"0", "-0", "1.50", "00", "1.", "-", "123456789012345", "0.12345678901234", "9007199254740993", "1e3", "1.5E-7", "-.5"} {
		f.Add([]byte(text))
	}
	number := regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$`)
	f.Fuzz(func(t *testing.T, text []byte) {
		var got float64
		ok := wire.ParseFloat(text, &got)
		want, err := strconv.ParseFloat(string(text), 64)
		if valid := err == nil && number.Match(text); ok != valid {
			t.Fatalf("%q: got %v, want %v", text, ok, valid)
		}
		if ok && math.Float64bits(got) != math.Float64bits(want) {
			t.Fatalf("%q: got %v, want %v", text, got, want)
		}
	})
}

func TestTextsAreWrittenWithoutEscapesForHTML(t *testing.T) {
	r := documentedReading()
	r.Location.Building = "<b>&'\u2028</b>"
	if got := string(wire.AppendReading(nil, &r)); !strings.Contains(got, `"building":"`+r.Location.Building+`"`) {
		t.Errorf("reading: got %s", got)
	}
	alert := iot.Alert{ID: "a", DeviceID: "<&>", Message: "<&>", Location: iot.Location{Building: "<&>"}}
	if got := string(wire.AppendAlert(nil, &alert)); strings.Count(got, "<&>") != 3 {
		t.Errorf("alert: got %s", got)
	}
	state := iot.DeviceState{Latest: r, RuleStates: iot.RuleStates{Alerts: []iot.AlertState{{Rule: "r", Raised: &alert}}}}
	if got := string(wire.AppendDeviceState(nil, &state)); strings.Count(got, "<&>") != 3 {
		t.Errorf("state: got %s", got)
	}
}

// A text without control characters is encoded in at most twice its bytes, and decoded unchanged.
func TestTextsAreReadAsTheyWereWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := strings.Join(rapid.SliceOf(rapid.OneOf(
			rapid.String(), rapid.SampledFrom([]string{"<", "&", ">", `"`, `\`, "\u2028", "\x00", "\n", "\x7f", "\xff", "栋"}),
		)).Draw(t, "text"), "")
		text := wire.AppendString(nil, want)
		var got string
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatalf("%q: wrote %s: %v", want, text, err)
		}
		if want = strings.ToValidUTF8(want, "\xff"); utf8.ValidString(want) && got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
		if controls := strings.ContainsFunc(want, func(r rune) bool { return r < ' ' || r == utf8.RuneError }); !controls && len(text) > 2*len(want)+2 {
			t.Fatalf("%q: wrote %d bytes for %d", want, len(text), len(want))
		}
	})
}

func TestMessagesAreThoseOfTheLibrary(t *testing.T) {
	for _, v := range []any{nil, 1.5, "a", map[string]int{"b": 1, "a": 2}, []string{}, wire.Envelope{Type: "x"}} {
		want, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := wire.Marshal(v); err != nil || string(got) != string(want) {
			t.Errorf("got %s, %v, want %s", got, err, want)
		}
	}
	if got, err := wire.Marshal(func() {}); err == nil {
		t.Errorf("a function: got %s, want an error", got)
	}
}
