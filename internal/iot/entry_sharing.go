package iot

import (
	"encoding/binary"
	"maps"
	"math"
	"slices"
)

// maxShared is the maximum number of different values of each kind that an EntrySharing knows.
const maxShared = 4096

// EntrySharing keeps areas, parents, labels and limits that several registry entries have in common in memory once: a map of one label takes 300 bytes,
// and of 100,000 devices most have the labels of others. Of values that differ in every entry it knows the first maxShared only. The zero value is
// ready to use. It is not safe for concurrent use.
type EntrySharing struct {
	areas   map[Area]Area
	parents map[DeviceID]DeviceID
	labels  map[string]map[string]string
	limits  map[string]map[string]float64
	key     []byte
}

// Share replaces what an entry has in common with earlier ones. The maps of the entry must not be changed any more.
func (s *EntrySharing) Share(e *DeviceEntry) {
	if s.labels == nil {
		s.labels, s.limits = make(map[string]map[string]string), make(map[string]map[string]float64)
	}
	e.Area, e.Parent = s.area(e.Area), sharedText(&s.parents, e.Parent)
	e.Labels = shared(s, s.labels, e.Labels, func(key []byte, value string) []byte { return append(appendSize(key, len(value)), value...) })
	e.Limits = shared(s, s.limits, e.Limits, func(key []byte, value float64) []byte {
		return binary.LittleEndian.AppendUint64(key, math.Float64bits(value))
	})
}

// ShareAreas is Share for the areas that the device has belonged to.
func (s *EntrySharing) ShareAreas(areas Areas) {
	for i := range areas {
		areas[i].Area = s.area(areas[i].Area)
	}
}

func (s *EntrySharing) area(a Area) Area { return sharedText(&s.areas, a) }

// sharedText returns the known text that is equal, text itself if there is none.
func sharedText[T ~string](known *map[T]T, text T) T {
	if text == "" {
		return text
	}
	same, ok := (*known)[text]
	switch {
	case ok:
		return same
	case *known == nil:
		*known = make(map[T]T)
	}
	if len(*known) < maxShared {
		(*known)[text] = text
	}
	return text
}

// shared returns the known map with the same content, m itself if there is none.
func shared[V any](s *EntrySharing, known map[string]map[string]V, m map[string]V, appendValue func([]byte, V) []byte) map[string]V {
	if len(m) == 0 {
		return m
	}
	s.key = s.key[:0]
	for _, name := range slices.Sorted(maps.Keys(m)) {
		s.key = appendValue(append(appendSize(s.key, len(name)), name...), m[name])
	}
	if same, ok := known[string(s.key)]; ok {
		return same
	}
	if len(known) < maxShared {
		known[string(s.key)] = m
	}
	return m
}

func appendSize(key []byte, size int) []byte { return binary.AppendUvarint(key, uint64(size)) }
