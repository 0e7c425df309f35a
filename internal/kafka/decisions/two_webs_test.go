package decisions_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"iotmon/internal/control"
	"iotmon/internal/iot"
	"iotmon/internal/kafka/kafkatest"
	"iotmon/internal/process"
	"iotmon/internal/wire"
)

// plant is two partitions with their processors, and what web services read of them. It implements process.Output, which is called with mu held.
type plant struct {
	t     *testing.T
	began time.Time

	mu         sync.Mutex
	partitions [2]*process.Partition
	waiting    [2][]process.Record
	ends       [2]int64
	// states are those that were published, in their order, and counts how many there were after each second.
	states []iot.DeviceState
	counts []int
	alerts []string
	// followers get what is in force of the rules, and the first of them also the medians.
	followers []*control.InForce
	appended  int
}

func newPlant(t *testing.T) *plant {
	catalog, err := iot.NewCatalog(iot.BuiltinTypes()...)
	if err != nil {
		t.Fatal(err)
	}
	p := &plant{t: t, began: time.Now()}
	for id := range p.partitions {
		p.partitions[id] = process.New(&process.Options{
			Admission: &iot.Admission{Catalog: catalog, Skew: 10 * time.Second, Retention: time.Hour}, Window: 30 * time.Second, Lateness: 5 * time.Second,
			OfflineAfter: 15 * time.Second, ForgetAfter: time.Hour, ParentGrace: time.Second,
			Rules: []iot.Rule{{
				Name: "odd", Severity: iot.Warning, Selector: iot.Selector{Type: iot.Temperature},
				Condition: iot.Condition{Kind: iot.Deviation, Threshold: 3, Hysteresis: 1},
			}},
		}, int32(id), process.Checkpoint{}, false)
	}
	return p
}

// now is the log's clock.
func (p *plant) now() time.Time {
	return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).Add(time.Since(p.began))
}

// append appends a record to a partition. The caller holds mu.
func (p *plant) append(partition int32, kind iot.Kind, key, value []byte) {
	p.waiting[partition] = append(p.waiting[partition], process.Record{
		Offset: p.ends[partition], Appended: p.now(), Key: key, Value: value, RecordKind: iot.RecordKind{Kind: kind, Level: 1},
	})
	p.ends[partition]++
}

// References implements control.ReferenceLog.
func (p *plant) References(_ context.Context, references []control.Reference) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range references {
		r := &references[i]
		p.append(r.Partition, iot.KindReference, wire.AppendPeersKey(nil, r.Peers), wire.AppendReference(nil, &r.Reference))
		p.appended++
	}
	return nil
}

// send has a device send a value, and has it processed.
func (p *plant) send(device int, value float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := iot.Reading{
		Device: iot.Device{ID: iot.DeviceID(fmt.Sprint("device_", device)), Type: iot.Temperature, Unit: "°C"}, Time: p.now(), Value: value, Status: iot.Online,
	}
	id := int32(device % len(p.partitions))
	p.append(id, iot.KindReading, []byte(r.ID), wire.AppendReading(nil, &r))
	if err := p.partitions[id].Process(p.waiting[id], p); err != nil {
		p.t.Fatal(err)
	}
	p.waiting[id] = nil
	p.partitions[id].PublishStates(p)
}

func (p *plant) Alert(a *iot.Alert) {
	p.alerts = append(p.alerts, fmt.Sprint(a.Transition, " ", a.DeviceID))
}
func (p *plant) State(s *iot.DeviceState)        { p.states = append(p.states, *s) }
func (*plant) Summary(*iot.WindowSummary)        {}
func (*plant) Areas(*iot.DeviceAreas)            {}
func (*plant) Forget(iot.Identity, iot.Position) {}
func (p *plant) Reject(reject *process.Reject)   { p.t.Errorf("rejected: %+v", reject) }
func (p *plant) InForce(key, v []byte, _ iot.Position) {
	of, name, _ := wire.SplitInForceKey(key)
	switch of {
	case wire.RuleInForce:
		rule, err := wire.DecodeRuleInForce(v)
		if err != nil {
			p.t.Fatal(err)
		}
		for _, follower := range p.followers {
			follower.SetRule(&rule)
		}
	case wire.ReferenceInForce:
		peers, err := wire.DecodePeersKey(name)
		reference, err2 := wire.DecodeReferenceInForce(v)
		if err != nil || err2 != nil {
			p.t.Fatal(err, err2)
		}
		p.followers[0].SetReference(peers, &reference)
	}
}

// web returns the References of a web service that knows the states of so many seconds ago.
func (p *plant) web(behind int) *control.References {
	inForce := control.NewInForce()
	inForce.Begin(int32(len(p.partitions)))
	inForce.CaughtUp()
	p.followers = append(p.followers, inForce)
	return control.NewReferences(control.ReferencesOptions{
		InForce: inForce, Log: p, Complete: func() bool { return true }, OfflineAfter: 15 * time.Second, Logger: kafkatest.Quiet(),
		Each: func(visit func(*iot.DeviceState) bool) {
			p.mu.Lock()
			latest := make(map[iot.DeviceID]iot.DeviceState)
			if last := len(p.counts) - 1 - behind; last >= 0 {
				for i := range p.states[:p.counts[last]] {
					latest[p.states[i].Latest.ID] = p.states[i]
				}
			}
			p.mu.Unlock()
			for _, state := range latest {
				visit(&state)
			}
		},
	})
}

// Two web services append medians while the whole plant gets warmer. One of them is behind by more than a minute, and does not know what is in force. The alert
// of the device that differs from the others is raised once, and no other one.
func TestTwoWebServicesDoNotMakeAlertsFlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t)
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		for _, behind := range []int{0, 100} {
			web := p.web(behind)
			running.Go(func() { _ = web.Run(ctx) })
		}
		for second := range 400 {
			for device := range 8 {
				value := 20 + 0.05*float64(second) + 0.2*float64(device%3)
				if device == 7 {
					value -= 8
				}
				p.send(device, value)
			}
			p.mu.Lock()
			p.counts = append(p.counts, len(p.states))
			p.mu.Unlock()
			time.Sleep(time.Second)
		}
		cancel()
		running.Wait()
		if !slices.Equal(p.alerts, []string{"raised device_7"}) {
			t.Errorf("got %q", p.alerts)
		}
		if p.appended < 50 {
			t.Errorf("got only %d medians", p.appended)
		}
	})
}
