package opcua_test

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/gopcua/opcua/ua"
)

// simulated is a server without security that answers as a test wants, also what no real server would.
type simulated struct {
	t        testing.TB
	listener net.Listener
	// answer is asked first, if it is not nil. It returns whether it has answered the request, or will.
	answer  func(c *conversation, request uint32, req ua.Request) bool
	running sync.WaitGroup

	mu sync.Mutex
	// What follows is guarded by mu.
	open  map[net.Conn]bool
	ended bool
}

// conversation is one connection of a simulated server.
type conversation struct {
	server *simulated
	conn   net.Conn
	mu     sync.Mutex
	// sequence is guarded by mu.
	sequence uint32
	// requests to publish that have not been answered, and the handles of monitored items; they belong to the goroutine of the connection.
	publish []uint32
	handles []uint32
}

const simulatedSubscription = 7

// simulate starts a server, which ends with the test.
func simulate(t testing.TB, answer func(c *conversation, request uint32, req ua.Request) bool) *simulated {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &simulated{t: t, listener: listener, answer: answer, open: make(map[net.Conn]bool)}
	s.running.Go(s.accept)
	t.Cleanup(func() {
		listener.Close()
		s.mu.Lock()
		s.ended = true
		for conn := range s.open {
			conn.Close()
		}
		s.mu.Unlock()
		s.running.Wait()
	})
	return s
}

func (s *simulated) endpoint() string { return "opc.tcp://" + s.listener.Addr().String() }

func (s *simulated) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		if s.ended {
			conn.Close()
		}
		s.open[conn] = true
		s.mu.Unlock()
		s.running.Go(func() {
			c := &conversation{server: s, conn: conn}
			c.serve()
			conn.Close()
			s.mu.Lock()
			delete(s.open, conn)
			s.mu.Unlock()
		})
	}
}

// serve answers until the connection ends.
func (c *conversation) serve() {
	in := bufio.NewReader(c.conn)
	for {
		header := make([]byte, 8)
		if _, err := io.ReadFull(in, header); err != nil {
			return
		}
		body := make([]byte, binary.LittleEndian.Uint32(header[4:])-8)
		if _, err := io.ReadFull(in, body); err != nil {
			return
		}
		switch string(header[:3]) {
		case "HEL":
			ack := []byte("ACKF")
			for _, n := range []uint32{28, 0, 65535, 65535, 0, 0} {
				ack = binary.LittleEndian.AppendUint32(ack, n)
			}
			c.raw(ack)
			continue
		case "OPN":
			at := 4
			for range 3 {
				if n := int32(binary.LittleEndian.Uint32(body[at:])); n > 0 {
					at += int(n)
				}
				at += 4
			}
			body = body[at-8:] // As if the ids of the channel and the token were before it.
		case "CLO":
			return
		}
		request := binary.LittleEndian.Uint32(body[12:])
		_, decoded, err := ua.DecodeService(body[16:])
		if err != nil {
			return
		}
		if req := decoded.(ua.Request); c.server.answer == nil || !c.server.answer(c, request, req) {
			c.usual(request, req)
		}
	}
}

// raw sends bytes as they are, and reports whether it could.
func (c *conversation) raw(b []byte) bool {
	_, err := c.conn.Write(b)
	return err == nil
}

// chunk sends a chunk of a message. Type is MSG or OPN, final F, C or A.
func (c *conversation) chunk(kind string, final byte, request uint32, body []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sequence++
	return c.raw(chunkOf(kind, final, c.sequence, request, body))
}

func chunkOf(kind string, final byte, sequence, request uint32, body []byte) []byte {
	chunk := append([]byte(kind), final, 0, 0, 0, 0, 1, 0, 0, 0)
	if kind == "OPN" {
		chunk = binary.LittleEndian.AppendUint32(chunk, uint32(len(ua.SecurityPolicyURINone)))
		chunk = append(append(chunk, ua.SecurityPolicyURINone...), "\xff\xff\xff\xff\xff\xff\xff\xff"...)
	} else {
		chunk = append(chunk, 1, 0, 0, 0)
	}
	chunk = binary.LittleEndian.AppendUint32(chunk, sequence)
	chunk = binary.LittleEndian.AppendUint32(chunk, request)
	chunk = append(chunk, body...)
	binary.LittleEndian.PutUint32(chunk[4:], uint32(len(chunk)))
	return chunk
}

// encodeResponse returns a response with the id of its type before it.
func encodeResponse(t testing.TB, response ua.Response) []byte {
	kind, err := ua.Encode(ua.NewFourByteExpandedNodeID(0, ua.ServiceTypeID(response)))
	if err != nil {
		t.Error(err)
	}
	body, err := ua.Encode(response)
	if err != nil {
		t.Error(err)
	}
	return append(kind, body...)
}

// respond answers a request.
func (c *conversation) respond(request uint32, response ua.Response) bool {
	if response.Header() == nil {
		response.SetHeader(headerOf(ua.StatusOK))
	}
	const most = 60_000
	body := encodeResponse(c.server.t, response)
	for len(body) > most {
		if !c.chunk("MSG", 'C', request, body[:most]) {
			return false
		}
		body = body[most:]
	}
	return c.chunk("MSG", 'F', request, body)
}

func headerOf(status ua.StatusCode) *ua.ResponseHeader {
	return &ua.ResponseHeader{Timestamp: time.Now(), ServiceResult: status, ServiceDiagnostics: new(ua.DiagnosticInfo)}
}

