package app

import (
	"path/filepath"

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
	s.mqttBroker = broker.New(o)
	shown := cfg.Source()
	return &protocol{kind: "mqtt_broker", adapter: mqttbroker.New(s.mqttBroker, cfg.Topics), decode: decodePayload(&shown),
		maxBytes: int64(cfg.MaxPending), maxMessages: maxBrokerMessages}
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
