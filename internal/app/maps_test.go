package app

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"iotmon/internal/config"
	"iotmon/internal/iot"
	"iotmon/internal/mapping"
	"iotmon/internal/source"
)

// kept is a log that keeps the ids and types of what is appended.
type kept struct {
	discarded
	devices []string
}

func (k *kept) Append(_ context.Context, readings []iot.Reading) error {
	for i := range readings {
		k.devices = append(k.devices, string(readings[i].ID)+" "+string(readings[i].Type))
	}
	return nil
}

// What people decide about a map holds from the next message on, while the source runs; what cannot be in force leaves it as it was.
func TestASourceMapsByWhatWasDecided(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config.Default(config.Iotmon, Builtin())
		catalog, err := newCatalog(&cfg)
		if err != nil {
			t.Fatal(err)
		}
		maps := newSourceMaps(newAdmission(&cfg, catalog), slog.New(slog.DiscardHandler))
		configured := config.Source{
			Name: "hall-3", MQTT: &config.MQTT{URL: "tcp://broker"}, Map: []config.MapRule{{Field: "t", Device: "configured", Type: "temperature_sensor"}},
		}
		status, log := source.NewStatus("hall-3", "mqtt", time.Now), &kept{}
		of, err := maps.add(&configured, status)
		if err != nil {
			t.Fatal(err)
		}
		mapped := of.follow.Current()
		pipeline := source.NewPipeline(source.PipelineOptions{
			Name: "hall-3", Log: log, Mapping: mapped.Rules, Admission: mapped.Admission, Follow: &of.follow, Status: status, Logger: slog.New(slog.DiscardHandler),
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- pipeline.Run(ctx) }()
		defer func() {
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}()
		becomes := func(want string) {
			t.Helper()
			log.devices = nil
			if err := pipeline.Send(ctx, &source.Message{Topic: "a", Points: []mapping.Point{{Field: "t", Value: 20}}}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if len(log.devices) != 1 || log.devices[0] != want {
				t.Errorf("got %v, want %s", log.devices, want)
			}
		}
		decide := func(version int64, rules ...mapping.Rule) {
			maps.SetMap(&mapping.Entry{Source: "hall-3", Version: version, Rules: rules, Deleted: rules == nil})
		}
		becomes("configured temperature_sensor")
		decide(2, mapping.Rule{Field: "t", Device: "decided", Type: "flow", Define: &mapping.Type{Unit: "L", Max: 100}})
		becomes("decided flow")
		decide(1, mapping.Rule{Field: "t", Device: "late", Type: iot.Temperature})
		becomes("decided flow")
		if s := status.Snapshot(); s.MapVersion != 2 || s.MapError != "" {
			t.Errorf("got version %d, %q", s.MapVersion, s.MapError)
		}
		decide(3, mapping.Rule{Field: "t", Device: "x", Type: "unknown"})
		becomes("decided flow")
		if s := status.Snapshot(); s.MapVersion != 2 || s.MapError == "" {
			t.Errorf("a map of unknown types: got version %d, %q", s.MapVersion, s.MapError)
		}
		decide(4)
		becomes("configured temperature_sensor")
		if s := status.Snapshot(); s.MapVersion != 4 || s.MapError != "" {
			t.Errorf("back to the configuration: got version %d, %q", s.MapVersion, s.MapError)
		}
		maps.SetMap(&mapping.Entry{Source: "another", Version: 1})

		// The topic is read again: versions of before do not hold meanwhile.
		one, two := mapping.Rule{Field: "t", Device: "one", Type: iot.Temperature}, mapping.Rule{Field: "t", Device: "two", Type: iot.Temperature}
		maps.BeginMaps()
		decide(1, one)
		becomes("configured temperature_sensor")
		decide(4)
		maps.MapsCaughtUp()
		becomes("configured temperature_sensor")
		// The topic is lost, and the database is an older one: what was restored holds, and so does what people decide then.
		maps.BeginMaps()
		maps.MapsCaughtUp()
		becomes("configured temperature_sensor")
		decide(1, one)
		becomes("one temperature_sensor")
		decide(2, two)
		becomes("two temperature_sensor")
		if s := status.Snapshot(); s.MapVersion != 2 || s.MapError != "" {
			t.Errorf("after a loss: got version %d, %q", s.MapVersion, s.MapError)
		}
	})
}

// A program that cannot read what was decided runs its sources all the same, after a while.
func TestSourcesDoNotWaitForMapsForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		maps := newSourceMaps(nil, slog.New(slog.DiscardHandler))
		began := time.Now()
		run := maps.after(func(context.Context) error { return nil })
		if err := run(t.Context()); err != nil || time.Since(began) != mapsPatience {
			t.Errorf("got %v after %v", err, time.Since(began))
		}
		maps.MapsCaughtUp()
		maps.MapsCaughtUp() // The topic is read again after an error.
		began = time.Now()
		if err := run(t.Context()); err != nil || time.Since(began) != 0 {
			t.Errorf("once they are known: got %v after %v", err, time.Since(began))
		}
	})
}

// Each producer has a broker of its own, with a name of its own. They are configured as one, and people decide about their maps at once.
func TestTheMapOfAllBrokersIsOne(t *testing.T) {
	cfg := config.Default(config.Producer, Builtin())
	catalog, err := newCatalog(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	s := &Service{name: config.Producer}
	cfg.MQTTBroker.Map = []config.MapRule{{Field: "t", Device: "configured", Type: "temperature_sensor"}}
	configured := cfg.MQTTBroker.Source()
	cfg.MQTTBroker.Addr = ":1883"
	name := s.brokerName(&cfg.MQTTBroker)
	if name == configured.Name {
		t.Fatalf("the broker of a producer is %q, as that of all others", name)
	}
	maps := newSourceMaps(newAdmission(&cfg, catalog), slog.New(slog.DiscardHandler))
	status := source.NewStatus(name, "mqtt_broker", time.Now)
	of, err := maps.add(&configured, status)
	if err != nil {
		t.Fatal(err)
	}
	own := &ownSources{statuses: []*source.Status{status}, maps: maps, now: time.Now}
	decide := func(source string, version int64, device string) {
		maps.SetMap(&mapping.Entry{Source: source, Version: version, Rules: []mapping.Rule{{Field: "t", Device: device, Type: iot.Temperature}}})
	}
	decide(name, 5, "for one")
	if got := of.inForce()[0].Device; got != "configured" {
		t.Errorf("got %s", got)
	}
	decide(configured.Name, 1, "for all")
	states, _ := own.States()
	if got := of.inForce()[0].Device; got != "for all" || states[0].MapVersion != 1 || states[0].Name != name || states[0].Map != configured.Name {
		t.Errorf("got %s, %+v", got, states[0])
	}
	if detail, known := own.Detail(name); !known || detail.Rules[0].Device != "for all" {
		t.Errorf("got %+v", detail)
	}
}
