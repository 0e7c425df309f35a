// Package tutorial runs the commands of docs/step-by-step as a reader would. It is a package of its own so that it runs at the
// same time as other tests: most of the time it waits.
package tutorial

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"iotmon/tests/testenv"
)

const root = "../.."

// progress matches the lines that a replay prints where it takes more than some seconds: on a busy machine.
var progress = regexp.MustCompile(`(?m)^\d+ readings sent, .* left\n`)

// TestTutorialShowsWhatItSays runs all commands of docs/step-by-step in one shell, page after page, and compares their output
// with that on the pages.
func TestTutorialShowsWhatItSays(t *testing.T) {
	if testing.Short() {
		t.Skip("starts programs and servers; make test runs it")
	}
	lessons := tutorial(t)
	if len(lessons) < 30 {
		t.Fatalf("got %d lessons, want more", len(lessons))
	}
	bin := t.TempDir()
	if err := testenv.Build(bin, ""); err != nil {
		t.Fatal(err)
	}
	// Names that would collide with other tests, or with programs that the reader has built.
	replacements := []string{"./bin/", bin + "/", "make build\n", "make build BIN=" + bin + " VERSION=" + testenv.Version + "\n"}
	free := freePorts(t, 7)
	replacements = append(replacements, "9192", free[0])
	for i, documented := range []string{"8080", "8081", "8082", "8083", "8084", "1883"} {
		replacements = append(replacements, "127.0.0.1:"+documented, "127.0.0.1:"+free[1+i])
	}
	replacer := strings.NewReplacer(replacements...)

	out := t.TempDir()
	var script strings.Builder
	script.WriteString(`set -eu
finish() {
  status=$?
  jobs -pr | xargs -r kill -9
  if [ -d "$tutorial-servers" ]; then TESTENV_DIR="$tutorial-servers" scripts/test-env.sh down; fi
  rm -rf "$tutorial"
  exit $status
}
tutorial=none
trap finish EXIT
`)
	for i, lesson := range lessons {
		fmt.Fprintf(&script, "{\n%s} >%s/%d 2>&1\n", replacer.Replace(lesson.commands), out, i)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()
	shell := exec.CommandContext(ctx, "bash")
	shell.Dir, shell.Stdin, shell.WaitDelay = root, strings.NewReader(script.String()), time.Minute
	shell.Env = append(os.Environ(), fmt.Sprint("TESTENV_OWNER=", os.Getpid()))
	shell.Cancel = func() error { return shell.Process.Signal(syscall.SIGTERM) }
	printed, failed := shell.CombinedOutput()

	for i, lesson := range lessons {
		got, err := os.ReadFile(filepath.Join(out, fmt.Sprint(i)))
		if err != nil {
			t.Fatalf("%s: not reached: %v\n%s", lesson, failed, printed)
		}
		last := i == len(lessons)-1
		if !last {
			_, err := os.Stat(filepath.Join(out, fmt.Sprint(i+1)))
			last = err != nil
		}
		if failed != nil && last {
			t.Fatalf("%s: %v, having printed:\n%s%s", lesson, failed, got, printed)
		}
		got = progress.ReplaceAll(got, nil)
		if lesson.prints != "" && !says(replacer.Replace(lesson.prints)).Match(got) {
			t.Errorf("%s\nprints:\n%s\nand the page says:\n%s", lesson, got, lesson.prints)
		}
	}
}

// lesson is a block of commands of the tutorial, and the output that the page shows; empty if it shows none.
type lesson struct {
	page, commands, prints string
}

func (l lesson) String() string { return l.page + ":\n" + l.commands }

// tutorial returns the lessons of all English pages in the order in which they are read.
func tutorial(t *testing.T) []lesson {
	t.Helper()
	dir := filepath.Join(root, "docs", "step-by-step")
	pages, err := filepath.Glob(filepath.Join(dir, "[0-9]*.md"))
	if err != nil {
		t.Fatal(err)
	}
	var lessons []lesson
	block := regexp.MustCompile("(?ms)^```bash\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?")
	for _, page := range append([]string{filepath.Join(dir, "README.md")}, pages...) {
		if strings.HasSuffix(page, ".zh-CN.md") {
			continue // The translations have the same commands, see tests/translation.
		}
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range block.FindAllSubmatch(text, -1) {
			lessons = append(lessons, lesson{filepath.Base(page), string(match[1]), string(match[2])})
		}
	}
	return lessons
}

// says returns an expression that matches an output as a page shows it, in which … stands for any text.
func says(text string) *regexp.Regexp {
	parts := strings.Split(strings.TrimSpace(text), "…")
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	return regexp.MustCompile(`(?s)^\s*` + strings.Join(parts, ".*") + `\s*$`)
}

// freePorts returns so many unused ports. They are used minutes later. Until then the system gives them to no process that asks for any free
// port, because those begin at 32768. The servers of scripts/test-env.sh have lower ports.
func freePorts(t *testing.T, count int) []string {
	t.Helper()
	const first, end = 30_000, 32_768
	var ports []string
	for range 100 {
		port := strconv.Itoa(first + rand.IntN(end-first))
		listener, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err != nil {
			continue
		}
		defer listener.Close() // Not before all are found, so that each is another one.
		if ports = append(ports, port); len(ports) == count {
			return ports
		}
	}
	t.Fatalf("only the ports %q are free", ports)
	return nil
}
