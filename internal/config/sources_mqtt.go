package config

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// MQTT is a source that subscribes to topics of an MQTT broker. A zero value means the default of Filled.
type MQTT struct {
	// URL is tcp://, ssl://, ws:// or wss:// with a host, and for websockets a path. mqtt:// is tcp://, and mqtts:// is ssl://.
	URL string `koanf:"url"`
	// Version is 5, or 3 for MQTT 3.1.1.
	Version int `koanf:"version"`
	// ClientID identifies the session at the broker: two connections with the same one end each other. The default comes from the
	// source's name.
	ClientID string `koanf:"client_id"`
	Username string `koanf:"username"`
	// PasswordFile contains the password, but for a line end at its end. It is read at each connection.
	PasswordFile string     `koanf:"password_file"`
	TLS          *SourceTLS `koanf:"tls"`
	// Topics are filters: + stands for one level, # for all levels below, and $share/group/ before a filter shares it with the other
	// clients of the group.
	Topics []string `koanf:"topics"`
	// QoS is the maximum quality of service, 0 to 2.
	QoS *int `koanf:"qos"`
	// KeepAlive is how long the connection may be silent before it is tested. After twice this time it is given up.
	KeepAlive time.Duration `koanf:"keep_alive"`
	// SessionExpiry is how long the broker keeps messages while the source is away. MQTT 3.1.1 leaves that to the broker.
	SessionExpiry time.Duration `koanf:"session_expiry"`
	// ReceiveMaximum is how many messages of QoS 1 and 2 the broker may send before the first of them is acknowledged. MQTT 3.1.1 leaves
	// that to the broker.
	ReceiveMaximum int `koanf:"receive_maximum"`
	// MaxPacket is the maximum length of a message with its topic.
	MaxPacket Bytes `koanf:"max_packet_bytes"`
	// Clean is whether each connection begins a new session, so that messages sent meanwhile are lost.
	Clean bool `koanf:"clean"`
}

// SourceTLS is how a source encrypts. Its files are read at each connection.
type SourceTLS struct {
	// CAFile has the certificates that the server's must be signed by, instead of those of the system.
	CAFile string `koanf:"ca_file"`
	// CertFile and KeyFile are the client's own certificate, if the server wants one.
	CertFile string `koanf:"cert_file"`
	KeyFile  string `koanf:"key_file"`
	// ServerName is the name in the server's certificate, if it is not the host of the address.
	ServerName string `koanf:"server_name"`
}

// Filled returns the section with its defaults for a source of the given name.
func (m *MQTT) Filled(source string) MQTT {
	f := *m
	qos := 1
	if f.QoS == nil {
		f.QoS = &qos
	}
	f.Version = cmp.Or(f.Version, 5)
	f.ClientID = cmp.Or(f.ClientID, "iotmon-"+source)
	f.KeepAlive = cmp.Or(f.KeepAlive, 10*time.Second)
	f.SessionExpiry = cmp.Or(f.SessionExpiry, 24*time.Hour)
	f.ReceiveMaximum = cmp.Or(f.ReceiveMaximum, 1000)
	f.MaxPacket = cmp.Or(f.MaxPacket, 1<<20)
	return f
}

// mqttSchemes are the schemes of MQTT.URL.
var mqttSchemes = []string{"tcp", "mqtt", "ssl", "mqtts", "ws", "wss"}

// check checks the section under the given key.
func (m *MQTT) check(c *checker, key, source string) {
	c.broker(key, m.URL, m.Username, m.PasswordFile, m.TLS)
	f := m.Filled(source)
	c.must(f.Version == 5 || f.Version == 3, key+".version", f.Version, "5, or 3 for MQTT 3.1.1")
	c.mustText(len(f.ClientID) <= 256, key+".client_id", f.ClientID, "at most 256 bytes long")
	c.must(len(m.Topics) > 0 && len(m.Topics) <= 1000, key+".topics", len(m.Topics), "1 to 1000 filters of topics")
	for i, topic := range m.Topics {
		c.mustText(validFilter(topic), fmt.Sprintf("%s.topics[%d]", key, i), topic,
			"a filter of topics, such as plant/+/telemetry, plant/# or $share/iotmon/plant/#")
	}
	within(c, key+".qos", *f.QoS, 0, 2)
	within(c, key+".keep_alive", f.KeepAlive, time.Second, time.Hour)
	within(c, key+".session_expiry", f.SessionExpiry, time.Second, 365*24*time.Hour)
	within(c, key+".receive_maximum", f.ReceiveMaximum, 1, 65535)
	within(c, key+".max_packet_bytes", f.MaxPacket, 1<<10, 16<<20)
}

// broker checks how a source connects to an MQTT broker.
func (c *checker) broker(key, at, username, passwordFile string, encryption *SourceTLS) {
	address, err := url.Parse(at)
	ok := err == nil && slices.Contains(mqttSchemes, address.Scheme) && address.Host != ""
	c.mustText(ok, key+".url", withoutLogin(at), "a URL such as tcp://broker:1883, ssl://broker:8883, ws://broker:8080/mqtt or wss://broker/mqtt")
	c.must(!ok || address.User == nil, key+".url", "not shown", "without a login: use username and password_file")
	encrypted := ok && (address.Scheme == "ssl" || address.Scheme == "mqtts" || address.Scheme == "wss")
	c.must(encryption == nil || encrypted || !ok, key+".tls", "a section", "left out for %s, which is not encrypted", at)
	encryption.check(c, key+".tls")
	c.mustText(passwordFile == "" || username != "", key+".username", "", "given together with password_file")
}

func (t *SourceTLS) check(c *checker, key string) {
	if t != nil {
		c.mustText((t.CertFile == "") == (t.KeyFile == ""), key+".key_file", t.KeyFile, "given together with cert_file")
	}
}

// withoutLogin hides a URL that may contain a password.
func withoutLogin(address string) string {
	if strings.Contains(address, "@") {
		return "not shown"
	}
	return address
}

// validFilter reports whether MQTT allows a filter of topics.
func validFilter(filter string) bool {
	if rest, shared := strings.CutPrefix(filter, "$share/"); shared {
		group, topic, ok := strings.Cut(rest, "/")
		if !ok || group == "" || strings.ContainsAny(group, "+#") {
			return false
		}
		filter = topic
	}
	if filter == "" || len(filter) > 65535 || strings.ContainsRune(filter, 0) {
		return false
	}
	levels := strings.Split(filter, "/")
	for i, level := range levels {
		if strings.ContainsAny(level, "+#") && len(level) > 1 || level == "#" && i < len(levels)-1 {
			return false
		}
	}
	return true
}
