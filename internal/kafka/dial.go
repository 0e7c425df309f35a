// Package kafka is, with its subpackages, the only importer of the Kafka client. It has what all clients share: how to reach the
// cluster, the topics, the producer of readings, and the watches that report trouble of the cluster.
//
// Package processor reads readings and writes summaries, alerts and device states. Package feed reads those for the archive, the
// live view and the cache. Package embedded is the broker inside iotmon, for a plant without a Kafka cluster.
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
	// Version is the program's. The members of groups have it at the end of their client ids, so that a broker's list of a group's
	// members shows how far a rolling update has come. Empty leaves it out.
	Version string
	// Dialer connects to the embedded broker of this process; nil means TCP. It cannot be combined with TLS.
	Dialer func(ctx context.Context, network, address string) (net.Conn, error)
	// Timeout is how long making a connection may take, with its encryption; 0 means ten seconds.
	Timeout time.Duration
	// TLS encrypts the connections; nil leaves them plain.
	TLS *tls.Config
	// Login authenticates the client (SASL); nil connects without authentication.
	Login Login
	// ServerSideGroups lets the broker assign the partitions of a group to its members (KIP-848), if it can. Otherwise the members
	// assign them among themselves.
	ServerSideGroups bool
	Logger           *slog.Logger
}

// Login authenticates a client to the cluster.
type Login sasl.Mechanism

// NewLogin returns the login for a SASL mechanism: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.
func NewLogin(mechanism, user, password string) (Login, error) {
	switch mechanism {
	case "PLAIN":
		return plain.Auth{User: user, Pass: password}.AsMechanism(), nil
	case "SCRAM-SHA-256":
		return scram.Auth{User: user, Pass: password}.AsSha256Mechanism(), nil
	case "SCRAM-SHA-512":
		return scram.Auth{User: user, Pass: password}.AsSha512Mechanism(), nil
	default:
		return nil, fmt.Errorf("unknown login mechanism %q (allowed: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512)", mechanism)
	}
}

// Limits of what one fetch may return: a client's memory does not grow with the size of the log.
const (
	maxFetchBytes          = 16 << 20
	maxFetchPartitionBytes = 2 << 20
)

// Options returns the options that all clients share, followed by the given ones.
func (d Dial) Options(more ...kgo.Opt) []kgo.Opt {
	shared := []kgo.Opt{
		kgo.SeedBrokers(d.Brokers...),
		kgo.ClientID(d.ClientID),
		kgo.FetchMaxBytes(maxFetchBytes),
		kgo.FetchMaxPartitionBytes(maxFetchPartitionBytes),
	}
	if d.Dialer != nil {
		// Nobody reads the metrics that clients send to a broker in this process, and each client would use megabytes of memory
		// to compress them.
		shared = append(shared, kgo.Dialer(d.limited), kgo.DisableClientMetrics())
	} else if d.Timeout > 0 {
		shared = append(shared, kgo.DialTimeout(d.Timeout))
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

// limited is Dialer with Timeout.
func (d Dial) limited(ctx context.Context, network, address string) (net.Conn, error) {
	if d.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d.Timeout)
		defer cancel()
	}
	return d.Dialer(ctx, network, address)
}

// Group returns the options of a member of a consumer group.
func (d Dial) Group(name string) []kgo.Opt {
	member := []kgo.Opt{
		kgo.ConsumerGroup(name),
		kgo.Balancers(kgo.CooperativeStickyBalancer()),
		kgo.SessionTimeout(10 * time.Second),
		kgo.DisableAutoCommit(),
	}
	if d.Version != "" {
		member = append(member, kgo.ClientID(d.ClientID+"-"+d.Version))
	}
	if d.ServerSideGroups {
		member = append(member, kgo.ServerSideBalancer())
	}
	return member
}

// ErrClosed is returned to a reader whose client was closed while it was reading.
var ErrClosed = errors.New("kafka client closed")

// clientLog passes the client's warnings and errors on to slog. It leaves out the information level, which has lines about every
// request.
type clientLog struct{ logger *slog.Logger }

func (l clientLog) Level() kgo.LogLevel { return kgo.LogLevelWarn }

func (l clientLog) Log(level kgo.LogLevel, message string, keyvals ...any) {
	at := slog.LevelWarn
	if level == kgo.LogLevelError {
		at = slog.LevelError
	}
	l.logger.Log(context.Background(), at, "kafka client: "+message, keyvals...)
}
