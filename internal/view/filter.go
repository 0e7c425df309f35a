package view

import "iotmon/internal/iot"

// Filter selects some of the devices: those that are in all of its sets.
type Filter struct {
	// A nil set contains everything.
	Types     map[iot.DeviceType]struct{}
	IDs       map[iot.DeviceID]struct{}
	Buildings map[string]struct{}
	// Areas are first levels of areas.
	Areas map[iot.Area]struct{}
}

// Allows reports whether a set of a filter contains a value. A nil set contains everything.
func Allows[T comparable](set map[T]struct{}, v T) bool {
	if set == nil {
		return true
	}
	_, ok := set[v]
	return ok
}

// Group reports whether the filter selects the devices of a group. It ignores the set of ids.
func (f *Filter) Group(g Group) bool {
	return Allows(f.Types, g.Type) && Allows(f.Buildings, g.Building) && (f.Areas == nil || Allows(f.Areas, g.area()))
}

// Device reports whether the filter selects the device. A forgotten device has no id; no filter selects it.
func (f *Filter) Device(s *iot.DeviceState) bool {
	return s.Latest.ID != "" && Allows(f.Types, s.Latest.Type) && Allows(f.IDs, s.Latest.ID) &&
		Allows(f.Buildings, s.Latest.Location.Building) && (f.Areas == nil || Allows(f.Areas, s.FirstArea()))
}

// Alert reports whether the filter selects the device of an alert.
func (f *Filter) Alert(a *iot.Alert) bool {
	return Allows(f.Types, a.DeviceType) && Allows(f.IDs, a.DeviceID) &&
		Allows(f.Buildings, a.Location.Building) && (f.Areas == nil || Allows(f.Areas, a.FirstArea()))
}

// Removal reports whether the filter would have selected a device before it was forgotten.
func (f *Filter) Removal(r *Removal) bool { return f.Group(r.Group) && Allows(f.IDs, r.ID) }
