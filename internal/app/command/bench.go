package command

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"iotmon/internal/app"
	"iotmon/internal/bench"
	"iotmon/internal/config"
	"iotmon/internal/control"
	"iotmon/internal/iot"
)

// ViewersCommand is the internal command that bench runs in a second process, for the viewers.
const ViewersCommand = bench.ViewersCommand

// BenchViewers is the command ViewersCommand: it connects the viewers and returns the exit status.
func BenchViewers(args []string, stdout, stderr io.Writer) int {
	if err := bench.RunViewers(args, os.Stdin, stdout); err != nil {
		fmt.Fprintf(stderr, "iotmon %s: %v\n", ViewersCommand, err)
		return Failed
	}
	return Done
}

// benchFlags are the flags of bench.
type benchFlags struct {
	devices, entries, rules, rate, clients, partitions int
	duration                                           time.Duration
	archive, json                                      bool
	brokers, cpuProfile                                string
}

// The largest values that the flags accept.
const (
	mostBenchDevices    = 1_000_000
	mostBenchClients    = 50_000
	mostBenchPartitions = 1_000
	mostBenchDuration   = time.Hour
)

func parseBench(args []string) (*benchFlags, error) {
	var f benchFlags
	set := flag.NewFlagSet("iotmon bench", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.IntVar(&f.devices, "devices", 10_000, "")
	set.IntVar(&f.entries, "entries", 0, "")
	set.IntVar(&f.rules, "rules", 0, "")
	set.IntVar(&f.rate, "rate", 0, "")
	set.DurationVar(&f.duration, "duration", 20*time.Second, "")
	set.IntVar(&f.clients, "clients", 0, "")
	set.IntVar(&f.partitions, "partitions", 10, "")
	set.BoolVar(&f.archive, "archive", false, "")
	set.StringVar(&f.brokers, "brokers", "", "")
	set.StringVar(&f.cpuProfile, "cpuprofile", "", "")
	set.BoolVar(&f.json, "json", false, "")
	if err := set.Parse(args); err != nil {
		return nil, err
	}
	if set.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q: iotmon bench has only flags", set.Arg(0))
	}
	for _, number := range []struct {
		name               string
		value, least, most int
	}{
		{"devices", f.devices, 1, mostBenchDevices},
		{"entries", f.entries, 0, f.devices},
		{"rules", f.rules, 0, mostBenchRules},
		{"rate", f.rate, 0, 1_000_000_000},
		{"clients", f.clients, 0, mostBenchClients},
		{"partitions", f.partitions, 1, mostBenchPartitions},
	} {
		if number.value < number.least || number.value > number.most {
			return nil, fmt.Errorf("-%s: must be from %d to %d (got %d)", number.name, number.least, number.most, number.value)
		}
	}
	if f.duration < time.Second || f.duration > mostBenchDuration {
		return nil, fmt.Errorf("-duration: must be from 1s to %v (got %v)", mostBenchDuration, f.duration)
	}
	return &f, nil
}

// Bench is the command iotmon bench: it puts the whole system under load, in this process, prints the report and returns the
// exit status: 1 if the load failed, or if the windows do not contain exactly what was sent. Help is printed for -h.
func Bench(ctx context.Context, args []string, help string, stdout, stderr io.Writer) int {
	flags, err := parseBench(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, help)
		return Done
	case err != nil:
		fmt.Fprintf(stderr, "iotmon bench: %v\n", err)
		return CannotStart
	}
	report, err := runBench(ctx, flags, stderr)
	if err != nil {
		fmt.Fprintf(stderr, "iotmon bench: %v\n", err)
		return Failed
	}
	if flags.json {
		err = json.NewEncoder(stdout).Encode(report)
	} else {
		err = report.Write(stdout)
	}
	if err != nil || len(report.Wrong) > 0 {
		return Failed
	}
	return Done
}

