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

// repeatedLogs is the shortest time between two equal log lines of a client whose server is away.
const repeatedLogs = time.Minute

// joinCluster sets how to reach Kafka and adds a watch of the cluster. It does not wait for Kafka: a service starts without
// its servers and reports that it is not ready.
func (s *Service) joinCluster(context.Context) error {
	dial, err := newDial(s.cfg)
	if err != nil {
		return err
	}
	dial.ClientID, dial.Version = s.name, s.Version
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
	if s.name != config.Consumer { // Its roles are groups of their own.
		s.presence = kafka.NewPresence(s.dial, s.topics, s.cfg.Kafka.GroupID)
		s.add("presence", after(s.presence.Run, s.kafka))
	}
	return nil
}

// server adds a server to the service's readiness. Without the server, web and websocket are degraded but still ready: they
// show what they have, and the page marks what is stale. The other services are not ready.
func (s *Service) server(name string) *observe.Part {
	if s.name == config.Web || s.name == config.WebSocket {
		return s.readiness.Mention(name)
	}
	return s.readiness.Expect(name)
}

// newDial returns the addresses, the encryption and the login by which the configuration says to reach Kafka.
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

// newTLS returns nil if the configuration does not enable TLS.
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
			return nil, fmt.Errorf("ca_file: no PEM certificate in %s", cfg.CAFile)
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

// openPostgres makes the store without waiting for the server. The first service that reaches the server migrates the schema.
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
	s.store, s.control, s.notices = store, store.Control(), store.Notify()
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

// rowRefused logs a row that the database refuses because of its content. The archiver skips the row: a retry would read the
// same row from the log and fail in the same way, for ever.
func (s *Service) rowRefused(err error) {
	s.Logger.Error("row not archived: the database refuses its content", "error", err)
}

// after returns a function that calls run once all channels of usable are closed. A nil channel counts as closed. If ctx ends
// first, run is not called, which is success.
func after(run func(context.Context) error, usable ...<-chan struct{}) func(context.Context) error {
	return func(ctx context.Context) error {
		for _, closed := range usable {
			if closed == nil {
				continue
			}
			select {
			case <-closed:
			case <-ctx.Done():
				return nil
			}
		}
		return run(ctx)
	}
}
