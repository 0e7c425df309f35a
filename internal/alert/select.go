package alert

import (
	"slices"

	"iotmon/internal/expression"
	"iotmon/internal/iot"
)

// Set is the rules that watch a device, compiled. It does not change, and devices with the same rules share it.
type Set struct {
	label names
	rules []compiled
	// silence holds the rules of the kind NoData, which readings do not violate; rules holds the others.
	silence []compiled
	// remembers means that a condition of the set has a memory, or that of an expression nobody knows by the value alone whether it is violated.
	remembers bool
	// area and labels are those of the device's registry entry, for expressions and texts. Where a rule needs them, a set with any is shared by no other
	// device.
	area   iot.Area
	labels map[string]string
	// peers are those of the device, for rules of the kind Deviation and expressions with points, and points is what these are. A set with such a rule is shared
	// by no other device.
	peers  iot.Peers
	points Points
	// muted means that the device is retired: no rule watches it, and its silence raises no alert.
	muted bool
}

// Empty reports whether no rule watches the device.
func (set *Set) Empty() bool { return len(set.rules)+len(set.silence) == 0 }

// compiled is a rule with the step of its condition, or the program of its expression. A threshold has neither, and is plain; a Deviation has neither, too.
type compiled struct {
	// plain means that the condition is a threshold: whether a value violates it depends on nothing else.
	plain bool
	iot.Rule
	step    step
	program *expression.Program
}

// Selection is the set of one device and what it was compiled for. The zero Selection is of no device yet.
type Selection struct {
	set      *Set
	engine   *Engine
	entry    *iot.DeviceEntry
	typ      iot.DeviceType
	location iot.Location
}

// maxSharedSets is the maximum number of sets that Select keeps for devices to share. A device beyond it has a set of its own.
const maxSharedSets = 10_000

// Plain returns the set of every device of the type that is not registered and has no tenant, nil if that depends on its id or
// location: then use Select.
func (e *Engine) Plain(t iot.DeviceType) *Set {
	if of := e.byType[t]; of != nil {
		return of.plain
	}
	return nil
}

// Select returns the set of the device that has sent r; no rule watches one whose type is not in the catalog. entry is the device's registry
// entry, which must not change, nil if it is not registered. s must be the same for each call for the device: Select compiles
// only if rules, entry or type have changed or, where rules select by area and the entry has none, the location.
func (e *Engine) Select(s *Selection, entry *iot.DeviceEntry, r *iot.Reading) *Set {
	of := e.byType[r.Type]
	if s.set != nil && s.engine == e && s.typ == r.Type && s.entry == entry &&
		(!of.byLocation || s.location == r.Location) {
		return s.set
	}
	if of == nil {
		return &Set{muted: entry != nil && entry.Retired}
	}
	*s = Selection{engine: e, entry: entry, typ: r.Type, location: r.Location}
	s.set = e.compile(of, entry, r)
	return s.set
}

// compilePlain sets plain and byLocation.
func (of *typeRules) compilePlain(e *Engine) {
	byID := false
	for i := range of.rules {
		rule := &of.rules[i]
		byID = byID || len(rule.Devices) > 0
		of.byLocation = of.byLocation || rule.Area != "" || rule.Kind == iot.Deviation || len(e.pointsOf(rule)) > 0
		for j := range rule.Except {
			byID = byID || len(rule.Except[j].Devices) > 0
			of.byLocation = of.byLocation || rule.Except[j].Area != ""
		}
	}
	if !byID && !of.byLocation {
		of.plain = e.compile(of, nil, new(iot.Reading))
	}
}

// compile returns the set of the rules that select the device that has sent r. A device without limits of its own shares it.
func (e *Engine) compile(of *typeRules, entry *iot.DeviceEntry, r *iot.Reading) *Set {
	if entry == nil {
		entry = new(iot.DeviceEntry)
	}
	area := entry.Area
	if area == "" && of.byLocation {
		area = r.Location.Area()
	}
	set := &Set{label: of.label, muted: entry.Retired}
	key := []byte(of.typ + "\x00")
	if set.muted {
		key = append(key, iot.MaxRules) // No rule has this index.
	}
	own, personal, withPeers := false, false, false
	for i := range of.rules {
		rule := &of.rules[i]
		selected := func(s *iot.Selector) bool { return selects(s, r.Tenant, area, entry.Labels, r.ID) }
		if entry.Retired || rule.Disabled || !selected(&rule.Selector) || slices.ContainsFunc(rule.Except, func(s iot.Selector) bool { return selected(&s) }) {
			continue
		}
		key = append(key, byte(i))
		personal = personal || namesArea(rule)
		if rule.Kind == iot.NoData {
			set.addSilence(compiled{Rule: *rule})
			continue
		}
		c := compile(rule, e.programs[rule.Name])
		if limit, any := entry.Limits[rule.Name]; any {
			c.setThreshold(limit)
			own = true
		}
		set.rules = append(set.rules, c)
		set.remembers = set.remembers || c.step != nil || c.program != nil
		personal = personal || c.program != nil
		withPeers = withPeers || c.Kind == iot.Deviation || len(e.pointsOf(rule)) > 0
	}
	if !own {
		set = e.share(string(key), set)
	}
	if withPeers || personal && (entry.Area != "" || len(entry.Labels) > 0) {
		of := *set
		of.area, of.labels = entry.Area, entry.Labels
		if withPeers {
			of.peers, of.points = iot.Peers{Tenant: r.Tenant, Area: area, Type: r.Type}, e.points
		}
		return &of
	}
	return set
}

