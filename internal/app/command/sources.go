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
	if len(args) == 1 && (args[0] == "-h" || args[0] == "-help" || args[0] == "--help") {
		fmt.Fprint(stdout, help)
		return Done
	}
	if len(args) < 2 || (args[0] != "try" && args[0] != "browse") || args[1] == "" || args[1][0] == '-' {
		fmt.Fprintln(stderr, "iotmon sources: want: iotmon sources try NAME [flags], or iotmon sources browse URL or NAME [flags]")
		return CannotStart
	}
	name := "iotmon sources " + args[0]
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	file := flags.String("config", "", "")
	var length time.Duration
	var count int
	var do func(cfg *config.Config) error
	if args[0] == "try" {
		flags.DurationVar(&length, "for", 10*time.Second, "")
		flags.IntVar(&count, "count", 0, "")
		do = func(cfg *config.Config) error {
			logger := slog.New(slog.NewTextHandler(stderr, nil))
			return app.TrySource(ctx, cfg, app.TryOptions{Name: args[1], For: length, Count: count, Out: stdout, Logger: logger})
		}
	} else {
		o := app.BrowseOptions{Source: args[1], Out: stdout, Logger: slog.New(slog.NewTextHandler(stderr, nil))}
		flags.DurationVar(&length, "for", 0, "")
		flags.IntVar(&count, "count", 1000, "")
		flags.StringVar(&o.Name, "name", "", "")
		flags.StringVar(&o.CAFile, "ca-file", "", "")
		flags.StringVar(&o.CertFile, "cert-file", "", "")
		flags.StringVar(&o.KeyFile, "key-file", "", "")
		flags.BoolVar(&o.Rebirth, "rebirth", false, "")
		flags.IntVar(&o.Unit, "unit", 1, "")
		flags.Func("topic", "", func(topic string) error {
			o.Topics = append(o.Topics, topic)
			return nil
		})
		o.Registers = []string{"40001-40100", "30001-30100"}
		flags.Func("registers", "", func(ranges string) error {
			o.Registers = strings.Split(ranges, ",")
			return nil
		})
		flags.StringVar(&o.Root, "root", "", "")
		flags.StringVar(&o.Security, "security", "", "")
		flags.StringVar(&o.User, "user", "", "")
		flags.StringVar(&o.PasswordFile, "password-file", "", "")
		do = func(cfg *config.Config) error {
			o.For, o.Count = length, count
			return app.BrowseSource(ctx, cfg, o)
		}
	}
	err := flags.Parse(args[2:])
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, help)
		return Done
	case err != nil:
	case flags.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case length < 0 || length == 0 && args[0] == "try" || count < 0:
		err = errors.New("-for must be more than 0, and -count 0 or more")
	}
	if err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", name, err)
		return CannotStart
	}
	var line []string
	if *file != "" {
		line = []string{"-config", *file}
	}
	cfg, err := config.Load(config.LoadOptions{Service: config.Iotmon, Builtin: app.Builtin(), Args: line, Environ: os.Environ()})
	if err != nil {
		program := Program{Service: name}
		return program.refuse(stderr, err)
	}
	if err := do(cfg); err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", name, err)
		if _, misuse := errors.AsType[*app.BrowseError](err); misuse {
			return CannotStart
		}
		return Failed
	}
	return Done
}
