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

// mirror keeps what a viewer has been sent, as a page does.
type mirror struct {
	viewer  *viewer
	session string
	seq     uint64
	devices map[iot.DeviceID]float64
	windows map[time.Time]wire.AggregatedData
	// open holds the device of each open alert.
	open map[string]iot.DeviceID
	// events counts how often each event of an alert was received.
	events map[string]int
	counts wire.StatusCounts
}

// forget drops everything that a snapshot replaces.
func (m *mirror) forget() {
	m.devices = make(map[iot.DeviceID]float64)
	m.windows = make(map[time.Time]wire.AggregatedData)
	m.open = make(map[string]iot.DeviceID)
}

// kept is a message, with what a mirror keeps of devices and alerts. A plant has thousands of them, so the rest is not decoded.
type kept struct {
	received
	Devices []struct {
		DeviceID iot.DeviceID `json:"device_id"`
		Value    float64      `json:"value"`
	} `json:"devices"`
	Alerts []struct {
		ID       string         `json:"id"`
		DeviceID iot.DeviceID   `json:"device_id"`
		State    iot.Transition `json:"state"`
	} `json:"alerts"`
}

// update applies a message.
func (m *mirror) update(r *kept) {
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

// mirrors are some viewers of the same parts.
type mirrors struct {
	*parts
	t   *rapid.T
	all []*mirror
}

// connect connects the mirror, or resumes its last connection.
func (ms *mirrors) connect(m *mirror, resume bool) {
	o := everything()
	if resume {
		o.session, o.since = m.session, m.seq
	}
	m.viewer = ms.join(o)
}

// deliver sends the mirror what there is for its viewer. Only the first received messages arrive.
func (ms *mirrors) deliver(m *mirror, received int) {
	batch, ok := ms.dispatcher.next(m.viewer)
	if !ok {
		ms.t.Fatal("too slow for alerts")
	}
	for i, sent := range batch.messages {
		if i == received {
			return
		}
		m.receive(ms.t, sent.data)
	}
}

func (m *mirror) receive(t *rapid.T, data []byte) {
	var r kept
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
	m.update(&r)
}

// A client may lose its connection at any message, come back at any time and be as slow as it likes: in the end it has the present
// state, and has received no event of an alert twice.
func TestClientsThatComeAndGoEndWithThePresentState(tb *testing.T) {
	rapid.Check(tb, func(t *rapid.T) {
		now := noon
		clock := func() time.Time { return now }
		ms := &mirrors{t: t, parts: newParts(tb, func(o *HubOptions) {
			o.View = view.New(view.Options{WindowLength: windowLength, Now: clock})
			o.Limits.BytesPerSecond = rapid.SampledFrom([]int{1, 0}).Draw(t, "bytes per second")
			o.Now = clock
		})}
		for range 3 {
			m := &mirror{events: make(map[string]int)}
			m.forget()
			ms.connect(m, false)
			ms.all = append(ms.all, m)
		}
		// rapid prefers small values: steps drawn one by one would be few and simple. So only a seed is drawn.
		seed := rapid.Uint64().Draw(t, "seed")
		random := rand.New(rand.NewPCG(seed, seed))
		for range random.IntN(1 + random.IntN(400)) {
			now = now.Add(time.Second)
			ms.act(random)
		}
		for range 200 {
			ms.turns(true)
			for _, m := range ms.all {
				ms.deliver(m, allMessages)
			}
		}
		for i, m := range ms.all {
			ms.check(i, m)
		}
	})
}

const allMessages = 1 << 30

// act has one random thing happen.
func (ms *mirrors) act(random *rand.Rand) {
	m := ms.all[random.IntN(len(ms.all))]
	switch random.IntN(9) {
	case 0:
		var b view.Batch
		for n := range 1 + random.IntN([]int{40, 40, 40, 400}[random.IntN(4)]) {
			b.States = append(b.States, ms.Says(fmt.Sprint(n), iot.Temperature, "A", float64(ms.Offset)))
		}
		ms.apply(b)
	case 1:
		ms.apply(view.Batch{Summaries: []iot.WindowSummary{ms.Sums(random.IntN(4), iot.Temperature, false, 20, 21)}})
	case 2:
		ms.alarms([]int{1, 1, 1, 60, 250}[random.IntN(5)], random.IntN(2) == 0)
	case 3, 4:
		ms.turns(random.IntN(2) == 0)
	case 5, 6:
		ms.deliver(m, allMessages)
	case 7:
		var b view.Batch
		for range 1 + random.IntN([]int{2, 2, 400}[random.IntN(3)]) {
			b.Forgotten = append(b.Forgotten, ms.forgets(fmt.Sprint(random.IntN(50))))
		}
		if random.IntN(2) == 0 {
			b.States = append(b.States, ms.Says(fmt.Sprint(random.IntN(50)), iot.Temperature, "B", float64(ms.Offset)))
		}
		ms.apply(b)
	default:
		ms.deliver(m, random.IntN(4))
		ms.dispatcher.leave(m.viewer, ClientLeft)
		ms.connect(m, true)
	}
}

// alarms raises some alerts at once, and may clear them again.
func (ms *mirrors) alarms(count int, clear bool) {
	var b view.Batch
	for range count {
		n := int(ms.Offset)
		b.Alerts = append(b.Alerts, ms.Alarm(n, iot.Temperature, "A", iot.Info, iot.Raised))
		if clear {
			b.Alerts = append(b.Alerts, ms.Alarm(n, iot.Temperature, "A", iot.Info, iot.Cleared))
		}
	}
	ms.apply(b)
}

func (ms *mirrors) check(i int, m *mirror) {
	devices := make(map[iot.DeviceID]float64)
	ms.options.View.Scan("", false, func(s *iot.DeviceState) bool {
		devices[s.Latest.ID] = s.Latest.Value
		return true
	})
	ms.composer.hold()
	defer ms.composer.release()
	if !maps.Equal(m.devices, devices) {
		ms.t.Errorf("client %d, devices: got %v, want %v", i, m.devices, devices)
	}
	open := make(map[string]iot.DeviceID)
	for _, a := range ms.composer.present.AlertsFrom(0) {
		open[a.Last.ID] = a.Last.DeviceID
	}
	if !maps.Equal(m.open, open) {
		ms.t.Errorf("client %d, open alerts: got %v, want %v", i, m.open, open)
	}
	for event, times := range m.events {
		if times > 1 {
			ms.t.Errorf("client %d received %s %d times", i, event, times)
		}
	}
	if m.counts.Total != int64(len(devices)) {
		ms.t.Errorf("client %d, devices counted: got %d, want %d", i, m.counts.Total, len(devices))
	}
	for start := range ms.feed.windows {
		data := ms.composer.windows.filtered(m.viewer.filter, start)
		if got := m.windows[data.WindowStart]; !reflect.DeepEqual(got.Data, data.Data) || got.Final != data.Final {
			ms.t.Errorf("client %d, window %v: got %+v, want %+v", i, data.WindowStart, got, data)
		}
	}
}
