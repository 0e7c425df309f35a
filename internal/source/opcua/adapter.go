package opcua

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/gopcua/opcua/ua"

	"iotmon/internal/iot"
	"iotmon/internal/mapping"
	"iotmon/internal/source"
)

// Options configure an Adapter. Files are read at each connection.
type Options struct {
	// Name is the name of the source.
	Name string
	// Endpoint is opc.tcp://host:port/path.
	Endpoint string
	// Security is None, or a policy and a mode such as Basic256Sha256/SignAndEncrypt.
	Security string
	// User logs in with the password in PasswordFile, but for a line end at its end, or with the certificate in UserCertFile, whose key is in UserKeyFile.
	User, PasswordFile        string
	UserCertFile, UserKeyFile string
	// CertFile and KeyFile are the program's own certificate. They are made if they do not exist.
	CertFile, KeyFile string
	// Trust is a file or directory of the certificates of trusted servers or authorities, or TrustAny. Refused is the directory to which a refused
	// certificate is written.
	Trust, Refused string
	// Publishing is how often the server publishes changes, Sampling how often it looks for them; 0 lets it notice each change, if it can.
	Publishing, Sampling time.Duration
	// Queue is how many changes of a variable the server keeps until it publishes them.
	Queue uint32
	// Deadband is how far a number must change, or empty; see ValidDeadband.
	Deadband string
	// Heartbeat is after how long a good value that has not changed is sent again; 0 means never.
	Heartbeat time.Duration
	// Nodes are variables, Browse finds others; nil means that it finds none.
	Nodes  []Node
	Browse *Browse
}

// Node is a variable that is subscribed to.
type Node struct {
	Node NodeName
	// Name is the field of its values; empty means the last part of its id.
	Name string
	// Sampling and Deadband replace those of Options, unless they are empty.
	Sampling time.Duration
	Deadband string
}

// Field returns the field of the node's values.
func (n *Node) Field() string {
	if n.Name != "" {
		return n.Name
	}
	return fieldOf(topicOf(n.Node.id))
}

// Adapter is the source. When a connection is lost, it keeps what is needed to go on with the server's subscriptions in the next one.
type Adapter struct {
	options Options
	// retry is after how long nodes that could not be monitored are tried again.
	retry time.Duration
	// What follows belongs to Run.

	// kept is nil if there is nothing to go on with.
	kept *kept
	// acknowledge are the notifications that are in the log.
	acknowledge acknowledgements
	// connected is when the last connection ended that received values.
	connected time.Time
	gaps      int
}

// kept is what lives on at a server whose connection is lost.
type kept struct {
	// login is nil if its session is known to be gone.
	login         *login
	server        *server
	items         []*item
	subscriptions []*subscription
}

// New returns an Adapter. The error says which option cannot be.
func New(o Options) (*Adapter, error) {
	if _, _, err := ParseSecurity(o.Security); err != nil {
		return nil, err
	}
	if o.Browse != nil {
		for _, patterns := range [][]string{o.Browse.Include, o.Browse.Exclude} {
			if _, err := pattern(patterns); err != nil {
				return nil, err
			}
		}
	}
	return &Adapter{options: o, retry: retryInterval}, nil
}

// ParseSecurity returns the URI of the policy and the mode that a text such as Basic256Sha256/SignAndEncrypt names.
func ParseSecurity(text string) (policy string, mode ua.MessageSecurityMode, err error) {
	name, modeName, _ := strings.Cut(text, "/")
	if name == "None" && modeName == "" {
		return ua.SecurityPolicyURINone, ua.MessageSecurityModeNone, nil
	}
	mode = ua.MessageSecurityModeFromString(modeName)
	if !slices.Contains(Policies, name) || (mode != ua.MessageSecurityModeSign && mode != ua.MessageSecurityModeSignAndEncrypt) {
		return "", 0, fmt.Errorf("%q is no security: it must be None, or one of %s, followed by /Sign or /SignAndEncrypt", text, strings.Join(Policies, ", "))
	}
	return ua.SecurityPolicyURIPrefix + name, mode, nil
}

// Policies are the names of the security policies but None. The last two are no longer safe, and only for servers that have nothing else.
var Policies = []string{"Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss", "Basic256", "Basic128Rsa15"}

// Decode is the source.Decode of the pipeline: what this source sends as a payload is what it could not decode.
func Decode(m *source.Message, _ []mapping.Point) ([]mapping.Point, error) {
	return nil, iot.Invalid("value", "%s", m.Tags[tagReason])
}

// tagReason is the tag of a payload that says why it is one.
const tagReason = "reason"

