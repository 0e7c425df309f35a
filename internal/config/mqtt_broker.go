package config

import (
	"fmt"
	"net"
	"strings"
	"time"
)

// MQTTBroker is the program's own MQTT broker, for devices that have none. It is off without an address. What devices publish goes through Map like
// what a source receives.
type MQTTBroker struct {
	// Name is its name among the sources, in the API, in metrics and in logs.
	Name string `koanf:"name"`
	// Addr takes connections without encryption, TLSAddr with it, and the other two websockets; empty for none.
	Addr             string `koanf:"addr"`
	TLSAddr          string `koanf:"tls_addr"`
	WebsocketAddr    string `koanf:"websocket_addr"`
	WebsocketTLSAddr string `koanf:"websocket_tls_addr"`
	WebsocketPath    string `koanf:"websocket_path"`
	// Plaintext allows logins without encryption on addresses that other machines reach.
	Plaintext bool          `koanf:"plaintext"`
	TLS       MQTTBrokerTLS `koanf:"tls"`
	// Anonymous lets in clients that do not log in, on the loopback interface alone.
	Anonymous bool `koanf:"anonymous"`
	// UsersFile has a line for each user: name:hash. It is read again when it has changed.
	UsersFile string `koanf:"users_file"`
	// Permissions say who may publish and subscribe to what. Without any, everybody who has logged in may everything.
	Permissions []MQTTPermission `koanf:"permissions"`
	// Topics are filters of what becomes readings, through Map. Other messages are for subscribers alone.
	Topics  []string  `koanf:"topics"`
	Payload string    `koanf:"payload"`
	Map     []MapRule `koanf:"map"`
	// Persistent is whether sessions and retained messages are kept in the data directory, over a restart.
	Persistent bool `koanf:"persistent"`

	// MaxConnections is the maximum number of connections, MaxPerAddress that from one address; 0 for no other limit.
	MaxConnections int `koanf:"max_connections"`
	MaxPerAddress  int `koanf:"max_connections_per_address"`
	// MaxSessions is the maximum number of sessions, of absent clients as well, SessionExpiry how long those are kept at most.
	MaxSessions      int           `koanf:"max_sessions"`
	SessionExpiry    time.Duration `koanf:"session_expiry"`
	MaxSubscriptions int           `koanf:"max_subscriptions"`
	MaxPacket        Bytes         `koanf:"max_packet_bytes"`
	// ReceiveMaximum is how many messages of a client may be on their way to the log, MaxPending how many bytes of those of all clients.
	ReceiveMaximum int   `koanf:"receive_maximum"`
	MaxPending     Bytes `koanf:"max_pending_bytes"`
	// MaxRate is how many messages of a client are received in a second; 0 for no limit.
	MaxRate      int           `koanf:"max_rate"`
	MaxKeepAlive time.Duration `koanf:"max_keep_alive"`
	// MaxQueued is how many messages wait for a subscriber, MaxQueuedBytes how many bytes of those for all, and MaxInflight how many messages
	// a subscriber gets before it acknowledges the first.
	MaxQueued      int   `koanf:"max_queued"`
	MaxQueuedBytes Bytes `koanf:"max_queued_bytes"`
	MaxInflight    int   `koanf:"max_inflight"`
	// MaxRetained and MaxRetainedBytes bound the retained messages.
	MaxRetained      int   `koanf:"max_retained"`
	MaxRetainedBytes Bytes `koanf:"max_retained_bytes"`
}

// MQTTBrokerTLS has the files of the broker's encrypted connections. They are read again when they have changed.
type MQTTBrokerTLS struct {
	CertFile string `koanf:"cert_file"`
	KeyFile  string `koanf:"key_file"`
	// ClientCAFile has the certificates that those of clients must be signed by. The common name of a client's certificate is its username.
	ClientCAFile string `koanf:"client_ca_file"`
	// RequireCertificate is whether a client without a certificate is refused.
	RequireCertificate bool `koanf:"require_certificate"`
}

