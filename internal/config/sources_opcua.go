package config

import (
	"cmp"
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"time"
)

// OPCUA is a source that subscribes to variables of an OPC UA server. A zero value means the default of Filled. Files are read at each connection.
type OPCUA struct {
	// Endpoint is opc.tcp:// with a host, and usually a port.
	Endpoint string `koanf:"endpoint"`
	// Security is None, or a policy and a mode: Basic256Sha256/SignAndEncrypt.
	Security string `koanf:"security"`
	// User logs in with the password in PasswordFile, but for a line end at its end. UserCertFile and UserKeyFile log in with a certificate.
	// Without any of these the login is anonymous.
	User         string `koanf:"user"`
	PasswordFile string `koanf:"password_file"`
	UserCertFile string `koanf:"user_cert_file"`
	UserKeyFile  string `koanf:"user_key_file"`
	// CertFile and KeyFile are the program's own certificate. They are made if they do not exist.
	CertFile string `koanf:"cert_file"`
	KeyFile  string `koanf:"key_file"`
	// Trust is a file or directory with the certificates of trusted servers or authorities, or any, which trusts every server.
	Trust string `koanf:"trust"`
	// PublishingInterval is how often the server sends changes, SamplingInterval how often it looks for them; 0 lets it notice each change, if
	// it can.
	PublishingInterval time.Duration  `koanf:"publishing_interval"`
	SamplingInterval   *time.Duration `koanf:"sampling_interval"`
	// QueueSize is how many changes of a variable the server keeps until it sends them.
	QueueSize int `koanf:"queue_size"`
	// Deadband is how far a number must change to be sent: an amount, or percent of the range that the server knows.
	Deadband string `koanf:"deadband"`
	// Heartbeat is after how long a value that has not changed becomes a reading again; 0 means never.
	Heartbeat *time.Duration `koanf:"heartbeat"`
	// Nodes are variables, Browse finds others.
	Nodes  []OPCUANode  `koanf:"nodes"`
	Browse *OPCUABrowse `koanf:"browse"`
}

// OPCUANode is one variable. With a Device it needs no rule of the map.
type OPCUANode struct {
	// Node is its id: nsu=<URI of the namespace>;s=<text>, or ns=<index>;i=<number>. Beside s and i there are g and b.
	Node string `koanf:"node"`
	// Name is the field of its values; empty means the last part of the id.
	Name string `koanf:"name"`
	// SamplingInterval and Deadband replace those of the source.
	SamplingInterval time.Duration `koanf:"sampling_interval"`
	Deadband         string        `koanf:"deadband"`
	Device           string        `koanf:"device"`
	Type             string        `koanf:"type"`
	Unit             string        `koanf:"unit"`
	Building         string        `koanf:"building"`
	Room             string        `koanf:"room"`
}

// OPCUABrowse is which variables are found below a node.
type OPCUABrowse struct {
	Root string `koanf:"root"`
	// Include and Exclude are patterns of paths from the root on; * is within a level, ** is any levels.
	Include []string `koanf:"include"`
	Exclude []string `koanf:"exclude"`
	// Depth is how many levels are searched, Max how many variables are found at most.
	Depth int `koanf:"depth"`
	Max   int `koanf:"max"`
}

// Filled returns the section with its defaults. The program's certificates are in the data directory.
func (o *OPCUA) Filled(dataDir string) OPCUA {
	const objects = "i=85"
	f := *o
	f.Security = cmp.Or(f.Security, "None")
	f.CertFile = cmp.Or(f.CertFile, filepath.Join(dataDir, "opcua", "own", "certificate.pem"))
	f.KeyFile = cmp.Or(f.KeyFile, filepath.Join(dataDir, "opcua", "own", "key.pem"))
	f.Trust = cmp.Or(f.Trust, filepath.Join(dataDir, "opcua", "trusted"))
	f.PublishingInterval = cmp.Or(f.PublishingInterval, 500*time.Millisecond)
	if f.SamplingInterval == nil {
		f.SamplingInterval = &f.PublishingInterval
	}
	f.QueueSize = cmp.Or(f.QueueSize, 10)
	if f.Heartbeat == nil {
		heartbeat := 10 * time.Second
		f.Heartbeat = &heartbeat
	}
	if o.Browse != nil {
		b := *o.Browse
		b.Root, b.Depth, b.Max = cmp.Or(b.Root, objects), cmp.Or(b.Depth, 10), cmp.Or(b.Max, 10_000)
		f.Browse = &b
	}
	return f
}