// Run connects and receives until ctx ends or the connection is lost.
func (a *Adapter) Run(ctx context.Context, session *source.Session) error {
	opened, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer opened.channel.close()
	r := &run{adapter: a, session: session, answers: make(chan response, maxOutstanding), subscriptions: make(map[uint32]*subscription)}
	if err := r.begin(ctx, opened); err != nil {
		return err
	}
	session.Connected(a.options.Endpoint)
	err = r.receive(ctx)
	a.connected = time.Now()
	if ctx.Err() != nil {
		r.client.closeSession(time.Second)
		a.kept = nil
	}
	return err
}

// opened is a secure channel, and how to log in there.
type opened struct {
	channel     *channel
	endpoint    *endpoint
	credentials *credentials
}

// open chooses the server's endpoint, checks its certificate, and opens a channel.
func (a *Adapter) open(ctx context.Context) (*opened, error) {
	o := &a.options
	policy, mode, err := ParseSecurity(o.Security)
	if err != nil {
		return nil, err
	}
	by, err := o.credentials()
	if err != nil {
		return nil, err
	}
	all, err := endpoints(ctx, o.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("asking for the endpoints: %w", err)
	}
	e, err := choose(all, policy, mode)
	if err != nil {
		return nil, err
	}
	if err := e.accepts(by); err != nil {
		return nil, err
	}
	s := &security{policy: policy, mode: mode}
	if mode != ua.MessageSecurityModeNone || by.kind() != ua.UserTokenTypeAnonymous {
		if err := trusted(e.certificate, o.Trust, hostName(o.Endpoint)); err != nil {
			return nil, source.WithCause(refused(e.certificate, o.Trust, o.Refused, err), source.CauseCertificate)
		}
	}
	if mode != ua.MessageSecurityModeNone {
		s.server = e.certificate
		if err := makeIdentity(o.CertFile, o.KeyFile); err != nil {
			return nil, fmt.Errorf("making the program's own certificate: %w", err)
		}
		if s.own, err = loadIdentity(o.CertFile, o.KeyFile); err != nil {
			return nil, err
		}
	}
	c, err := openChannel(ctx, o.Endpoint, s)
	if err != nil {
		if s.own != nil {
			err = fmt.Errorf("%w (a server that does not trust this program yet must be given the certificate %s, SHA-1 thumbprint %s)", err, o.CertFile, thumbprint(s.own.certificate))
		}
		return nil, err
	}
	return &opened{c, e, by}, nil
}

func (o *Options) credentials() (*credentials, error) {
	by := &credentials{user: o.User}
	if o.PasswordFile != "" {
		content, err := os.ReadFile(o.PasswordFile)
		if err != nil {
			return nil, fmt.Errorf("reading the password: %w", err)
		}
		by.password = strings.TrimRight(string(content), "\r\n")
	}
	if o.UserCertFile != "" {
		var err error
		if by.certificate, err = loadIdentity(o.UserCertFile, o.UserKeyFile); err != nil {
			return nil, fmt.Errorf("reading the user's certificate: %w", err)
		}
	}
	return by, nil
}

func hostName(endpoint string) string {
	address, err := hostPort(endpoint)
	if err != nil {
		return ""
	}
	host := address[:strings.LastIndexByte(address, ':')]
	return strings.Trim(host, "[]")
}

// choose returns the endpoint with the wanted security.
func choose(all []endpoint, policy string, mode ua.MessageSecurityMode) (*endpoint, error) {
	var offered []string
	for i := range all {
		if all[i].policy == policy && all[i].mode == mode {
			return &all[i], nil
		}
		name := strings.TrimPrefix(all[i].policy, ua.SecurityPolicyURIPrefix)
		if all[i].mode != ua.MessageSecurityModeNone {
			name += "/" + strings.TrimPrefix(all[i].mode.String(), "MessageSecurityMode")
		}
		if !slices.Contains(offered, name) && len(offered) < 20 {
			offered = append(offered, shorten(name))
		}
	}
	return nil, fmt.Errorf("the server does not offer this security; it offers %s", strings.Join(offered, ", "))
}

// begin logs in and subscribes, or goes on with the subscriptions of the last connection.
func (r *run) begin(ctx context.Context, o *opened) error {
	a := r.adapter
	before := a.kept
	if before != nil && before.login != nil {
		l := before.login
		before.login = nil // If the server refuses, it may also close the channel: then the next connection does not try this again.
		c, err := l.activate(ctx, o.channel, o.endpoint, o.credentials)
		if err == nil {
			return r.resume(ctx, c, l, before)
		}
		if unlessRefused(err) != nil {
			return fmt.Errorf("resuming the session: %w", err)
		}
	}
	l, err := createSession(ctx, o.channel, a.options.Endpoint, "iotmon "+a.options.Name)
	if err != nil {
		return fmt.Errorf("creating a session: %w", err)
	}
	c, err := l.activate(ctx, o.channel, o.endpoint, o.credentials)
	if err != nil {
		return source.WithCause(fmt.Errorf("logging in: %w", err), loginCause(err))
	}
	if before != nil {
		a.kept = nil
		err := c.transfer(ctx, before.subscriptions)
		if err == nil {
			return r.resume(ctx, c, l, before)
		}
		if unlessRefused(err) != nil {
			return fmt.Errorf("taking over the subscriptions: %w", err)
		}
	}
	return r.subscribe(ctx, c, l)
}

