package aggregate

import (
	"slices"

	"iotmon/internal/iot"
)

// groups are the groups of a window's readings. At most iot.MaxAreas areas, of all tenants, have groups of their own, by the order in which
// their readings came; the readings of all further ones are in a group of iot.OtherAreas for each tenant.
type groups struct {
	byKey map[iot.Group]*group
	kinds map[iot.DeviceType]*kind
	// areas are those that have groups of their own. Unknown areas, which are empty, do not count.
	areas map[iot.TenantArea]struct{}
	// summaries and parts are made for a Result, and reused for the next.
	summaries map[iot.DeviceType]*iot.Summary
	parts     map[iot.DeviceType][]iot.GroupSummary
}

// group is the summary of one group in a window.
type group struct {
	iot.GroupSummary
	kind *kind
	// location is one that leads to the group, and from it alone it can be seen that another location leads there too. It is nil if none is
	// known, or if many do, as for iot.OtherAreas.
	location *iot.Location
}

// kind is a device type in a window.
type kind struct {
	// devices counts the distinct devices: one whose area changes is in several groups.
	devices int64
	groups  []*group
}

func newGroups() groups {
	return groups{
		byKey: make(map[iot.Group]*group), kinds: make(map[iot.DeviceType]*kind), areas: make(map[iot.TenantArea]struct{}),
		summaries: make(map[iot.DeviceType]*iot.Summary), parts: make(map[iot.DeviceType][]iot.GroupSummary),
	}
}

// holds reports whether a reading belongs to the group. It may be wrong with false, never with true. area is as in Windows.Add.
func (g *group) holds(r *iot.Reading, area iot.Area) bool {
	if area != "" {
		return g.Area == area && g.Type == r.Type // A member, and so its group, is of one tenant.
	}
	return g.location != nil && g.Type == r.Type && g.location.SameFirstArea(&r.Location)
}

// of returns the group of a reading, a new one if there is none. area is as in Windows.Add.
func (s *groups) of(r *iot.Reading, area iot.Area) *group {
	located := area == ""
	if located {
		area = r.Location.FirstArea()
	}
	key := iot.Group{Tenant: r.Tenant, Area: s.area(r.Tenant, area), Type: r.Type}
	g := s.byKey[key]
	if g == nil {
		g = s.add(key)
	}
	if located && g.location == nil && key.Area != iot.OtherAreas {
		g.location = &iot.Location{Building: r.Location.Building, Floor: r.Location.Floor, Room: r.Location.Room}
	}
	return g
}

// add adds an empty group.
func (s *groups) add(key iot.Group) *group {
	k := s.kinds[key.Type]
	if k == nil {
		k = new(kind)
		s.kinds[key.Type] = k
	}
	g := &group{GroupSummary: iot.GroupSummary{Group: key}, kind: k}
	s.byKey[key] = g
	k.groups = append(k.groups, g)
	return g
}

// area returns the area whose group takes the readings of an area of a tenant.
func (s *groups) area(tenant iot.Tenant, area iot.Area) iot.Area {
	if area == "" {
		return area
	}
	key := iot.TenantArea{Tenant: tenant, Area: area}
	if _, own := s.areas[key]; own {
		return area
	}
	if len(s.areas) == iot.MaxAreas {
		return iot.OtherAreas
	}
	s.areas[key] = struct{}{}
	return area
}

// Result is a window with the summaries of its readings. It belongs to the Windows, and is valid until the next Add.
type Result struct {
	iot.Window
	// Summaries has a summary for each type that has a reading in the window. The caller may add others.
	Summaries map[iot.DeviceType]*iot.Summary
	// Groups divides each summary, in the order of iot.Group.Compare.
	Groups map[iot.DeviceType][]iot.GroupSummary
	// Areas are the areas that have groups of their own, at most iot.MaxAreas.
	Areas map[iot.TenantArea]struct{}
}

// result returns the window's present summaries.
func (win *window) result() Result {
	all := &win.groups
	for t, k := range all.kinds {
		// Sorted before they are merged: the terms of a sum depend on the order, though their total does not.
		slices.SortFunc(k.groups, func(a, b *group) int { return a.Compare(b.Group) })
		all.summaries[t] = k.total()
		parts := all.parts[t][:0]
		for _, g := range k.groups {
			parts = append(parts, g.GroupSummary)
		}
		all.parts[t] = parts
	}
	return Result{Window: win.Window, Summaries: all.summaries, Groups: all.parts, Areas: all.areas}
}

// total returns the summary of all groups of a type.
func (k *kind) total() *iot.Summary {
	if len(k.groups) == 1 {
		return &k.groups[0].Summary
	}
	total := new(iot.Summary)
	for _, g := range k.groups {
		total.Merge(g.Summary)
	}
	total.Devices = k.devices
	return total
}
