package iot_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"

	"iotmon/internal/iot"
)

// texts are the fields that hold any text, with how to set them.
var texts = map[string]func(*iot.Reading, string){
	"location.building": func(r *iot.Reading, s string) { r.Location.Building = s },
	"location.room":     func(r *iot.Reading, s string) { r.Location.Room = s },
	"metadata.model":    func(r *iot.Reading, s string) { r.Metadata.Model = s },
	"metadata.firmware": func(r *iot.Reading, s string) { r.Metadata.Firmware = s },
}

func TestTextsAreRefusedForWhatTheyHold(t *testing.T) {
	catalog := builtin(t)
	for name, test := range map[string]struct{ text, reason string }{
		"too long":                 {strings.Repeat("<", 7600), "longer than 128 bytes (got 7600)"},
		"too long by one":          {strings.Repeat("x", 129), "129"},
		"too long in Chinese":      {strings.Repeat("栋", 43), "129"},
		"too long in form NFC":     {strings.Repeat("\u0958", 40), "longer than 128"},
		"NUL":                      {"A\x00B", "control character, U+0000"},
		"a line":                   {"A\nB", "control character, U+000A"},
		"DEL":                      {"A\x7f", "control character, U+007F"},
		"a control of Latin-1":     {"A\u0085B", "control character, U+0085"},
		"a line separator":         {"A\u2028B", "control character, U+2028"},
		"an override":              {"A\u202eB", "direction of writing, U+202E"},
		"an isolate":               {"A\u2066B", "direction of writing, U+2066"},
		"zero width":               {"A\u200bB", "invisible character, U+200B"},
		"a byte order mark":        {"\ufeffA", "invisible character, U+FEFF"},
		"no UTF-8":                 {"A\xff", "UTF-8"},
		"no character":             {"A\uffff", "not a character, U+FFFF"},
		"invisible tags of a flag": {"A\U000e0041", "invisible character"},
	} {
		for field, set := range texts {
			r := validReading()
			set(&r, test.text)
			mustRefuse(t, name, catalog.Normalize(&r), field, test.reason)
		}
	}
}

func TestIDsAreRefusedForWhatTheyHold(t *testing.T) {
	catalog := builtin(t)
	for name, test := range map[string]struct {
		id     iot.DeviceID
		reason string
	}{
		"a blank before":         {" d1", "white space around"},
		"a blank behind":         {"d1 ", "white space around"},
		"a tab":                  {"\t", "white space around"},
		"an ideographic space":   {"d1\u3000", "white space around"},
		"an override":            {"d\u202e1", "direction of writing, U+202E"},
		"zero width":             {"d\u200b1", "invisible character, U+200B"},
		"a soft hyphen":          {"d\u00ad1", "invisible character, U+00AD"},
		"a mark of direction":    {"d\u200e1", "invisible character, U+200E"},
		"a joiner between Latin": {"d\u200d1", "invisible character, U+200D"},
		"a joiner at the end":    {"\u0645\u06cc\u200c", "invisible character, U+200C"},
		"a filler":               {"d\u3164", "invisible character, U+3164"},
		"a variation selector":   {"d\ufe0f", "invisible character, U+FE0F"},
		"a no-break space":       {"d\u00a01", "space other than the usual"},
		"lost bytes":             {"d\ufffd", "lost in a conversion"},
		"this directory":         {".", "part of a URL"},
		"the directory above":    {"..", "part of a URL"},
		"NUL":                    {"d\x00", "control character"},
		"too long in form NFC":   {iot.DeviceID(strings.Repeat("\u0958", 40)), "longer than 128"},
	} {
		r := validReading()
		r.ID = test.id
		mustRefuse(t, name, catalog.Normalize(&r), "device_id", test.reason)
	}
}

