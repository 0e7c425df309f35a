package opcua

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/gopcua/opcua/id"
	"github.com/gopcua/opcua/ua"

	"iotmon/internal/iot"
	"iotmon/internal/mapping"
	"iotmon/internal/source"
)

const (
	// maxOutstanding is the maximum number of requests to publish that the server has not answered; there is one for each
	// subscription and a few more, so that the next answer is on its way while one is decoded.
	maxOutstanding, moreOutstanding = 16, 3
	// checkInterval is how often a run looks whether the server is silent, a token must be renewed, or nodes must be tried again.
	checkInterval = 250 * time.Millisecond
	// retryInterval is after how long nodes that could not be monitored are tried again.
	retryInterval = time.Minute
	// maxRepublished is how many notifications are asked for once more at a time.
	maxRepublished = 1000
	// maxPoints is about how many values go into one message.
	maxPoints = 5000
	// maxIdle is how many answers without values may come within checkInterval.
	maxIdle = 1000
	// probeAfter is how long a server may be silent until it is asked whether it is well. With the usual keep-alive its silence is noticed before.
	probeAfter = 7 * time.Second
)

// acknowledgements are the notifications that the server need not keep any longer.
type acknowledgements struct {
	mu sync.Mutex
	// list is guarded by mu.
	list []acknowledgement
}

type acknowledgement struct {
	subscription *subscription
	sequence     uint32
}

func (a *acknowledgements) add(s *subscription, sequence uint32) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.list = append(a.list, acknowledgement{s, sequence})
}

// drain returns those of the given subscriptions and forgets all: other subscriptions are gone.
func (a *acknowledgements) drain(subscriptions map[uint32]*subscription) (all []*ua.SubscriptionAcknowledgement) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, one := range a.list {
		if subscriptions[one.subscription.id] == one.subscription {
			all = append(all, &ua.SubscriptionAcknowledgement{SubscriptionID: one.subscription.id, SequenceNumber: one.sequence})
		}
	}
	a.list = a.list[:0]
	return all
}

// run is one connection that receives.
type run struct {
	adapter       *Adapter
	session       *source.Session
	client        *client
	server        *server
	items         []*item
	handles       map[*item]uint32
	subscriptions map[uint32]*subscription

	answers             chan response
	outstanding, wanted int
	flat                flattener
	// lastAnswer is when the server last answered, idle how many of its answers since the last check had no values.
	lastAnswer time.Time
	idle       int
	// failures is what was last said about items that cannot be monitored.
	failures string
	retry    time.Time
}

