package command

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What is wrong with the arguments is said in a line, whatever their order.
func TestSourcesSaysWhatIsWrong(t *testing.T) {
	t.Chdir(t.TempDir())
	file := filepath.Join(t.TempDir(), "iotmon.yaml")
	if err := os.WriteFile(file, []byte("sources: [{name: hall, mqtt: {url: \"tcp://127.0.0.1:1\", topics: [x]}}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args   string
		status int
		want   string
	}{
		{"", CannotStart, "want iotmon sources try NAME, or iotmon sources browse URL or NAME; iotmon help sources says more"},
		{"list", CannotStart, `"list" is none of its commands: they are try and browse`},
		{"try", CannotStart, "iotmon sources try: say which: iotmon sources try NAME, of a source of the configuration"},
		{"try -config FILE", CannotStart, "say which"},
		{"browse", CannotStart, "iotmon sources browse URL, such as mqtt://broker:1883, or NAME"},
		{"try hall -typo", CannotStart, "flag provided but not defined: -typo"},
		{"try hall press", CannotStart, `unexpected argument "press"`},
		{"try hall -for 0s", CannotStart, "-for must be more than 0"},
		{"browse hall -count -1", CannotStart, "must not be negative"},
		{"try hall", Failed, `no source "hall": the configuration has none`},
		{"try -config FILE press", Failed, `no source "press" in the configuration (sources: hall)`},
		{"try hall -config FILE -for 300ms", Failed, "not connected: "},
		{"browse -for 300ms hall -config FILE", Failed, "not connected: "},
		{"browse hall -config FILE -user me", CannotStart, "-user: the source hall has its own"},
		{"browse mqtt://me:secret@127.0.0.1:1", CannotStart, "without a login: -user and -password-file say it"},
		{"browse modbus://127.0.0.1:1 -rebirth", CannotStart, "-rebirth: means nothing for modbus: it is for sparkplug"},
	} {
		var out, errs strings.Builder
		status := Sources(t.Context(), strings.Fields(strings.ReplaceAll(test.args, "FILE", file)), "help", &out, &errs)
		lines := strings.Split(strings.TrimSpace(errs.String()), "\n")
		if last := lines[len(lines)-1]; status != test.status || !strings.HasPrefix(last, "iotmon sources") || !strings.Contains(last, test.want) || strings.Contains(errs.String(), "me:secret") {
			t.Errorf("%s: got status %d, %s, want %d, %s", test.args, status, errs.String(), test.status, test.want)
		}
	}
	for _, args := range []string{"-h", "try -h", "browse --help", "try hall -help"} {
		var out, errs strings.Builder
		if status := Sources(t.Context(), strings.Fields(args), "help", &out, &errs); status != Done || out.String() != "help" || errs.Len() > 0 {
			t.Errorf("%s: got status %d, %s, %s", args, status, out.String(), errs.String())
		}
	}
}
