package wire_test

import (
	"strings"
	"testing"
	"time"

	"iotmon/internal/wire"
)

func TestTimesThatNameOneMomentAreParsed(t *testing.T) {
	at := time.Date(2024, 1, 30, 10, 30, 0, 0, time.UTC)
	midnight := time.Date(2024, 1, 31, 0, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"2024-01-30T10:30:00Z": at, "2024-01-30t10:30:00z": at, "2024-01-30T18:30:00+0800": at, "2024-01-30T18:30:00+08": at,
		"2024-01-30 18:30:00 +08:00": at, "2024-01-30 10:30:00Z": at, "2024-01-30T10:30Z": at, "20240130T103000Z": at, "20240130T1030Z": at,
		"2024-01-30 10:30:00 UTC": at, "2024-01-30 10:30:00 gmt": at, "  2024-01-30T10:30:00Z ": at, "2024-01-30T05:00:00-0530": at,
		"2024-01-30T05:00:00\u221205:30": at,
		"2024-01-30T10:30:00,5Z":         at.Add(500 * time.Millisecond), "2024-01-30T10:30:00.1234567891Z": at.Add(123456789),
		"2024-01-30T23:59:60Z": midnight.Add(-time.Microsecond), "2024-01-31T07:59:60.5+08:00": midnight.Add(-time.Microsecond),
		"2024-01-30T24:00:00Z": midnight, "2024-01-30T24:00Z": midnight, "2024-01-30 24:00:00.000Z": midnight, "2024-01-30T24:00:00-01:00": midnight.Add(time.Hour),
		"1706610600": at, "1706610600000": at, "1706610600.5": at.Add(500 * time.Millisecond), "1.7066106e9": at, " 1706610600000000 ": at, "1706610600000000000": at,
		"0001-01-01T00:00:00Z": {}, "3": time.Unix(3, 0).UTC(), "-1": time.Unix(-1, 0).UTC(),
	} {
		if got, problem := wire.ParseTime(text); problem != "" || !got.Equal(want) {
			t.Errorf("%q: got %v, %q, want %v", text, got, problem, want)
		}
	}
}

func TestOtherTimesAreRefusedWithAdvice(t *testing.T) {
	for text, reason := range map[string]string{
		"2024-01-30T10:30:00": "Z for UTC", "2024-01-30 10:30": "time zone", "1970-01-01T00:00:03": "not set", "2024-01-30T24:00:00": "time zone",
		"2024-01-30": "ISO 8601", "NaN": "ISO 8601", "inf": "ISO 8601", "0x1p4": "ISO 8601", "30/01/2024 10:30": "ISO 8601", "yesterday": "ISO 8601", "": "ISO 8601", "2024-01-30T24:00:01Z": "ISO 8601",
		"2024-01-30T10:30:61Z": "ISO 8601", "2024-02-30T10:30:00Z": "ISO 8601", "2024-01-30T10:30:00.Z": "ISO 8601", "2024-01-30T10:30:00ZZ": "ISO 8601",
		"2024-01-30T10:30:00+8": "ISO 8601", "2024-0130T10:30:00Z": "ISO 8601", "2024-01-30T10:3000Z": "ISO 8601", "2024-01-30T10:30:00 CET": "ISO 8601",
		"45321.4375": "spreadsheet (2024-01-30T10:30:00Z)", "20240130": "looks like a date", "202401301030": "looks like a date",
		"20240130103000": "looks like a date", "20240130103000123": "looks like a date",
	} {
		if got, problem := wire.ParseTime(text); !strings.Contains(problem, reason) {
			t.Errorf("%q: got %v, %q, want a problem with %q", text, got, problem, reason)
		}
	}
}

// A text that RFC 3339 allows is parsed as package time does, and every parsed time can be encoded again.
func FuzzParseAnyTime(f *testing.F) {
	for _, text := range []string{"2024-01-30T23:59:60Z", "20240130T2400+0000", "1e300", "-1e300", "NaN", "2024-01-30T10:30:00,5 UTC", "9999-12-31T24:00-23:59"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, problem := wire.ParseTime(text)
		if want, err := time.Parse(time.RFC3339, text); err == nil && (problem != "" || !got.Equal(want)) {
			t.Fatalf("%q: got %v, %q, want %v", text, got, problem, want)
		}
		if problem == "" && (got.Location() != time.UTC || got.Year() < -15_000 || got.Year() > 15_000) {
			t.Fatalf("%q: got %v", text, got)
		}
	})
}
