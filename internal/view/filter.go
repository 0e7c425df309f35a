package view

import "iotmon/internal/iot"

// Filter narrows to some of the devices.
type Filter struct {
	// Each set is nil when it does not narrow.
	Types     map[iot.DeviceType]struct{}
	IDs       map[iot.DeviceID]struct{}
	Buildings map[string]struct{}
}

// Allows reports whether a set of a filter lets a value through.
func Allows[T comparable](set map[T]struct{}, v T) bool {
	if set == nil {
		return true
	}
	_, ok := set[v]
	return ok
}

// Group reports whether the filter lets devices of the group through, unless it narrows to single devices as well.
func (f *Filter) Group(g Group) bool {
	return Allows(f.Types, g.Type) && Allows(f.Buildings, g.Building)
}

// Device reports whether the filter lets the device through. One that was forgotten has no id: nothing lets it through.
func (f *Filter) Device(s *iot.DeviceState) bool {
	return s.Latest.ID != "" && Allows(f.Types, s.Latest.Type) && Allows(f.Buildings, s.Latest.Location.Building) && Allows(f.IDs, s.Latest.ID)
}

// Removal reports whether the filter lets the device through that was forgotten.
func (f *Filter) Removal(r *Removal) bool { return f.Group(r.Group) && Allows(f.IDs, r.ID) }
