package recording

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestFormatsReadTimes(t *testing.T) {
	for _, test := range []struct{ format, text, want string }{
		{"%d/%m/%Y %H:%M", "31/12/2018 23:05", "2018-12-31T23:05:00Z"},
		{"%d/%m/%Y %H:%M", "1/2/2018 3:5", "2018-02-01T03:05:00Z"},
		{"%m/%d/%y %I:%M %p", "1/2/24 9:05 PM", "2024-01-02T21:05:00Z"},
		{"%m/%d/%y %I:%M %p", "1/2/24 12:05 am", "2024-01-02T00:05:00Z"},
		{"%m/%d/%y %I:%M %p", "1/2/24 9:05p", "2024-01-02T21:05:00Z"},
		{"%m/%d/%y %I:%M%p", "1/2/24 9:05 p.m.", "2024-01-02T21:05:00Z"},
		{"%Y/%m/%d %p %I:%M:%S", "2024/1/2 下午 3:04:05", "2024-01-02T15:04:05Z"},
		{"%d/%m/%Y %H.%M.%S", "10/03/2004 18.00.00", "2004-03-10T18:00:00Z"},
		{"%d.%m.%Y %H:%M:%S", "01.02.2020 00:00:10,25", "2020-02-01T00:00:10.25Z"},
		{"%Y-%m-%d %H:%M:%S.%f", "2020-02-01 00:00:10.250001", "2020-02-01T00:00:10.250001Z"},
		{"%Y-%m-%d %H:%M:%S.%f", "2020-02-01 00:00:10", "2020-02-01T00:00:10Z"},
		{"%H:%M:%S:%f %d.%m.%Y", "10:20:30:125 01.02.2020", "2020-02-01T10:20:30.125Z"},
		{"%Y %j %H%M", "2018 291 0", "2018-10-18T00:00:00Z"},
		{"%Y %j %H%M", "2018 291 59", "2018-10-18T00:59:00Z"},
		{"%Y %j %H%M", "2018 291 638", "2018-10-18T06:38:00Z"},
		{"%Y %j %H%M", "2020 366 2400", "2021-01-01T00:00:00Z"},
		{"%m/%d/%Y %H:%M", "01/17/1997 24:00", "1997-01-18T00:00:00Z"},
		{"%F %T", "2018-12-31 23:59:60", "2018-12-31T23:59:59.999999Z"},
		{"%Y%m%d%H", "2018010100", "2018-01-01T00:00:00Z"},
		{"%d%m%Y", "1022018", "2018-02-01T00:00:00Z"},
		{"%D %R", "02/01/20 04:05", "2020-02-01T04:05:00Z"},
		{"%y%m%d", "690101", "1969-01-01T00:00:00Z"},
		{"%y%m%d", "680101", "2068-01-01T00:00:00Z"},
		{"%d-%b-%Y", "1-Jan-2018", "2018-01-01T00:00:00Z"},
		{"%B %d, %Y", "september 5, 2018", "2018-09-05T00:00:00Z"},
		{"%d. %b %Y", "5. Mär 2018", "2018-03-05T00:00:00Z"},
		{"%d-%b-%y", "05-DÉC.-18", "2018-12-05T00:00:00Z"},
		{"%a %b %e %H:%M:%S %Y", "Mon Jan  5 10:11:12 2018", "2018-01-05T10:11:12Z"},
		{"%Y年%m月%d日 %H:%M", "2018年1月5日 10:11", "2018-01-05T10:11:00Z"},
		{"%Y-%m-%dT%H:%M:%S%z", "2018-01-05T10:11:12+0130", "2018-01-05T08:41:12Z"},
		{"%Y-%m-%dT%H:%M:%S%z", "2018-01-05t10:11:12z", "2018-01-05T10:11:12Z"},
		{"%Y-%m-%d %H:%M:%S %Z", "2018-01-05 10:11:12 UTC", "2018-01-05T10:11:12Z"},
		{"%-d.%-m.%Y", "5.1.2018", "2018-01-05T00:00:00Z"},
		{"%s", "1581168647.25", "2020-02-08T13:30:47.25Z"},
		{"%Y-%m-%dT%H:%M", "2020-06-01T12:00/2020-06-01T12:01", "2020-06-01T12:00:00Z"},
		{"%Y-%m-%dT%H:%M/%Y-%m-%dT%H:%M", "2020-06-01T12:00/2020-06-01T12:01", "2020-06-01T12:00:00Z"},
		{"100%% %Y", "100% 2018", "2018-01-01T00:00:00Z"},

		{"%d/%m/%Y", "31/02/2018", "has a day that month 2 of 2018 has not"},
		{"%d/%m/%Y", "01/13/2018", "has a month outside 1 to 12"},
		{"%d/%m/%y", "01/02/2018", "goes on: 18"},
		{"%d/%m/%Y", "01/02/18", "has a year outside 1000 to 9999"},
		{"%d/%m/%Y", "01-02-2018", "lacks /"},
		{"%Y %j", "2019 366", "day 366 in a year of 365"},
		{"%F %T", "2018-01-01 24:00:01", "hour 24"},
		{"%F %T", "2018-01-01 25:00:00", "has a hour outside 0 to 24"},
		{"%F %I:%M %p", "2018-01-01 13:00 PM", "has a hour outside 0 to 12"},
		{"%F %T", "2018-01-01", "lacks a blank"},
		{"%F %b", "2018-01-01 Foo", "nothing that fits %b"},
		{"%F %T %Z", "2018-01-01 00:00:00 XYZ", "zone XYZ is not known"},
	} {
		format, err := ParseTimeFormat(test.format)
		if err != nil {
			t.Errorf("%s: %v", test.format, err)
			continue
		}
		c := clock{format: format}
		got, err := c.read(test.text)
		if err != nil {
			if !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), test.text) {
				t.Errorf("%s: %q: got %v, want %q", test.format, test.text, err, test.want)
			}
			continue
		}
		if got := got.Format(time.RFC3339Nano); got != test.want {
			t.Errorf("%s: %q: got %s, want %s", test.format, test.text, got, test.want)
		}
	}
}

