// Command iotmon runs the whole system in one process: simulated and real readings in, windows and alerts out, with the
// dashboard, the APIs, an embedded Kafka broker and an SQLite archive.
package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"iotmon/internal/app"
	"iotmon/internal/config"
	"iotmon/internal/ingest"
	"iotmon/internal/observe"
)

// The exit statuses.
const (
	done = iota
	failed
	cannotStart
)

//go:embed help.txt
var help string

// version is set by the linker for a release.
var version string

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // From then on the next signal ends the process at once.
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// run does what the arguments say and returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	command := ""
	if len(args) > 0 {
		command = args[0]
	}
	switch command {
	case "help":
		return showHelp(ctx, args[1:], stdout, stderr)
	case "replay":
		return ingest.ReplayCommand(ctx, args[1:], stdout, stderr)
	default:
		return serve(ctx, args, stdout, stderr)
	}
}

func showHelp(ctx context.Context, topics []string, stdout, stderr io.Writer) int {
	switch {
	case len(topics) == 0:
		fmt.Fprint(stdout, help)
		return done
	case topics[0] == "replay":
		return ingest.ReplayCommand(ctx, []string{"-h"}, stdout, stderr)
	default:
		fmt.Fprintf(stderr, "iotmon: no help on %s; there is on replay\n", topics[0])
		return cannotStart
	}
}

// serve runs the system until ctx ends.
func serve(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	started := time.Now()
	cfg, err := config.Load(config.LoadOptions{Service: config.Iotmon, Args: args, Environ: os.Environ()})
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, help)
		return done
	case errors.Is(err, config.ErrVersion):
		fmt.Fprintf(stdout, "iotmon %s %s %s/%s\n", versionName(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
		return done
	case err != nil:
		return refuse(stderr, err)
	case cfg.CheckOnly:
		fmt.Fprintln(stdout, "The configuration is valid.")
		if err := cfg.Explain(stdout, config.Iotmon); err != nil {
			return refuse(stderr, err)
		}
		return done
	}
	logger, err := observe.NewLogger(stderr, cfg.Log.Format, cfg.Log.Level)
	if err != nil {
		return refuse(stderr, err)
	}
	service, err := app.NewIotmon(ctx, cfg, app.Options{Version: versionName(), Logger: logger, Started: started})
	switch {
	case err != nil && ctx.Err() != nil:
		return done
	case err != nil:
		return refuse(stderr, err)
	}
	fmt.Fprintf(stdout, "iotmon %s is at http://%s\n", versionName(), reachable(service.Addr()))
	if err := service.Run(ctx); err != nil {
		fmt.Fprintf(stderr, "iotmon: %v\n", err)
		return failed
	}
	return done
}

// refuse tells in a line each why nothing was started.
func refuse(stderr io.Writer, err error) int {
	problems := []string{err.Error()}
	if mistakes, ok := errors.AsType[*config.Error](err); ok {
		problems = mistakes.Problems
	}
	for _, problem := range problems {
		fmt.Fprintf(stderr, "iotmon: %s\n", problem)
	}
	return cannotStart
}

// reachable returns an address that a browser on this machine can open: every interface includes this machine's own.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err == nil && ip.IsUnspecified() {
		return net.JoinHostPort("localhost", port)
	}
	return addr
}

// versionName returns the version of a release, or what the Go command knows of the source the program was built from.
func versionName() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}