// resume goes on with the subscriptions of an earlier connection.
func (r *run) resume(ctx context.Context, c *client, l *login, before *kept) error {
	r.take(c, before.server, before.items)
	for _, s := range before.subscriptions {
		s.received = time.Now()
		r.subscriptions[s.id] = s
	}
	r.adapter.kept = &kept{l, before.server, before.items, before.subscriptions}
	for _, s := range before.subscriptions {
		if err := r.recover(ctx, s, 0); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) take(c *client, s *server, items []*item) {
	r.client, r.server, r.items = c, s, items
	r.flat.types = newTypes(c, s)
	r.handles = make(map[*item]uint32, len(items))
	for i, it := range items {
		r.handles[it] = uint32(i)
	}
}

// subscribe finds the variables and subscribes to them.
func (r *run) subscribe(ctx context.Context, c *client, l *login) error {
	a := r.adapter
	s, err := c.describe(ctx)
	if err != nil {
		return err
	}
	items, truncated, err := a.find(ctx, c, s)
	if err != nil {
		return err
	}
	if len(items) == 0 {
		return errors.New("no variables have been found to subscribe to")
	}
	r.take(c, s, items)
	k := &kept{login: l, server: s, items: items}
	for part := range chunks(items, maxItems, 0) {
		sub, err := c.subscribe(ctx, a.options.Publishing)
		if err != nil {
			return err
		}
		r.subscriptions[sub.id] = sub
		k.subscriptions = append(k.subscriptions, sub)
		known := slices.DeleteFunc(slices.Clone(part), func(it *item) bool { return it.node.kind == 0 })
		if err := c.monitor(ctx, s, sub, known, r.handles, a.options.Queue); err != nil {
			return err
		}
		sub.received = time.Now()
	}
	if !a.connected.IsZero() {
		a.gaps++
		r.session.Problem(fmt.Errorf("the server no longer had the subscriptions: changes since %s may be missing (gap %d)", a.connected.UTC().Format(time.RFC3339), a.gaps))
	}
	a.kept = k
	if truncated != "" {
		r.session.Problem(errors.New(truncated))
	}
	r.reportFailures()
	return nil
}

// find returns the items: the configured ones, and those found by browsing. Nodes whose namespace the server does not have are among them.
func (a *Adapter) find(ctx context.Context, c *client, s *server) (items []*item, truncated string, err error) {
	seen := make(map[nodeID]bool)
	for i := range a.options.Nodes {
		n := &a.options.Nodes[i]
		it := a.item(n.Node, n.Field(), n.Sampling, n.Deadband)
		it.resolve(s)
		items = append(items, it)
		seen[it.node] = true
	}
	if a.options.Browse != nil {
		var found []variable
		if found, truncated, err = c.browse(ctx, s, a.options.Browse); err != nil {
			return nil, "", err
		}
		for i := range found {
			if v := &found[i]; !seen[v.node] {
				it := a.item(NodeName{}, "", 0, "")
				it.node, it.topic, it.field = v.node, v.path, fieldOf(v.path)
				it.describe(s)
				items = append(items, it)
			}
		}
	}
	known := make([]nodeID, len(items))
	for i, it := range items {
		known[i] = it.node
	}
	properties, err := c.properties(ctx, s, known)
	if err != nil {
		return nil, "", err
	}
	for i, it := range items {
		it.unit = properties[i].unit
	}
	return items, truncated, nil
}

// item returns an item of the name, with the options for all items where its own are empty.
func (a *Adapter) item(name NodeName, field string, sampling time.Duration, band string) *item {
	it := &item{name: name, field: field, sampling: a.options.Sampling, heartbeat: a.options.Heartbeat}
	if sampling != 0 {
		it.sampling = sampling
	}
	it.deadband, _ = parseDeadband(a.options.Deadband)
	if band != "" {
		it.deadband, _ = parseDeadband(band)
	}
	it.topic = topicOf(name.id)
	return it
}

// resolve finds out which id a configured node has in this connection. If its namespace is not known, that is the item's failure.
func (it *item) resolve(s *server) {
	var err error
	if it.node, err = s.resolve(&it.name); err != nil {
		it.node, it.failure = nodeID{}, err.Error()
		return
	}
	it.failure = ""
	it.describe(s)
}

func (it *item) describe(s *server) {
	name := it.name.text
	if name == "" {
		name = s.name(it.node)
	}
	it.tags = map[string]string{TagNode: name, TagNamespace: s.uri(it.node.namespace)}
}
