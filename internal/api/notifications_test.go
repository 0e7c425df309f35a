package api_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"iotmon/internal/api"
	"iotmon/internal/iot"
	"iotmon/internal/notify"
)

// notices is an api.Notifications in memory, whose deliveries are tried at once.
type notices struct {
	mu         sync.Mutex
	configured string
	deliveries []notify.Delivery
	err        error
}

func (n *notices) Deliveries(_ context.Context, q api.DeliveriesQuery) (found []notify.Delivery, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, d := range slices.Backward(n.deliveries) {
		if (q.Channel == "" || q.Channel == d.Channel) && (q.State == "" || q.State == d.State) && (q.Before.ID == "" || d.ID < q.Before.ID) && len(found) < q.Limit {
			found = append(found, d)
		}
	}
	return found, n.err
}

func (n *notices) Delivery(_ context.Context, id string) (notify.Delivery, bool, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, d := range n.deliveries {
		if d.ID == id {
			return d, true, n.err
		}
	}
	return notify.Delivery{}, false, n.err
}

func (n *notices) Counts(context.Context) (counts []api.DeliveryCount, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, d := range n.deliveries {
		counts = append(counts, api.DeliveryCount{Channel: d.Channel, State: d.State, Count: 1})
	}
	return counts, n.err
}

func (n *notices) Resend(_ context.Context, id string, now time.Time) (bool, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for i := range n.deliveries {
		if d := &n.deliveries[i]; d.ID == id {
			d.State, d.Attempts, d.Done = notify.Sent, d.Attempts+1, now
			return true, n.err
		}
	}
	return false, n.err
}

func (n *notices) Ask(_ context.Context, d *notify.Delivery) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	sent := *d
	sent.State, sent.Attempts, sent.Outcome = notify.Sent, 1, "250 OK"
	n.deliveries = append(n.deliveries, sent)
	return n.err
}

func (n *notices) Configured(context.Context) ([]byte, error) { return []byte(n.configured), n.err }

// delivered returns a delivery of an alert.
func delivered(i int) notify.Delivery {
	return notify.Delivery{
		Target: notify.Target{Channel: "mail", Recipient: "a@plant.example"}, State: notify.Failed, Created: noon, Due: noon, Done: noon, Attempts: 1, Outcome: "550 no such user",
		Message: notify.Message{ID: fmt.Sprintf("msg_%03d", i), Kind: notify.Raised, Time: noon, Groups: []notify.View{{
			Group: "g", Route: "all", Key: notify.Key{Severity: iot.Critical, Rule: "high"}, Since: noon, Open: 1, New: 1,
			Alerts: []notify.Alert{{ID: "a", Rule: "high", Device: "d", Severity: iot.Critical, Onset: noon}},
		}}},
	}
}

type shownDelivery struct {
	ID, Channel, Recipient, Kind, Severity, State, Outcome string
	Attempts                                               int
}

type deliveryPage struct {
	Items           []shownDelivery
	Next            string
	Pending, Failed int
}

