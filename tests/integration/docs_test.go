package integration

import (
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"iotmon/tests/testenv"
)

const root = "../.."

// documents returns the paths of all Markdown files of the project.
func documents(t *testing.T) []string {
	t.Helper()
	var paths []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "node_modules" || entry.Name() == ".git"):
			return filepath.SkipDir
		case filepath.Ext(path) == ".md":
			paths = append(paths, path)
		}
		return nil
	})
	if err != nil || len(paths) < 5 {
		t.Fatalf("got %d documents, %v", len(paths), err)
	}
	return paths
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	fenced  = regexp.MustCompile("(?ms)^```.*?^```")
)

// TestLinksLeadSomewhere checks every link from one document to another file of the project, and to a heading in it.
func TestLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	headings := make(map[string][]string)
	for _, document := range documents(t) {
		text, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range link.FindAllSubmatch(fenced.ReplaceAll(text, nil), -1) {
			target, err := url.Parse(string(match[1]))
			if err != nil || target.Scheme != "" {
				continue
			}
			path := document
			if target.Path != "" {
				path = filepath.Join(filepath.Dir(document), filepath.FromSlash(target.Path))
			}
			linked, err := os.ReadFile(path)
			if stat, e := os.Stat(path); e == nil && stat.IsDir() {
				err = nil
			}
			if err != nil {
				t.Errorf("%s: %s: %v", document, match[1], err)
				continue
			}
			if target.Fragment == "" {
				continue
			}
			if headings[path] == nil {
				headings[path] = anchors(linked)
			}
			if !slices.Contains(headings[path], target.Fragment) {
				t.Errorf("%s: %s: there is no such heading", document, match[1])
			}
		}
	}
}

// mentioned is a path within the project, as documents write it: in code, from the top.
var mentioned = regexp.MustCompile("`((?:cmd|configs|deployments|docs|internal|k8s|monitoring|scripts|tests|web)/[\\w./-]*[\\w-])[`* ]")

// TestPathsThatAreMentionedExist checks the paths of files in the documents.
func TestPathsThatAreMentionedExist(t *testing.T) {
	t.Parallel()
	checked := 0
	for _, document := range documents(t) {
		text, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range mentioned.FindAllSubmatch(text, -1) {
			checked++
			if _, err := os.Stat(filepath.Join(root, string(match[1]))); err != nil {
				t.Errorf("%s: %v", document, err)
			}
		}
	}
	if checked < 100 {
		t.Errorf("checked %d paths, want more", checked)
	}
}

// anchors returns the link targets of a document's headings.
func anchors(text []byte) []string {
	var names []string
	for _, match := range heading.FindAllSubmatch(fenced.ReplaceAll(text, nil), -1) {
		names = append(names, strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				return unicode.ToLower(r)
			}
			return -1
		}, string(match[1])))
	}
	return names
}

// TestEveryDependencyIsExplained checks that the document on dependencies has every direct dependency, and no other.
func TestEveryDependencyIsExplained(t *testing.T) {
	t.Parallel()
	explained, err := os.ReadFile(filepath.Join(root, "docs", "dependencies.md"))
	if err != nil {
		t.Fatal(err)
	}
	module, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	direct := regexp.MustCompile(`(?m)^\t(\S+) v\S+$`).FindAllSubmatch(module, -1)
	if len(direct) < 10 {
		t.Fatalf("got %d direct dependencies from go.mod, want more", len(direct))
	}
	for _, match := range direct {
		if !strings.Contains(string(explained), string(match[1])) {
			t.Errorf("%s is not in docs/dependencies.md", match[1])
		}
	}
}

