// Package command implements the command lines of the programs: running a service, and the commands that end by themselves,
// such as iotmon backup.
package command

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"iotmon/internal/app"
	"iotmon/internal/config"
	"iotmon/internal/observe"
)

// The exit statuses of every program. CannotStart is a mistake in the command line or the configuration, or a fault of the
// machine that shows before anything runs.
const (
	Done        = 0
	Failed      = 1
	CannotStart = 2
)

// version is set by the linker for a release.
var version string

// Program is a program that runs a service.
type Program struct {
	// Service is the name of the service and of the program, one of the constants of package config.
	Service string
	// Help is printed for -h.
	Help string
}

// Main calls run with the process's arguments and a context that SIGINT or SIGTERM ends. It ends the process with the status
// that run returns. A second signal ends the process at once.
func Main(run func(ctx context.Context, args []string, stdout, stderr io.Writer) int) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// Run does what the arguments say, usually to run the service until ctx ends, and returns the exit status.
func (p *Program) Run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	started := time.Now()
	cfg, err := p.load(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, p.Help)
		return Done
	case errors.Is(err, config.ErrVersion):
		fmt.Fprintf(stdout, "%s %s %s %s/%s\n", p.Service, versionName(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
		return Done
	case err != nil:
		return p.refuse(stderr, err)
	case cfg.CheckOnly:
		fmt.Fprintln(stdout, "The configuration is valid.")
		if err := cfg.Explain(stdout, p.Service); err != nil {
			return p.refuse(stderr, err)
		}
		return Done
	case cfg.Probe != "":
		return p.probe(ctx, cfg, stdout, stderr)
	}
	if p.Service == config.Iotmon {
		saveMemory()
	}
	level := new(slog.LevelVar)
	if err := level.UnmarshalText([]byte(cfg.Log.Level)); err != nil {
		return p.refuse(stderr, err)
	}
	logger, err := observe.NewLogger(stderr, cfg.Log.Format, level)
	if err != nil {
		return p.refuse(stderr, err)
	}
	defer p.followLevel(args, level, logger)()
	service, err := app.New(ctx, p.Service, cfg, app.Options{Version: versionName(), Logger: logger, Started: started})
	switch {
	case err != nil && ctx.Err() != nil:
		return Done
	case err != nil:
		return p.refuse(stderr, err)
	}
	fmt.Fprintf(stdout, "%s %s is at http://%s\n", p.Service, versionName(), reachable(service.Addr()))
	if err := runUntil(ctx, service.Run, cfg.Server.ShutdownTimeout); err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", p.Service, err)
		return Failed
	}
	return Done
}

// load reads the configuration that the arguments, the environment and the file make up.
func (p *Program) load(args []string) (*config.Config, error) {
	return config.Load(config.LoadOptions{Service: p.Service, Builtin: app.Builtin(), Args: args, Environ: os.Environ()})
}

// followLevel reads the configuration again at every SIGHUP, until stop is called, and sets the level of the service log to
// its log.level. All other settings need a restart.
func (p *Program) followLevel(args []string, level *slog.LevelVar, logger *slog.Logger) (stop func()) {
	hangups, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(hangups, syscall.SIGHUP)
	go func() {
		for {
			select {
			case <-done:
				return
			case <-hangups:
			}
			cfg, err := p.load(args)
			if err == nil {
				err = level.UnmarshalText([]byte(cfg.Log.Level))
			}
			if err != nil {
				logger.Error("log level not changed", "error", err)
				continue
			}
			// Logged at the new level, so that this line is shown whatever the level.
			logger.Log(context.Background(), level.Level(), "log level set", "level", level.Level())
		}
	}()
	return func() {
		signal.Stop(hangups)
		close(done)
	}
}

// runUntil calls run and returns its result, but at the latest patience after ctx has ended, then with an error. A part that
// still hangs waits for a server that is gone; nothing acknowledged is lost if the process ends before that part.
func runUntil(ctx context.Context, run func(context.Context) error, patience time.Duration) error {
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-ended:
		return err
	case <-time.After(patience):
		return fmt.Errorf("not everything stopped within %v", patience)
	}
}

// refuse prints why nothing was started, one line for each mistake, and returns CannotStart.
func (p *Program) refuse(stderr io.Writer, err error) int {
	problems := []string{err.Error()}
	if mistakes, ok := errors.AsType[*config.Error](err); ok {
		problems = mistakes.Problems
	}
	for _, problem := range problems {
		fmt.Fprintf(stderr, "%s: %s\n", p.Service, problem)
	}
	return CannotStart
}

// reachable returns the address at which this machine reaches a server that listens on addr. A server on every interface is
// reached at localhost.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip.IsUnspecified()) {
		return net.JoinHostPort("localhost", port)
	}
	return addr
}

// versionName returns the version of a release; otherwise the version that the Go command has recorded in the program, or devel.
func versionName() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}
