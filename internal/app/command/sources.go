package command

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"iotmon/internal/app"
	"iotmon/internal/config"
)

// Sources is the command iotmon sources: it shows what a source receives and what it becomes, and returns the exit status. Help is
// printed for -h.
func Sources(ctx context.Context, args []string, help string, stdout, stderr io.Writer) int {
	if len(args) == 1 && (args[0] == "-h" || args[0] == "-help" || args[0] == "--help") {
		fmt.Fprint(stdout, help)
		return Done
	}
	if len(args) < 2 || args[0] != "try" || args[1] == "" || args[1][0] == '-' {
		fmt.Fprintln(stderr, "iotmon sources: want: iotmon sources try NAME [flags]")
		return CannotStart
	}
	o := app.TryOptions{Name: args[1], Out: stdout, Logger: slog.New(slog.NewTextHandler(stderr, nil))}
	flags := flag.NewFlagSet("iotmon sources try", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	file := flags.String("config", "", "")
	flags.DurationVar(&o.For, "for", 10*time.Second, "")
	flags.IntVar(&o.Count, "count", 0, "")
	err := flags.Parse(args[2:])
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, help)
		return Done
	case err != nil:
	case flags.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case o.For <= 0 || o.Count < 0:
		err = errors.New("-for must be more than 0, and -count 0 or more")
	}
	if err != nil {
		fmt.Fprintf(stderr, "iotmon sources try: %v\n", err)
		return CannotStart
	}
	var line []string
	if *file != "" {
		line = []string{"-config", *file}
	}
	cfg, err := config.Load(config.LoadOptions{Service: config.Iotmon, Builtin: app.Builtin(), Args: line, Environ: os.Environ()})
	if err != nil {
		program := Program{Service: "iotmon sources try"}
		return program.refuse(stderr, err)
	}
	if err := app.TrySource(ctx, cfg, o); err != nil {
		fmt.Fprintf(stderr, "iotmon sources try: %v\n", err)
		return Failed
	}
	return Done
}
