// Package kafka is, with its subpackages, the only importer of the Kafka client. It has what all clients share: how to reach the
// cluster, the topics, the producer of readings, and what watches over the cluster. Package processor reads readings and writes
// what follows from them, package feed is for those who read that, and package embedded is the broker for those who have none.
package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// Dial says how to reach the cluster. Every client starts from it.
type Dial struct {
	// Brokers are the seed addresses, host:port.
	Brokers []string
	// ClientID names this process in the broker's logs and quotas.
	ClientID string
	// Dialer connects to a broker; nil does over TCP. There is none beside TLS.
	Dialer func(ctx context.Context, network, address string) (net.Conn, error)
	// TLS encrypts the connections; nil leaves them plain.
	TLS *tls.Config
	// Login is how the client makes itself known; nil does not.
	Login Login
	// ServerSideGroups lets the broker share partitions out (KIP-848) where it can, rather than the members.
	ServerSideGroups bool
	Logger           *slog.Logger
}

// Login is a way to make a client known to the cluster.
type Login sasl.Mechanism

// NewLogin returns the login by PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.
func NewLogin(mechanism, user, password string) (Login, error) {
	switch mechanism {
	case "PLAIN":
		return plain.Auth{User: user, Pass: password}.AsMechanism(), nil
	case "SCRAM-SHA-256":
		return scram.Auth{User: user, Pass: password}.AsSha256Mechanism(), nil
	case "SCRAM-SHA-512":
		return scram.Auth{User: user, Pass: password}.AsSha512Mechanism(), nil
	default:
		return nil, fmt.Errorf("unknown login mechanism %q", mechanism)
	}
}

// Bounds of what a client buffers from the broker, so that the whole system stays small next to a log of any size.
const (
	maxFetchBytes          = 16 << 20
	maxFetchPartitionBytes = 2 << 20
)

// Options returns the options that all clients share, followed by more.
func (d Dial) Options(more ...kgo.Opt) []kgo.Opt {
	shared := []kgo.Opt{
		kgo.SeedBrokers(d.Brokers...),
		kgo.ClientID(d.ClientID),
		kgo.FetchMaxBytes(maxFetchBytes),
		kgo.FetchMaxPartitionBytes(maxFetchPartitionBytes),
	}
	if d.Dialer != nil {
		// A broker in this process has nobody who would look at what clients measure, and each of them takes megabytes to
		// compress it.
		shared = append(shared, kgo.Dialer(d.Dialer), kgo.DisableClientMetrics())
	}
	if d.TLS != nil {
		shared = append(shared, kgo.DialTLSConfig(d.TLS))
	}
	if d.Login != nil {
		shared = append(shared, kgo.SASL(d.Login))
	}
	if d.Logger != nil {
		shared = append(shared, kgo.WithLogger(clientLog{d.Logger}))
	}
	return append(shared, more...)
}

// Group returns the options of a member of a consumer group.
func (d Dial) Group(name string) []kgo.Opt {
	member := []kgo.Opt{
		kgo.ConsumerGroup(name),
		kgo.Balancers(kgo.CooperativeStickyBalancer()),
		kgo.SessionTimeout(10 * time.Second),
		kgo.DisableAutoCommit(),
	}
	if d.ServerSideGroups {
		member = append(member, kgo.ServerSideBalancer())
	}
	return member
}

// ErrClosed tells that a client was closed under whoever reads from it.
var ErrClosed = errors.New("kafka client closed")

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
