package push

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"iotmon/internal/iot"
	"iotmon/internal/view"
	"iotmon/internal/wire"
)

// mirror is a client that believes all it is told, as a page would.
type mirror struct {
	client  *client
	session string
	seq     uint64
	devices map[iot.DeviceID]float64
	windows map[time.Time]wire.AggregatedData
	// open holds the device of each open alert.
	open   map[string]iot.DeviceID
	events map[string]int
	counts wire.StatusCounts
}

func (m *mirror) forget() {
	m.devices = make(map[iot.DeviceID]float64)
	m.windows = make(map[time.Time]wire.AggregatedData)
	m.open = make(map[string]iot.DeviceID)
}

func (m *mirror) hear(r *received) {
	m.seq = r.Seq
	switch r.Type {
	case wire.TypeDeviceData:
		for _, d := range r.Devices {
			m.devices[d.DeviceID] = d.Value
		}
	case wire.TypeDeviceRemoved:
		for _, id := range r.DeviceIDs {
			delete(m.devices, id)
			maps.DeleteFunc(m.open, func(_ string, device iot.DeviceID) bool { return device == id })
		}
	case wire.TypeAggregatedData:
		m.windows[r.WindowStart] = wire.AggregatedData{Final: r.Final, Data: r.Data}
	case wire.TypeDeviceStatus:
		m.counts = wire.StatusCounts{Total: r.Total}
	case wire.TypeAlert:
		for _, a := range r.Alerts {
			if _, is := m.open[a.ID]; r.Snapshot && is {
				m.events[a.ID+" in a snapshot"] += 2
			}
			if a.State == iot.Cleared {
				delete(m.open, a.ID)
			} else {
				m.open[a.ID] = a.DeviceID
			}
			if !r.Snapshot {
				m.events[a.ID+string(a.State)]++
			}
		}
	}
}

// theatre is a hub without goroutines: the test decides when there is a round and when a client takes.
type theatre struct {
	*plant
	rt      *rapid.T
	clients []*mirror
}

// round is one of the hub's, in which each client has its turn for a backfill, though it may use it late.
func (th *theatre) round(status bool) {
	th.Hub.round(status)
	for th.nextTurn(len(th.clients)) != nil {
	}
}

// seat connects the mirror, or resumes its last connection.
func (th *theatre) seat(m *mirror, resume bool) {
	o := opening{filter: newFilter(wire.Filter{})}
	if resume {
		o.session, o.since = m.session, m.seq
	}
	c := &client{hub: th.Hub, wake: make(chan struct{}, 1)}
	th.register(c, o)
	m.client = c
}

// leaves ends the connection.
func (th *theatre) leaves(m *mirror) {
	c := m.client
	c.reason = ClientLeft
	th.unregister(c)
}

// deliver lets the client take once, and the mirror hear the first few of the messages: the rest is lost on the way.
func (th *theatre) deliver(m *mirror, heard int) {
	taken, ok := th.nextBatch(m.client)
	if !ok {
		th.rt.Fatal("too slow for alerts")
	}
	for i, sent := range taken.messages {
		if i == heard {
			return
		}
		m.receive(th.rt, sent.data)
	}
}

func (m *mirror) receive(t *rapid.T, data []byte) {
	var r received
	if err := json.Unmarshal(data, &r); err != nil {
		t.Fatalf("%v\n%s", err, data)
	}
	if r.Type == wire.TypeHello {
		m.session = r.Session
		if !r.Resumed {
			m.forget()
		}
	}
	if r.Seq < m.seq || r.Seq == m.seq && r.Type != wire.TypeHello {
		t.Fatalf("seq went from %d to %d: %.200s", m.seq, r.Seq, data)
	}
	m.hear(&r)
}

