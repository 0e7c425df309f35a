package opcua_test

import (
	"encoding/binary"
	"math"
	"runtime/metrics"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gopcua/opcua/ua"

	"iotmon/internal/source"
	"iotmon/internal/source/opcua"
)

// lie is something that no server should do.
type lie struct {
	name string
	// want is what the source must say about it; it then fails, unless the lie does no harm.
	want     string
	harmless bool
	// browse is whether the source searches for variables.
	browse bool
	answer func(c *conversation, request uint32, req ua.Request) bool
}

// publishing answers each request to publish with what bytes returns.
func publishing(bytes func(c *conversation) []byte) func(*conversation, uint32, ua.Request) bool {
	return func(c *conversation, request uint32, req ua.Request) bool {
		if _, ok := req.(*ua.PublishRequest); !ok {
			return false
		}
		time.Sleep(5 * time.Millisecond)
		c.chunk("MSG", 'F', request, bytes(c))
		return true
	}
}

// instead answers requests of the type R with what do does.
func instead[R ua.Request](do func(c *conversation, request uint32, req R)) func(*conversation, uint32, ua.Request) bool {
	return func(c *conversation, request uint32, req ua.Request) bool {
		r, ok := req.(R)
		if ok {
			do(c, request, r)
		}
		return ok
	}
}

// notification returns a response to a request to publish whose data is the body of one structure with the given id of its encoding.
func notification(c *conversation, encoding uint32, body []byte) []byte {
	c.handles = append(c.handles, 0) // As a count of what was published.
	b := encodeResponse(c.server.t, &ua.PublishResponse{
		ResponseHeader: headerOf(ua.StatusOK), SubscriptionID: simulatedSubscription,
		NotificationMessage: &ua.NotificationMessage{SequenceNumber: uint32(len(c.handles)), PublishTime: time.Now()},
	})
	b = b[:len(b)-12] // The empty lists of data, results and diagnostics.
	b = append(b, 1, 0, 0, 0, 2, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, encoding)
	b = append(b, 1)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(body)))
	return append(append(b, body...), 0, 0, 0, 0, 0, 0, 0, 0)
}

const dataChange, statusChange = 811, 820

// firstItem is the handle of the first item.
var firstItem = []uint32{0}

// change returns the body of a notification of one change, whose value is encoded as given.
func change(value ...byte) []byte {
	return append([]byte{1, 0, 0, 0, 0, 0, 0, 0, 1}, append(value, 0xff, 0xff, 0xff, 0xff)...)
}

// nodes appends references to variables with the given names and numbers to what a server has browsed.
func nodes(b []byte, first, count uint32, name string) []byte {
	b = binary.LittleEndian.AppendUint32(b, count)
	for i := range count {
		b = append(b, 0, 35, 1, 2, 1, 0)
		b = binary.LittleEndian.AppendUint32(b, first+i)
		b = append(b, 1, 0)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(name)))
		b = append(append(b, name...), 0, 2, 0, 0, 0, 0, 0)
	}
	return b
}