func TestIDsAndTextsOfEveryScriptAreAdmitted(t *testing.T) {
	catalog := builtin(t)
	for _, text := range []string{
		"site/a?b#c%2F", "A & B <c>", `"quoted" \ 'd'`, "..a", ".a", "a b", "温度计 1", "温度计\u30001", "Größe", "Ωμέγα", "Датчик", "й",
		"가나다", "カメラ", "می\u200cخواهم", "क्\u200dष", "حساس", "חיישן", "🌡", "e\u0301", "A栋",
	} {
		r := validReading()
		r.ID = iot.DeviceID(text)
		for _, set := range texts {
			set(&r, text)
		}
		if err := catalog.Normalize(&r); err != nil {
			t.Errorf("%q: %v", text, err)
		} else if want := norm.NFC.String(text); string(r.ID) != want || r.Location.Building != want {
			t.Errorf("%q: got id %q and building %q, want %q", text, r.ID, r.Location.Building, want)
		}
	}
}

func TestTheSameTextInTwoFormsIsOne(t *testing.T) {
	composed, decomposed := validReading(), validReading()
	composed.ID, composed.Location.Building = "Gerät", "Halle Süd"
	decomposed.ID, decomposed.Location.Building = "Gera\u0308t", " Halle Su\u0308d "
	catalog := builtin(t)
	for _, r := range []*iot.Reading{&composed, &decomposed} {
		if err := catalog.Normalize(r); err != nil {
			t.Fatal(err)
		}
	}
	if !reflect.DeepEqual(composed, decomposed) {
		t.Errorf("got %+v and %+v, want the same", composed, decomposed)
	}
}

func TestTheLimitOfTextsIsASetting(t *testing.T) {
	r := validReading()
	r.Location.Building = strings.Repeat("x", 200)
	wide := iot.Admission{Catalog: builtin(t), MaxText: 200}
	if err := wide.Admit(&r, r.Time); err != nil {
		t.Errorf("200 bytes of 200: %v", err)
	}
	narrow := iot.Admission{Catalog: builtin(t), MaxText: 199}
	mustRefuse(t, "200 bytes of 199", narrow.Admit(&r, r.Time), "location.building", "199")
}

func TestFloorsHaveBounds(t *testing.T) {
	for floor, valid := range map[int]bool{-1_000_000: true, 1_000_000: true, -1_000_001: false, 1_000_001: false, 1 << 62: false} {
		r := validReading()
		r.Location.Floor = floor
		if err := builtin(t).Normalize(&r); (err == nil) != valid {
			t.Errorf("floor %d: got %v, want valid %v", floor, err, valid)
		}
	}
}

// drawText draws texts of every script, and of characters that belong to no script.
func drawText(t *rapid.T, label string) string {
	odd := []string{" ", "\t", "\x00", "\u00a0", "\u00ad", "\u200b", "\u200c", "\u200d", "\u202e", "\u2028", "\u3000", "\ufe0f", "\ufeff", "\ufffd",
		"\xff", "\u0301", "e\u0301", "\u0958", "\u1100", "\u1161", "\u3099", "か", "А", "क", "°", "µ", "Å", "\u212b", "<", `"`, "\U0001f321"}
	return strings.Join(rapid.SliceOfN(rapid.OneOf(
		rapid.SampledFrom(odd), rapid.StringN(0, 8, -1), rapid.StringMatching(`[ -~]{0,20}`),
	), 0, 6).Draw(t, label), "")
}