func TestDeliveriesAreListedAndSentAgain(t *testing.T) {
	n := &notices{}
	for i := range 5 {
		n.deliveries = append(n.deliveries, delivered(i))
	}
	h := newAPI(t, plant{}, &archive{}, func(o *api.Options) { o.Notifications = n })
	page := get[deliveryPage](t, h, "/api/v1/notifications/deliveries?limit=3&channel=mail&state=failed")
	if len(page.Items) != 3 || page.Next == "" || page.Items[0] != (shownDelivery{"msg_004", "mail", "a@plant.example", "raised", "critical", "failed", "550 no such user", 1}) {
		t.Fatalf("got %+v", page)
	}
	if page.Failed != 5 || page.Pending != 0 {
		t.Errorf("got %d failed and %d pending, want 5 and none", page.Failed, page.Pending)
	}
	if other := get[deliveryPage](t, h, "/api/v1/notifications/deliveries?channel=chat"); other.Failed != 0 || len(other.Items) != 0 {
		t.Errorf("of another channel: got %+v", other)
	}
	rest := get[deliveryPage](t, h, "/api/v1/notifications/deliveries?limit=3&channel=mail&state=failed&cursor="+page.Next)
	if len(rest.Items) != 2 || rest.Next != "" || rest.Items[1].ID != "msg_000" {
		t.Errorf("got %+v", rest)
	}
	if w := request(h, http.MethodGet, "/api/v1/notifications/deliveries?cursor="+page.Next); w.Code != http.StatusBadRequest {
		t.Errorf("the cursor of another listing: got %d", w.Code)
	}
	if w := request(h, http.MethodPost, "/api/v1/notifications/deliveries/msg_001/resend"); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"attempts":2`) {
		t.Errorf("resend: got %d %s", w.Code, w.Body)
	}
	if w := request(h, http.MethodPost, "/api/v1/notifications/deliveries/none/resend"); w.Code != http.StatusNotFound {
		t.Errorf("resend of nothing: got %d", w.Code)
	}
	n.err = api.ErrTooManyAsked
	if w := request(h, http.MethodPost, "/api/v1/notifications/test"); w.Code != http.StatusUnprocessableEntity && w.Code != http.StatusBadRequest {
		t.Errorf("a test without a body: got %d %s", w.Code, w.Body)
	}
	n.err = errors.New("no database")
	if w := request(h, http.MethodGet, "/api/v1/notifications/deliveries"); w.Code != http.StatusServiceUnavailable || strings.Contains(w.Body.String(), "no database") {
		t.Errorf("without the database: got %d %s", w.Code, w.Body)
	}
}

func TestAChannelIsTried(t *testing.T) {
	n := &notices{configured: `{"channels":[{"name":"mail","kind":"mail","language":"en","recipients":["a@plant.example","b@plant.example"]}],"routes":[],"calendars":[]}`}
	h := newAPI(t, plant{}, &archive{}, func(o *api.Options) { o.Notifications = n })
	test := func(body string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodPost, "/api/v1/notifications/test", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		h.ServeHTTP(w, r)
		return w
	}
	if w := test(`{"channel":"mail"}`); w.Code != http.StatusOK || strings.Count(w.Body.String(), `"state":"sent"`) != 2 {
		t.Errorf("got %d %s, want both recipients", w.Code, w.Body)
	}
	if w := test(`{"channel":"chat"}`); w.Code != http.StatusNotFound {
		t.Errorf("an unknown channel: got %d", w.Code)
	}
	n.deliveries = append(n.deliveries, delivered(1), delivered(2))
	type channel struct {
		Name, Kind      string
		Pending, Failed int
	}
	if got := get[struct{ Items []channel }](t, h, "/api/v1/notifications/channels"); len(got.Items) != 1 || got.Items[0] != (channel{"mail", "mail", 0, 2}) {
		t.Errorf("channels: got %+v", got)
	}
	if w := request(h, http.MethodGet, "/api/v1/notifications/routes"); w.Code != http.StatusOK || strings.TrimSpace(w.Body.String()) != `{"items":[],"version":0,"decided_by":"configuration","in_force":true,"calendars":[],"decidable":true,"uncovered":{"from":"2026-03-01T12:00:00Z"}}` {
		t.Errorf("routes: got %d %s", w.Code, w.Body)
	}
	n.err = api.ErrTooManyAsked
	n.configured = ""
	if w := test(`{"channel":"mail"}`); w.Code != http.StatusServiceUnavailable && w.Code != http.StatusTooManyRequests {
		t.Errorf("too many: got %d %s", w.Code, w.Body)
	}
}

// Calendars say who is on call from now on, and routes whose configuration they are of.
func TestWhoIsOnCallIsShown(t *testing.T) {
	n := &notices{configured: `{"origin":{"program":"consumer","host":"a","file":"/etc/iotmon/consumer.yaml","since":"2026-03-01T00:00:00Z"},"channels":[],"routes":[],"calendars":[
		{"name":"night","time_zone":"Asia/Shanghai","shifts":[{"days":["sun"],"from":"18:00","to":"24:00","channels":["anna"]}],"otherwise":["head"]}]}`}
	h := newAPI(t, plant{}, &archive{}, func(o *api.Options) { o.Notifications = n })
	type turn struct {
		From, Until time.Time
		Channels    []string
	}
	got := get[struct {
		Origin    api.NotificationOrigin
		Calendars []struct{ Next []turn }
	}](t, h, "/api/v1/notifications/routes")
	if got.Origin.File != "/etc/iotmon/consumer.yaml" || got.Origin.Program != "consumer" {
		t.Errorf("got %+v", got.Origin)
	}
	// Noon of this Sunday is 20:00 in Shanghai.
	next, last := noon.AddDate(0, 0, 7), noon.AddDate(0, 0, 14)
	want := []turn{
		{noon, noon.Add(4 * time.Hour), []string{"anna"}}, {noon.Add(4 * time.Hour), next.Add(-2 * time.Hour), []string{"head"}},
		{next.Add(-2 * time.Hour), next.Add(4 * time.Hour), []string{"anna"}}, {next.Add(4 * time.Hour), last.Add(-2 * time.Hour), []string{"head"}},
		{last.Add(-2 * time.Hour), last, []string{"anna"}},
	}
	if len(got.Calendars) != 1 || !reflect.DeepEqual(got.Calendars[0].Next, want) {
		t.Errorf("got %+v, want %+v", got.Calendars, want)
	}
	n.configured = strings.Replace(n.configured, "18:00", "25:00", 1)
	if w := request(h, http.MethodGet, "/api/v1/notifications/routes"); w.Code != http.StatusInternalServerError {
		t.Errorf("a calendar of another version: got %d %s", w.Code, w.Body)
	}
}