// pointsOf returns the names of the points to which the rule's expression refers.
func (e *Engine) pointsOf(rule *iot.Rule) []string {
	if program := e.programs[rule.Name]; program != nil {
		return program.Points()
	}
	return nil
}

func compile(rule *iot.Rule, program *expression.Program) compiled {
	c := compiled{Rule: *rule, step: stepOf(&rule.Condition), program: program}
	c.plain = c.step == nil && c.program == nil && c.Kind != iot.Deviation
	return c
}

// setThreshold replaces the threshold by a device's own limit, unless the condition cannot have it.
func (c *compiled) setThreshold(limit float64) {
	condition := c.Condition
	condition.Threshold = limit
	if condition.Normalize() == nil {
		c.Condition = condition
	}
}

// share returns the set with the same rules that another device has already, or else this one.
func (e *Engine) share(key string, set *Set) *Set {
	e.mu.Lock()
	defer e.mu.Unlock()
	if shared := e.sets[key]; shared != nil {
		return shared
	}
	if len(e.sets) < maxSharedSets {
		e.sets[key] = set
	}
	return set
}

// Selects reports whether a rule selects the device of an alert. entry is the device's registry entry, nil if it is not registered.
func Selects(rule *iot.Rule, entry *iot.DeviceEntry, a *iot.Alert) bool {
	area := a.Location.Area()
	if entry != nil && entry.Area != "" {
		area = entry.Area
	}
	return SelectsPeer(rule, entry, iot.Peers{Tenant: a.Tenant, Area: area, Type: a.DeviceType}, a.DeviceID)
}

// PeersOf returns the peers of a device. entry is its registry entry, nil if it is not registered.
func PeersOf(entry *iot.DeviceEntry, d *iot.Device) iot.Peers {
	peers := iot.Peers{Tenant: d.Tenant, Type: d.Type}
	if entry != nil && entry.Area != "" {
		peers.Area = entry.Area
	} else {
		peers.Area = d.Location.Area()
	}
	return peers
}

// SelectsPeer reports whether a rule selects the device with the id, one of the peers. entry is its registry entry, nil if it is not registered.
func SelectsPeer(rule *iot.Rule, entry *iot.DeviceEntry, of iot.Peers, id iot.DeviceID) bool {
	if entry == nil {
		entry = new(iot.DeviceEntry)
	}
	selected := func(s *iot.Selector) bool { return selects(s, of.Tenant, of.Area, entry.Labels, id) }
	return (rule.Type == "" || rule.Type == of.Type) && selected(&rule.Selector) &&
		!slices.ContainsFunc(rule.Except, func(s iot.Selector) bool { return selected(&s) })
}

// Watching returns those of the rules that watch a device and judge something of it, by their parts: see iot.Rule.Parts. A limit of the device's own
// has replaced a threshold. entry is the device's registry entry, nil if it is not registered. There are none of a retired one.
func Watching(rules []iot.Rule, entry *iot.DeviceEntry, d *iot.Device) []iot.Rule {
	if entry == nil {
		entry = new(iot.DeviceEntry)
	}
	if entry.Retired {
		return nil
	}
	of := iot.Alert{Tenant: d.Tenant, DeviceID: d.ID, DeviceType: d.Type, Location: d.Location}
	var watching []iot.Rule
	for i := range rules {
		if rule := &rules[i]; rule.Disabled || rule.Name == iot.RuleOffline || rule.Kind == iot.Maintenance || !Selects(rule, entry, &of) {
			continue
		}
		for _, part := range rules[i].Parts() {
			c := compiled{Rule: part}
			if limit, any := entry.Limits[part.Name]; any && part.Kind != iot.NoData {
				c.setThreshold(limit)
			}
			watching = append(watching, c.Rule)
		}
	}
	return watching
}

// selects reports whether a selector selects a device. The type is checked elsewhere.
func selects(s *iot.Selector, tenant iot.Tenant, area iot.Area, labels map[string]string, id iot.DeviceID) bool {
	if s.Tenant != "" && s.Tenant != tenant || !area.Within(s.Area) {
		return false
	}
	for name, value := range s.Labels {
		if got, any := labels[name]; !any || got != value {
			return false
		}
	}
	return len(s.Devices) == 0 || slices.Contains(s.Devices, id)
}
