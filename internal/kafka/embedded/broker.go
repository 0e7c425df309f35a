// Package embedded is a Kafka broker in this process, for installations without Kafka: franz-go's kfake, on the loopback
// interface, with its log in a directory. The same client connects to it by the same protocol, so other packages need not distinguish
// it.
//
// kfake was made for tests. This package adds what is needed to trust it with data: a lock on the directory, a check of requests
// before kfake handles them, retention, a compaction that a kill -9 cannot harm, and a limit on its memory.
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

	"iotmon/internal/filelock"
)

// Options configure a Broker.
type Options struct {
	// Dir is the directory of the log. No other program may use it. It is created if it is missing.
	Dir string
	// Port is the TCP port to listen on. With 0 the system chooses a free port, at every start.
	Port int
	// SyncWrites writes every batch to the disk before it is acknowledged, so that it survives a loss of power. Without it, an
	// acknowledged batch survives the end of the process, a kill -9 included, but not a crash of the machine.
	SyncWrites bool
	Logger     *slog.Logger
}

const (
	// segmentBytes is the size of a file of the log. Retention deletes whole files.
	segmentBytes = 2 << 20
	// upkeepInterval is the pause between two runs of the upkeep: retention, the limit of batches, and compaction.
	upkeepInterval = 5 * time.Second
	// never is the interval for what kfake must not do by itself: compact topics, and delete commits.
	never = 10 * 365 * 24 * time.Hour
)

// Broker is a running broker. Close its clients before the broker: a transaction that is open when the broker closes stays open until
// its timeout after the next start. The methods may be called concurrently.
type Broker struct {
	cluster  *kfake.Cluster
	dir      string
	listener *listener
	lock     *os.File
	cleaner  *cleaner
	stop     context.CancelFunc
	upkeep   sync.WaitGroup
	closed   atomic.Bool

	// limited is the topic of LimitBatches; nil for none.
	limited atomic.Pointer[limited]
	logger  *slog.Logger
}

// Open starts a broker on the log in Dir. Every record that was acknowledged before is still there, even if the last process was
// killed. The context is for the start only. The error is ErrInUse if another process uses the directory.
func Open(ctx context.Context, options Options) (*Broker, error) {
	lock, err := acquire(options.Dir)
	if err != nil {
		return nil, err
	}
	b := &Broker{dir: options.Dir, lock: lock, logger: options.Logger}
	if err := b.start(ctx, options); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	// After a crash kfake reads the whole log into memory.
	debug.FreeOSMemory()
	return b, nil
}

// ErrInUse means that another process uses the directory.
var ErrInUse = errors.New("in use by another iotmon")

// acquire creates the directory and locks it for this process.
func acquire(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("create data directory: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("data directory %s is not writable: %w", dir, err)
	}
	if err := filelock.Lock(lock); err != nil {
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
			// By default kfake deletes records that are seven days old, even of a compacted topic. An empty partition would begin
			// at offset 0 again after a crash.
			"log.retention.ms": "-1",
			// The commits of a plant that has not run for a week must be kept too.
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
		connect:    b.connect(),
		minSize:    compactMinSize,
		logger:     options.Logger,
		wait:       stepsAtStart,
	}
	if err := b.cleaner.attach(ctx); err != nil {
		cluster.Close()
		return err
	}
	upkeep, stop := context.WithCancel(context.Background())
	b.stop = stop
	b.upkeep.Go(func() { b.runUpkeep(upkeep) })
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

// Dial connects to an address. If the address is one of Addrs, the connection is in memory, without the kernel; other addresses are
// dialed with a net.Dialer. So it can replace the DialContext of a net.Dialer.
func (b *Broker) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	if address == b.addr() {
		if conn, err := b.listener.dial(ctx); err == nil {
			return conn, nil
		}
	}
	return new(net.Dialer).DialContext(ctx, network, address)
}

// connect returns the options with which this package's own clients connect to the broker.
func (b *Broker) connect() []kgo.Opt {
	return []kgo.Opt{kgo.SeedBrokers(b.addr()), kgo.Dialer(b.Dial), kgo.DisableClientMetrics()}
}

// runUpkeep runs the upkeep until ctx ends. kfake's own ticker is not enough: it starts only when a topic is created or changed, so not
// after a restart.
func (b *Broker) runUpkeep(ctx context.Context) { repeat(ctx, b.maintain) }

// repeat calls step until ctx ends. It waits for upkeepInterval before each call. The interval begins when the previous step has
// returned, however long that took, so that readers have it between two stages of a compaction.
func repeat(ctx context.Context, step func(context.Context)) {
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

func (b *Broker) maintain(ctx context.Context) {
	b.cluster.ApplyRetention()
	b.limitBatches(ctx)
	b.cleaner.step(ctx)
}

// Close stops the broker, writes the files that make the next start fast, and unlocks the directory. A second call does nothing.
func (b *Broker) Close() error {
	if b.closed.Swap(true) {
		return nil
	}
	b.stop()
	b.upkeep.Wait()
	b.cluster.Close()
	return b.lock.Close()
}

// brokerLog writes kfake's warnings and errors to the service log.
type brokerLog struct{ logger *slog.Logger }

func (l brokerLog) Logf(level kfake.LogLevel, format string, args ...any) {
	at := slog.LevelWarn
	switch {
	case level == kfake.LogLevelError:
		at = slog.LevelError
	case level != kfake.LogLevelWarn:
		return
	case strings.HasPrefix(format, "txn: EndTxn slow"):
		at = slog.LevelDebug // kfake warns after five milliseconds, which nobody needs to act on.
	}
	l.logger.Log(context.Background(), at, "embedded broker: "+fmt.Sprintf(format, args...))
}
