package storetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"iotmon/internal/api"
	"iotmon/internal/iot"
	"iotmon/internal/notify"
	"iotmon/internal/notify/deliver"
)

// NotifyStore is what RunNotify tests.
type NotifyStore interface {
	deliver.Store
	api.Notifications
}

// RunNotify runs the conformance suite of deliver.Store and api.Notifications. open returns an empty store, which it closes when the test has
// ended.
func RunNotify(t *testing.T, open func(t *testing.T) NotifyStore) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, NotifyStore)
	}{
		{"an empty store answers with nothing", notifyEmpty},
		{"changes are stored together and read back", notifyChanges},
		{"without the lease nothing is stored", notifyLease},
		{"a delivery is stored once", notifyOnce},
		{"deliveries page without gap or repeat", notifyPages},
		{"deliveries that wait or have failed are counted", notifyCounts},
		{"a delivery is sent again when somebody asks", notifyAsked},
		{"old deliveries are removed, but pending ones", notifyPrune},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

const leaseLasts = 30 * time.Second

func mustAcquire(t *testing.T, s NotifyStore, holder string) (before time.Time) {
	t.Helper()
	held, before, err := s.Acquire(t.Context(), holder, leaseLasts)
	if err != nil || !held {
		t.Fatalf("got %v, %v, want the lease", held, err)
	}
	return before
}

func mustCommit(t *testing.T, s NotifyStore, holder string, c *deliver.Changes) {
	t.Helper()
	if err := s.Commit(t.Context(), holder, leaseLasts, c); err != nil {
		t.Fatal(err)
	}
}

func mustLoad(t *testing.T, s NotifyStore) *deliver.Saved {
	t.Helper()
	saved, err := s.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return saved
}

// notice returns a delivery that was created so many seconds after the beginning of the tests.
func notice(id string, seconds float64) notify.Delivery {
	return notify.Delivery{
		Target: notify.Target{Channel: "mail", Recipient: "a@plant.example"},
		Message: notify.Message{ID: id, Kind: notify.Raised, Time: at(seconds), Groups: []notify.View{{
			Group: "g", Key: notify.Key{Severity: iot.Critical, Rule: "\x00 温度 \" \\"}, Since: at(seconds), Open: 1, Alerts: []notify.Alert{},
		}}},
		State: notify.Pending, Created: at(seconds), Due: at(seconds),
	}
}

func notifyEmpty(t *testing.T, s NotifyStore) {
	saved := mustLoad(t, s)
	if len(saved.Offsets)+len(saved.Groups)+len(saved.Alerts)+len(saved.Waiting) != 0 {
		t.Errorf("got %+v, want nothing", saved)
	}
	if configured, err := s.Configured(t.Context()); configured != nil || err != nil {
		t.Errorf("got %s, %v, want nothing", configured, err)
	}
	if _, found, err := s.Delivery(t.Context(), "msg"); found || err != nil {
		t.Errorf("got %v, %v, want no delivery", found, err)
	}
	if found, err := s.Resend(t.Context(), "msg", at(0)); found || err != nil {
		t.Errorf("resend: got %v, %v, want no delivery", found, err)
	}
}

func notifyChanges(t *testing.T, s NotifyStore) {
	if before := mustAcquire(t, s, "one"); !before.IsZero() {
		t.Errorf("the first lease comes after one until %v, want none", before)
	}
	want := notice("msg", 1)
	mustCommit(t, s, "one", &deliver.Changes{
		Offsets: map[int32]deliver.Offset{0: {Log: "topic", Next: 5}, 3: {Log: "topic", Next: 1 << 40}},
		Groups:  []notify.Row{{ID: "g", Body: []byte(`{"a":1}`)}, {ID: "h", Body: []byte(`{}`)}},
		Alerts:  []notify.Row{{ID: "a", Body: []byte(`{"text":"\u0000 温度"}`)}}, Deliveries: []notify.Delivery{want},
	})
	saved := mustLoad(t, s)
	if got := saved.Offsets[3]; got != (deliver.Offset{Log: "topic", Next: 1 << 40}) || len(saved.Offsets) != 2 {
		t.Errorf("offsets: got %+v", saved.Offsets)
	}
	if len(saved.Groups) != 2 || len(saved.Alerts) != 1 || string(saved.Alerts[0].Body) != `{"text":"\u0000 温度"}` {
		t.Errorf("rows: got %s and %s", saved.Groups, saved.Alerts)
	}
	if len(saved.Waiting) != 1 || !sameDelivery(saved.Waiting[0], want) {
		t.Errorf("waiting: got %+v, want %+v", saved.Waiting, want)
	}
	mustCommit(t, s, "one", &deliver.Changes{
		Offsets: map[int32]deliver.Offset{0: {Log: "other", Next: 1}}, Groups: []notify.Row{{ID: "g"}, {ID: "h", Body: []byte(`{"b":2}`)}}, Alerts: []notify.Row{{ID: "a"}},
		Outcomes: []deliver.Outcome{{ID: "msg", State: notify.Sent, Attempts: 2, Due: at(3), Done: at(4), Text: "250 OK"}},
	})
	saved = mustLoad(t, s)
	if saved.Offsets[0] != (deliver.Offset{Log: "other", Next: 1}) || len(saved.Groups) != 1 || string(saved.Groups[0].Body) != `{"b":2}` || len(saved.Alerts)+len(saved.Waiting) != 0 {
		t.Errorf("after the second commit: got %+v", saved)
	}
	want.State, want.Attempts, want.Due, want.Done, want.Outcome = notify.Sent, 2, at(3), at(4), "250 OK"
	if got, found, err := s.Delivery(t.Context(), "msg"); err != nil || !found || !sameDelivery(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	if err := s.Publish(t.Context(), "one", []byte(`{"channels":[]}`)); err != nil {
		t.Fatal(err)
	}
	if configured, err := s.Configured(t.Context()); string(configured) != `{"channels":[]}` || err != nil {
		t.Errorf("got %s, %v, want what was published", configured, err)
	}
}

// sameDelivery compares as JSON: a stored message has times in UTC.
func sameDelivery(a, b notify.Delivery) bool {
	left, _ := json.Marshal(a)
	right, _ := json.Marshal(b)
	return reflect.DeepEqual(left, right)
}

func notifyLease(t *testing.T, s NotifyStore) {
	mustAcquire(t, s, "one")
	if err := s.Commit(t.Context(), "two", leaseLasts, &deliver.Changes{Deliveries: []notify.Delivery{notice("msg", 1)}}); !errors.Is(err, deliver.ErrLeaseLost) {
		t.Errorf("got %v, want %v", err, deliver.ErrLeaseLost)
	}
	if err := s.Release(t.Context(), "one"); err != nil {
		t.Fatal(err)
	}
	if before := mustAcquire(t, s, "two"); before.IsZero() {
		t.Error("the second lease does not know of the first")
	}
	if err := s.Commit(t.Context(), "one", leaseLasts, &deliver.Changes{Offsets: map[int32]deliver.Offset{0: {Next: 1}}}); !errors.Is(err, deliver.ErrLeaseLost) {
		t.Errorf("after the lease: got %v, want %v", err, deliver.ErrLeaseLost)
	}
	if saved := mustLoad(t, s); len(saved.Offsets)+len(saved.Waiting) != 0 {
		t.Errorf("got %+v, want nothing stored", saved)
	}
}

func notifyOnce(t *testing.T, s NotifyStore) {
	mustAcquire(t, s, "one")
	mustCommit(t, s, "one", &deliver.Changes{Deliveries: []notify.Delivery{notice("msg", 1)}})
	mustCommit(t, s, "one", &deliver.Changes{Outcomes: []deliver.Outcome{{ID: "msg", State: notify.Sent, Attempts: 1, Due: at(1), Done: at(2)}}})
	mustCommit(t, s, "one", &deliver.Changes{Deliveries: []notify.Delivery{notice("msg", 5)}})
	if got, _, err := s.Delivery(t.Context(), "msg"); err != nil || got.State != notify.Sent || !got.Created.Equal(at(1)) {
		t.Errorf("got %+v, %v, want the first, sent", got, err)
	}
}

func notifyPages(t *testing.T, s NotifyStore) {
	mustAcquire(t, s, "one")
	var c deliver.Changes
	var want []string
	for i := range 25 {
		d := notice(fmt.Sprintf("msg_%02d", i), float64(i/3)) // Some at the same time.
		if i%5 == 0 {
			d.Channel = "chat"
		}
		c.Deliveries = append(c.Deliveries, d)
		want = append(want, d.ID)
	}
	mustCommit(t, s, "one", &c)
	slices.Reverse(want)
	q := api.DeliveriesQuery{Limit: 4}
	var got []string
	for range 10 {
		page, err := s.Deliveries(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range page {
			got = append(got, d.ID)
			q.Before = api.DeliveryPlace{Created: d.Created, ID: d.ID}
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if chat, err := s.Deliveries(t.Context(), api.DeliveriesQuery{Channel: "chat", State: notify.Pending, Limit: 100}); err != nil || len(chat) != 5 {
		t.Errorf("got %d of the channel, %v, want 5", len(chat), err)
	}
	if sent, err := s.Deliveries(t.Context(), api.DeliveriesQuery{State: notify.Sent, Limit: 100}); err != nil || len(sent) != 0 {
		t.Errorf("got %d sent, %v, want none", len(sent), err)
	}
}

func notifyAsked(t *testing.T, s NotifyStore) {
	mustAcquire(t, s, "one")
	mustCommit(t, s, "one", &deliver.Changes{Deliveries: []notify.Delivery{notice("msg", 1)}})
	mustCommit(t, s, "one", &deliver.Changes{Outcomes: []deliver.Outcome{{ID: "msg", State: notify.Failed, Attempts: 1, Due: at(1), Done: at(2), Text: "no"}}})
	if found, err := s.Resend(t.Context(), "msg", at(9)); err != nil || !found {
		t.Fatalf("got %v, %v, want it found", found, err)
	}
	test := notice("msg_test", 10)
	test.Asked = at(10)
	if err := s.Ask(t.Context(), &test); err != nil {
		t.Fatal(err)
	}
	asked, err := s.Asked(t.Context(), 10)
	if err != nil || len(asked) != 2 || asked[0].ID != "msg" || !asked[0].Asked.Equal(at(9)) || asked[0].Attempts != 1 || !asked[0].Done.IsZero() || asked[1].ID != "msg_test" {
		t.Errorf("got %+v, %v, want both", asked, err)
	}
	mustCommit(t, s, "one", &deliver.Changes{Outcomes: []deliver.Outcome{{ID: "msg", State: notify.Sent, Attempts: 2, Due: at(9), Done: at(11)}}})
	if asked, err := s.Asked(t.Context(), 10); err != nil || len(asked) != 1 {
		t.Errorf("got %+v, %v, want the test alone", asked, err)
	}
	for i := range api.MaxAsked - 1 {
		more := notice(fmt.Sprintf("more_%d", i), 12)
		more.Asked = at(12)
		if err := s.Ask(t.Context(), &more); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Ask(t.Context(), &test); !errors.Is(err, api.ErrTooManyAsked) {
		t.Errorf("got %v, want %v", err, api.ErrTooManyAsked)
	}
	if _, err := s.Resend(t.Context(), "msg", at(13)); !errors.Is(err, api.ErrTooManyAsked) {
		t.Errorf("resend: got %v, want %v", err, api.ErrTooManyAsked)
	}
}

func notifyPrune(t *testing.T, s NotifyStore) {
	mustAcquire(t, s, "one")
	var c deliver.Changes
	for i := range 10 {
		d := notice(fmt.Sprintf("msg_%d", i), float64(i))
		if i != 1 {
			d.State = notify.Sent
		}
		c.Deliveries = append(c.Deliveries, d)
	}
	mustCommit(t, s, "one", &c)
	if removed, err := s.Prune(t.Context(), at(3), 100, 100); err != nil || removed != 2 {
		t.Errorf("by age: removed %d, %v, want 2", removed, err)
	}
	if removed, err := s.Prune(t.Context(), at(0), 5, 100); err != nil || removed != 2 {
		t.Errorf("by number: removed %d, %v, want 2", removed, err)
	}
	rest, err := s.Deliveries(t.Context(), api.DeliveriesQuery{Limit: 100})
	if err != nil || len(rest) != 6 || rest[5].ID != "msg_1" {
		t.Errorf("got %d, %v, want the newest 5 and the pending one", len(rest), err)
	}
}

func notifyCounts(t *testing.T, s NotifyStore) {
	if counts, err := s.Counts(t.Context()); err != nil || len(counts) != 0 {
		t.Errorf("got %v, %v, want nothing", counts, err)
	}
	mustAcquire(t, s, "one")
	var c deliver.Changes
	for i, state := range []notify.State{notify.Pending, notify.Pending, notify.Failed, notify.Sent, notify.Merged, notify.RefusedState} {
		for _, channel := range []string{"mail", "chat"}[:1+i%2] {
			d := notice(fmt.Sprintf("msg_%d_%s", i, channel), float64(i))
			d.Channel, d.State = channel, state
			c.Deliveries = append(c.Deliveries, d)
		}
	}
	mustCommit(t, s, "one", &c)
	want := []api.DeliveryCount{
		{Channel: "chat", State: notify.Pending, Count: 1}, {Channel: "chat", State: notify.RefusedState, Count: 1}, {Channel: "mail", State: notify.Failed, Count: 1},
		{Channel: "mail", State: notify.Pending, Count: 2}, {Channel: "mail", State: notify.RefusedState, Count: 1},
	}
	if counts, err := s.Counts(t.Context()); err != nil || !slices.Equal(counts, want) {
		t.Errorf("got %v, %v, want %v", counts, err, want)
	}
}

// BenchmarkDeliveries reads pages and counts of 100,000 deliveries to ten channels, of which a tenth has failed. One more channel has had a single one.
func BenchmarkDeliveries(b *testing.B, s NotifyStore) {
	const deliveries, page = 100_000, 50
	if held, _, err := s.Acquire(b.Context(), "one", time.Hour); err != nil || !held {
		b.Fatal(held, err)
	}
	explanation := strings.Repeat("the receiver has answered with an explanation; ", 20)
	var batch []notify.Delivery
	for i := range deliveries {
		d := notice(fmt.Sprintf("msg_%06d", i), float64(i))
		d.Channel, d.State, d.Outcome, d.Done = fmt.Sprint("channel-", i%10), notify.Sent, explanation, at(float64(i+1))
		switch {
		case i == 0:
			d.Channel = "rare"
		case i%10 == 3:
			d.State = notify.Failed
		}
		if batch = append(batch, d); len(batch) == 10_000 || i == deliveries-1 {
			if err := s.Commit(b.Context(), "one", time.Hour, &deliver.Changes{Deliveries: batch}); err != nil {
				b.Fatal(err)
			}
			batch = batch[:0]
		}
	}
	for _, query := range []struct {
		name string
		q    api.DeliveriesQuery
		want int
	}{
		{"first page", api.DeliveriesQuery{}, page},
		{"a page in the middle", api.DeliveriesQuery{Before: api.DeliveryPlace{Created: at(deliveries / 2), ID: "msg_050000"}}, page},
		{"failed", api.DeliveriesQuery{State: notify.Failed}, page},
		{"none in a state", api.DeliveriesQuery{State: notify.RefusedState}, 0},
		{"a rare channel", api.DeliveriesQuery{Channel: "rare"}, 1},
		{"failed of a channel without", api.DeliveriesQuery{Channel: "channel-1", State: notify.Failed}, 0},
	} {
		query.q.Limit = page
		b.Run(query.name, func(b *testing.B) {
			for b.Loop() {
				if found, err := s.Deliveries(b.Context(), query.q); err != nil || len(found) != query.want {
					b.Fatal(len(found), err)
				}
			}
		})
	}
	b.Run("counts", func(b *testing.B) {
		for b.Loop() {
			if _, err := s.Counts(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
}
