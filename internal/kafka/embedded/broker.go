// Package embedded is the broker for those who have no Kafka: franz-go's kfake in this process, on the loopback interface,
// with its log in a directory. It speaks the real protocol to the same client, so nothing above knows the difference.
//
// kfake was made for tests. What it takes to trust it with data is in this package: one process per directory, requests
// checked before they reach it, retention and a compaction that a kill -9 cannot hurt, memory given back.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Options say where and how the broker keeps its log.
type Options struct {
	// Dir belongs to the broker alone; it is created if it is missing.
	Dir string
	// Port to listen on; 0 lets the system choose one that is free, which may be another one after every start.
	Port int
	// SyncWrites has every batch on the disk before it is acknowledged, so that it survives a loss of power. Without it an
	// acknowledged batch survives whatever happens to the process, but not to the machine.
	SyncWrites bool
	Logger     *slog.Logger
}

const (
	// segmentBytes is the size of the files that retention removes, one at a time.
	segmentBytes = 2 << 20
	// upkeepInterval is how often retention runs and the compacted topics are looked at.
	upkeepInterval = 5 * time.Second
	// never keeps kfake from what would harm: compacting on its own, forgetting commits.
	never = 10 * 365 * 24 * time.Hour
)

// Broker is a running broker. Close its clients before the broker: a transaction that is open when it closes stays open
// until its timeout after the next start.
type Broker struct {
	cluster  *kfake.Cluster
	dir      string
	listener *listener
	lock     *os.File
	cleaner  *cleaner
	stop     context.CancelFunc
	upkeep   sync.WaitGroup
	closed   atomic.Bool

	// thinned is what has too many batches deleted; nil for none.
	thinned atomic.Pointer[thinned]
	logger  *slog.Logger
}

// Open starts a broker on what Dir holds. Everything that was acknowledged before is there, whether the last process
// ended well or was killed. The context bounds only the start.
func Open(ctx context.Context, options Options) (*Broker, error) {
	lock, err := acquire(options.Dir)
	if err != nil {
		return nil, err
	}
	b := &Broker{dir: options.Dir, lock: lock, logger: options.Logger}
	if err := b.start(ctx, options); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	// A start after a crash has had the whole log in memory.
	debug.FreeOSMemory()
	return b, nil
}

// ErrInUse means that another process has the directory.
var ErrInUse = errors.New("in use by another iotmon")

// acquire makes the directory and takes it for this process.
func acquire(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("create data directory: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("data directory %s is not writable: %w", dir, err)
	}
	if err := lockFile(lock); err != nil {
		return nil, errors.Join(fmt.Errorf("data directory %s is %w: %w", dir, ErrInUse, err), lock.Close())
	}
	return lock, nil
}

func (b *Broker) start(ctx context.Context, options Options) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	logDir := filepath.Join(options.Dir, "log")
	if err := repair(logDir); err != nil {
		return err
	}
	settings := []kfake.Opt{
		kfake.NumBrokers(1),
		kfake.Ports(options.Port),
		kfake.ListenFn(b.listen),
		kfake.DataDir(logDir),
		kfake.WithLogger(brokerLog{options.Logger}),
		kfake.BrokerConfigs(map[string]string{
			"log.segment.bytes": strconv.Itoa(segmentBytes),
			// By default kfake drops what is seven days old, even from a compacted topic. A partition that was emptied
			// so would begin anew at offset 0 after a crash.
			"log.retention.ms": "-1",
			// Nor must the commits of a plant that stood still for a week be forgotten.
			"offsets.retention.minutes": strconv.Itoa(int(never.Minutes())),
			"log.cleaner.backoff.ms":    strconv.FormatInt(never.Milliseconds(), 10),
		}),
	}
	if options.SyncWrites {
		settings = append(settings, kfake.SyncWrites())
	}
	cluster, err := kfake.NewCluster(settings...)
	if err != nil {
		return fmt.Errorf("start embedded broker in %s: %w", options.Dir, err)
	}
	b.cluster = cluster
	b.cleaner = &cleaner{
		cluster:    cluster,
		partitions: filepath.Join(logDir, "partitions"),
		reach:      b.reach(),
		from:       compactFrom,
		logger:     options.Logger,
		wait:       stepsAtStart,
	}
	if err := b.cleaner.attach(ctx); err != nil {
		cluster.Close()
		return err
	}
	upkeep, stop := context.WithCancel(context.Background())
	b.stop = stop
	b.upkeep.Go(func() { b.keep(upkeep) })
	return nil
}

func (b *Broker) listen(network, address string) (net.Listener, error) {
	l, err := listen(network, address)
	if err != nil {
		return nil, err
	}
	b.listener = l
	return l, nil
}

// Addrs returns the addresses to connect to.
func (b *Broker) Addrs() []string { return []string{b.addr()} }

func (b *Broker) addr() string { return b.listener.Addr().String() }

// Dial connects a client in this process to one of the addresses of Addrs, without the kernel between. It may be used
// wherever a net.Dialer is: another address is dialed.
func (b *Broker) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	if address == b.addr() {
		if conn, err := b.listener.dial(ctx); err == nil {
			return conn, nil
		}
	}
	return new(net.Dialer).DialContext(ctx, network, address)
}

// reach returns how a client of the broker's own connects to it.
func (b *Broker) reach() []kgo.Opt {
	return []kgo.Opt{kgo.SeedBrokers(b.addr()), kgo.Dialer(b.Dial), kgo.DisableClientMetrics()}
}

// keep applies retention and looks whether it is time to compact, until ctx ends. kfake's own ticker would not do: it
// starts only when a topic is created or changed, so not after a restart.
func (b *Broker) keep(ctx context.Context) { inSteps(ctx, b.tidy) }

// inSteps calls step over and over until ctx ends, upkeepInterval after it began and after each call has returned: what a step
// leaves to those that follow has that long, however long the step itself has taken.
func inSteps(ctx context.Context, step func(context.Context)) {
	timer := time.NewTimer(upkeepInterval)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			step(ctx)
			timer.Reset(upkeepInterval)
		}
	}
}

func (b *Broker) tidy(ctx context.Context) {
	b.cluster.ApplyRetention()
	b.thin(ctx)
	b.cleaner.step(ctx)
}

// Close writes what makes the next start fast and gives the directory free. Closing again does nothing.
func (b *Broker) Close() error {
	if b.closed.Swap(true) {
		return nil
	}
	b.stop()
	b.upkeep.Wait()
	b.cluster.Close()
	return b.lock.Close()
}

// brokerLog lets kfake's warnings and errors through to slog.
type brokerLog struct{ logger *slog.Logger }

func (l brokerLog) Logf(level kfake.LogLevel, format string, args ...any) {
	at := slog.LevelWarn
	switch {
	case level == kfake.LogLevelError:
		at = slog.LevelError
	case level != kfake.LogLevelWarn:
		return
	case strings.HasPrefix(format, "txn: EndTxn slow"):
		at = slog.LevelDebug // Five milliseconds are slow for a test, and nothing to act on here.
	}
	l.logger.Log(context.Background(), at, "embedded broker: "+fmt.Sprintf(format, args...))
}
