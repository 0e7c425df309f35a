package iot

import (
	"cmp"
	"slices"
)

// Group is what readings are summarized by. Summaries of several groups can be merged: into that of a building, of a tenant,
// or of the whole plant.
type Group struct {
	Tenant Tenant
	// Area is the first level of the area to which the device belongs, empty if that is unknown.
	Area Area
	Type DeviceType
}

const (
	// MaxAreas is the maximum number of areas that have a summary of their own in one window of one partition: those whose
	// readings come first in the log. All further ones share OtherAreas.
	MaxAreas = 100
	// OtherAreas is the area of a group that several areas share. No device belongs to an area of this name, because no level
	// of an area can contain a slash.
	OtherAreas Area = "/other"
)

// TenantArea is a first level of the areas of a tenant.
type TenantArea struct {
	Tenant Tenant
	Area   Area
}

// TenantArea returns the group without its type.
func (g Group) TenantArea() TenantArea { return TenantArea{g.Tenant, g.Area} }

// Compare orders by tenant, then by area.
func (a TenantArea) Compare(b TenantArea) int {
	return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Area, b.Area))
}

// Compare orders groups by tenant, then by area, then by type.
func (g Group) Compare(h Group) int {
	return cmp.Or(cmp.Compare(g.Tenant, h.Tenant), cmp.Compare(g.Area, h.Area), cmp.Compare(g.Type, h.Type))
}

// GroupSummary is the part of a summary that comes from the devices of one group.
type GroupSummary struct {
	Group
	Summary
}

// Ungrouped reports whether a division says nothing: it has no group except that without a tenant and an area.
func Ungrouped(groups []GroupSummary) bool {
	return len(groups) == 0 || len(groups) == 1 && groups[0].Tenant == "" && groups[0].Area == ""
}

// OfTenant returns the summary of one tenant's devices, with their groups. It is false if the window has no part of the tenant. Of the
// most urgent alerts those of the tenant remain. A device that belonged to several areas in the window counts in each.
func (s *WindowSummary) OfTenant(tenant Tenant) (WindowSummary, bool) {
	own := *s
	if tenant == "" && !s.tenanted() {
		return own, true // Nearly always.
	}
	own.Summary, own.Groups = Summary{}, nil
	for i := range s.Groups {
		if g := &s.Groups[i]; g.Tenant == tenant {
			own.Summary.Merge(g.Summary)
			own.Groups = append(own.Groups, *g)
		}
	}
	any := len(own.Groups) > 0
	if Ungrouped(own.Groups) {
		own.Groups = nil
	}
	for i := range s.Alerts {
		if s.Alerts[i].Tenant == tenant {
			own.Alerts = append(own.Alerts, s.Alerts[i])
		}
	}
	return own, any
}

// tenanted reports whether a group is of a tenant. The last in their order would be.
func (s *WindowSummary) tenanted() bool {
	last := len(s.Groups) - 1
	return last >= 0 && s.Groups[last].Tenant != ""
}

// InArea returns the part of the summary that comes from one area, the tenants added up. It is false if the window has no part of
// the area.
func (s *WindowSummary) InArea(area Area) (Summary, bool) {
	if len(s.Groups) == 0 {
		if area != "" {
			return Summary{}, false
		}
		return s.Summary, true
	}
	var part Summary
	found := false
	for i := range s.Groups {
		if s.Groups[i].Area == area {
			part.Merge(s.Groups[i].Summary)
			found = true
		}
	}
	part.Alerts = AlertsInArea(s.Alerts, area)
	return part, found
}

// Empty reports whether there is neither a reading, a device nor an alert in the summary.
func (s *Summary) Empty() bool {
	return s.Count == 0 && s.Bad == 0 && s.Online == 0 && s.Offline == 0 && s.AlertCount == 0
}

// AlertsInArea returns those alerts whose devices are in the area, in their order. For OtherAreas it returns none.
func AlertsInArea(alerts []Alert, area Area) []Alert {
	var inside []Alert
	for i := range alerts {
		if alerts[i].FirstArea() == area {
			inside = append(inside, alerts[i])
		}
	}
	return inside
}

// CloneGroups returns a copy that shares nothing that Add or Merge would change.
func CloneGroups(groups []GroupSummary) []GroupSummary {
	groups = slices.Clone(groups)
	for i := range groups {
		groups[i].Summary = groups[i].Summary.Clone()
	}
	return groups
}
