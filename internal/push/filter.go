package push

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"slices"

	"iotmon/internal/iot"
	"iotmon/internal/view"
	"iotmon/internal/wire"
)

// filter is what a viewer wants to see. Viewers that want the same share one filter, and with it every message. But for the count of its
// viewers it does not change.
type filter struct {
	// key is the same for filters that let the same through.
	key [32]byte
	view.Filter
	// minSeverity is the lowest rank of the alerts that are let through.
	minSeverity int
	// viewers counts the viewers with this filter; the lock of shared guards it.
	viewers int
}

// newFilter returns the filter that a client asked for. The order of its lists, and what they hold twice, make no difference.
func newFilter(f wire.Filter) *filter {
	normal := wire.Filter{
		DeviceTypes: sorted(f.DeviceTypes),
		DeviceIDs:   sorted(f.DeviceIDs),
		Buildings:   sorted(f.Buildings),
		Areas:       sorted(f.Areas),
		MinSeverity: f.MinSeverity,
	}
	// There is no error: strings and lists of strings can always be encoded.
	key, _ := json.Marshal(normal)
	return &filter{
		key: sha256.Sum256(key),
		Filter: view.Filter{
			Types: setOf(normal.DeviceTypes), IDs: setOf(normal.DeviceIDs), Buildings: setOf(normal.Buildings),
			Areas: setOf(normal.Areas),
		},
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

// present reports whether the filter lets an alert through as its last event says that it is.
func (f *filter) present(a *iot.Alert) bool {
	return a.Severity.Rank() >= f.minSeverity && f.Alert(a)
}

// event reports whether the filter lets an event of an alert through. One that says that the alert follows its changed rule goes to everybody whom
// the alert may have concerned before: its severity may have fallen.
func (f *filter) event(a *iot.Alert) bool {
	return f.present(a) || a.Transition == iot.Updated && f.Alert(a)
}
