package command

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"iotmon/internal/app"
	"iotmon/internal/config"
)

// Upgrade is the command iotmon upgrade: it records in a cluster that an upgrade of the consumers is finished, and returns the exit
// status. Help is printed for -h.
func Upgrade(ctx context.Context, args []string, help string, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == "finish" {
		args = args[1:]
	} else if len(args) != 1 || args[0] != "-h" && args[0] != "-help" && args[0] != "--help" {
		fmt.Fprintln(stderr, "iotmon upgrade: want: iotmon upgrade finish")
		return CannotStart
	}
	cfg, err := config.Load(config.LoadOptions{Service: config.Consumer, Builtin: app.Builtin(), Args: args, Environ: os.Environ()})
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, help)
		return Done
	}
	if err != nil {
		program := Program{Service: "iotmon upgrade"}
		return program.refuse(stderr, err)
	}
	partitions, err := app.FinishUpgrade(ctx, cfg)
	if err != nil {
		fmt.Fprintf(stderr, "iotmon upgrade: %v\n", err)
		return Failed
	}
	fmt.Fprintf(stdout, "The upgrade is finished in %d partitions of %s.\n", partitions, cfg.Kafka.Topic)
	return Done
}
