package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"iotmon/internal/config"
	"iotmon/internal/iot"
	"iotmon/internal/kafka"
	"iotmon/internal/kafka/intake"
	"iotmon/internal/mqtt"
	"iotmon/internal/observe"
	"iotmon/internal/source"
	mqttsource "iotmon/internal/source/mqtt"
	"iotmon/internal/source/opcua"
)

// makeSources makes the configured sources, which append to the log what they receive.
func (s *Service) makeSources(context.Context) error {
	owner := s.sourceOwner()
	s.maps = newSourceMaps(s.admission, s.Logger)
	for i := range s.cfg.Sources {
		configured := &s.cfg.Sources[i]
		protocol, err := s.newProtocol(configured, func() bool { return s.maps.empty(configured.Name) })
		if err != nil {
			return fmt.Errorf("sources: %s: %w", configured.Name, err)
		}
		if err := s.makeSource(configured.Name, configured, protocol, owner); err != nil {
			return err
		}
	}
	if broker := &s.cfg.MQTTBroker; broker.Enabled() {
		configured := broker.Source()
		protocol, err := s.newMQTTBroker(broker)
		if err != nil {
			return err
		}
		return s.makeSource(s.brokerName(broker), &configured, protocol, source.Alone{}) // Each instance has its own devices.
	}
	return nil
}

// makeSource makes one source. Its name is the configured one, unless there is one in each of several programs.
func (s *Service) makeSource(name string, configured *config.Source, protocol *protocol, owner source.Owner) error {
	logger := observe.Sparing(s.Logger, repeatedLogs) // One for each: all have the same messages.
	status := source.NewStatus(name, protocol.kind, time.Now)
	if protocol.clients != nil {
		status.CountClients(protocol.clients)
	}
	of, err := s.maps.add(configured, status)
	if err != nil {
		return err
	}
	mapped := of.follow.Current()
	s.sources = append(s.sources, status)
	runner := &source.Runner{
		Name:    name,
		Adapter: protocol.adapter,
		Pipeline: source.PipelineOptions{
			Name: name, Log: s.producer, Decode: protocol.decode, Mapping: mapped.Rules, Admission: mapped.Admission,
			Follow: &of.follow, Status: status, Logger: logger,
			MaxBytes: protocol.maxBytes, MaxMessages: protocol.maxMessages, MaxDevices: configured.MaxDevices,
		},
		Owner:  owner,
		Logger: logger,
	}
	s.add("source "+name, after(s.maps.after(runner.Run), s.kafka))
	return nil
}

// sourceOwner returns what decides whether this instance runs a source: iotmon is the only one, a producer one of many.
func (s *Service) sourceOwner() source.Owner {
	if s.name != config.Producer || len(s.cfg.Sources) == 0 {
		return source.Alone{}
	}
	leases := kafka.NewLeases(s.dial, s.topics.Sources, s.cfg.Kafka.GroupID)
	s.add("source leases", after(leases.Run, s.kafka))
	return leases
}

// protocol is what a source of one protocol consists of.
type protocol struct {
	kind    string
	adapter source.Adapter
	// decode is PipelineOptions.Decode; nil for a protocol whose messages are values.
	decode source.Decode
	// maxBytes and maxMessages are those of PipelineOptions; 0 for their defaults.
	maxBytes    int64
	maxMessages int
	// clients counts the connected clients; nil for a source that has none.
	clients func() int64
}

// newProtocol returns the parts of a source, without connecting. unmapped reports whether it has no map at the moment.
func (s *Service) newProtocol(configured *config.Source, unmapped func() bool) (*protocol, error) {
	if configured.Kafka != nil {
		adapter := intake.New(newIntake(configured, s.dial, s.topics))
		return &protocol{kind: configured.Kind(), adapter: adapter, decode: intake.Decode(decodePayload(configured))}, nil
	}
	return newAdapter(configured, s.catalog, s.cfg.DataDir, unmapped)
}

// newAdapter returns the parts of a source that does not know the program's own cluster, without connecting. Its own files are in the data
// directory.
func newAdapter(configured *config.Source, catalog *iot.Catalog, dataDir string, unmapped func() bool) (*protocol, error) {
	switch {
	case configured.Sparkplug != nil:
		return &protocol{kind: configured.Kind(), adapter: newSparkplug(configured, catalog, unmapped)}, nil
	case configured.MQTT != nil:
		return &protocol{kind: configured.Kind(), adapter: newMQTT(configured), decode: decodePayload(configured)}, nil
	case configured.Modbus != nil:
		adapter, err := newModbus(configured.Modbus)
		return &protocol{kind: configured.Kind(), adapter: adapter}, err
	case configured.OPCUA != nil:
		adapter, err := newOPCUA(configured, dataDir)
		return &protocol{kind: configured.Kind(), adapter: adapter, decode: opcua.Decode}, err
	}
	return nil, errors.New("no protocol") // Unreachable: the configuration has been validated.
}

func newMQTT(configured *config.Source) *mqttsource.Adapter {
	m := configured.MQTT.Filled(configured.Name)
	o := mqtt.Options{
		URL: m.URL, Version: m.Version, ClientID: m.ClientID, Username: m.Username, PasswordFile: m.PasswordFile, Topics: m.Topics, QoS: byte(*m.QoS),
		KeepAlive: m.KeepAlive, SessionExpiry: m.SessionExpiry, ReceiveMaximum: uint16(m.ReceiveMaximum), MaxPacket: int(m.MaxPacket), Clean: m.Clean,
	}
	if t := m.TLS; t != nil {
		o.TLS = mqtt.TLS{CAFile: t.CAFile, CertFile: t.CertFile, KeyFile: t.KeyFile, ServerName: t.ServerName}
	}
	return mqttsource.New(o)
}
