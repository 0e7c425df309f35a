package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// rulesTimeout is how long the answer to an export or import may take.
	rulesTimeout = time.Minute
	// maxRulesFile is more than a running service takes, or sends, in a file of rules or in what an import has changed.
	maxRulesFile = 64 << 20
)

// Rules is the command iotmon rules: it writes the alert rules of a running service to a file, or changes them by one, and returns the exit status.
// Help is printed for -h.
func Rules(ctx context.Context, args []string, help string, stdin io.Reader, stdout, stderr io.Writer) int {
	if slices.ContainsFunc(args, func(a string) bool { return a == "-h" || a == "-help" || a == "--help" }) {
		fmt.Fprint(stdout, help)
		return Done
	}
	c := rulesCommand{stdin: stdin, stdout: stdout}
	if err := c.parse(args); err != nil {
		fmt.Fprintf(stderr, "iotmon rules: %v\n", err)
		return CannotStart
	}
	ctx, cancel := context.WithTimeout(ctx, rulesTimeout)
	defer cancel()
	var err error
	if c.word == "export" {
		err = c.export(ctx)
	} else {
		err = c.load(ctx)
	}
	if err != nil {
		for line := range strings.Lines(err.Error()) {
			fmt.Fprintf(stderr, "iotmon rules: %s\n", strings.TrimRight(line, "\n"))
		}
		return Failed
	}
	return Done
}

// rulesCommand is an export or an import.
type rulesCommand struct {
	stdin  io.Reader
	stdout io.Writer
	// word is export or import, file the name of the file, - for the standard streams.
	word, file   string
	base         string
	dryRun, drop bool
	// versions is the file to which a dry run writes the versions of the rules, and which an import compares them with; empty for none.
	versions string
}

// parse reads the arguments, with flags before or after the file.
func (c *rulesCommand) parse(args []string) error {
	if len(args) == 0 || args[0] != "export" && args[0] != "import" {
		return errors.New("want: iotmon rules export [FILE], or iotmon rules import FILE; iotmon help rules says more")
	}
	c.word, args = args[0], args[1:]
	flags := flag.NewFlagSet("iotmon rules", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&c.base, "url", "http://localhost:8080", "")
	if c.word == "import" {
		flags.BoolVar(&c.dryRun, "dry-run", false, "")
		flags.BoolVar(&c.drop, "delete", false, "")
		flags.StringVar(&c.versions, "versions", "", "")
	}
	var files []string
	for {
		if err := flags.Parse(args); err != nil {
			return err
		}
		if args = flags.Args(); len(args) == 0 {
			break
		}
		files, args = append(files, args[0]), args[1:]
	}
	switch {
	case len(files) > 1:
		return fmt.Errorf("unexpected %q behind the file", files[1])
	case len(files) == 1:
		c.file = files[0]
	case c.word == "export":
		c.file = "-"
	default:
		return errors.New("import needs a file; - is the standard input")
	}
	c.base = strings.TrimRight(c.base, "/")
	if u, err := url.Parse(c.base); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("-url must be an address such as http://localhost:8080 (got %q)", c.base)
	}
	return nil
}

// export writes the rules to the file: all of them or, if it fails, none.
func (c *rulesCommand) export(ctx context.Context) error {
	text, err := c.ask(ctx, http.MethodGet, "/api/v1/rules/export", "", nil)
	if err != nil {
		return err
	}
	if c.file == "-" {
		_, err := c.stdout.Write(text)
		return err
	}
	return replaceFile(c.file, text)
}

// replaceFile writes a file: all of it or, if that fails, nothing.
func replaceFile(name string, text []byte) error {
	temporary, err := os.CreateTemp(filepath.Dir(name), ".rules-*")
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name())
	_, err = temporary.Write(text)
	if err := errors.Join(err, temporary.Chmod(0o644), temporary.Sync(), temporary.Close()); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), name)
}

