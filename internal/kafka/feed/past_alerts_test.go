package feed

import (
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// alertRecord returns the record of an event.
func (c *cluster) alertRecord(partition int32, id string, transition iot.Transition, offset int64) *kgo.Record {
	alert := iot.Alert{ID: id, DeviceID: iot.DeviceID(id), Transition: transition, Position: iot.Position{Partition: partition, Offset: offset}}
	return &kgo.Record{Topic: c.Topics.Alerts, Partition: partition, Value: wire.AppendAlert(nil, &alert)}
}

// transitions says in short what alerts there are.
func transitions(events []iot.Alert) []string {
	var short []string
	for i := range events {
		short = append(short, fmt.Sprintf("%s %s", events[i].ID, events[i].Transition))
	}
	return short
}

// What was in the log at the start is no news. An alert that has cleared since was open for nobody, and none is missing once the tail counts as
// caught up.
func TestAlertsBeforeTheStartAreOfThePast(t *testing.T) {
	c := startCluster(t)
	client := c.Client(kgo.RecordPartitioner(kgo.ManualPartitioner()))
	const alerts = 500
	var offset int64
	for _, transition := range []iot.Transition{iot.Raised, iot.Cleared} {
		var records []*kgo.Record
		for n := range alerts {
			offset++
			records = append(records, c.alertRecord(0, fmt.Sprint("over", n), transition, offset))
		}
		c.Produce(client, records...)
	}
	c.Produce(client, c.alertRecord(0, "second", iot.Raised, 2_000), c.alertRecord(0, "first", iot.Raised, 1_900),
		c.alertRecord(0, "second", iot.Acknowledged, 2_001), c.alertRecord(1, "other", iot.Raised, 7))

	tail, batches, _ := c.tail()
	awaitCaughtUp(t, tail)
	got := drain(batches)
	if len(got.Alerts) > 0 {
		t.Errorf("%d events are news", len(got.Alerts))
	}
	var open []string
	cleared := 0
	for i := range got.Past {
		if got.Past[i].Transition == iot.Cleared {
			cleared++
		} else {
			open = append(open, transitions(got.Past[i:i+1])...)
		}
	}
	slices.Sort(open)
	if want := []string{"first raised", "other raised", "second acknowledged"}; !slices.Equal(open, want) || cleared != alerts {
		t.Errorf("got %v and %d cleared, want %v and %d", open, cleared, want, alerts)
	}
	c.Produce(client, c.alertRecord(0, "first", iot.Cleared, 2_100))
	if got, want := transitions(await(t, batches).Alerts), []string{"first cleared"}; !slices.Equal(got, want) {
		t.Errorf("news: got %v, want %v", got, want)
	}
}

// A tail that has caught up once and reads its topics again may have missed events: viewers are sent them.
func TestWhatATailHasMissedIsNews(t *testing.T) {
	c := startCluster(t)
	client := c.Client()
	c.Produce(client, c.alertRecord(0, "missed", iot.Raised, 1))
	for _, caughtUp := range []bool{false, true} {
		tail := NewTail(TailOptions{Dial: c.Dial, Topics: c.Topics, Logger: slog.New(slog.DiscardHandler)})
		if caughtUp {
			tail.setCaughtUp()
		}
		past, err := tail.startAlerts(t.Context(), kadm.NewClient(client), time.Now().Add(-time.Hour), make(map[int32]kgo.Offset))
		if err != nil || past.read() != caughtUp {
			t.Errorf("caught up before %v: read %v, %v", caughtUp, past.read(), err)
		}
	}
}

func TestRecentAlertsAreWaitedForALimitedTime(t *testing.T) {
	tail := NewTail(TailOptions{Logger: slog.New(slog.DiscardHandler)})
	if !tail.alertsRead(0) {
		t.Error("without alerts: waits")
	}
	tail.past.expect(0, 10)
	if tail.alertsRead(defaultAlertsTimeout - 1) {
		t.Error("does not wait")
	}
	if !tail.alertsRead(defaultAlertsTimeout) {
		t.Error("waits for longer than its limit")
	}
}