// runBench makes a system in a temporary directory, puts it under load, and removes the directory and the topics.
func runBench(ctx context.Context, flags *benchFlags, stderr io.Writer) (report *bench.Report, err error) {
	stderr = &lockedWriter{to: stderr}
	dir, err := os.MkdirTemp("", "iotmon-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	cfg := benchConfig(flags, dir)
	logger := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	run := bench.NewRun()
	options := app.Options{Version: versionName(), Logger: logger, Started: time.Now()}
	service, err := app.NewMeasured(ctx, cfg, options, run)
	if flags.brokers != "" {
		defer func() { err = errors.Join(err, service.DeleteTopics(context.WithoutCancel(ctx))) }()
	}
	if err != nil {
		return nil, err
	}
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- service.Run(running) }()
	defer func() {
		stop()
		err = errors.Join(err, <-ended)
	}()
	if err := service.AwaitReady(ctx, ended); err != nil {
		return nil, err
	}
	load := bench.NewLoad(flags.devices)
	load.Rate, load.Registered = flags.rate, flags.entries
	if flags.entries > 0 {
		if err := register(ctx, service, load); err != nil {
			return nil, err
		}
	}
	profile := io.Discard
	if flags.cpuProfile != "" {
		file, failed := os.Create(flags.cpuProfile)
		if failed != nil {
			return nil, failed
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		profile = file
	}
	report, err = run.Do(ctx, bench.Options{
		Profile:      profile,
		Load:         load,
		Log:          service.Producer(),
		Duration:     flags.duration,
		WindowLength: cfg.Aggregation.Window(),
		URL:          "ws://" + service.Addr() + cfg.Push.Path,
		Clients:      flags.clients,
		Progress: func(sent, processed int64, left time.Duration) {
			fmt.Fprintf(stderr, "\r%d sent, %d processed, %v left      ", sent, processed, left.Round(time.Second))
		},
	})
	fmt.Fprint(stderr, "\r\x1b[K")
	if err != nil {
		return nil, err
	}
	report.Version, report.Devices, report.Entries, report.Rate = versionName(), flags.devices, flags.entries, flags.rate
	report.Rules = flags.rules
	report.Partitions, report.Archive, report.Broker = flags.partitions, flags.archive, "embedded"
	if flags.brokers != "" {
		report.Broker = flags.brokers
		return report, nil
	}
	if bytes, err := sizeOf(dir); err == nil && report.Readings > 0 {
		report.DiskPerReading = float64(bytes) / float64(report.Readings)
	}
	return report, nil
}

// register puts the registry entries of the load in force.
func register(ctx context.Context, service *app.Service, load *bench.Load) error {
	entries := make([]control.Object, load.Registered)
	for i := range entries {
		id, entry := load.Entry(i)
		entries[i] = control.DeviceObject(iot.Identity{ID: id}, &entry)
	}
	return service.Register(ctx, entries)
}

// lockedWriter lets several goroutines write to one writer: the progress and the service log share stderr.
type lockedWriter struct {
	mu sync.Mutex
	to io.Writer // guarded by mu
}

func (w *lockedWriter) Write(text []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.to.Write(text)
}

// benchWindow is the window length in seconds. It is short, so that windows close during a run.
const benchWindow = 5

// benchRetention, in bytes, is more than a run can write: records deleted by retention could not be verified.
const benchRetention = 64 << 30

// benchConfig returns the configuration of the system under load. With -brokers, topics and group have names of their own, so
// that nothing else on the cluster is touched.
func benchConfig(flags *benchFlags, dir string) *config.Config {
	cfg := config.Default(config.Iotmon, app.Builtin())
	cfg.DataDir = dir
	cfg.Server.Addr = "127.0.0.1:0"
	cfg.Simulator.Enabled = false
	cfg.Archive.Enabled = flags.archive
	cfg.Aggregation.WindowSeconds = benchWindow
	cfg.Alerts.Rules = benchRules(flags.rules)
	cfg.Kafka.Partitions = flags.partitions
	cfg.Kafka.Embedded.Retention = benchRetention
	cfg.Push.MaxConnections = mostBenchClients
	if flags.brokers != "" {
		cfg.Kafka.Brokers = strings.Split(flags.brokers, ",")
		prefix := fmt.Sprintf("iotmon-bench-%d-", time.Now().UnixNano())
		for _, name := range []*string{
			&cfg.Kafka.Topic, &cfg.Kafka.DeadLettersTopic, &cfg.Kafka.AggregatesTopic, &cfg.Kafka.AlertsTopic,
			&cfg.Kafka.StatesTopic, &cfg.Kafka.InForceTopic, &cfg.Kafka.SourcesTopic, &cfg.Kafka.MapsTopic, &cfg.Kafka.GroupID,
		} {
			*name = prefix + *name
		}
	}
	return &cfg
}

// sizeOf returns the size of all files below a directory, in bytes.
func sizeOf(dir string) (int64, error) {
	total := int64(0)
	err := filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			total += info.Size()
		}
		return err
	})
	return total, err
}
