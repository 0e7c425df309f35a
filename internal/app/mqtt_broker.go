package app

import (
	"os"
	"path/filepath"
	"regexp"

	"iotmon/internal/config"
	"iotmon/internal/mqtt/broker"
	"iotmon/internal/observe"
	"iotmon/internal/source/mqttbroker"
)

// newMQTTBroker returns the program's own MQTT broker, without listening.
func (s *Service) newMQTTBroker(cfg *config.MQTTBroker) *protocol {
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
		o.StateFile = filepath.Join(s.cfg.DataDir, "mqtt-broker", "sessions.jsonl")
	}
	b := broker.New(o)
	s.metrics.WatchMQTTBroker(func() observe.MQTTBroker { return measuredBroker(b.Stats()) })
	shown := cfg.Source()
	return &protocol{
		kind: "mqtt_broker", adapter: mqttbroker.New(b, cfg.Topics), decode: decodePayload(&shown), maxBytes: int64(cfg.MaxPending), maxMessages: maxBrokerMessages,
		clients: func() int64 { return int64(b.Clients()) },
	}
}

func measuredBroker(s broker.Stats) observe.MQTTBroker {
	return observe.MQTTBroker{
		Clients: int64(s.Clients), Sessions: int64(s.Sessions), Subscriptions: int64(s.Subscriptions), Retained: int64(s.Retained), RetainedBytes: s.RetainedBytes,
		QueuedBytes: s.QueuedBytes, Connections: s.Connected, TakenOver: s.TakenOver, Evicted: s.Evicted, Received: s.Received, Delivered: s.Delivered,
		Wills: s.Wills, Slowed: s.Slowed, Failures: s.Failures, RefusedSubscriptions: s.RefusedSubscriptions, Dropped: s.Dropped, Refused: s.Refused,
		RefusedMessages: s.RefusedMessages, Ended: s.Ended,
	}
}

// notInName are the characters that the name of a source does not have.
var notInName = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// brokerName returns the name of the broker among the sources. Each producer has one of its own, so its host's name is part of it.
func (s *Service) brokerName(configured string) string {
	if s.name != config.Producer {
		return configured
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	const longest = 63
	name := configured + "-" + notInName.ReplaceAllString(host, "-")
	return name[:min(len(name), longest)]
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
