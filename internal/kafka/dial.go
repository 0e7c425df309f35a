// Package kafka is the only importer of the Kafka client. It writes readings, runs the processor's transactions, feeds the
// archive and tails the live topics; its subpackage embedded is the broker for those who have none.
package kafka

import (
	"context"
	"log/slog"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Dial says how to reach the cluster. Every client of this package starts from it.
type Dial struct {
	// Brokers are the seed addresses, host:port.
	Brokers []string
	// ClientID names this process in the broker's logs and quotas.
	ClientID string
	Logger   *slog.Logger
}

// Bounds of what a client buffers from the broker, so that the whole system stays small next to a log of any size.
const (
	maxFetchBytes          = 16 << 20
	maxFetchPartitionBytes = 2 << 20
)

// options returns the options that all clients share, followed by more.
func (d Dial) options(more ...kgo.Opt) []kgo.Opt {
	shared := []kgo.Opt{
		kgo.SeedBrokers(d.Brokers...),
		kgo.ClientID(d.ClientID),
		kgo.FetchMaxBytes(maxFetchBytes),
		kgo.FetchMaxPartitionBytes(maxFetchPartitionBytes),
	}
	if d.Logger != nil {
		shared = append(shared, kgo.WithLogger(clientLog{d.Logger}))
	}
	return append(shared, more...)
}

// clientLog lets the client's warnings and errors through to slog. Its information is about every request.
type clientLog struct{ logger *slog.Logger }

func (l clientLog) Level() kgo.LogLevel { return kgo.LogLevelWarn }

func (l clientLog) Log(level kgo.LogLevel, message string, keyvals ...any) {
	at := slog.LevelWarn
	if level == kgo.LogLevelError {
		at = slog.LevelError
	}
	l.logger.Log(context.Background(), at, "kafka client: "+message, keyvals...)
}
