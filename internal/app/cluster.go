package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"time"

	"iotmon/internal/config"
	"iotmon/internal/kafka"
	"iotmon/internal/observe"
	"iotmon/internal/store/postgres"
)

// repeatedLogs is how often the Kafka client, and what follows from its failures, may say the same.
const repeatedLogs = time.Minute

// joinCluster says how to reach Kafka, and has it watched. Nothing here waits for it: a service starts, and says that it is
// not ready, whatever is missing.
func (s *Service) joinCluster(context.Context) error {
	dial, err := newDial(s.cfg)
	if err != nil {
		return err
	}
	dial.ClientID = s.name
	dial.Logger = observe.Sparing(s.Logger, repeatedLogs)
	s.dial = dial
	part := s.server("kafka")
	watch := kafka.NewWatch(kafka.WatchOptions{
		Topics: kafka.TopicOptions{
			Dial:        s.dial,
			Topics:      s.topics,
			Partitions:  s.cfg.Kafka.Partitions,
			Replication: s.cfg.Kafka.ReplicationFactor,
		},
		Status: func(err error) {
			if err != nil {
				part.NotReady(err.Error())
				return
			}
			part.Ready()
		},
		Logger: s.Logger,
	})
	s.kafka = watch.Usable()
	s.add("kafka watch", watch.Run)
	return nil
}

// server names a server in the service's readiness. Those who show what they have to people go on without it; the page
// says by itself what is stale.
func (s *Service) server(name string) *observe.Part {
	if s.name == config.Web || s.name == config.WebSocket {
		return s.readiness.Mention(name)
	}
	return s.readiness.Expect(name)
}

// newDial returns how the configuration reaches a cluster.
func newDial(cfg *config.Config) (kafka.Dial, error) {
	dial := kafka.Dial{Brokers: cfg.Kafka.Brokers, ServerSideGroups: cfg.Kafka.GroupProtocol == "consumer"}
	var err error
	if dial.TLS, err = newTLS(&cfg.Kafka.TLS); err != nil {
		return dial, fmt.Errorf("kafka.tls: %w", err)
	}
	if sasl := cfg.Kafka.SASL; sasl.Mechanism != "" {
		dial.Login, err = kafka.NewLogin(sasl.Mechanism, sasl.Username, sasl.Password)
	}
	return dial, err
}

// newTLS returns nil if the connections are not to be encrypted.
func newTLS(cfg *config.TLS) (*tls.Config, error) {
	if !cfg.Enabled {
		return nil, nil
	}
	t := &tls.Config{ServerName: cfg.ServerName, MinVersion: tls.VersionTLS12}
	if cfg.CAFile != "" {
		text, err := os.ReadFile(cfg.CAFile)
		if err != nil {
			return nil, fmt.Errorf("ca_file: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("ca_file: %s holds no certificate in PEM", cfg.CAFile)
		}
	}
	if cfg.CertFile != "" {
		own, err := tls.LoadX509KeyPair(cfg.CertFile, cfg.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("cert_file, key_file: %w", err)
		}
		t.Certificates = []tls.Certificate{own}
	}
	return t, nil
}

// openPostgres makes the store. Its schema is brought up to date by the first service that finds the server.
func (s *Service) openPostgres(context.Context) error {
	writers := int32(max(s.cfg.Postgres.MaxConnections/3, 1))
	store, err := postgres.Open(postgres.Options{
		URL:           s.cfg.Postgres.URL,
		Password:      s.cfg.Postgres.Password,
		ReadingsTopic: s.topics.Readings,
		Writers:       writers,
		Readers:       int32(s.cfg.Postgres.MaxConnections) - writers,
		Refused:       s.rowRefused,
	})
	if err != nil {
		return fmt.Errorf("postgres.url: %w", err)
	}
	s.onClose("database", store.Close)
	s.store = store
	part := s.server("database")
	prepared := make(chan struct{})
	s.database = prepared
	s.add("database", func(ctx context.Context) error {
		if err := store.Prepare(ctx, s.Logger); err != nil {
			return err
		}
		part.Ready()
		close(prepared)
		<-ctx.Done()
		return nil
	})
	return nil
}

// rowRefused tells of a row that the database cannot hold. The log would bring it again for ever, so the archive goes on
// without it.
func (s *Service) rowRefused(err error) {
	s.Logger.Error("row left out of the archive: the database refuses what it holds", "error", err)
}

// after returns run, to begin when all of these have been closed. A nil one has nothing to wait for.
func after(run func(context.Context) error, these ...<-chan struct{}) func(context.Context) error {
	return func(ctx context.Context) error {
		for _, this := range these {
			if this == nil {
				continue
			}
			select {
			case <-this:
			case <-ctx.Done():
				return nil
			}
		}
		return run(ctx)
	}
}
