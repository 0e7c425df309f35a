package opcua

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/gopcua/opcua/id"
	"github.com/gopcua/opcua/ua"
)

const (
	// keepAlive is how often the server shall say that nothing has changed.
	keepAlive = 2 * time.Second
	// silences is how many keep-alive intervals may pass without a message of a subscription before its connection counts as lost.
	silences = 3
	// subscriptionLifetime is how long the server shall keep a subscription without a connection.
	subscriptionLifetime = 5 * time.Minute
	// maxNotifications is how many values the server may publish at once.
	maxNotifications = 1000
	// maxItems is the maximum number of items of a subscription, maxMonitor that of one request.
	maxItems, maxMonitor = 10_000, 500
)

// subscription is a subscription at the server. It belongs to the goroutine of Run.
type subscription struct {
	id       uint32
	interval time.Duration
	// keepAlive is after how long without values the server says so.
	keepAlive time.Duration
	// next is the number of the next notification; 0 until the first has come.
	next uint32
	// received is when the last message of the subscription came, or since when one is waited for.
	received time.Time
	// beat is when the items were last searched for those whose values must be sent again.
	beat  time.Time
	items int
}

// following returns the number after another: they begin anew at 1.
func following(sequence uint32) uint32 {
	if sequence == math.MaxUint32 {
		return 1
	}
	return sequence + 1
}

// expect sets the number of the next notification. An earlier one comes if the server publishes something twice, which does no harm, or counts
// anew.
func (s *subscription) expect(sequence uint32) {
	const most = 10_000
	if ahead := int32(sequence - s.next); s.next == 0 || ahead > 0 || ahead < -most {
		s.next = sequence
	}
}

func (c *client) subscribe(ctx context.Context, interval time.Duration) (*subscription, error) {
	count := func(d time.Duration) uint32 { return uint32(max(1, (d+interval-1)/interval)) }
	keep := count(keepAlive)
	r, err := c.ask(ctx, &ua.CreateSubscriptionRequest{
		RequestedPublishingInterval: float64(interval) / float64(time.Millisecond), RequestedMaxKeepAliveCount: keep,
		RequestedLifetimeCount: max(3*keep, count(subscriptionLifetime)), MaxNotificationsPerPublish: maxNotifications, PublishingEnabled: true,
	}, id.CreateSubscriptionResponse_Encoding_DefaultBinary)
	if err != nil {
		return nil, fmt.Errorf("creating a subscription: %w", err)
	}
	s := &subscription{id: r.u32(), interval: duration(r.f64()), received: time.Now()}
	r.u32()
	const most = 10 * time.Minute // A server that is silent for longer would not be noticed when it has stopped.
	s.keepAlive = min(most, max(s.interval, time.Millisecond)*time.Duration(min(r.u32(), math.MaxUint16)))
	return s, r.err
}

// dead returns an error if the subscription has been silent for too long.
func (s *subscription) dead(now time.Time) error {
	const leniency = 500 * time.Millisecond
	if silent := now.Sub(s.received); silent > silences*s.keepAlive+leniency {
		return fmt.Errorf("the server has published nothing for %v, not even that nothing has changed, although it should every %v", silent.Round(time.Second), s.keepAlive)
	}
	return nil
}

// monitor creates the monitored items of a subscription. Those that the server refuses have a failure afterwards.
func (c *client) monitor(ctx context.Context, s *server, to *subscription, items []*item, handles map[*item]uint32, queue uint32) error {
	for part := range chunks(items, maxMonitor, s.limits.monitor) {
		refused, err := c.monitorPart(ctx, to, part, handles, queue, true)
		if err == nil && len(refused) > 0 { // Values that are no numbers have no deadband.
			_, err = c.monitorPart(ctx, to, refused, handles, queue, false)
		}
		if err != nil {
			return fmt.Errorf("monitoring nodes: %w", err)
		}
	}
	return nil
}

