package app

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
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

// mapsOf returns the maps of one source, hall-3, whose configured map makes the device configured of the value t.
func mapsOf(t *testing.T) (*sourceMaps, *sourceMap, *iot.Catalog) {
	t.Helper()
	cfg := config.Default(config.Producer, Builtin())
	catalog, err := newCatalog(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	maps := newSourceMaps(newAdmission(&cfg, catalog), slog.New(slog.DiscardHandler))
	configured := config.Source{
		Name: "hall-3", MQTT: &config.MQTT{URL: "tcp://broker"}, Map: []config.MapRule{{Field: "t", Device: "configured", Type: "temperature_sensor"}},
	}
	of, err := maps.add(&configured, source.NewStatus("hall-3", "mqtt", time.Now))
	if err != nil {
		t.Fatal(err)
	}
	return maps, of, catalog
}

// What a source does with a map by which it cannot map is what it says: it goes on by the rules of before or, after a start, keeps what it
// receives as dead letters. It never maps by the configuration in whose place people have decided something else.
func TestASourceSaysWhatItDoesWithoutTheMapThatWasDecided(t *testing.T) {
	broken := &mapping.Entry{Source: "hall-3", Version: 4, Rules: []mapping.Rule{{Field: "t", Device: "x", Type: "unknown"}}}
	good := &mapping.Entry{Source: "hall-3", Version: 5, Rules: []mapping.Rule{{Field: "t", Device: "decided", Type: iot.Temperature}}}
	says := func(t *testing.T, of *sourceMap, held bool, device, words string) {
		t.Helper()
		reason := of.status.Snapshot().MapError
		if (of.follow.Current().Refused != nil) != held || (words == "") != (reason == "") || !strings.HasSuffix(reason, words) {
			t.Errorf("got held %v, %q; want %v, %q", of.follow.Current().Refused != nil, reason, held, words)
		}
		rules := of.inForce()
		if (device == "") != (len(rules) == 0) || device != "" && rules[0].Device != device {
			t.Errorf("got %+v, want the device %q", rules, device)
		}
	}
	t.Run("decided while it runs", func(t *testing.T) {
		maps, of, _ := mapsOf(t)
		maps.BeginMaps()
		maps.MapsCaughtUp()
		maps.SetMap(broken)
		says(t, of, false, "configured", "it goes on by the rules of before")
		maps.SetMap(good)
		says(t, of, false, "decided", "")
		maps.RefuseMap("hall-3", errors.New("not JSON"))
		says(t, of, false, "decided", "it goes on by the rules of before")
		maps.SetMap(good) // It is decided again, by a program that has found it missing.
		says(t, of, false, "decided", "")
		maps.RefuseMap("other", errors.New("not JSON"))
		says(t, of, false, "decided", "")
	})
	for name, refuse := range map[string]func(*sourceMaps){
		"a map of unknown types":       func(m *sourceMaps) { m.SetMap(broken) },
		"a record that cannot be read": func(m *sourceMaps) { m.RefuseMap("hall-3", errors.New("not JSON")) },
		"after one that could be":      func(m *sourceMaps) { m.SetMap(good); m.RefuseMap("hall-3", errors.New("not JSON")) },
		"after one that could not be":  func(m *sourceMaps) { m.RefuseMap("hall-3", errors.New("not JSON")); m.SetMap(broken) },
		"one of another type's meaning": func(m *sourceMaps) {
			e := *broken
			e.Rules = []mapping.Rule{{Field: "t", Device: "x", Type: iot.Temperature, Define: &mapping.Type{Unit: "°F", Max: 1}}}
			m.SetMap(&e)
		},
	} {
		t.Run(name, func(t *testing.T) {
			maps, of, _ := mapsOf(t)
			maps.BeginMaps()
			refuse(maps)
			maps.MapsCaughtUp()
			says(t, of, true, "", "what it receives goes to the dead letters")
			if maps.empty("hall-3") {
				t.Error("got a source without a map: then Sparkplug maps by the units")
			}
			maps.BeginMaps() // The topic is read again.
			refuse(maps)
			maps.MapsCaughtUp()
			says(t, of, true, "", "what it receives goes to the dead letters")
			maps.SetMap(&mapping.Entry{Source: "hall-3", Version: 9, Deleted: true})
			says(t, of, false, "configured", "")
		})
	}
	t.Run("the topic is empty later", func(t *testing.T) {
		maps, of, _ := mapsOf(t)
		maps.BeginMaps()
		maps.SetMap(broken)
		maps.MapsCaughtUp()
		maps.BeginMaps()
		maps.MapsCaughtUp()
		says(t, of, false, "configured", "")
	})
	t.Run("its type comes later", func(t *testing.T) {
		maps, of, catalog := mapsOf(t)
		types := &decidedTypes{catalog: catalog, logger: slog.New(slog.DiscardHandler), known: make(chan struct{})}
		maps.BeginMaps()
		maps.SetMap(broken)
		maps.MapsCaughtUp()
		spec := iot.TypeSpec{Name: "unknown", Unit: "L", Max: 1}
		types.SetType(&spec)
		maps.SetType(&spec)
		says(t, of, false, "x", "")
		other := iot.TypeSpec{Name: "unknown", Unit: "m", Max: 1}
		types.SetType(&other)
		if got := catalog.Spec("unknown").Unit; got != "L" {
			t.Errorf("got the unit %s", got)
		}
	})
}

// A client does not send a reading again that was refused because its type is unknown. So nothing is answered before the types are known.
func TestRequestsWaitForTheTypes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, known := range []bool{true, false} {
			types := &decidedTypes{known: make(chan struct{})}
			handler := types.await(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			began := time.Now()
			want := mapsPatience
			if known {
				want = time.Second
				time.AfterFunc(want, types.MapsCaughtUp)
			}
			for range 2 {
				handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil))
				if got := time.Since(began); got != want {
					t.Errorf("known %v: answered after %v, want %v", known, got, want)
				}
			}
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