func TestFormatsThatCannotWorkSayWhy(t *testing.T) {
	for text, want := range map[string]string{
		"%Q":           "unknown directive %Q (known: %Y",
		"%d/%m/%":      "in the middle of a directive",
		"%I:%M":        "without AM or PM",
		"%s %Y":        "beside other parts",
		"%%":           "has no directive",
		"dd.mm.yyyy":   "must be unix, unix_ms, unix_us, unix_ns, excel, or a strftime format",
		"unix_seconds": "must be unix",
	} {
		if _, err := ParseTimeFormat(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}

// A time that was written by a format of Go is read by the same format in the notation of strftime.
func TestEveryTimeIsReadAsItWasWritten(t *testing.T) {
	twins := map[string]string{
		"02/01/2006 15:04:05":             "%d/%m/%Y %H:%M:%S",
		"2/1/2006 15:4:5":                 "%d/%m/%Y %H:%M:%S",
		"1/2/06 3:04:05 PM":               "%m/%d/%y %I:%M:%S %p",
		"20060102150405":                  "%Y%m%d%H%M%S",
		"2006 002 1504":                   "%Y %j %H%M",
		"Mon, 02 Jan 2006 15:04:05 -0700": "%a, %d %b %Y %H:%M:%S %z",
		"January 2, 2006 15:04:05.000000": "%B %d, %Y %H:%M:%S.%f",
		"15.04.05,000 2.1.2006":           "%H.%M.%S,%f %d.%m.%Y",
	}
	rapid.Check(t, func(t *rapid.T) {
		at := time.Unix(rapid.Int64Range(0, 3_000_000_000).Draw(t, "seconds"), 0).UTC()
		for layout, text := range twins {
			want := at
			if !strings.Contains(layout, "05") && !strings.Contains(layout, ":5") {
				want = at.Truncate(time.Minute)
			}
			format, err := ParseTimeFormat(text)
			if err != nil {
				t.Fatal(err)
			}
			c := clock{format: format}
			got, err := c.read(at.Format(layout))
			if err != nil || !got.Equal(want) {
				t.Fatalf("%s: %q: got %v, %v, want %v", text, at.Format(layout), got, err, want)
			}
		}
	})
}

func TestNumbersOfTimeAreRead(t *testing.T) {
	for _, test := range []struct{ format, text, want string }{
		{"unix", "1581168647", "2020-02-08T13:30:47Z"},
		{"unix", "1.581168647e9", "2020-02-08T13:30:47Z"},
		{"unix", "1581168647.123456", "2020-02-08T13:30:47.123456Z"},
		{"unix_ms", "1581168647123", "2020-02-08T13:30:47.123Z"},
		{"unix_ms", "1581168647123.5", "2020-02-08T13:30:47.1235Z"},
		{"unix_us", "1581168647123456", "2020-02-08T13:30:47.123456Z"},
		{"unix_ns", "1581168647123456789", "2020-02-08T13:30:47.123456Z"},
		{"excel", "43101.4375", "2018-01-01T10:30:00Z"},
		{"excel", "43101,4375", "2018-01-01T10:30:00Z"},
		{"excel", "43101.010416667", "2018-01-01T00:15:00Z"},
		{"excel", "43101", "2018-01-01T00:00:00Z"},
		{"excel", "0", "not a day"},
		{"excel", "0x10", "not a day"},
		{"unix", "-1", "not a number of unix"},
		{"unix", "0x1p3", "not a number of unix"},
		{"unix", "soon", "not a number of unix"},
		{"", "20240130", "looks like a date"},
		{"", "2024013010", "looks like a date"},
		{"", "45321.4375", "looks like a day of a spreadsheet"},
		{"", "20240130T103000Z", "2024-01-30T10:30:00Z"},
		{"", "2024/1/5 3:04", "2024-01-05T03:04:00Z"},
		{"", "2024.01.05 03:04:05", "2024-01-05T03:04:05Z"},
		{"", "2024-01-05 3:04 PM", "2024-01-05T15:04:00Z"},
		{"", "2024-01-05t03:04:05z", "2024-01-05T03:04:05Z"},
		{"", "2024-01-05 24:00", "2024-01-06T00:00:00Z"},
		{"", "2024-01-05T03:04:05+0100", "2024-01-05T02:04:05Z"},
		{"", "0x5e3eb7c7", "not a time"},
	} {
		format, err := ParseTimeFormat(test.format)
		if err != nil {
			t.Fatal(err)
		}
		c := clock{format: format}
		got, err := c.read(test.text)
		if err != nil {
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s: %q: got %v, want %q", test.format, test.text, err, test.want)
			}
			continue
		}
		if got := got.Format(time.RFC3339Nano); got != test.want {
			t.Errorf("%s: %q: got %s, want %s", test.format, test.text, got, test.want)
		}
	}
}

func TestTimesWithoutTheirDateGoOnToTheNextDay(t *testing.T) {
	for _, test := range []struct {
		format, date string
		backwards    bool
		texts, want  []string
	}{
		{"%H:%M", "2020-12-31", false, []string{"23:50", "23:59", "00:01", "00:00", "23:00", "0:30"},
			[]string{"12-31 23:50", "12-31 23:59", "01-01 00:01", "01-01 00:00", "01-01 23:00", "01-02 00:30"}},
		{"%H:%M", "2020-12-31", true, []string{"00:10", "00:00", "23:50"}, []string{"12-31 00:10", "12-31 00:00", "12-30 23:50"}},
		{"%d.%m. %H:%M", "2020", false, []string{"30.12. 10:00", "31.12. 24:00", "1.1. 10:00"}, []string{"12-30 10:00", "01-01 00:00", "01-01 10:00"}},
		{"%d %H:%M", "2020-02", false, []string{"28 10:00", "29 10:00"}, []string{"02-28 10:00", "02-29 10:00"}},
	} {
		format, err := ParseTimeFormat(test.format)
		if err != nil {
			t.Fatal(err)
		}
		date, err := ParseDate(test.date)
		if err != nil {
			t.Fatal(err)
		}
		if err := date.fits(format); err != nil {
			t.Errorf("%s with %s: %v", test.format, test.date, err)
		}
		c := clock{format: format, date: date, backwards: test.backwards}
		var got []string
		for _, text := range test.texts {
			at, err := c.read(text)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, at.Format("01-02 15:04"))
		}
		if got, want := strings.Join(got, ", "), strings.Join(test.want, ", "); got != want {
			t.Errorf("%s: got %s, want %s", test.format, got, want)
		}
	}
}