// MQTTPermission is what a user of the broker may do. {{username}} and {{client_id}} stand for those of the client.
type MQTTPermission struct {
	// User is the name of a user, or * for everybody.
	User string `koanf:"user"`
	// Publish and Subscribe are filters of topics.
	Publish   []string `koanf:"publish"`
	Subscribe []string `koanf:"subscribe"`
}

func defaultMQTTBroker(service string) MQTTBroker {
	return MQTTBroker{
		Name: "mqtt-broker", WebsocketPath: "/mqtt", Permissions: []MQTTPermission{}, Topics: []string{"#"}, Payload: "auto", Map: []MapRule{},
		Persistent: service == Iotmon, MaxConnections: 10_000, MaxSessions: 20_000, SessionExpiry: 24 * time.Hour, MaxSubscriptions: 100, MaxPacket: 1 << 20,
		ReceiveMaximum: 100, MaxPending: 64 << 20, MaxKeepAlive: 5 * time.Minute, MaxQueued: 1000, MaxQueuedBytes: 64 << 20, MaxInflight: 20, MaxRetained: 10_000,
		MaxRetainedBytes: 16 << 20,
	}
}

// Enabled reports whether the broker has an address.
func (b *MQTTBroker) Enabled() bool {
	return b.Addr != "" || b.TLSAddr != "" || b.WebsocketAddr != "" || b.WebsocketTLSAddr != ""
}

// Source returns the broker as one of the sources.
func (b *MQTTBroker) Source() Source {
	return Source{Name: b.Name, Map: b.Map, Payload: b.Payload}
}

// mqttBroker checks the broker.
func (c *checker) mqttBroker(b *MQTTBroker, sources []Source, known []string) {
	c.mustText(sourceName.MatchString(b.Name), "mqtt_broker.name", b.Name, "1 to 63 letters, digits, dots, underscores and hyphens, and begin with a letter or digit")
	for i := range sources {
		c.mustText(!b.Enabled() || sources[i].Name != b.Name, "mqtt_broker.name", b.Name, "a name that no source has")
	}
	c.brokerAddresses(b)
	c.brokerLogins(b)
	c.oneOf("mqtt_broker.payload", b.Payload, "auto", "json", "line", "cbor", "text")
	c.mapRules("mqtt_broker.map", b.Map, known)
	c.must(len(b.Topics) <= 1000, "mqtt_broker.topics", len(b.Topics), "at most 1000 filters")
	for i, topic := range b.Topics {
		c.mustText(validFilter(topic) && !strings.HasPrefix(topic, "$"), fmt.Sprintf("mqtt_broker.topics[%d]", i), topic, "a filter of topics, such as plant/+/telemetry or #")
	}
	within(c, "mqtt_broker.max_connections", b.MaxConnections, 1, 1_000_000)
	within(c, "mqtt_broker.max_connections_per_address", b.MaxPerAddress, 0, 1_000_000)
	within(c, "mqtt_broker.max_sessions", b.MaxSessions, 1, 10_000_000)
	within(c, "mqtt_broker.session_expiry", b.SessionExpiry, time.Second, 365*24*time.Hour)
	within(c, "mqtt_broker.max_subscriptions", b.MaxSubscriptions, 1, 100_000)
	within(c, "mqtt_broker.max_packet_bytes", b.MaxPacket, 1<<10, 16<<20)
	within(c, "mqtt_broker.receive_maximum", b.ReceiveMaximum, 1, 65535)
	within(c, "mqtt_broker.max_pending_bytes", b.MaxPending, 1<<20, 16<<30)
	within(c, "mqtt_broker.max_rate", b.MaxRate, 0, 1_000_000)
	within(c, "mqtt_broker.max_keep_alive", b.MaxKeepAlive, 5*time.Second, 18*time.Hour)
	within(c, "mqtt_broker.max_queued", b.MaxQueued, 1, 1_000_000)
	within(c, "mqtt_broker.max_queued_bytes", b.MaxQueuedBytes, 1<<20, 16<<30)
	within(c, "mqtt_broker.max_inflight", b.MaxInflight, 1, 10_000)
	within(c, "mqtt_broker.max_retained", b.MaxRetained, 0, 10_000_000)
	within(c, "mqtt_broker.max_retained_bytes", b.MaxRetainedBytes, 0, 16<<30)
}

