package command

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"iotmon/internal/app"
	"iotmon/internal/config"
)

// Sources is the command iotmon sources: it shows what a source receives and what it becomes, or what there is to receive, and returns the exit
// status. Help is printed for -h.
func Sources(ctx context.Context, args []string, help string, stdout, stderr io.Writer) int {
	word := ""
	if len(args) > 0 {
		word, args = args[0], args[1:]
	}
	switch word {
	case "-h", "-help", "--help":
		fmt.Fprint(stdout, help)
		return Done
	case "try":
		return newSourcesCommand(word, help, stdout, stderr).try(ctx, args)
	case "browse":
		return newSourcesCommand(word, help, stdout, stderr).browse(ctx, args)
	case "":
		fmt.Fprintln(stderr, "iotmon sources: want iotmon sources try NAME, or iotmon sources browse URL or NAME; iotmon help sources says more")
	default:
		fmt.Fprintf(stderr, "iotmon sources: %q is none of its commands: they are try and browse\n", word)
	}
	return CannotStart
}

// sourcesCommand is what the commands have in common.
type sourcesCommand struct {
	name, help     string
	stdout, stderr io.Writer
	logger         *slog.Logger
	flags          *flag.FlagSet
	file           string
	length         time.Duration
	count          int
}

func newSourcesCommand(word, help string, stdout, stderr io.Writer) *sourcesCommand {
	c := &sourcesCommand{
		name: "iotmon sources " + word, help: help, stdout: stdout, stderr: stderr, logger: slog.New(slog.NewTextHandler(stderr, nil)),
	}
	c.flags = flag.NewFlagSet(c.name, flag.ContinueOnError)
	c.flags.SetOutput(io.Discard)
	c.flags.StringVar(&c.file, "config", "", "")
	return c
}

// try connects a source and shows what arrives and what it becomes.
func (c *sourcesCommand) try(ctx context.Context, args []string) int {
	c.flags.DurationVar(&c.length, "for", 10*time.Second, "")
	c.flags.IntVar(&c.count, "count", 0, "")
	name, err := c.parse(args)
	if err == nil && c.length == 0 {
		err = errors.New("-for must be more than 0")
	}
	return c.run(err, func(cfg *config.Config) error {
		return app.TrySource(ctx, cfg, app.TryOptions{Name: name, For: c.length, Count: c.count, Out: c.stdout, Logger: c.logger})
	})
}

// browse writes the configuration of a source with what is there.
func (c *sourcesCommand) browse(ctx context.Context, args []string) int {
	o := app.BrowseOptions{Out: c.stdout, Logger: c.logger, Registers: []string{"40001-40100", "30001-30100"}}
	c.flags.DurationVar(&c.length, "for", 0, "")
	c.flags.IntVar(&c.count, "count", 1000, "")
	for name, into := range map[string]*string{
		"name": &o.Name, "user": &o.User, "password-file": &o.PasswordFile, "mechanism": &o.Mechanism, "ca-file": &o.CAFile, "cert-file": &o.CertFile,
		"key-file": &o.KeyFile, "root": &o.Root, "security": &o.Security,
	} {
		c.flags.StringVar(into, name, "", "")
	}
	c.flags.BoolVar(&o.Rebirth, "rebirth", false, "")
	c.flags.IntVar(&o.Unit, "unit", 1, "")
	c.flags.Func("topic", "", func(topic string) error {
		o.Topics = append(o.Topics, topic)
		return nil
	})
	c.flags.Func("registers", "", func(ranges string) error {
		o.Registers = strings.Split(ranges, ",")
		return nil
	})
	source, err := c.parse(args)
	c.flags.Visit(func(f *flag.Flag) { o.Given = append(o.Given, f.Name) })
	return c.run(err, func(cfg *config.Config) error {
		o.Source, o.For, o.Count = source, c.length, c.count
		return app.BrowseSource(ctx, cfg, o)
	})
}

// parse reads the arguments, with flags before or after what they are about.
func (c *sourcesCommand) parse(args []string) (about string, err error) {
	var words []string
	for {
		if err := c.flags.Parse(args); err != nil {
			return "", err
		}
		if args = c.flags.Args(); len(args) == 0 {
			break
		}
		words, args = append(words, args[0]), args[1:]
	}
	switch {
	case len(words) == 0 || words[0] == "":
		return "", errors.New("say which: " + c.about())
	case len(words) > 1:
		return "", fmt.Errorf("unexpected argument %q", words[1])
	case c.length < 0 || c.count < 0:
		return "", errors.New("-for and -count must not be negative")
	}
	return words[0], nil
}

// about says what the command is about.
func (c *sourcesCommand) about() string {
	if strings.HasSuffix(c.name, "try") {
		return c.name + " NAME, of a source of the configuration"
	}
	return c.name + " URL, such as mqtt://broker:1883, or NAME, of a source of the configuration"
}

// run does what the command does, unless its arguments are wrong, and returns the exit status.
func (c *sourcesCommand) run(err error, do func(cfg *config.Config) error) int {
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(c.stdout, c.help)
		return Done
	case err != nil:
		fmt.Fprintf(c.stderr, "%s: %v\n", c.name, err)
		return CannotStart
	}
	var line []string
	if c.file != "" {
		line = []string{"-config", c.file}
	}
	cfg, err := config.Load(config.LoadOptions{Service: config.Iotmon, Builtin: app.Builtin(), Args: line, Environ: os.Environ()})
	if err != nil {
		program := Program{Service: c.name}
		return program.refuse(c.stderr, err)
	}
	if err := do(cfg); err != nil {
		fmt.Fprintf(c.stderr, "%s: %v\n", c.name, err)
		if _, misuse := errors.AsType[*app.BrowseError](err); misuse {
			return CannotStart
		}
		return Failed
	}
	return Done
}