func TestADateThatDoesNotFitItsFormatSaysWhy(t *testing.T) {
	for _, test := range []struct{ format, date, want string }{
		{"%H:%M", "", "has no date: give it with -date"},
		{"%H:%M", "2020", "needs a whole -date"},
		{"%d.%m. %H:%M", "", "has no year: give it with -date"},
		{"%d.%m.%Y %H:%M", "2020-01-01", "has a date, so -date cannot be given"},
		{"", "2020-01-01", "-date is for times without one"},
		{"unix", "2020", "-date is for times without one"},
	} {
		format, err := ParseTimeFormat(test.format)
		if err != nil {
			t.Fatal(err)
		}
		date := Date{}
		if test.date != "" {
			if date, err = ParseDate(test.date); err != nil {
				t.Fatal(err)
			}
		}
		if err := date.fits(format); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s with %s: got %v, want %q", test.format, test.date, err, test.want)
		}
	}
	for _, text := range []string{"", "20", "2020-13", "2020-02-30", "2020-1-1", "2020-01-01-01", "x"} {
		if _, err := ParseDate(text); err == nil {
			t.Errorf("%q: got no error", text)
		}
	}
}

func TestARecordingThatIsNewestFirstFollowsClocksThatGoBack(t *testing.T) {
	const text = "time,v\n2024-10-27 03:00,6\n2024-10-27 02:59,5\n2024-10-27 02:00,4\n2024-10-27 02:59,3\n2024-10-27 02:00,2\n2024-10-27 01:59,1\n"
	r := openText(t, text, Layout{Zone: zone(t, "Europe/Berlin")})
	var got []string
	for _, line := range readAll(t, r) {
		got = append(got, strings.Fields(line)[1][11:16])
	}
	if got, want := strings.Join(got, " "), "02:00 01:59 01:00 00:59 00:00 23:59"; got != want || !r.Backwards() {
		t.Errorf("got %s, backwards %v, want %s", got, r.Backwards(), want)
	}
}

func FuzzFormat(f *testing.F) {
	f.Add("%d/%m/%Y %H:%M:%S.%f %p %z", "1/2/2018 3:04:05.6 PM +01:00")
	f.Add("%Y %j %H%M", "2018 291 5")
	f.Add("%H %M %S %f", "8 8 0 4.2504e+05")
	f.Add("%a %B%d%y%T%Z%%", "Mon Jan0118 10:00:00UTC%")
	f.Fuzz(func(t *testing.T, text, cell string) {
		format, err := ParseTimeFormat(text)
		if err != nil {
			return
		}
		c := clock{format: format, date: Date{2020, 1, 31}}
		for range 3 {
			at, err := c.read(cell)
			if err == nil && (at.Year() < 0 || at.Year() > 300_000 || at != at.Truncate(time.Microsecond)) {
				t.Fatalf("%q reads %q as %v", text, cell, at)
			}
		}
	})
}
