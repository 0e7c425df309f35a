package config

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// Sparkplug is a source that receives from Sparkplug B edge nodes, as a host application at their MQTT broker. A zero value means the default
// of Filled.
type Sparkplug struct {
	// URL is that of the broker: tcp://, ssl://, ws:// or wss:// with a host, and for websockets a path.
	URL string `koanf:"url"`
	// Version is 3 for MQTT 3.1.1, or 5.
	Version int `koanf:"version"`
	// Groups are the groups of edge nodes; + stands for all.
	Groups []string `koanf:"groups"`
	// HostID is the name of this host application, which no other one has.
	HostID string `koanf:"host_id"`
	// Primary is whether the host publishes whether it is online, so that edge nodes can keep their values while it is not.
	Primary bool `koanf:"primary"`
	// ClientID identifies the connection at the broker. The default comes from the source's name.
	ClientID string `koanf:"client_id"`
	Username string `koanf:"username"`
	// PasswordFile contains the password, but for a line end at its end. It is read at each connection.
	PasswordFile string     `koanf:"password_file"`
	TLS          *SourceTLS `koanf:"tls"`
	// KeepAlive is how long the connection may be silent before it is tested.
	KeepAlive time.Duration `koanf:"keep_alive"`
	// ReorderTimeout is how long a message waits for those that its edge node has sent before it.
	ReorderTimeout time.Duration `koanf:"reorder_timeout"`
	// Heartbeat is how often devices that are online are said to be so although their values do not change; 0 means never.
	Heartbeat *time.Duration `koanf:"heartbeat"`
}

// Filled returns the section with its defaults for a source of the given name.
func (s *Sparkplug) Filled(source string) Sparkplug {
	f := *s
	f.Version = cmp.Or(f.Version, 3)
	f.ClientID = cmp.Or(f.ClientID, "iotmon-"+source)
	f.KeepAlive = cmp.Or(f.KeepAlive, 10*time.Second)
	f.ReorderTimeout = cmp.Or(f.ReorderTimeout, 2*time.Second)
	if f.Heartbeat == nil {
		heartbeat := 30 * time.Second
		f.Heartbeat = &heartbeat
	}
	return f
}

// check checks the section under the given key.
func (s *Sparkplug) check(c *checker, key, source string) {
	c.broker(key, s.URL, s.Username, s.PasswordFile, s.TLS)
	f := s.Filled(source)
	c.must(f.Version == 5 || f.Version == 3, key+".version", f.Version, "5, or 3 for MQTT 3.1.1")
	c.mustText(len(f.ClientID) <= 256, key+".client_id", f.ClientID, "at most 256 bytes long")
	c.must(len(s.Groups) > 0 && len(s.Groups) <= 1000, key+".groups", len(s.Groups), "1 to 1000 groups of edge nodes")
	for i, group := range s.Groups {
		c.mustText(group == "+" || validSparkplugID(group), fmt.Sprintf("%s.groups[%d]", key, i), group, "the name of a group, without / and #, or + for all groups")
	}
	c.mustText(!s.Primary || s.HostID != "", key+".host_id", "", "given for a primary host")
	c.mustText(s.HostID == "" || validSparkplugID(s.HostID), key+".host_id", s.HostID, "a name without /, + and #")
	within(c, key+".keep_alive", f.KeepAlive, time.Second, time.Hour)
	c.must(*f.Heartbeat == 0 || *f.Heartbeat >= time.Second && *f.Heartbeat <= 24*time.Hour, key+".heartbeat", *f.Heartbeat, "from 1s to 24h, or 0s for never")
	within(c, key+".reorder_timeout", f.ReorderTimeout, time.Millisecond, 10*time.Minute)
}

// validSparkplugID reports whether Sparkplug allows the name of a group or of a host.
func validSparkplugID(id string) bool {
	return id != "" && len(id) <= 256 && !strings.ContainsAny(id, "/+#\x00")
}