// browsed answers a request with references to the given number of nodes, with a point to go on from.
func browsed(c *conversation, request uint32, kind uint16, results int, first *atomic.Uint32, count uint32, name string) {
	body := []byte{1, 0, byte(kind), byte(kind >> 8), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	body = binary.LittleEndian.AppendUint32(body, uint32(results))
	for range results {
		body = append(body, 0, 0, 0, 0, 1, 0, 0, 0, 'x')
		body = nodes(body, first.Add(count)-count, count, name)
	}
	body = append(body, 0, 0, 0, 0)
	const most = 60_000
	for len(body) > most {
		if !c.chunk("MSG", 'C', request, body[:most]) {
			return
		}
		body = body[most:]
	}
	c.chunk("MSG", 'F', request, body)
}

// endless browses without end.
func endless(count uint32, name string) func(*conversation, uint32, ua.Request) bool {
	var first atomic.Uint32
	first.Store(1)
	return func(c *conversation, request uint32, req ua.Request) bool {
		switch r := req.(type) {
		case *ua.BrowseRequest:
			if r.NodesToBrowse[0].NodeID.Namespace() != 0 { // For their units.
				return false
			}
			browsed(c, request, 530, len(r.NodesToBrowse), &first, count, name)
		case *ua.BrowseNextRequest:
			browsed(c, request, 536, len(r.ContinuationPoints), &first, count, name)
		default:
			return false
		}
		return true
	}
}

func lies() []lie {
	flood := func(body []byte) func(*conversation, uint32, ua.Request) bool {
		return instead(func(c *conversation, request uint32, _ *ua.PublishRequest) { c.chunk("MSG", 'F', request, body) })
	}
	empty := func(subscription uint32) []byte {
		return encodeResponse(nil, &ua.PublishResponse{
			ResponseHeader: headerOf(ua.StatusOK), SubscriptionID: subscription, NotificationMessage: &ua.NotificationMessage{SequenceNumber: 1, PublishTime: time.Now()},
		})
	}
	var nested []byte
	for range 1000 {
		nested = append(nested, 24) // A variant in a variant.
	}
	return []lie{
		{name: "chunks without a last one", want: "more than 4194304 bytes", answer: instead(func(c *conversation, request uint32, _ *ua.ReadRequest) {
			for c.chunk("MSG", 'C', request, make([]byte, 60_000)) {
			}
		})},
		{name: "many unfinished messages", want: "more than 4194304 bytes", answer: instead(func(c *conversation, request uint32, _ *ua.ReadRequest) {
			for i := uint32(1000); c.chunk("MSG", 'C', i, []byte{0}); i++ {
			}
		})},
		{name: "a chunk of 4 GB", want: "a chunk of 4294967295 bytes", answer: instead(func(c *conversation, _ uint32, _ *ua.ReadRequest) {
			c.raw([]byte("MSGF\xff\xff\xff\xff"))
		})},
		{name: "a chunk without a header", want: "ends too early", answer: instead(func(c *conversation, _ uint32, _ *ua.ReadRequest) {
			c.raw([]byte("MSGF\x08\x00\x00\x00"))
		})},
		{name: "a message of another kind", want: `a message of type "GET"`, answer: instead(func(c *conversation, _ uint32, _ *ua.ReadRequest) {
			c.raw([]byte("GETF\x10\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"))
		})},
		{name: "a chunk twice", want: "twice", answer: instead(func(c *conversation, request uint32, _ *ua.ReadRequest) {
			c.raw(chunkOf("MSG", 'F', c.sequence, request, []byte{0}))
		})},
		{name: "a chunk left out", want: "one is missing", answer: instead(func(c *conversation, request uint32, _ *ua.ReadRequest) {
			c.raw(chunkOf("MSG", 'F', c.sequence+2, request, []byte{0}))
		})},
		{name: "responses without a request", want: "not asked for", answer: instead(func(c *conversation, request uint32, _ *ua.PublishRequest) {
			for c.chunk("MSG", 'F', 99999, changes(nil, simulatedSubscription, 1, firstItem, 1)) {
			}
		})},
		{name: "a channel that was not asked for", want: "not asked for", answer: instead(func(c *conversation, request uint32, _ *ua.PublishRequest) {
			c.usual(request, new(ua.OpenSecureChannelRequest))
		})},
		{name: "a response to another request", want: "answers with i=", answer: instead(func(c *conversation, request uint32, _ *ua.CreateSubscriptionRequest) {
			c.respond(request, new(ua.CloseSessionResponse))
		})},
		{name: "a flood of nothing", want: "floods this program", answer: flood(empty(simulatedSubscription))},
		{name: "a flood of other subscriptions", want: "floods this program", answer: flood(empty(4711))},
		{name: "another subscription", want: "published nothing", answer: publishing(func(c *conversation) []byte { return changes(c.server.t, 4711, 1, firstItem, 1) })},
		{name: "a flood of refusals", want: "publishes no longer", answer: instead(func(c *conversation, request uint32, _ *ua.PublishRequest) {
			c.refuse(request, ua.StatusBadTooManyPublishRequests)
		})},
		{name: "the end of the subscription", want: "ended the subscription: BadTimeout", answer: publishing(func(c *conversation) []byte {
			return notification(c, statusChange, []byte{0, 0, 0x0a, 0x80, 0})
		})},
		{name: "two billion changes", want: "array of 2147483647 elements is longer", answer: publishing(func(c *conversation) []byte {
			return notification(c, dataChange, []byte{0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0, 0})
		})},
		{name: "two billion elements", want: "array of 2147483647 elements is longer", answer: publishing(func(c *conversation) []byte {
			return notification(c, dataChange, change(0x80|11, 0xff, 0xff, 0xff, 0x7f))
		})},
		{name: "a negative length", harmless: true, answer: publishing(func(c *conversation) []byte {
			return notification(c, dataChange, change(0x80|11, 0xfe, 0xff, 0xff, 0xff))
		})},
		{name: "endless text", want: "ends too early", answer: publishing(func(c *conversation) []byte {
			return notification(c, dataChange, change(12, 0xff, 0xff, 0xff, 0x7f))
		})},
		{name: "deep nesting", want: "nested more than 32 levels", answer: publishing(func(c *conversation) []byte {
			return notification(c, dataChange, change(nested...))
		})},
		{name: "no type", want: "is no type of a value", answer: publishing(func(c *conversation) []byte { return notification(c, dataChange, change(63, 1, 2, 3)) })},
		{name: "handles of no item", harmless: true, answer: publishing(func(c *conversation) []byte {
			return notification(c, dataChange, append([]byte{1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 1, 1, 1}, 0xff, 0xff, 0xff, 0xff))
		})},
		{name: "jumping numbers", want: "notifications are lost", harmless: true, answer: func() func(*conversation, uint32, ua.Request) bool {
			var sequence atomic.Uint32
			return publishing(func(c *conversation) []byte {
				return changes(c.server.t, simulatedSubscription, sequence.Add(1_000_000), firstItem, 1)
			})
		}()},
		{name: "republishing without end", harmless: true, answer: func() func(*conversation, uint32, ua.Request) bool {
			var sequence atomic.Uint32
			publish := publishing(func(c *conversation) []byte {
				return changes(c.server.t, simulatedSubscription, sequence.Add(math.MaxInt32/2), firstItem, 1)
			})
			return func(c *conversation, request uint32, req ua.Request) bool {
				r, ok := req.(*ua.RepublishRequest)
				if ok {
					c.respond(request, &ua.RepublishResponse{NotificationMessage: &ua.NotificationMessage{
						SequenceNumber: r.RetransmitSequenceNumber, NotificationData: []*ua.ExtensionObject{ua.NewExtensionObject(new(ua.DataChangeNotification))},
					}})
				}
				return ok || publish(c, request, req)
			}
		}()},
		{name: "other numbers of results", want: "answers with 0 monitored items for 1", answer: instead(func(c *conversation, request uint32, _ *ua.CreateMonitoredItemsRequest) {
			c.respond(request, new(ua.CreateMonitoredItemsResponse))
		})},
		{name: "no endpoints", want: "does not offer this security", answer: instead(func(c *conversation, request uint32, _ *ua.GetEndpointsRequest) {
			c.respond(request, new(ua.GetEndpointsResponse))
		})},
		{name: "nobody may log in", want: "does not let in anonymous users", answer: instead(func(c *conversation, request uint32, _ *ua.GetEndpointsRequest) {
			e := c.endpoint()
			e.UserIdentityTokens = nil
			c.respond(request, &ua.GetEndpointsResponse{Endpoints: []*ua.EndpointDescription{e}})
		})},
		{name: "no namespaces", want: "list of namespaces cannot be read", answer: instead(func(c *conversation, request uint32, r *ua.ReadRequest) {
			response := new(ua.ReadResponse)
			for range r.NodesToRead {
				response.Results = append(response.Results, new(ua.DataValue))
			}
			c.respond(request, response)
		})},
		{name: "a million nodes", browse: true, want: "more than 100 variables", harmless: true, answer: endless(1000, "n")},
		{name: "endless circles", browse: true, want: "no variables have been found", answer: func(c *conversation, request uint32, req ua.Request) bool {
			var zero atomic.Uint32 // Every node has itself below it, a hundred times, under a name that is too long.
			if r, ok := req.(*ua.BrowseRequest); ok {
				body := []byte{1, 0, 18, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
				body = binary.LittleEndian.AppendUint32(body, uint32(len(r.NodesToBrowse)))
				for range r.NodesToBrowse {
					body = nodes(append(body, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff), zero.Load(), 20, strings.Repeat("x", 2000))
				}
				c.chunk("MSG", 'F', request, append(body, 0, 0, 0, 0))
				return true
			}
			return false
		}},
		{name: "endless points to go on from", browse: true, want: "no variables have been found", answer: endless(0, "")},
		{name: "silence in the middle", want: "no answer within", answer: instead(func(*conversation, uint32, *ua.CreateSubscriptionRequest) {})},
	}
}

// No lie of a server stops the source or costs memory without end. The status says what is wrong, and when the server is right again, its values arrive.
func TestLiesOfAServer(t *testing.T) {
	t.Parallel()
	for _, l := range lies() {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			var honest atomic.Bool
			var sequence atomic.Uint32
			right := publishing(func(c *conversation) []byte {
				return changes(c.server.t, simulatedSubscription, sequence.Add(1), firstItem, 42)
			})
			s := simulate(t, func(c *conversation, request uint32, req ua.Request) bool {
				if honest.Load() {
					return right(c, request, req)
				}
				return l.answer(c, request, req)
			})
			o := newOptions(t, s.endpoint(), "Temp")
			if l.browse {
				root, err := opcua.ParseNodeName("i=85")
				if err != nil {
					t.Fatal(err)
				}
				o.Nodes, o.Browse = nil, &opcua.Browse{Root: root, Depth: 10, Max: 100}
			}
			r := run(t, o)
			if l.want != "" {
				r.within(2*time.Minute, l.want, func() bool { return strings.Contains(r.status.Snapshot().Error, l.want) })
			}
			if l.harmless {
				r.within(back, "connected", func() bool { return r.status.Snapshot().State == source.Connected })
				time.Sleep(200 * time.Millisecond)
				if state := r.status.Snapshot(); state.State != source.Connected || state.Connections != 1 {
					t.Errorf("got %+v, want the connection to go on", state)
				}
			}
			const most = 300 << 20
			sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
			if metrics.Read(sample); sample[0].Value.Uint64() > most {
				t.Errorf("got a heap of %d bytes, want at most %d", sample[0].Value.Uint64(), most)
			}
			honest.Store(true)
			if !l.browse {
				r.within(callTimeout+back, "a value", func() bool { return r.has("Temp", 42) })
			}
		})
	}
}

// callTimeout is how long the source waits for an answer.
const callTimeout = 10 * time.Second