// refuse answers a request with a status.
func (c *conversation) refuse(request uint32, status ua.StatusCode) {
	c.respond(request, &ua.ServiceFault{ResponseHeader: headerOf(status)})
}

// usual answers a request as a server does that has the namespace of the tests, every node that it is asked for, and nothing to browse.
func (c *conversation) usual(request uint32, req ua.Request) {
	switch r := req.(type) {
	case *ua.OpenSecureChannelRequest:
		body := encodeResponse(c.server.t, &ua.OpenSecureChannelResponse{
			ResponseHeader: headerOf(ua.StatusOK), SecurityToken: &ua.ChannelSecurityToken{ChannelID: 1, TokenID: 1, CreatedAt: time.Now(), RevisedLifetime: 3600_000},
		})
		c.chunk("OPN", 'F', request, body)
	case *ua.GetEndpointsRequest:
		c.respond(request, &ua.GetEndpointsResponse{Endpoints: []*ua.EndpointDescription{c.endpoint()}})
	case *ua.CreateSessionRequest:
		c.respond(request, &ua.CreateSessionResponse{
			SessionID: ua.NewNumericNodeID(1, 1), AuthenticationToken: ua.NewNumericNodeID(1, 2), RevisedSessionTimeout: r.RequestedSessionTimeout,
			ServerNonce: make([]byte, 32), ServerEndpoints: []*ua.EndpointDescription{c.endpoint()}, ServerSignature: new(ua.SignatureData),
		})
	case *ua.ActivateSessionRequest:
		c.respond(request, &ua.ActivateSessionResponse{ServerNonce: make([]byte, 32)})
	case *ua.CloseSessionRequest:
		c.respond(request, new(ua.CloseSessionResponse))
	case *ua.ReadRequest:
		c.respond(request, c.read(r))
	case *ua.BrowseRequest:
		results := make([]*ua.BrowseResult, len(r.NodesToBrowse))
		for i := range results {
			results[i] = new(ua.BrowseResult)
		}
		c.respond(request, &ua.BrowseResponse{Results: results})
	case *ua.CreateSubscriptionRequest:
		c.respond(request, &ua.CreateSubscriptionResponse{
			SubscriptionID: simulatedSubscription, RevisedPublishingInterval: r.RequestedPublishingInterval,
			RevisedLifetimeCount: r.RequestedLifetimeCount, RevisedMaxKeepAliveCount: r.RequestedMaxKeepAliveCount,
		})
	case *ua.CreateMonitoredItemsRequest:
		results := make([]*ua.MonitoredItemCreateResult, len(r.ItemsToCreate))
		for i, it := range r.ItemsToCreate {
			c.handles = append(c.handles, it.RequestedParameters.ClientHandle)
			results[i] = &ua.MonitoredItemCreateResult{MonitoredItemID: uint32(len(c.handles)), RevisedQueueSize: 1}
		}
		c.respond(request, &ua.CreateMonitoredItemsResponse{Results: results})
	case *ua.PublishRequest:
		c.publish = append(c.publish, request)
	default:
		c.refuse(request, ua.StatusBadServiceUnsupported)
	}
}

func (c *conversation) endpoint() *ua.EndpointDescription {
	return &ua.EndpointDescription{
		EndpointURL: c.server.endpoint(), Server: &ua.ApplicationDescription{ApplicationName: ua.NewLocalizedText("simulated")},
		SecurityMode: ua.MessageSecurityModeNone, SecurityPolicyURI: ua.SecurityPolicyURINone,
		UserIdentityTokens: []*ua.UserTokenPolicy{{PolicyID: "anonymous", TokenType: ua.UserTokenTypeAnonymous}},
	}
}

func (c *conversation) read(r *ua.ReadRequest) *ua.ReadResponse {
	response := new(ua.ReadResponse)
	for _, wanted := range r.NodesToRead {
		v := &ua.DataValue{EncodingMask: ua.DataValueStatusCode, Status: ua.StatusBadNodeIDUnknown}
		if wanted.NodeID.Namespace() == 0 && wanted.NodeID.IntID() == 2255 {
			v = &ua.DataValue{EncodingMask: ua.DataValueValue, Value: ua.MustVariant([]string{"http://opcfoundation.org/UA/", plant})}
		}
		response.Results = append(response.Results, v)
	}
	return response
}

// changes returns a response to a request to publish in which each of the handles has a number, with the times of the source and the server.
func changes(t testing.TB, subscription, sequence uint32, handles []uint32, number float64) []byte {
	now := time.Now()
	notification := new(ua.DataChangeNotification)
	for _, handle := range handles {
		notification.MonitoredItems = append(notification.MonitoredItems, &ua.MonitoredItemNotification{ClientHandle: handle, Value: &ua.DataValue{
			EncodingMask: ua.DataValueValue | ua.DataValueSourceTimestamp | ua.DataValueServerTimestamp, Value: ua.MustVariant(number), SourceTimestamp: now, ServerTimestamp: now,
		}})
	}
	return encodeResponse(t, &ua.PublishResponse{
		ResponseHeader: headerOf(ua.StatusOK), SubscriptionID: subscription,
		NotificationMessage: &ua.NotificationMessage{SequenceNumber: sequence, PublishTime: now, NotificationData: []*ua.ExtensionObject{ua.NewExtensionObject(notification)}},
	})
}
