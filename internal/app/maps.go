package app

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"sync"
	"time"

	"iotmon/internal/config"
	"iotmon/internal/iot"
	"iotmon/internal/kafka/sources"
	"iotmon/internal/mapping"
	"iotmon/internal/observe"
	"iotmon/internal/source"
)

// sourceMaps are the maps of this process' sources: those of the configuration, and what people have decided instead. They implement
// sources.Maps.
type sourceMaps struct {
	admission *iot.Admission
	logger    *slog.Logger
	// known is closed once all maps have been read for the first time.
	known chan struct{}
	once  sync.Once

	// byName does not change once the program runs. It is by the names of the sources.
	byName map[string]*sourceMap
}

var _ sources.Maps = (*sourceMaps)(nil)

// sourceMap is that of one source.
type sourceMap struct {
	name   string
	status *source.Status
	// decided is the name by which people decide about the map. Sources in other programs have the same if they are configured as one.
	decided string
	// implicit are the rules of values whose device is given where they are configured. They come before the map.
	implicit, configured []mapping.Rule
	follow               source.Mapping

	mu sync.Mutex
	// What follows is guarded by mu. version is that of the last decision, rules are the rules of the map in force, without the implicit ones.
	version int64
	rules   []mapping.Rule
	// reading is whether all maps are being read, read the last decision among them; nil for none yet.
	reading bool
	read    *mapping.Entry
}

func newSourceMaps(admission *iot.Admission, logger *slog.Logger) *sourceMaps {
	return &sourceMaps{admission: admission, logger: logger, known: make(chan struct{}), byName: make(map[string]*sourceMap)}
}

// add adds a configured source, before the program runs. Its map is decided by the configured name. The error is about its configuration.
func (m *sourceMaps) add(configured *config.Source, status *source.Status) (*sourceMap, error) {
	of := &sourceMap{
		name: status.Name(), status: status, decided: configured.Name, implicit: mapRules(implicitRules(configured)), configured: mapRules(configured.Map),
	}
	of.rules = of.configured
	mapped, err := of.compile(of.configured, m.admission)
	if err != nil {
		return nil, fmt.Errorf("sources: %s: map: %w", configured.Name, err)
	}
	of.follow.Set(mapped)
	m.byName[of.name] = of
	return of, nil
}

// compile returns what maps by the rules, after the implicit ones.
func (m *sourceMap) compile(rules []mapping.Rule, base *iot.Admission) (*source.Mapped, error) {
	admission, err := mapping.Admission(rules, base)
	if err != nil {
		return nil, err
	}
	all := make([]mapping.Rule, 0, len(m.implicit)+len(rules))
	made, err := mapping.New(append(append(all, m.implicit...), rules...), admission.Catalog)
	if err != nil {
		return nil, err
	}
	return &source.Mapped{Rules: made, Admission: admission}, nil
}

// inForce returns the rules of the map that is in force.
func (m *sourceMap) inForce() []mapping.Rule {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rules
}

// empty reports whether the map in force of a source has no rules.
func (m *sourceMaps) empty(name string) bool { return len(m.byName[name].inForce()) == 0 }

// BeginMaps implements sources.Maps. The sources go on by what is in force until everything has been read.
func (m *sourceMaps) BeginMaps() {
	for _, of := range m.byName {
		of.mu.Lock()
		of.reading, of.read = true, nil
		of.mu.Unlock()
	}
}

// MapsCaughtUp implements sources.Maps. What was read holds, also with a lower version than before: topic and database may have been lost, and what
// people decide since then counts from what was restored.
func (m *sourceMaps) MapsCaughtUp() {
	for _, of := range m.byName {
		of.mu.Lock()
		before, read := of.version, of.read
		if of.reading {
			of.reading, of.read, of.version = false, nil, 0
		}
		if read != nil && read.Version == before && reflect.DeepEqual(of.rulesOf(read), of.rules) {
			of.version = before
		} else if read != nil {
			m.apply(of, read)
		}
		of.mu.Unlock()
	}
	m.once.Do(func() { close(m.known) })
}

// SetMap implements sources.Maps: the source maps by it at once. If it cannot, it goes on as before, and its state says why.
func (m *sourceMaps) SetMap(e *mapping.Entry) {
	for _, of := range m.byName {
		if of.decided == e.Source { // Otherwise another program has it, or the configuration no more.
			m.set(of, e)
		}
	}
}

func (m *sourceMaps) set(of *sourceMap, e *mapping.Entry) {
	of.mu.Lock()
	defer of.mu.Unlock()
	switch {
	case of.reading && (of.read == nil || of.read.Version <= e.Version):
		of.read = e
	case !of.reading && e.Version > of.version:
		m.apply(of, e)
	}
}

// rulesOf returns the rules that hold by a decision.
func (m *sourceMap) rulesOf(e *mapping.Entry) []mapping.Rule {
	if e.Deleted {
		return m.configured
	}
	return e.Rules
}

// apply has a source map by a decision, if it can. The caller has locked it.
func (m *sourceMaps) apply(of *sourceMap, e *mapping.Entry) {
	rules := of.rulesOf(e)
	mapped, err := of.compile(rules, m.admission)
	of.status.MappedBy(e.Version, err)
	if err != nil {
		m.logger.Error("a source does not map by what was decided, and goes on as before", "source", of.name, "version", e.Version, "error", err)
		return
	}
	of.version, of.rules = e.Version, rules
	of.follow.Set(mapped)
	m.logger.Info("a source maps by another map", "source", of.name, "version", e.Version, "rules", len(rules), "configured", e.Deleted)
}

// mapsPatience is how long a source waits until it is known what people have decided about its map. Then it runs by its configuration: this
// program may not be allowed to read the topic.
const mapsPatience = 15 * time.Second

// afterMaps runs a source once it is known what people have decided about its map.
func (m *sourceMaps) after(run func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		timer := time.NewTimer(mapsPatience)
		defer timer.Stop()
		select {
		case <-m.known:
		case <-timer.C:
			m.logger.Warn("what was decided about the maps of sources cannot be read; they map by the configuration until it can", "after", mapsPatience)
		case <-ctx.Done():
			return nil
		}
		return run(ctx)
	}
}

// followMaps reads what people have decided about the maps of sources, for this process' sources and for its registry.
func (s *Service) followMaps(context.Context) error {
	var receivers []sources.Maps
	if s.registry != nil {
		receivers = append(receivers, s.registry.inForce)
	}
	if s.maps != nil && len(s.maps.byName) > 0 {
		receivers = append(receivers, s.maps)
	}
	if len(receivers) == 0 {
		return nil
	}
	follower := sources.NewMapFollower(sources.MapFollowerOptions{
		Dial: s.dial, Topics: s.topics, Maps: receivers, Logger: observe.Sparing(s.Logger, repeatedLogs),
	})
	s.add("maps of sources", after(follower.Run, s.kafka))
	return nil
}