// receive receives until ctx ends or the connection is lost.
func (r *run) receive(ctx context.Context) error {
	r.wanted = min(maxOutstanding, len(r.subscriptions)+moreOutstanding)
	r.lastAnswer = time.Now()
	r.retry = r.lastAnswer.Add(r.adapter.retry)
	check := time.NewTicker(checkInterval)
	defer check.Stop()
	for {
		if err := r.publish(); err != nil {
			return err
		}
		select {
		case answer := <-r.answers:
			if err := r.answered(ctx, answer); err != nil {
				return err
			}
		case <-check.C:
			if err := r.check(ctx); err != nil {
				return err
			}
		case <-r.client.done:
			return r.client.lost()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// publish sends the server as many requests to publish as it may have.
func (r *run) publish() error {
	for r.outstanding < r.wanted {
		req := &ua.PublishRequest{SubscriptionAcknowledgements: r.adapter.acknowledge.drain(r.subscriptions)}
		if _, err := r.client.start(req, r.client.token, 0, r.answers); err != nil {
			return err
		}
		r.outstanding++
	}
	return nil
}

// answered handles the answer to a request to publish.
func (r *run) answered(ctx context.Context, answer response) error {
	r.outstanding--
	if answer.err != nil {
		return answer.err
	}
	r.lastAnswer = answer.at
	if r.idle++; r.idle > maxIdle { // It would take all of a processor.
		return fmt.Errorf("the server floods this program: more than %d answers without values within %v", maxIdle, checkInterval)
	}
	p, err := decodePublication(answer.body)
	if err != nil {
		return r.refused(err)
	}
	if err := r.publish(); err != nil { // The server can publish while this answer is handled.
		return err
	}
	s := r.subscriptions[p.subscription]
	if s == nil {
		return nil // One that the server still has from an earlier session.
	}
	s.received = answer.at
	if s.next != 0 && int32(p.sequence-s.next) > 0 {
		if err := r.recover(ctx, s, p.sequence); err != nil {
			return err
		}
	}
	s.expect(p.sequence)
	if len(p.data) > 0 {
		if err := r.notified(ctx, s, &p.notification, answer.at); err != nil {
			return err
		}
	}
	if p.more {
		return nil
	}
	return r.beat(ctx, s, p.at)
}

// refused returns nil if the server's refusal to publish is no reason to connect anew.
func (r *run) refused(err error) error {
	var status statusError
	if !errors.As(err, &status) {
		return fmt.Errorf("decoding what the server publishes: %w", err)
	}
	switch ua.StatusCode(status) {
	case ua.StatusBadTooManyPublishRequests:
		if r.wanted > 1 {
			r.wanted--
			return nil
		}
	case ua.StatusBadTimeout:
		return nil
	case ua.StatusBadNoSubscription, ua.StatusBadSessionIDInvalid, ua.StatusBadSessionClosed:
		r.adapter.kept = nil
	}
	return fmt.Errorf("the server publishes no longer: %w", err)
}

// recover asks for the notifications before the given one that have not come. With 0 it asks for all that the server still has.
func (r *run) recover(ctx context.Context, s *subscription, before uint32) error {
	for asked := 0; s.next != 0 && s.next != before && asked < maxRepublished; asked++ {
		n, err := r.client.republish(ctx, s, s.next)
		if err != nil {
			r.adapter.kept = nil
			return err
		}
		if n == nil {
			break
		}
		if err := r.notified(ctx, s, n, time.Now()); err != nil {
			return err
		}
	}
	if before != 0 && s.next != before {
		r.adapter.gaps++
		r.session.Problem(fmt.Errorf("%d notifications are lost, and the server cannot publish them again: values are missing (gap %d)", before-s.next, r.adapter.gaps))
		s.next = before
	}
	return nil
}

// notified handles a notification.
func (r *run) notified(ctx context.Context, s *subscription, n *notification, at time.Time) error {
	s.expect(following(n.sequence))
	r.flat.elements = 0
	b := &batch{run: r, at: at}
	for _, data := range n.data {
		switch data.encoding {
		case standard(id.DataChangeNotification_Encoding_DefaultBinary):
			if err := r.changed(ctx, s, n, data.body, b); err != nil {
				return err
			}
		case standard(id.StatusChangeNotification_Encoding_DefaultBinary):
			r.adapter.kept = nil
			decoder := reader{b: data.body}
			return fmt.Errorf("the server has ended the subscription: %s", statusName(decoder.u32()))
		}
	}
	if len(b.points) > 0 {
		r.idle = 0
	}
	if b.overflows > 0 {
		r.adapter.gaps++
		r.session.Problem(fmt.Errorf("the server's queue of %d variables was full: changes are missing (gap %d); raise queue_size, or publish more often", b.overflows, r.adapter.gaps))
	}
	return b.flush(ctx, func(err error) {
		if err == nil {
			r.adapter.acknowledge.add(s, n.sequence)
		}
	})
}

// changed adds the values of a DataChangeNotification to the batch.
func (r *run) changed(ctx context.Context, s *subscription, n *notification, body []byte, b *batch) error {
	decoder := &reader{b: body}
	count := decoder.count(5)
	if decoder.err != nil {
		return fmt.Errorf("decoding values: %w", decoder.err)
	}
	b.room = min(count, maxPoints)
	for range count {
		var d dataValue
		handle := decoder.u32()
		decoder.dataValue(&d)
		if decoder.err != nil {
			return fmt.Errorf("decoding values: %w", decoder.err)
		}
		if int64(handle) >= int64(len(r.items)) || r.items[handle].subscription != s {
			continue
		}
		if err := b.add(ctx, r.items[handle], &d, n.at); err != nil {
			return err
		}
	}
	return nil
}

// batch is what goes into messages together.
type batch struct {
	run  *run
	at   time.Time
	room int
	// points are values. reports are those of bad devices, by reason.
	points    []mapping.Point
	reports   []*source.Message
	undecoded []*source.Message
	overflows int
}

// topicValues is the topic of messages of values; each value has its own.
const topicValues = "values"

// maxUndecoded is how many structures of one notification that cannot be decoded are rejected one by one.
const maxUndecoded = 20

// add adds the value of an item that the server has published at the given time, by its clock.
func (b *batch) add(ctx context.Context, it *item, d *dataValue, published time.Time) error {
	if overflowed(d.status) {
		b.overflows++
	}
	if b.points == nil {
		b.points = make([]mapping.Point, 0, b.room)
	}
	f := &b.run.flat
	before := len(b.points)
	if err := it.flatten(ctx, f, d, b.points); err != nil {
		return err
	}
	b.points = f.points
	it.remember(b.points[before:], d, published)
	if ua.StatusCode(d.status) == ua.StatusBadNodeIDUnknown {
		it.failure = statusName(d.status)
	}
	switch {
	case f.reason != "":
		b.reject(it, f)
	case f.absent && len(b.points) == before:
		b.report(f.base, d)
	}
	if f.left < 0 {
		b.run.session.Problem(fmt.Errorf("a value of %s has more than %d parts: the others are not used", it.topic, maxElements))
	}
	if len(b.points) >= maxPoints {
		return b.send(ctx, nil)
	}
	return nil
}

func (b *batch) reject(it *item, f *flattener) {
	if len(b.undecoded) < maxUndecoded {
		body := f.undecoded.body
		if body == nil {
			body = []byte{}
		}
		b.undecoded = append(b.undecoded, &source.Message{Topic: it.topic, Payload: body, Tags: map[string]string{tagReason: f.reason}, Received: b.at})
	}
}

// report adds a device whose value is not there to the reports.
func (b *batch) report(base mapping.Point, d *dataValue) {
	report := absentReport(d.status)
	for _, m := range b.reports {
		if m.Report.Reason == report.Reason {
			m.Points = append(m.Points, base)
			return
		}
	}
	b.reports = append(b.reports, &source.Message{Topic: topicValues, Points: []mapping.Point{base}, Report: report, Received: b.at})
}

// send gives the pipeline the values. done may be nil.
func (b *batch) send(ctx context.Context, done func(error)) error {
	if len(b.points) == 0 {
		return nil
	}
	m := &source.Message{Topic: topicValues, Points: b.points, Received: b.at, Done: done}
	b.points = nil
	return b.run.send(ctx, m)
}

// flush gives the pipeline everything. done is called when the last message is done, and so all are.
func (b *batch) flush(ctx context.Context, done func(error)) error {
	rest := append(b.reports, b.undecoded...)
	if len(b.points) == 0 && len(rest) == 0 {
		done(nil)
		return nil
	}
	if len(rest) == 0 {
		return b.send(ctx, done)
	}
	if err := b.send(ctx, nil); err != nil {
		return err
	}
	rest[len(rest)-1].Done = done
	for _, m := range rest {
		if err := b.run.send(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// send gives the pipeline a message. While the pipeline is full nothing is received, which is not the server's silence.
func (r *run) send(ctx context.Context, m *source.Message) error {
	began := time.Now()
	err := r.session.Send(ctx, m)
	if blocked := time.Since(began); blocked > checkInterval {
		for _, s := range r.subscriptions {
			s.received = s.received.Add(blocked)
		}
	}
	return err
}

// remember keeps the last value of an item, so that it can be sent again.
func (it *item) remember(points []mapping.Point, d *dataValue, published time.Time) {
	it.last = it.last[:0]
	if it.heartbeat == 0 || quality(d.status) != "" {
		return
	}
	it.last = append(it.last, points...)
	it.sent, it.lag = published, 0
	if age := published.Sub(d.time()); it.first && age > it.heartbeat {
		it.sent = time.Time{} // It has not changed for long: it is sent again at once.
	} else if !it.first && !d.time().IsZero() {
		it.lag = age
	}
	it.first = false
}

// beat sends again what has not changed for the heartbeat interval. Its time is the server's, minus what a change needs to be published: so
// it is before that of a change which is still on its way.
func (r *run) beat(ctx context.Context, s *subscription, published time.Time) error {
	const pause = time.Second
	heartbeat := r.adapter.options.Heartbeat
	if since := published.Sub(s.beat); heartbeat == 0 || published.IsZero() || (since >= 0 && since < min(pause, heartbeat)) {
		return nil
	}
	s.beat = published
	b := &batch{run: r, at: s.received}
	for _, it := range r.items {
		if it.subscription != s || len(it.last) == 0 || it.failure != "" {
			continue
		}
		switch since := published.Sub(it.sent); {
		case since < 0: // The server's clock was set back.
			it.sent = published
			continue
		case since < heartbeat:
			continue
		}
		it.sent = published
		at := iot.CutTime(published.Add(-it.lag - s.interval - it.sampling))
		for i := range it.last {
			if !it.last[i].Time.IsZero() {
				it.last[i].Time = at
			}
		}
		if b.points = append(b.points, it.last...); len(b.points) >= maxPoints {
			if err := b.send(ctx, nil); err != nil {
				return err
			}
		}
	}
	return b.send(ctx, nil)
}

// check does what is due by time.
func (r *run) check(ctx context.Context) error {
	now := time.Now()
	r.idle = 0
	if len(r.answers) == 0 {
		for _, s := range r.subscriptions {
			if err := s.dead(now); err != nil {
				return err
			}
		}
	}
	// A session ends when nothing is asked for longer than its timeout, and a server whose keep-alive comes rarely may be gone.
	if len(r.answers) == 0 && now.Sub(r.lastAnswer) > max(2*checkInterval, min(probeAfter, r.client.timeout/2)) {
		state := attribute{standard(id.Server_ServerStatus_State), ua.AttributeIDValue}
		if _, err := r.client.read(ctx, 1, []attribute{state}); err != nil {
			return fmt.Errorf("asking whether the server is well: %w", err)
		}
		r.lastAnswer = time.Now()
	}
	if now.After(r.client.renewal()) {
		if err := r.client.renew(ctx, ua.SecurityTokenRequestTypeRenew); err != nil {
			return fmt.Errorf("renewing the channel's token: %w", err)
		}
	}
	if now.After(r.retry) {
		r.retry = now.Add(r.adapter.retry)
		return r.again(ctx)
	}
	return nil
}

// again tries once more to monitor the items that have failed.
func (r *run) again(ctx context.Context) error {
	var failed []*item
	described := false
	for _, s := range r.subscriptions {
		var gone []*item
		for _, it := range r.items {
			if it.failure != "" && it.subscription == s {
				gone = append(gone, it)
			}
		}
		if err := r.client.unmonitor(ctx, r.server, s, gone); err != nil {
			return err
		}
	}
	for _, it := range r.items {
		if it.failure == "" {
			continue
		}
		if it.node.kind == 0 {
			if !described {
				described = true
				s, err := r.client.describe(ctx)
				if err != nil {
					return err
				}
				*r.server = *s
			}
			it.resolve(r.server)
		}
		if it.node.kind != 0 {
			failed = append(failed, it)
		}
	}
	for _, s := range r.subscriptions {
		room := min(len(failed), maxItems-s.items)
		if err := r.client.monitor(ctx, r.server, s, failed[:room], r.handles, r.adapter.options.Queue); err != nil {
			return err
		}
		failed = failed[room:]
	}
	r.reportFailures()
	return nil
}

// reportFailures says which items cannot be monitored, if that has changed.
func (r *run) reportFailures() {
	const most = 5
	failed, text := 0, ""
	for _, it := range r.items {
		if it.failure == "" {
			continue
		}
		if failed++; failed <= most {
			text += fmt.Sprintf("; %s: %s", it.label(r.server), it.failure)
		}
	}
	if text == r.failures {
		return
	}
	if r.failures = text; failed > 0 {
		r.session.Problem(fmt.Errorf("%d of %d nodes cannot be monitored, and are tried again every %v%s", failed, len(r.items), r.adapter.retry, text))
	}
}

func (it *item) label(s *server) string {
	if it.name.text != "" {
		return it.name.text
	}
	return s.name(it.node)
}
