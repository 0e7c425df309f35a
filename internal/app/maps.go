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
	// What follows is guarded by mu. version is that of the last decision by which the source maps, rules are the rules of the map in force, without
	// the implicit ones.
	version int64
	rules   []mapping.Rule
	// sure means that what was decided had been read when the rules came into force. Until then they are those of the configuration, in whose
	// place people may have decided others.
	sure bool
	// refused is the last decision, if the source cannot map by it; held means that it maps by the implicit rules alone because of that.
	refused *decision
	held    bool
	// reading is whether all maps are being read, read the last decision among them; nil for none yet.
	reading bool
	read    *decision
}

// decision is what was decided about a map: an entry, or the error with which it cannot be decoded.
type decision struct {
	entry *mapping.Entry
	err   error
}

// before reports whether the decision was made before the next one, or is the same.
func (d *decision) before(next *decision) bool {
	return d == nil || d.entry == nil || next.entry == nil || d.entry.Version <= next.entry.Version
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
func (m *sourceMaps) empty(name string) bool {
	of := m.byName[name]
	of.mu.Lock()
	defer of.mu.Unlock()
	return len(of.rules) == 0 && !of.held
}

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
		m.takeOver(of)
		of.mu.Unlock()
	}
	m.once.Do(func() { close(m.known) })
}

// takeOver has a source map by what was read about it. The caller has locked it.
func (m *sourceMaps) takeOver(of *sourceMap) {
	before, read := of.version, of.read
	if of.reading {
		of.reading, of.read, of.version = false, nil, 0
	}
	switch {
	case read == nil && of.held: // What was decided is gone.
		m.apply(of, &decision{entry: &mapping.Entry{Deleted: true}})
	case read == nil:
		of.sure = true
	case of.refused == nil && read.entry != nil && read.entry.Version == before && reflect.DeepEqual(of.rulesOf(read.entry), of.rules):
		of.version = before
	default:
		m.apply(of, read)
	}
}

// SetMap implements sources.Maps: the source maps by it at once. If it cannot, it goes on as before, and its state says why.
func (m *sourceMaps) SetMap(e *mapping.Entry) { m.decide(e.Source, &decision{entry: e}) }

// RefuseMap implements sources.Maps.
func (m *sourceMaps) RefuseMap(source string, reason error) {
	m.decide(source, &decision{err: fmt.Errorf("what was decided last cannot be read, because another program has written it, or a newer version: %w", reason)})
}

// SetType implements sources.Maps. A map that was refused may have waited for the type.
func (m *sourceMaps) SetType(*iot.TypeSpec) {
	for _, of := range m.byName {
		of.mu.Lock()
		if of.refused != nil && of.refused.entry != nil {
			m.apply(of, of.refused)
		}
		of.mu.Unlock()
	}
}

// decide takes over what was decided about the map with a name. Where no source has it, another program does, or the configuration no more.
func (m *sourceMaps) decide(name string, d *decision) {
	for _, of := range m.byName {
		if of.decided == name {
			of.mu.Lock()
			m.set(of, d)
			of.mu.Unlock()
		}
	}
}

// set takes over a decision about the map of a source. The caller has locked it.
func (m *sourceMaps) set(of *sourceMap, d *decision) {
	switch {
	case of.reading && of.read.before(d):
		of.read = d
	case of.reading:
	case d.entry == nil || d.entry.Version > of.version || of.refused != nil && d.entry.Version == of.version:
		m.apply(of, d)
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
func (m *sourceMaps) apply(of *sourceMap, d *decision) {
	mapped, err := m.compile(of, d)
	if err != nil {
		m.refuse(of, d, err)
		return
	}
	e := d.entry
	of.version, of.rules, of.sure, of.refused, of.held = e.Version, of.rulesOf(e), true, nil, false
	of.status.MappedBy(e.Version, nil)
	of.follow.Set(mapped)
	m.logger.Info("a source maps by another map", "source", of.name, "version", e.Version, "rules", len(of.rules), "configured", e.Deleted)
}

// compile returns what maps by a decision.
func (m *sourceMaps) compile(of *sourceMap, d *decision) (*source.Mapped, error) {
	if d.err != nil {
		return nil, d.err
	}
	if !d.entry.Deleted {
		// Values would get another unit than the rule says, and another one than those of the other producers.
		if err := mapping.CheckTypes(d.entry.Rules, m.admission.Catalog); err != nil {
			return nil, err
		}
	}
	return of.compile(of.rulesOf(d.entry), m.admission)
}

// refuse has a source go on without a decision by which it cannot map: by the rules of before. After a start there are none: what the
// configuration says holds no more, and what was decided before is not known. What the source receives is then kept as dead letters.
// The caller has locked the source.
func (m *sourceMaps) refuse(of *sourceMap, d *decision, err error) {
	of.refused = d
	says := "it goes on by the rules of before"
	if !of.sure {
		says = "what it receives goes to the dead letters"
		mapped, failed := of.compile(nil, m.admission)
		if failed != nil {
			mapped = of.follow.Current() // Unreachable: the rules were compiled together with the map.
		}
		held := *mapped
		held.Refused = fmt.Errorf("the map that was decided cannot be applied: %w", err)
		of.rules, of.held = nil, true
		of.follow.Set(&held)
	}
	of.status.MappedBy(0, fmt.Errorf("%w; %s", err, says))
	m.logger.Error("a source does not map by what was decided; "+says, "source", of.name, "error", err)
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

// followMaps reads what people have decided about the maps of sources, and which device types: for this process' doors, its sources and its
// registry.
func (s *Service) followMaps(context.Context) error {
	types := &decidedTypes{catalog: s.catalog, known: make(chan struct{}), logger: observe.Sparing(s.Logger, repeatedLogs)}
	if s.hub != nil {
		types.added = s.hub.TypesChanged
	}
	s.types = types
	receivers := []sources.Maps{types}
	if s.registry != nil {
		receivers = append(receivers, s.registry.inForce)
	}
	if s.maps != nil && len(s.maps.byName) > 0 {
		receivers = append(receivers, s.maps)
	}
	follower := sources.NewMapFollower(sources.MapFollowerOptions{
		Dial: s.dial, Topics: s.topics, Maps: receivers, Logger: observe.Sparing(s.Logger, repeatedLogs),
	})
	s.add("maps of sources", after(follower.Run, s.kafka))
	return nil
}