func TestAdmittedTextsAreBoundedVisibleAndInOneForm(t *testing.T) {
	catalog := builtin(t)
	rapid.Check(t, func(t *rapid.T) {
		r := validReading()
		r.ID = iot.DeviceID(drawText(t, "id"))
		for field, set := range texts {
			set(&r, drawText(t, field))
		}
		r.Unit = rapid.SampledFrom([]string{"°C", drawText(t, "unit")}).Draw(t, "which unit")
		before := r
		if err := catalog.Normalize(&r); err != nil {
			var invalid *iot.InvalidError
			if !errors.As(err, &invalid) || len(invalid.Reason) > 1000 || !utf8.ValidString(invalid.Reason) {
				t.Fatalf("%+v: refused by %d bytes: %q", before, len(err.Error()), err)
			}
			return
		}
		for _, text := range []string{string(r.ID), r.Location.Building, r.Location.Room, r.Metadata.Model, r.Metadata.Firmware} {
			hidden := strings.ContainsFunc(text, func(c rune) bool { return unicode.Is(unicode.Cc, c) })
			if len(text) > iot.DefaultMaxText || !norm.NFC.IsNormalString(text) || !utf8.ValidString(text) || hidden || strings.TrimSpace(text) != text {
				t.Fatalf("admitted %q", text)
			}
		}
		twice := r
		if err := catalog.Normalize(&twice); err != nil || !reflect.DeepEqual(twice, r) {
			t.Fatalf("got %+v, %v, want %+v", twice, err, r)
		}
	})
}

// A text that the quick check finds canonical is canonical by the full check.
func TestTheFirstLookAtTextsIsRight(t *testing.T) {
	check := func(t interface{ Fatalf(string, ...any) }, text string) {
		if !iot.Canonical(text) || text == "" {
			return
		}
		got := text
		if err := iot.NormalizeText("x", &got, len(text)); err != nil || got != text {
			t.Fatalf("text %q: got %q, %v", text, got, err)
		}
		id := iot.DeviceID(text)
		if err := iot.NormalizeID(&id); len(text) <= iot.MaxIDLength && text != "." && text != ".." && (err != nil || string(id) != text) {
			t.Fatalf("id %q: got %q, %v", text, id, err)
		}
	}
	for r := rune(0); r <= unicode.MaxRune; r++ {
		check(t, string(r))
		check(t, "abcdefgh"+string(r))
	}
	rapid.Check(t, func(t *rapid.T) { check(t, drawText(t, "text")) })
}

func BenchmarkAdmit(b *testing.B) {
	admission := iot.Admission{Catalog: builtin(b)}
	b.ReportAllocs()
	for b.Loop() {
		r := documentedReading()
		if err := admission.Admit(&r, r.Time); err != nil {
			b.Fatal(err)
		}
	}
}

// documentedReading is the reading of the product's description.
func documentedReading() iot.Reading {
	r := validReading()
	r.Location = iot.Location{Building: "A栋", Floor: 3, Room: "301"}
	r.Metadata = iot.Metadata{Model: "IOT-TEMP-V2", Firmware: "1.2.3"}
	return r
}

func TestADeviceIsFoundByWhatWasSent(t *testing.T) {
	if got, want := iot.DeviceID("cafe\u0301").Canonical(), iot.DeviceID("caf\u00e9"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A reason that is needed says something: white space, and what cannot be seen, does not.
func TestANeededReasonSaysSomething(t *testing.T) {
	for _, blank := range []string{"", " ", "\t\n", "\u3000\u00a0", "\u200d\u200d", "\u2800", "\u3164", "\u00ad"} {
		_, err := iot.NeededReason("comment", blank, iot.MaxReason)
		if invalid := (*iot.InvalidError)(nil); !errors.As(err, &invalid) || invalid.Field != "comment" || !strings.Contains(invalid.Reason, "say why") {
			t.Errorf("%q: got %v, want that the comment is missing", blank, err)
		}
	}
	for text, want := range map[string]string{" belt ": "belt", "换皮带": "换皮带", "7": "7", "?": "?", "🔧": "🔧", "\u3000大修\u3000": "大修"} {
		if got, err := iot.NeededReason("comment", text, iot.MaxReason); got != want || err != nil {
			t.Errorf("%q: got %q, %v", text, got, err)
		}
	}
	if _, err := iot.NeededReason("reason", strings.Repeat("x", 257), 256); err == nil || !strings.Contains(err.Error(), "longer than 256") {
		t.Errorf("got %v, want that it is too long", err)
	}
}
