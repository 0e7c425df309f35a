package live

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"slices"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// filter is what a client wants to see. Clients that want the same share one filter, and with it every message; it does
// not change.
type filter struct {
	// key is the same for filters that let the same through.
	key [32]byte
	// Each set is nil when it does not narrow.
	types       map[iot.DeviceType]struct{}
	ids         map[iot.DeviceID]struct{}
	buildings   map[string]struct{}
	minSeverity int
	// clients counts the clients with this filter; the hub's lock guards it.
	clients int
}

func newFilter(f wire.Filter) *filter {
	normal := wire.Filter{
		DeviceTypes: sorted(f.DeviceTypes),
		DeviceIDs:   sorted(f.DeviceIDs),
		Buildings:   sorted(f.Buildings),
		MinSeverity: f.MinSeverity,
	}
	// Strings and lists of them always marshal.
	key, _ := json.Marshal(normal)
	return &filter{
		key:         sha256.Sum256(key),
		types:       setOf(normal.DeviceTypes),
		ids:         setOf(normal.DeviceIDs),
		buildings:   setOf(normal.Buildings),
		minSeverity: f.MinSeverity.Rank(),
	}
}

func sorted[T cmp.Ordered](list []T) []T {
	return slices.Compact(slices.Sorted(slices.Values(list)))
}

func setOf[T comparable](list []T) map[T]struct{} {
	if len(list) == 0 {
		return nil
	}
	set := make(map[T]struct{}, len(list))
	for _, v := range list {
		set[v] = struct{}{}
	}
	return set
}

func allows[T comparable](set map[T]struct{}, v T) bool {
	if set == nil {
		return true
	}
	_, ok := set[v]
	return ok
}

func (f *filter) group(g group) bool {
	return allows(f.types, g.Type) && allows(f.buildings, g.Building)
}

// device reports whether the filter lets the device through. One that was forgotten has no id: nothing lets it through.
func (f *filter) device(s *iot.DeviceState) bool {
	return s.Latest.ID != "" && allows(f.types, s.Latest.Type) && allows(f.buildings, s.Latest.Location.Building) && allows(f.ids, s.Latest.ID)
}

func (f *filter) removal(r *removal) bool { return f.group(r.group) && allows(f.ids, r.id) }

func (f *filter) alert(a *iot.Alert) bool {
	return a.Severity.Rank() >= f.minSeverity &&
		allows(f.types, a.DeviceType) && allows(f.buildings, a.Location.Building) && allows(f.ids, a.DeviceID)
}