// opcuaPolicies are the security policies but None.
var opcuaPolicies = []string{"Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss", "Basic256", "Basic128Rsa15"}

var (
	opcuaNodeID   = regexp.MustCompile(`^(ns=[0-9]{1,5};|nsu=.+;)?([sg]=.+|i=[0-9]{1,10}|b=([0-9a-fA-F]{2})+)$`)
	opcuaDeadband = regexp.MustCompile(`^[0-9]{1,15}(\.[0-9]{1,15})?%?$`)
)

// maxOPCUANodes is the maximum number of nodes of a source.
const maxOPCUANodes = 50_000

// check checks the section under the given key.
func (o *OPCUA) check(c *checker, key string, known []string) {
	address, err := url.Parse(o.Endpoint)
	ok := err == nil && address.Scheme == "opc.tcp" && address.Hostname() != "" && address.User == nil
	c.mustText(ok, key+".endpoint", withoutLogin(o.Endpoint), "a URL such as opc.tcp://plc:4840, without a login")
	f := o.Filled("")
	securities := []string{"None"}
	for _, policy := range opcuaPolicies {
		securities = append(securities, policy+"/Sign", policy+"/SignAndEncrypt")
	}
	c.oneOf(key+".security", f.Security, securities...)
	c.mustText((o.User == "") == (o.PasswordFile == ""), key+".password_file", o.PasswordFile, "given together with user")
	c.mustText((o.UserCertFile == "") == (o.UserKeyFile == ""), key+".user_key_file", o.UserKeyFile, "given together with user_cert_file")
	c.mustText(o.User == "" || o.UserCertFile == "", key+".user", o.User, "left out together with user_cert_file")
	c.mustText(o.UserCertFile == "" || f.Security != "None", key+".user_cert_file", o.UserCertFile, "left out for security None")
	c.mustText((o.CertFile == "") == (o.KeyFile == ""), key+".key_file", o.KeyFile, "given together with cert_file")
	within(c, key+".publishing_interval", f.PublishingInterval, 10*time.Millisecond, time.Minute)
	within(c, key+".sampling_interval", *f.SamplingInterval, 0, time.Hour)
	within(c, key+".queue_size", f.QueueSize, 1, 100_000)
	within(c, key+".heartbeat", *f.Heartbeat, 0, 24*time.Hour)
	c.mustText(f.Deadband == "" || opcuaDeadband.MatchString(f.Deadband), key+".deadband", f.Deadband, "a number such as 0.5, or percent such as 1%%")
	c.must(len(o.Nodes) > 0 || o.Browse != nil, key, "neither", "given nodes or browse")
	c.must(len(o.Nodes) <= maxOPCUANodes, key+".nodes", len(o.Nodes), "at most %d", maxOPCUANodes)
	for i := range o.Nodes {
		o.Nodes[i].check(c, fmt.Sprintf("%s.nodes[%d]", key, i), known)
	}
	if b := f.Browse; b != nil {
		c.mustText(opcuaNodeID.MatchString(b.Root), key+".browse.root", b.Root, "the id of a node, such as nsu=http://example.com/plant;s=Line1, ns=2;s=Line1 or i=85")
		within(c, key+".browse.depth", b.Depth, 1, 100)
		within(c, key+".browse.max", b.Max, 1, maxOPCUANodes)
	}
}

func (n *OPCUANode) check(c *checker, key string, known []string) {
	c.mustText(opcuaNodeID.MatchString(n.Node), key+".node", n.Node, "the id of a node, such as nsu=http://example.com/plant;s=Line1.Temp, ns=2;s=Line1.Temp or i=2258")
	c.must(n.SamplingInterval >= 0, key+".sampling_interval", n.SamplingInterval, "at least 0s")
	c.mustText(n.Deadband == "" || opcuaDeadband.MatchString(n.Deadband), key+".deadband", n.Deadband, "a number such as 0.5, or percent such as 1%%")
	c.mustText((n.Device == "") == (n.Type == ""), key+".type", n.Type, "given together with device")
	c.mustText(n.Device != "" || (n.Unit == "" && n.Building == "" && n.Room == ""), key+".device", n.Device, "given with unit, building and room")
	if n.Type != "" {
		c.knownType(key+".type", n.Type, known)
	}
}
