package spelling_test

import (
	"strings"
	"testing"

	"iotmon/internal/spelling"
)

func TestSuggest(t *testing.T) {
	known := []string{"channels", "comment", "labels", "routes"}
	for written, want := range map[string]string{
		"labls": "; did you mean labels?", "LABELS": "; did you mean labels?", "rout": "; did you mean routes?", "coment": "; did you mean comment?",
		"": "", "oneshot": "", "temperature": "", strings.Repeat("labels", 100_000): "",
	} {
		if got := spelling.Suggest(written, known); got != want {
			t.Errorf("Suggest(%.20q): got %q, want %q", written, got, want)
		}
	}
}