// monitorPart monitors items with one request, and returns those that must be tried without a deadband.
func (c *client) monitorPart(ctx context.Context, to *subscription, items []*item, handles map[*item]uint32, queue uint32, deadbands bool) (again []*item, err error) {
	req := &ua.CreateMonitoredItemsRequest{SubscriptionID: to.id, TimestampsToReturn: ua.TimestampsToReturnBoth}
	for _, it := range items {
		parameters := &ua.MonitoringParameters{
			ClientHandle: handles[it], SamplingInterval: float64(it.sampling) / float64(time.Millisecond), QueueSize: queue, DiscardOldest: true,
		}
		if deadbands {
			parameters.Filter = it.deadband.filter()
		}
		req.ItemsToCreate = append(req.ItemsToCreate, &ua.MonitoredItemCreateRequest{
			ItemToMonitor:  &ua.ReadValueID{NodeID: it.node.ua(), AttributeID: ua.AttributeIDValue, DataEncoding: &ua.QualifiedName{}},
			MonitoringMode: ua.MonitoringModeReporting, RequestedParameters: parameters,
		})
	}
	r, err := c.ask(ctx, req, id.CreateMonitoredItemsResponse_Encoding_DefaultBinary)
	if err != nil {
		return nil, err
	}
	if n := r.count(4); n != len(items) {
		return nil, countError("monitored items", n, len(items))
	}
	for _, it := range items {
		status, itemID := r.u32(), r.u32()
		r.f64()
		r.u32()
		r.structure()
		switch {
		case r.err != nil:
			return nil, r.err
		case status>>30 == 0:
			it.subscription, it.id, it.failure, it.first = to, itemID, "", true
			to.items++
		case deadbands && it.deadband.amount != 0 && filterRefused(status):
			again = append(again, it)
		default:
			it.failure = statusName(status)
		}
	}
	return again, nil
}

func filterRefused(status uint32) bool {
	switch ua.StatusCode(status) {
	case ua.StatusBadFilterNotAllowed, ua.StatusBadMonitoredItemFilterUnsupported, ua.StatusBadMonitoredItemFilterInvalid, ua.StatusBadDeadbandFilterInvalid:
		return true
	}
	return false
}

// unmonitor removes monitored items of a subscription. That the server does not have them any more is no error.
func (c *client) unmonitor(ctx context.Context, s *server, from *subscription, items []*item) error {
	for part := range chunks(items, maxMonitor, s.limits.monitor) {
		req := &ua.DeleteMonitoredItemsRequest{SubscriptionID: from.id}
		for _, it := range part {
			req.MonitoredItemIDs = append(req.MonitoredItemIDs, it.id)
			it.subscription = nil
		}
		from.items -= len(part)
		if _, err := c.ask(ctx, req, id.DeleteMonitoredItemsResponse_Encoding_DefaultBinary); unlessRefused(err) != nil {
			return err
		}
	}
	return nil
}

// publication is a response to a request to publish.
type publication struct {
	subscription uint32
	available    []uint32
	more         bool
	notification
}

// notification is what a subscription publishes at once. The keep-alive has no data, and the number of the next notification.
type notification struct {
	sequence uint32
	at       time.Time
	data     []structure
}

func (r *reader) notification() notification {
	n := notification{sequence: r.u32(), at: r.time()}
	for range r.count(3) {
		n.data = append(n.data, r.structure())
	}
	return n
}

func decodePublication(body []byte) (*publication, error) {
	r, err := answer(body, id.PublishResponse_Encoding_DefaultBinary)
	if err != nil {
		return nil, err
	}
	p := &publication{subscription: r.u32(), available: r.u32s(), more: r.bool()}
	p.notification = r.notification()
	return p, r.err
}

// republish asks for a notification once more. It returns nil if the server does not have it any more.
func (c *client) republish(ctx context.Context, s *subscription, sequence uint32) (*notification, error) {
	r, err := c.ask(ctx, &ua.RepublishRequest{SubscriptionID: s.id, RetransmitSequenceNumber: sequence}, id.RepublishResponse_Encoding_DefaultBinary)
	if err != nil {
		var refused statusError
		if errors.As(err, &refused) && ua.StatusCode(refused) != ua.StatusBadSubscriptionIDInvalid && ua.StatusCode(refused) != ua.StatusBadSessionIDInvalid {
			return nil, nil
		}
		return nil, fmt.Errorf("asking for a lost notification: %w", err)
	}
	n := r.notification()
	if n.sequence != sequence || len(n.data) == 0 {
		return nil, r.err // Some servers answer with an empty notification instead of refusing.
	}
	return &n, r.err
}

// transfer moves subscriptions of another session to this one.
func (c *client) transfer(ctx context.Context, subscriptions []*subscription) error {
	req := new(ua.TransferSubscriptionsRequest)
	for _, s := range subscriptions {
		req.SubscriptionIDs = append(req.SubscriptionIDs, s.id)
	}
	r, err := c.ask(ctx, req, id.TransferSubscriptionsResponse_Encoding_DefaultBinary)
	if err != nil {
		return err
	}
	if n := r.count(8); n != len(subscriptions) {
		return countError("subscriptions", n, len(subscriptions))
	}
	for range subscriptions {
		if status := r.u32(); status>>30 != 0 {
			return statusError(status)
		}
		r.u32s()
	}
	return r.err
}
