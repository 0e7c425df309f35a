package replay

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"iotmon/internal/iot"
	"iotmon/internal/replay/recording"
)

// shellWords splits a command as a shell does, as far as commands here need it.
func shellWords(command string) []string {
	var words []string
	var word strings.Builder
	quoted, some := false, false
	command = strings.ReplaceAll(command, "\\\n", " ")
	for i := 0; i < len(command); i++ {
		c := command[i]
		switch {
		case c == '\'':
			quoted, some = !quoted, true
		case !quoted && c == '\\':
			i++
			word.WriteByte(command[i])
		case !quoted && (c == ' ' || c == '\n'):
			if some {
				words = append(words, word.String())
			}
			word.Reset()
			some = false
		default:
			some = true
			word.WriteByte(c)
		}
	}
	return words
}

// suggestedType is a type and its unit at the end of a -map flag, or in a -long flag.
var (
	suggestedMap  = regexp.MustCompile(`^(.*=[^,=]*),[^,=]*(,[^,=]*)?$`)
	suggestedLong = regexp.MustCompile(`type=[^,]*,(.*),unit=.*$`)
)

// suggested returns the command that -inspect has written, with the parts that only a person can know filled in.
func suggested(t *testing.T, stdout string) []string {
	t.Helper()
	_, text, found := strings.Cut(stdout, "\niotmon replay ")
	if !found {
		t.Fatalf("got no command in\n%s", stdout)
	}
	words := shellWords(strings.ReplaceAll(text, "YYYY-MM-DD", "2010-12-01"))
	for i := 1; i < len(words); i++ {
		switch words[i-1] {
		case "-map":
			words[i] = suggestedMap.ReplaceAllString(words[i], "$1,measure")
		case "-long":
			words[i] = suggestedLong.ReplaceAllString(words[i], "type=measure,$1")
		}
	}
	return words
}

func TestTheCommandThatInspectWritesReadsTheRecording(t *testing.T) {
	dir, truth := fieldData(t), fieldTruth(t)
	for name, columns := range truth {
		t.Run(name, func(t *testing.T) {
			status, stdout, stderr := command(t, "-inspect", filepath.Join(dir, name))
			if status != 0 || stderr != "" {
				t.Fatalf("got status %d and %q", status, stderr)
			}
			server, log := realSystem(t)
			args := suggested(t, stdout)
			status, summary, stderr := command(t, append([]string{"-to", server.URL}, args...)...)
			if status != 0 {
				t.Fatalf("%q: got status %d and %s", args, status, stderr)
			}
			if strings.Contains(summary, "as not readable") || !strings.Contains(summary, "rejected  0 by the system") {
				t.Errorf("%q: got\n%s", args, summary)
			}
			for column, want := range columns {
				if got := sumUp(ofColumn(log.got, args, column)); got != want {
					t.Errorf("%q: %s: got %+v, want %+v", args, column, got, want)
				}
			}
		})
	}
}

// ofColumn returns the readings of the device that the flags map a column to; all of them for the long form.
func ofColumn(readings []iot.Reading, args []string, column string) []iot.Reading {
	var found []iot.Reading
	for i, arg := range args[1:] {
		mapped, device, err := parseColumn(arg)
		for _, r := range readings {
			if args[i] == "-long" || args[i] == "-map" && err == nil && mapped == column && r.ID == device.ID {
				found = append(found, r)
			}
		}
	}
	return found
}

func TestInspectNamesWhatTheFileLeavesOpen(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"t,v\n8/12/18 9:30,1\n8/12/18 9:31,2\n", "'%d/%m/%y %H:%M': the first is 8 December 2018, 09:30:00, which the file leaves open: choose one"},
		{"t,v\n8/12/18 9:30,1\n13/12/18 9:31,2\n", "-time-format '%d/%m/%y %H:%M'"},
		{"t,v\n12/31/18 23:30,1\n1/1/19 0:00,2\n", "-time-format '%m/%d/%y %H:%M'"},
		{"t,v\n31.12.2018 23:30,\"1,5\"\n", "-decimal-comma"},
		{"t;v\n31.12.2018 23:30;1,234.5\n31.12.2018 23:40;2,234.5\n", "-thousands"},
		{"t,v\n2020-01-01,1\n2020-01-02,-999\n2020-01-03,2\n2020-01-04,-999\n", "-missing=-999"},
		{"t,v\n45321.4375,1\n45321.4479,2\n", "-time-format excel"},
		{"t,v\n1700000000,1\n1700000060,2\n", "range      2023-11-14T22:13:20Z"},
		{"t,v\n2020-01-02,1\n2020-01-01,2\n", "newest first"},
		{"t,v\n2020-01-01,1\n2020-01-01,2\n", "1 rows have the time of the row before"},
		{"t,pump\n2020-01-01,ON\n2020-01-02,OFF\n", ",switch_sensor"},
		{"t,v\n2020-01-01,13.6 °C\n2020-01-02,13.7 °C\n", ",temperature_sensor,°C"},
		{"-\n2020-01-01,1\n", `"1"`},
	} {
		status, stdout, stderr := command(t, "-inspect", write(t, test.text))
		if status != 0 || !strings.Contains(stdout, test.want) {
			t.Errorf("%q: got status %d, %q and\n%s\nwant %q", test.text, status, stderr, stdout, test.want)
		}
	}
}

func TestInspectKeepsToItsFlags(t *testing.T) {
	path := write(t, "t,when,v\n2020-01-01,02/01/20,1\n2020-01-02,03/01/20,2\n")
	status, stdout, stderr := command(t, "-inspect", "-time-column", "when", "-time-format", "%m/%d/%y", "-zone", "Asia/Shanghai", path)
	for _, want := range []string{"-zone Asia/Shanghai -time-column when -time-format '%m/%d/%y'", "range      2020-01-31T16:00:00Z to 2020-02-29T16:00:00Z"} {
		if status != 0 || !strings.Contains(stdout, want) {
			t.Errorf("got status %d, %q and\n%s\nwant %q", status, stderr, stdout, want)
		}
	}
}

// Two columns of one name are two devices.
func TestInspectGivesEachColumnADeviceOfItsOwn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hall.csv")
	if err := os.WriteFile(path, []byte("t,temp,temp\n2020-01-01 00:00:00,1,2\n2020-01-01 00:01:00,3,4\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	status, stdout, stderr := command(t, "-inspect", path)
	if status != 0 || !strings.Contains(stdout, "=hall_temp,") || !strings.Contains(stdout, "=hall_temp-2,") {
		t.Errorf("got status %d, %q and\n%s\nwant two devices", status, stderr, stdout)
	}
}

// A recording of 3,000 columns is described in a few screens.
func TestAMessageListsNoMoreColumnsThanAPersonReads(t *testing.T) {
	names := make([]string, 3000)
	for i := range names {
		names[i] = "column"
	}
	if got := recording.QuoteAll(names); len(got) > 1000 || !strings.HasSuffix(got, "and 2960 more") {
		t.Errorf("got %d bytes: %q", len(got), got[max(0, len(got)-40):])
	}
}
