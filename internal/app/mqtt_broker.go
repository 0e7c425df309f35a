package app

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"iotmon/internal/config"
	"iotmon/internal/filelock"
	"iotmon/internal/mqtt/broker"
	"iotmon/internal/observe"
	"iotmon/internal/source/mqttbroker"
)

// newMQTTBroker returns the program's own MQTT broker, without listening.
func (s *Service) newMQTTBroker(cfg *config.MQTTBroker) (*protocol, error) {
	o := broker.Options{
		Listeners: brokerListeners(cfg),
		TLS: broker.TLS{
			CertFile: cfg.TLS.CertFile, KeyFile: cfg.TLS.KeyFile, ClientCAFile: cfg.TLS.ClientCAFile, RequireCertificate: cfg.TLS.RequireCertificate,
		},
		Login: broker.Login{Anonymous: cfg.Anonymous, File: cfg.UsersFile},
		Limits: broker.Limits{
			MaxConnections: cfg.MaxConnections, MaxPerAddress: cfg.MaxPerAddress, MaxSessions: cfg.MaxSessions, SessionExpiry: cfg.SessionExpiry,
			MaxSubscriptions: cfg.MaxSubscriptions, MaxPacket: int(cfg.MaxPacket), ReceiveMaximum: cfg.ReceiveMaximum, MaxRate: cfg.MaxRate,
			MaxKeepAlive: cfg.MaxKeepAlive, MaxQueued: cfg.MaxQueued, MaxQueuedBytes: int64(cfg.MaxQueuedBytes), MaxInflight: cfg.MaxInflight,
			MaxRetained: cfg.MaxRetained, MaxRetainedBytes: int64(cfg.MaxRetainedBytes),
		},
		Logger: observe.Sparing(s.Logger, repeatedLogs),
	}
	for _, p := range cfg.Permissions {
		o.Permissions = append(o.Permissions, broker.Permission(p))
	}
	if cfg.Persistent {
		directory := filepath.Join(s.cfg.DataDir, "mqtt-broker")
		if err := s.lockBrokerState(directory); err != nil {
			return nil, err
		}
		o.StateFile = filepath.Join(directory, "sessions.jsonl")
	}
	b := broker.New(o)
	s.metrics.WatchMQTTBroker(func() observe.MQTTBroker { return measuredBroker(b.Stats()) })
	shown := cfg.Source()
	return &protocol{
		kind: "mqtt_broker", adapter: mqttbroker.New(b, cfg.Topics), decode: decodePayload(&shown), maxBytes: int64(cfg.MaxPending), maxMessages: maxBrokerMessages,
		clients: func() int64 { return int64(b.Clients()) },
	}, nil
}

// lockBrokerState keeps the directory of sessions and retained messages for this process. A directory that cannot be written is no reason not to start: the
// broker says so itself, and serves its clients.
func (s *Service) lockBrokerState(directory string) error {
	if os.MkdirAll(directory, 0o700) != nil {
		return nil
	}
	lock, err := os.OpenFile(filepath.Join(directory, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil
	}
	if err := filelock.Lock(lock); err != nil {
		return errors.Join(fmt.Errorf("mqtt_broker.persistent: another program keeps its sessions in %s: give each a data_dir of its own: %w", directory, err), lock.Close())
	}
	s.onClose("lock of the MQTT broker's sessions", lock.Close)
	return nil
}

func measuredBroker(s broker.Stats) observe.MQTTBroker {
	return observe.MQTTBroker{
		Clients: int64(s.Clients), Sessions: int64(s.Sessions), Subscriptions: int64(s.Subscriptions), Retained: int64(s.Retained), RetainedBytes: s.RetainedBytes,
		QueuedBytes: s.QueuedBytes, Connections: s.Connected, TakenOver: s.TakenOver, Evicted: s.Evicted, Received: s.Received, Delivered: s.Delivered,
		Wills: s.Wills, Slowed: s.Slowed, Failures: s.Failures, RefusedSubscriptions: s.RefusedSubscriptions, UnsentRetained: s.UnsentRetained,
		WaitingWills: int64(s.WaitingWills), Dropped: s.Dropped, Refused: s.Refused,
		RefusedMessages: s.RefusedMessages, Ended: s.Ended,
	}
}

// notInName are the characters that the name of a source does not have.
var notInName = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// brokerName returns the name of the broker among the sources. Each producer has one of its own: two with the same name would overwrite what the page
// shows of the other. So its host and its first address, at which nobody else can listen, are part of it.
func (s *Service) brokerName(cfg *config.MQTTBroker) string {
	if s.name != config.Producer {
		return cfg.Name
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return distinctName(cfg.Name, host, strings.Trim(brokerListeners(cfg)[0].Addr, ":"))
}

// distinctName joins the parts of a source's name. One that is too long ends with a hash of all parts instead of the last ones: those distinguish it.
func distinctName(parts ...string) string {
	const longest, hashed = 63, 8
	name := notInName.ReplaceAllString(strings.Join(parts, "-"), "-")
	if len(name) <= longest {
		return name
	}
	hash := sha256.Sum256([]byte(strings.Join(parts, "\n")))
	return name[:longest-hashed-1] + "-" + hex.EncodeToString(hash[:])[:hashed]
}

// maxBrokerMessages is how many messages of the broker's clients may be on their way to the log, beside the limit of their bytes.
const maxBrokerMessages = 100_000

// brokerListeners returns the addresses that are configured.
func brokerListeners(cfg *config.MQTTBroker) []broker.Listener {
	var all []broker.Listener
	for _, l := range []broker.Listener{
		{Addr: cfg.Addr}, {Addr: cfg.TLSAddr, TLS: true}, {Addr: cfg.WebsocketAddr, Path: cfg.WebsocketPath},
		{Addr: cfg.WebsocketTLSAddr, TLS: true, Path: cfg.WebsocketPath},
	} {
		if l.Addr != "" {
			all = append(all, l)
		}
	}
	return all
}