// load changes the rules by the file, and prints what has changed.
func (c *rulesCommand) load(ctx context.Context) error {
	in := c.stdin
	if c.file != "-" {
		file, err := os.Open(c.file)
		if err != nil {
			return err
		}
		defer file.Close()
		in = file
	}
	text, err := io.ReadAll(io.LimitReader(in, maxRulesFile))
	if err != nil {
		return fmt.Errorf("read %s: %w", c.file, err)
	}
	kind := "application/yaml"
	if c.versions != "" && !c.dryRun {
		kind = "application/json"
		if text, err = c.withVersions(text); err != nil {
			return err
		}
	}
	query := url.Values{"dry_run": {strconv.FormatBool(c.dryRun)}, "delete": {strconv.FormatBool(c.drop)}}
	answer, err := c.ask(ctx, http.MethodPost, "/api/v1/rules/import?"+query.Encode(), kind, text)
	if err != nil {
		return err
	}
	var done struct {
		Rules, Unchanged int
		InForce          bool `json:"in_force"`
		Items            []struct{ Name, Change string }
		Versions         map[string]int64
	}
	if err := json.Unmarshal(answer, &done); err != nil {
		return c.foreign("its answer is no JSON")
	}
	if c.versions != "" && c.dryRun {
		if text, err = json.MarshalIndent(done.Versions, "", "  "); err != nil {
			return err
		}
		if err := replaceFile(c.versions, append(text, '\n')); err != nil {
			return fmt.Errorf("write the versions: %w", err)
		}
	}
	for _, item := range done.Items {
		fmt.Fprintf(c.stdout, "%s %s\n", item.Change, item.Name)
	}
	summary := fmt.Sprintf("%s in the file, %d of them in force already", number(done.Rules, "rule"), done.Unchanged)
	switch {
	case c.dryRun:
		summary += "; this was a dry run: nothing has changed"
	case len(done.Items) == 0:
		summary += "; nothing has changed"
	case done.InForce:
		summary += "; what has changed is in force"
	default:
		summary += "; what has changed is decided and not in force everywhere yet: a processor is behind or not running"
	}
	fmt.Fprintln(c.stdout, summary)
	return nil
}

// withVersions returns the request that imports the file if the rules have the versions that a dry run has written.
func (c *rulesCommand) withVersions(file []byte) ([]byte, error) {
	text, err := os.ReadFile(c.versions)
	if err != nil {
		return nil, fmt.Errorf("read the versions that a dry run has written: %w", err)
	}
	body := struct {
		File     string           `json:"file"`
		Versions map[string]int64 `json:"versions"`
	}{File: string(file)}
	if err := json.Unmarshal(text, &body.Versions); err != nil || body.Versions == nil {
		return nil, fmt.Errorf("%s is not what a dry run writes with -versions", c.versions)
	}
	return json.Marshal(&body)
}

func number(n int, of string) string {
	if n != 1 {
		of += "s"
	}
	return fmt.Sprint(n, " ", of)
}

// ask sends a request to the service. The error has a line for each mistake that the service has found.
func (c *rulesCommand) ask(ctx context.Context, method, path, kind string, body []byte) (answer []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if kind != "" {
		request.Header.Set("Content-Type", kind)
	}
	client := http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("no answer from %s: %w (is iotmon, or the web service, running there? -url says where)", c.base, errors.Unwrap(err))
	}
	defer response.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(response.Body, maxRulesFile))
	if err != nil {
		return nil, fmt.Errorf("read the answer of %s: %w", c.base, err)
	}
	if response.StatusCode == http.StatusOK || response.StatusCode == http.StatusAccepted {
		if method == http.MethodGet && !strings.HasPrefix(response.Header.Get("Content-Type"), "application/yaml") {
			return nil, c.foreign("its answer is no YAML")
		}
		return answer, nil
	}
	var problem struct {
		Detail string
		Errors []struct{ Message, Location string }
	}
	if err := json.Unmarshal(answer, &problem); err != nil || problem.Detail == "" {
		return nil, c.foreign(response.Status)
	}
	lines := []string{problem.Detail}
	for _, mistake := range problem.Errors {
		lines = append(lines, strings.TrimPrefix(mistake.Location+": "+mistake.Message, ": "))
	}
	return nil, errors.New(strings.Join(lines, "\n"))
}

func (c *rulesCommand) foreign(why string) error {
	return fmt.Errorf("%s does not answer as iotmon does: %s", c.base, why)
}
