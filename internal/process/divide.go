package process

import (
	"slices"

	"iotmon/internal/aggregate"
	"iotmon/internal/iot"
)

// divide returns the groups of a type's summary: those of its readings, completed by the devices and open alerts of this moment. It
// returns nil if no area and no tenant is known. The result is valid until the next call.
func (p *Partition) divide(window aggregate.Result, t iot.DeviceType) []iot.GroupSummary {
	devices, alerts := p.fleet.CountAreas(t), p.alerts.countAreas(t)
	if iot.Ungrouped(window.Groups[t]) && onlyUnknown(devices) && onlyUnknown(alerts) {
		return nil
	}
	d := &p.division
	d.begin(window, t)
	for _, area := range sortedAreas(d, devices) {
		part := d.part(area)
		part.Online += devices[area].Online
		part.Offline += devices[area].Offline
	}
	for _, area := range sortedAreas(d, alerts) {
		d.part(area).AlertCount += alerts[area]
	}
	return d.groups
}

// onlyUnknown reports whether no area but the unknown one, without a tenant, is counted.
func onlyUnknown[Counts any](areas map[iot.TenantArea]Counts) bool {
	for area := range areas {
		if area != (iot.TenantArea{}) {
			return false
		}
	}
	return true
}

// division collects the groups of one type in a window. It reuses its memory for the next.
type division struct {
	kind iot.DeviceType
	// groups are sorted by tenant and area.
	groups []iot.GroupSummary
	// own are the areas of the window that have groups of their own; together with those in added they are at most iot.MaxAreas.
	own   map[iot.TenantArea]struct{}
	added int
	areas []iot.TenantArea
}

// sortedAreas returns the areas that are counted, until its next call. They are sorted, so that of too many the same ones share a
// group after a restart.
func sortedAreas[Counts any](d *division, counts map[iot.TenantArea]Counts) []iot.TenantArea {
	d.areas = d.areas[:0]
	for area := range counts {
		d.areas = append(d.areas, area)
	}
	slices.SortFunc(d.areas, iot.TenantArea.Compare)
	return d.areas
}

// begin begins with the groups of the window's readings.
func (d *division) begin(window aggregate.Result, t iot.DeviceType) {
	d.kind, d.own, d.added = t, window.Areas, 0
	d.groups = append(d.groups[:0], window.Groups[t]...)
}

// part returns the group for an area, until the next call. An area without readings in the window gets a group of its own if there
// are not too many.
func (d *division) part(area iot.TenantArea) *iot.GroupSummary {
	i, found := d.find(area)
	if found {
		return &d.groups[i]
	}
	if _, own := d.own[area]; !own && area.Area != "" {
		if len(d.own)+d.added >= iot.MaxAreas {
			area.Area = iot.OtherAreas
			if i, found = d.find(area); found {
				return &d.groups[i]
			}
		} else {
			d.added++
		}
	}
	d.groups = slices.Insert(d.groups, i, iot.GroupSummary{Group: iot.Group{Tenant: area.Tenant, Area: area.Area, Type: d.kind}})
	return &d.groups[i]
}

func (d *division) find(area iot.TenantArea) (int, bool) {
	return slices.BinarySearchFunc(d.groups, area, func(g iot.GroupSummary, area iot.TenantArea) int {
		return g.TenantArea().Compare(area)
	})
}
