package opcua

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/gopcua/opcua/id"
	"github.com/gopcua/opcua/ua"
)

// callTimeout is how long a server may take to answer a request, but for requests to publish.
const callTimeout = 10 * time.Second

// statusError is why a server has not done what a request asked for.
type statusError uint32

func (e statusError) Error() string { return statusName(uint32(e)) }

// initials are words that the library writes in capitals, but the standard does not.
var initials = strings.NewReplacer("ID", "Id", "URI", "Uri", "URL", "Url", "TCP", "Tcp")

// standardName returns the standard's name of a status code.
func standardName(name string) string { return initials.Replace(strings.TrimPrefix(name, "Status")) }

// shorten cuts a text of a server for a message.
func shorten(text string) string {
	const longest = 200
	if len(text) > longest {
		return strings.ToValidUTF8(text[:longest], "") + "…"
	}
	return text
}

// answer decodes the header of a response of the wanted type. The reader is at what follows it. The error is a statusError if the server refuses.
func answer(body []byte, want uint32) (*reader, error) {
	r := &reader{b: body}
	kind := r.nodeID()
	r.time()
	r.u32()
	status := r.u32()
	r.skipDiagnostics()
	for range r.count(4) {
		r.bytes()
	}
	r.structure()
	switch {
	case r.err != nil:
		return nil, r.err
	case status>>30 != 0:
		return nil, statusError(status)
	case kind != nodeID{kind: 'i', number: want}:
		return nil, fmt.Errorf("the server answers with %v instead of i=%d", kind, want)
	}
	return r, nil
}

// ua returns the id in the form of requests.
func (n nodeID) ua() *ua.NodeID {
	switch n.kind {
	case 's':
		return ua.NewStringNodeID(n.namespace, n.text)
	case 'g':
		return ua.NewGUIDNodeID(n.namespace, n.text)
	case 'b':
		return ua.NewByteStringNodeID(n.namespace, []byte(n.text))
	}
	return ua.NewNumericNodeID(n.namespace, n.number)
}

// standard returns the id of a node of the standard's own namespace.
func standard(number uint32) nodeID { return nodeID{kind: 'i', number: number} }

// client is a session on a channel.
type client struct {
	*channel
	token *ua.NodeID
	// timeout is after how long without a request the server ends the session.
	timeout time.Duration
}

// ask sends a request and returns the decoder of its response.
func (c *client) ask(ctx context.Context, req ua.Request, want uint32) (*reader, error) {
	body, err := c.call(ctx, req, c.token, callTimeout)
	if err != nil {
		return nil, err
	}
	return answer(body, want)
}

// attribute is one attribute of a node.
type attribute struct {
	node nodeID
	id   ua.AttributeID
}

// maxRead is how many attributes are read with one request. Servers may allow fewer, as may everything that is done for several nodes at once.
const maxRead = 500

// read reads attributes. What cannot be read has a bad status.
func (c *client) read(ctx context.Context, limit uint32, attributes []attribute) ([]dataValue, error) {
	values := make([]dataValue, 0, len(attributes))
	for part := range chunks(attributes, maxRead, limit) {
		req := &ua.ReadRequest{TimestampsToReturn: ua.TimestampsToReturnNeither}
		for _, a := range part {
			req.NodesToRead = append(req.NodesToRead, &ua.ReadValueID{NodeID: a.node.ua(), AttributeID: a.id, DataEncoding: &ua.QualifiedName{}})
		}
		r, err := c.ask(ctx, req, id.ReadResponse_Encoding_DefaultBinary)
		if err != nil {
			return nil, fmt.Errorf("reading attributes: %w", err)
		}
		if n := r.count(1); n != len(part) {
			return nil, countError("values", n, len(part))
		}
		for range part {
			var d dataValue
			r.dataValue(&d)
			values = append(values, d)
		}
		if r.err != nil {
			return nil, fmt.Errorf("reading attributes: %w", r.err)
		}
	}
	return values, nil
}

func countError(what string, got, want int) error {
	return fmt.Errorf("the server answers with %d %s for %d requested", got, what, want)
}

// chunks returns the parts of a list that go into one request each: at most most elements, or limit if the server has one.
func chunks[E any](list []E, most int, limit uint32) func(yield func([]E) bool) {
	if limit > 0 {
		most = min(most, int(limit))
	}
	return func(yield func([]E) bool) {
		for len(list) > 0 {
			n := min(most, len(list))
			if !yield(list[:n]) {
				return
			}
			list = list[n:]
		}
	}
}

// limits are what a server does with one request; 0 means that it has no limit, or does not say.
type limits struct {
	read, browse, monitor uint32
}

// server is what is read of a server at each connection.
type server struct {
	limits limits
	// namespaces are the URIs of the namespaces, by index.
	namespaces []string
}

// maxNamespaces is how many namespaces of a server count.
const maxNamespaces = 1000

func (c *client) describe(ctx context.Context) (*server, error) {
	values, err := c.read(ctx, 4, []attribute{
		{standard(id.Server_NamespaceArray), ua.AttributeIDValue},
		{standard(id.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead), ua.AttributeIDValue},
		{standard(id.Server_ServerCapabilities_OperationLimits_MaxNodesPerBrowse), ua.AttributeIDValue},
		{standard(id.Server_ServerCapabilities_OperationLimits_MaxMonitoredItemsPerCall), ua.AttributeIDValue},
	})
	if err != nil {
		return nil, err
	}
	s := new(server)
	if !values[0].isArray || values[0].kind != typeString {
		return nil, fmt.Errorf("the server's list of namespaces cannot be read: %s", statusName(values[0].status))
	}
	for i := range values[0].elements[:min(len(values[0].elements), maxNamespaces)] {
		s.namespaces = append(s.namespaces, values[0].elements[i].text)
	}
	for i, limit := range []*uint32{&s.limits.read, &s.limits.browse, &s.limits.monitor} {
		if v := &values[i+1]; quality(v.status) == "" && !v.isArray {
			*limit = uint32(v.number)
		}
	}
	return s, nil
}

// name returns an id with its namespace's URI, as it may be written in the configuration: it holds in every connection.
func (s *server) name(n nodeID) string {
	if uri := s.uri(n.namespace); uri != "" {
		return n.under("nsu=" + uri)
	}
	return n.String()
}

func (s *server) uri(namespace uint16) string {
	if int(namespace) < len(s.namespaces) {
		return s.namespaces[namespace]
	}
	return ""
}

// resolve returns the id that a configured node has in this connection.
func (s *server) resolve(n *NodeName) (nodeID, error) {
	if n.uri == "" {
		return n.id, nil
	}
	for i, uri := range s.namespaces {
		if uri == n.uri {
			found := n.id
			found.namespace = uint16(i)
			return found, nil
		}
	}
	return nodeID{}, fmt.Errorf("the server has no namespace %s", shorten(n.uri))
}
