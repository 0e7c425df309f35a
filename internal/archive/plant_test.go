package archive_test

import (
	"context"
	"errors"
	"slices"
	"time"

	"pgregory.net/rapid"

	"iotmon/internal/archive"
	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

var topics = archive.Topics{Readings: "device-data", Aggregates: "aggregates", Alerts: "alerts"}

var began = time.Date(2024, 1, 30, 10, 30, 0, 0, time.UTC)

const windowLength = 30 * time.Second

// broker holds what the topics hold. Nothing changes while it is read.
type broker struct {
	records map[archive.Source][]archive.Record
	// log is the topics' id.
	log string
	// start is the first offset that is left of a source; none is 0.
	start map[archive.Source]int64
}

func newBroker() *broker {
	b := &broker{records: make(map[archive.Source][]archive.Record), start: make(map[archive.Source]int64)}
	for _, source := range []archive.Source{{topics.Readings, 0}, {topics.Readings, 1}, {topics.Aggregates, 0}, {topics.Alerts, 0}} {
		b.records[source] = nil
	}
	return b
}

func (b *broker) append(topic string, partition int32, appended time.Time, value []byte, tick bool) (next int64) {
	kind := iot.KindReading
	if tick {
		kind = iot.KindTick
	}
	source := archive.Source{Topic: topic, Partition: partition}
	offset := int64(len(b.records[source]))
	b.records[source] = append(b.records[source], archive.Record{
		Source: source, Offset: offset, Appended: appended, Value: value, Kind: kind,
	})
	return offset + 1
}

func (b *broker) extents() []archive.Extent {
	var given []archive.Extent
	for source, records := range b.records {
		end := int64(len(records))
		given = append(given, archive.Extent{Source: source, Start: b.start[source], Stable: end, End: end, Log: b.log})
	}
	return given
}

// open returns an opener. Each Poll hands over at most chunk records, and before each one trouble may fail it.
func (b *broker) open(ctx context.Context, chunk int, trouble func() error) archive.Opener {
	return func(resume archive.Resume, _ func(archive.Source)) (archive.Log, error) {
		if err := trouble(); err != nil {
			return nil, err
		}
		from, err := resume(ctx, b.extents())
		if err != nil {
			return nil, err
		}
		return &session{broker: b, next: from, chunk: chunk, trouble: trouble}, nil
	}
}

// session is an archive.Log. It hands over a chunk and then lets the batch's time run out, so that a batch is written for
// each chunk.
type session struct {
	broker  *broker
	next    map[archive.Source]int64
	chunk   int
	trouble func() error
	pause   bool
}

func (s *session) Poll(ctx context.Context) ([]archive.Record, error) {
	if err := s.trouble(); err != nil {
		return nil, err
	}
	var records []archive.Record
	if !s.pause {
		records = s.pop()
	}
	s.pause = len(records) > 0
	if len(records) == 0 {
		<-ctx.Done()
	}
	return records, nil
}

// add removes the same number from every source, so that they advance at their own pace.
func (s *session) pop() []archive.Record {
	var records []archive.Record
	for source, next := range s.next {
		left := s.broker.records[source][next:]
		left = left[:min(s.chunk, len(left))]
		s.next[source] += int64(len(left))
		records = append(records, left...)
	}
	return records
}

func (s *session) Close() {}

// plant writes to a broker what a plant and its processor would. It knows the truth: each admitted reading once.
type plant struct {
	*broker
	admission *iot.Admission
	now       time.Time
	seen      map[identity]bool
	closed    map[windowKey]bool
	truth     map[windowKey]*iot.Summary
	alerts    map[iot.DeviceID]*iot.Alert
}

type identity struct {
	device iot.DeviceID
	at     time.Time
}

type windowKey struct {
	partition int32
	start     time.Time
}

func newPlant(admission *iot.Admission) *plant {
	return &plant{
		broker: newBroker(), admission: admission, now: began, seen: make(map[identity]bool),
		closed: make(map[windowKey]bool), truth: make(map[windowKey]*iot.Summary), alerts: make(map[iot.DeviceID]*iot.Alert),
	}
}

// devices of partition 0 and of partition 1.
var devices = [...][]iot.DeviceID{{"a", "b"}, {"c"}}

// step lets one thing happen.
func (p *plant) step(t *rapid.T) {
	partition := rapid.Int32Range(0, 1).Draw(t, "partition")
	device := rapid.SampledFrom(devices[partition]).Draw(t, "device")
	p.now = p.now.Add(time.Duration(rapid.IntRange(0, 20).Draw(t, "seconds")) * time.Second)
	switch rapid.SampledFrom([]string{"reading", "reading", "reading", "garbage", "tick", "close", "open", "alert", "historical"}).Draw(t, "what") {
	case "reading":
		// So few times and so many values that duplicates are common, and differ.
		at := p.now.Truncate(10 * time.Second).Add(-10 * time.Second * time.Duration(rapid.IntRange(0, 9).Draw(t, "age")))
		p.read(partition, device, at, rapid.Float64Range(-100, 100).Draw(t, "value"))
	case "garbage":
		topic := rapid.SampledFrom([]string{topics.Readings, topics.Aggregates, topics.Alerts}).Draw(t, "topic")
		p.append(topic, 0, p.now, []byte(rapid.SampledFrom(garbage).Draw(t, "garbage")), false)
	case "tick":
		p.append(topics.Readings, partition, p.now, nil, true)
	case "close":
		p.publish(windowKey{partition, p.window(t)}, true)
	case "open":
		p.publish(windowKey{partition, p.window(t)}, false)
	case "alert":
		p.alarm(partition, device)
	case "historical":
		p.history(partition, device)
	}
}

var garbage = []string{
	``, `null`, `{}`, `[]`, `{"a":`, "\xff", `{"device_id":"a","device_type":"sonar","timestamp":"2024-01-30T10:30:00Z","value":1}`,
	`{"device_id":"a","device_type":"temperature_sensor","timestamp":"2024-01-30T10:30:00Z","value":1e9}`,
	`{"device_id":"a","device_type":"temperature_sensor","timestamp":"2124-01-30T10:30:00Z","value":1}`,
}

func (p *plant) window(t *rapid.T) time.Time {
	return iot.WindowOf(p.now, windowLength).Start.Add(-windowLength * time.Duration(rapid.IntRange(0, 3).Draw(t, "window")))
}

// read appends a reading, and the mark that it is late where its window has closed.
func (p *plant) read(partition int32, device iot.DeviceID, at time.Time, value float64) {
	r := iot.Reading{Device: iot.Device{ID: device, Type: iot.Temperature, Unit: "°C"}, Time: at, Value: value, Status: iot.Online}
	next := p.append(topics.Readings, partition, p.now, wire.AppendReading(nil, &r), false)
	if p.seen[identity{device, at}] {
		return
	}
	p.seen[identity{device, at}] = true
	key := windowKey{partition, iot.WindowOf(at, windowLength).Start}
	if p.truth[key] == nil {
		p.truth[key] = new(iot.Summary)
	}
	p.truth[key].Add(value)
	if p.closed[key] {
		p.summary(key, next, iot.WindowSummary{Late: true})
	}
}

// publish appends the summary of a window as it is now, and closes it if final. A window closes once.
func (p *plant) publish(key windowKey, final bool) {
	if p.closed[key] || p.truth[key] == nil {
		return
	}
	p.closed[key] = final
	s := iot.WindowSummary{Final: final, Summary: p.truth[key].Clone()}
	s.Online = 3
	p.summary(key, int64(len(p.records[archive.Source{Topic: topics.Readings, Partition: key.partition}])), s)
}

func (p *plant) summary(key windowKey, position int64, s iot.WindowSummary) {
	s.Type, s.Window = iot.Temperature, iot.Window{Start: key.start, Length: windowLength}
	s.Position = iot.Position{Partition: key.partition, Offset: position}
	p.append(topics.Aggregates, 0, p.now, wire.AppendWindowSummary(nil, &s), false)
}

// alarm raises the device's alert, or clears it if it is open.
func (p *plant) alarm(partition int32, device iot.DeviceID) {
	a := p.alerts[device]
	if a == nil {
		a = p.alert(partition, device, p.now)
		a.Transition = iot.Raised
		p.alerts[device] = a
	} else {
		a.Transition = iot.Cleared
		delete(p.alerts, device)
	}
	p.send(a)
}

// history reports a violation that has been over for long.
func (p *plant) history(partition int32, device iot.DeviceID) {
	onset := p.now.Add(-time.Minute)
	a := p.alert(partition, device, onset)
	a.ID, a.Historical, a.Transition = iot.HistoricalAlertID(a.Rule, iot.Identity{ID: device}, onset), true, iot.Cleared
	p.send(a)
}

func (p *plant) alert(partition int32, device iot.DeviceID, onset time.Time) *iot.Alert {
	return &iot.Alert{
		ID: iot.AlertID("temperature_high", iot.Identity{ID: device}, onset), Rule: "temperature_high", DeviceID: device,
		DeviceType: iot.Temperature, Severity: iot.Warning, Onset: onset, Position: iot.Position{Partition: partition},
	}
}

func (p *plant) send(a *iot.Alert) {
	a.Time = p.now
	a.Offset = int64(len(p.records[archive.Source{Topic: topics.Alerts}])) + 1
	p.append(topics.Alerts, 0, p.now, wire.AppendAlert(nil, a), false)
}

// errInterrupted stands for everything that interrupts an archiver.
var errInterrupted = errors.New("interrupted")

// trouble returns a function that fails as planned, call by call, and never again when the plan is over.
func trouble(plan []bool) func() error {
	plan = slices.Clone(plan)
	return func() error {
		if len(plan) == 0 {
			return nil
		}
		fails := plan[0]
		plan = plan[1:]
		if fails {
			return errInterrupted
		}
		return nil
	}
}