// A client that loses its connection at any message, comes back at any time and is as slow as it likes knows in the end
// what is true, and has heard of no alert twice.
func TestClientsThatComeAndGoEndUpWithTheTruth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := noon
		clock := func() time.Time { return now }
		catalog, err := iot.NewCatalog(iot.BuiltinTypes()...)
		if err != nil {
			t.Fatal(err)
		}
		hub := NewHub(HubOptions{
			Catalog: catalog,
			View:    view.New(view.Options{WindowLength: windowLength, Now: clock}),
			Limits:  Limits{BytesPerSecond: rapid.SampledFrom([]int{1, 0}).Draw(t, "bytes per second")},
			Now:     clock,
		})
		th := &theatre{rt: t, plant: &plant{Hub: hub}}
		for range 3 {
			m := &mirror{events: make(map[string]int)}
			m.forget()
			th.seat(m, false)
			th.clients = append(th.clients, m)
		}
		// Drawn step by step, what happens would lean towards the simplest and never get far.
		seed := rapid.Uint64().Draw(t, "seed")
		random := rand.New(rand.NewPCG(seed, seed))
		for range random.IntN(1 + random.IntN(400)) {
			now = now.Add(time.Second)
			th.act(random)
		}
		for range 200 {
			th.round(true)
			for _, m := range th.clients {
				th.deliver(m, everything)
			}
		}
		for i, m := range th.clients {
			th.check(i, m)
		}
	})
}

const everything = 1 << 30

// act has something happen.
func (th *theatre) act(random *rand.Rand) {
	m := th.clients[random.IntN(len(th.clients))]
	switch random.IntN(9) {
	case 0:
		var b view.Batch
		for n := range 1 + random.IntN([]int{40, 40, 40, 400}[random.IntN(4)]) {
			b.States = append(b.States, th.Says(fmt.Sprint(n), iot.Temperature, "A", float64(th.Offset)))
		}
		th.Apply(b)
	case 1:
		th.Apply(view.Batch{Summaries: []iot.WindowSummary{th.Sums(random.IntN(4), iot.Temperature, false, 20, 21)}})
	case 2:
		th.alarms([]int{1, 1, 1, 60, 250}[random.IntN(5)], random.IntN(2) == 0)
	case 3, 4:
		th.round(random.IntN(2) == 0)
	case 5, 6:
		th.deliver(m, everything)
	case 7:
		var b view.Batch
		for range 1 + random.IntN([]int{2, 2, 400}[random.IntN(3)]) {
			b.Forgotten = append(b.Forgotten, th.forgets(fmt.Sprint(random.IntN(50))))
		}
		if random.IntN(2) == 0 {
			b.States = append(b.States, th.Says(fmt.Sprint(random.IntN(50)), iot.Temperature, "B", float64(th.Offset)))
		}
		th.Apply(b)
	default:
		th.deliver(m, random.IntN(4))
		th.leaves(m)
		th.seat(m, true)
	}
}

// alarms raises some alerts at once, and may clear them again.
func (th *theatre) alarms(count int, clear bool) {
	var b view.Batch
	for range count {
		n := int(th.Offset)
		b.Alerts = append(b.Alerts, th.Alarm(n, iot.Temperature, "A", iot.Info, iot.Raised))
		if clear {
			b.Alerts = append(b.Alerts, th.Alarm(n, iot.Temperature, "A", iot.Info, iot.Cleared))
		}
	}
	th.Apply(b)
}

func (th *theatre) check(i int, m *mirror) {
	devices := make(map[iot.DeviceID]float64)
	th.view.Scan("", false, func(s *iot.DeviceState) bool {
		devices[s.Latest.ID] = s.Latest.Value
		return true
	})
	th.composer.hold()
	defer th.composer.release()
	if !maps.Equal(m.devices, devices) {
		th.rt.Errorf("client %d, devices: got %v, want %v", i, m.devices, devices)
	}
	open := make(map[string]iot.DeviceID)
	for _, a := range th.composer.held.AlertsFrom(0) {
		open[a.Last.ID] = a.Last.DeviceID
	}
	if !maps.Equal(m.open, open) {
		th.rt.Errorf("client %d, open alerts: got %v, want %v", i, m.open, open)
	}
	for event, times := range m.events {
		if times > 1 {
			th.rt.Errorf("client %d heard %s %d times", i, event, times)
		}
	}
	if m.counts.Total != int64(len(devices)) {
		th.rt.Errorf("client %d, devices counted: got %d, want %d", i, m.counts.Total, len(devices))
	}
	for start := range th.feed.windows {
		data := th.composer.windowData(m.client.filter, start)
		if got := m.windows[data.WindowStart]; !reflect.DeepEqual(got.Data, data.Data) || got.Final != data.Final {
			th.rt.Errorf("client %d, window %v: got %+v, want %+v", i, data.WindowStart, got, data)
		}
	}
}