// TestDocumentedCommandsWork runs the commands of the documents for newcomers. Requests go to a real server. A command that
// starts a server gets its own address and directory, and is stopped by the signal of Ctrl-C when the server is ready. A command
// that writes files writes them elsewhere. For the targets of make that run tests, it only checks that they exist. The deployment
// is tested in tests/operations.
func TestDocumentedCommandsWork(t *testing.T) {
	if testing.Short() {
		t.Skip("starts the program; make test runs it")
	}
	inTurn(t)
	data := t.TempDir()
	s := newServer(t, data, "", "-devices", "20", "-interval", "200ms")
	s.start()
	for _, name := range []string{"QUICK_START.md", "README.md", "README.zh-CN.md"} {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		commands := documentedCommands(string(text))
		if len(commands) < 3 {
			t.Errorf("%s: got %d commands, want more", name, len(commands))
		}
		for _, command := range commands {
			t.Run(name+" "+strings.SplitN(command, "\n", 2)[0], func(t *testing.T) { checkCommand(t, s, data, command) })
		}
	}
}

// documentedCommands returns the commands of all shell blocks, each with the lines that continue it, without comments.
func documentedCommands(text string) []string {
	var commands []string
	for _, block := range regexp.MustCompile("(?ms)^```bash\n(.*?)^```").FindAllStringSubmatch(text, -1) {
		open := false
		for line := range strings.Lines(block[1]) {
			if open {
				commands[len(commands)-1] += line
			} else if strings.TrimSpace(line) != "" {
				commands = append(commands, line)
			}
			whole := commands[len(commands)-1]
			open = strings.HasSuffix(whole, "\\\n") || strings.Count(whole, "'")%2 == 1
		}
	}
	for i, command := range commands {
		before, _, _ := strings.Cut(command, " # ")
		commands[i] = strings.TrimSpace(before)
	}
	return commands
}

func checkCommand(t *testing.T, s *server, data, command string) {
	t.Helper()
	switch words := strings.Fields(command); {
	case words[0] == "curl":
		shell(t, `curl() { command curl --fail-with-body -sS --max-time 10 "$@"; }; `+strings.ReplaceAll(command, "127.0.0.1:8080", s.addr))
	case strings.HasPrefix(command, "./bin/"):
		shell(t, strings.Replace(command, "./bin", "set -a; . ./.env.example; "+filepath.Dir(s.args[0]), 1)+" -check-config")
		config := joinCluster(t).config("readings") + fmt.Sprintf("postgres: {url: %q}\nredis: {url: %q}\n", testenv.Postgres(t), testenv.Redis(t))
		service := newProgram(t, filepath.Base(words[0]), config, words[1:]...)
		service.start()
		service.stop()
	case words[0] == "cp":
		shell(t, strings.Join(words[:len(words)-1], " ")+" "+filepath.Join(t.TempDir(), words[len(words)-1]))
	case command == "make build":
		bin := filepath.Dir(s.args[0]) // There it has little to do.
		shell(t, fmt.Sprintf("make build BIN='%s' VERSION=%s && '%[1]s/iotmon' -version", bin, testenv.Version))
	case command == "make test":
		shell(t, "make -n test")
	case words[0] == "./scripts/full_deployment.sh":
		shell(t, fmt.Sprintf(`%s --help | grep -F -- ' %s '`, words[0], strings.Join(words, " ")[len("./"):]))
	case strings.HasPrefix(command, "go run ./cmd/iotmon help"):
		shell(t, strings.Replace(command, "go run ./cmd/iotmon", s.args[0], 1))
	case strings.HasPrefix(command, "go run ./cmd/iotmon backup"):
		backup := fmt.Sprintf("cd '%s' && %s backup -data-dir '%s'", t.TempDir(), s.args[0], data)
		shell(t, strings.Replace(command, "go run ./cmd/iotmon backup", backup, 1))
	case strings.HasPrefix(command, "go run ./cmd/iotmon"):
		process := newServer(t, t.TempDir(), "", words[3:]...)
		process.start()
		process.stop()
	default:
		t.Errorf("no test knows how to check %q", command)
	}
}

// shell runs a command in the project's directory.
func shell(t *testing.T, command string) {
	t.Helper()
	c := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", command)
	c.Dir, c.WaitDelay = root, time.Second
	if output, err := c.CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", command, err, tail(output, 2000))
	}
}