// brokerAddresses checks where the broker listens and how it encrypts.
func (c *checker) brokerAddresses(b *MQTTBroker) {
	plain := map[string]string{"mqtt_broker.addr": b.Addr, "mqtt_broker.websocket_addr": b.WebsocketAddr}
	encrypted := map[string]string{"mqtt_broker.tls_addr": b.TLSAddr, "mqtt_broker.websocket_tls_addr": b.WebsocketTLSAddr}
	for key, addr := range plain {
		c.brokerAddress(key, addr)
		c.mustText(addr == "" || b.Plaintext || onLoopback(addr), key, addr,
			"an address of the loopback interface, such as 127.0.0.1:1883: other machines would send their passwords in the clear. Use mqtt_broker.tls_addr, or allow it with mqtt_broker.plaintext: true")
	}
	for key, addr := range encrypted {
		c.brokerAddress(key, addr)
		c.mustText(addr == "" || b.TLS.CertFile != "" && b.TLS.KeyFile != "", key, addr, "given together with mqtt_broker.tls.cert_file and mqtt_broker.tls.key_file")
	}
	c.mustText((b.TLS.CertFile == "") == (b.TLS.KeyFile == ""), "mqtt_broker.tls.key_file", b.TLS.KeyFile, "given together with mqtt_broker.tls.cert_file")
	c.must(!b.TLS.RequireCertificate || b.TLS.ClientCAFile != "", "mqtt_broker.tls.require_certificate", true, "given together with mqtt_broker.tls.client_ca_file")
	c.mustText(strings.HasPrefix(b.WebsocketPath, "/") && !strings.ContainsAny(b.WebsocketPath, "{} ?#"), "mqtt_broker.websocket_path", b.WebsocketPath, "a path, such as /mqtt")
}

func (c *checker) brokerAddress(key, addr string) {
	if addr != "" {
		_, err := portOf(addr)
		c.mustText(err == nil, key, addr, "an address host:port, such as 127.0.0.1:1883 or :8883, with a port from 0 to 65535")
	}
}

// onLoopback reports whether only this machine reaches an address.
func onLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// brokerLogins checks who may connect to the broker, and what users may do.
func (c *checker) brokerLogins(b *MQTTBroker) {
	c.must(!b.Enabled() || b.Anonymous || b.UsersFile != "" || b.TLS.ClientCAFile != "", "mqtt_broker", "without logins",
		"given mqtt_broker.users_file or mqtt_broker.tls.client_ca_file, or mqtt_broker.anonymous: true on the loopback interface")
	for _, addr := range []string{b.Addr, b.TLSAddr, b.WebsocketAddr, b.WebsocketTLSAddr} {
		c.must(!b.Anonymous || addr == "" || onLoopback(addr), "mqtt_broker.anonymous", true, "false for %s, which other machines reach: give mqtt_broker.users_file", addr)
	}
	for i := range b.Permissions {
		p, key := &b.Permissions[i], fmt.Sprintf("mqtt_broker.permissions[%d]", i)
		c.mustText(p.User != "", key+".user", p.User, "the name of a user, or * for everybody")
		for name, filters := range map[string][]string{"publish": p.Publish, "subscribe": p.Subscribe} {
			for j, filter := range filters {
				filled := strings.NewReplacer("{{username}}", "u", "{{client_id}}", "c").Replace(filter)
				c.mustText(validFilter(filled) && !strings.HasPrefix(filled, "$") && !strings.Contains(filled, "{{"), fmt.Sprintf("%s.%s[%d]", key, name, j), filter,
					"a filter of topics, such as plant/{{username}}/#, with {{username}} and {{client_id}} alone in double braces")
			}
		}
	}
}
