package app

import (
	"iotmon/internal/config"
	"iotmon/internal/iot"
	"iotmon/internal/mqtt"
	"iotmon/internal/source/sparkplug"
	"iotmon/internal/source/sparkplug/nodes"
)

func newSparkplug(configured *config.Source, catalog *iot.Catalog, unmapped func() bool) *sparkplug.Adapter {
	return sparkplug.New(sparkplugOptions(configured, catalog, unmapped))
}

// sparkplugOptions returns the options of a source. unmapped reports whether it has no map at the moment.
func sparkplugOptions(configured *config.Source, catalog *iot.Catalog, unmapped func() bool) sparkplug.Options {
	s := configured.Sparkplug.Filled(configured.Name)
	o := sparkplug.Options{
		Broker: mqtt.Options{
			URL: s.URL, Version: s.Version, ClientID: s.ClientID, Username: s.Username, PasswordFile: s.PasswordFile, KeepAlive: s.KeepAlive,
			ReceiveMaximum: sparkplugReceiveMaximum,
		},
		Groups: s.Groups, HostID: s.HostID, Primary: s.Primary,
		Nodes: nodes.Options{ReorderTimeout: s.ReorderTimeout, Heartbeat: *s.Heartbeat},
	}
	if t := s.TLS; t != nil {
		o.Broker.TLS = mqtt.TLS{CAFile: t.CAFile, CertFile: t.CertFile, KeyFile: t.KeyFile, ServerName: t.ServerName}
	}
	o.ByUnit = sparkplug.NewByUnit(catalog)
	o.ByUnit.Off = func() bool { return !unmapped() }
	return o
}

// sparkplugReceiveMaximum is how many messages of QoS 1 a broker of MQTT 5 may send before the first is acknowledged. Edge nodes send their
// data with QoS 0, for which nothing is acknowledged.
const sparkplugReceiveMaximum = 1000
