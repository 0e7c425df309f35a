package iot

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Area is where a device belongs in the plant: a path such as "site/building/line/machine", the largest first. The empty
// Area means unknown.
type Area string

const (
	// MaxAreaLevels is the maximum number of names in the path of an Area.
	MaxAreaLevels = 8
	// MaxAreaName is the maximum length of one name in bytes, MaxArea that of the whole path.
	MaxAreaName = 128
	MaxArea     = 512
)

// First returns the first level of the area.
func (a Area) First() Area {
	first, _, _ := strings.Cut(string(a), "/")
	return Area(first)
}

// Within reports whether the area is outer or lies somewhere below it. Every area lies within the empty one.
func (a Area) Within(outer Area) bool {
	rest, ok := strings.CutPrefix(string(a), string(outer))
	return ok && (rest == "" || outer == "" || rest[0] == '/')
}

// Canonical returns the area in the form that a valid one has after Normalize: names in Unicode's form NFC without white
// space around them, no empty names. It does not check the names.
func (a Area) Canonical() Area {
	var names []string
	for name := range strings.SplitSeq(string(a), "/") {
		if name = norm.NFC.String(strings.TrimFunc(name, unicode.IsSpace)); name != "" {
			names = append(names, name)
		}
	}
	return Area(strings.Join(names, "/"))
}

// Normalize checks the area and puts its names into canonical form. The empty area is valid. The error is an *InvalidError.
func (a *Area) Normalize() error { return a.normalize("area") }

// NormalizeFirst is Normalize for an area that must be the first level of a path. The error is an *InvalidError about the field.
func (a *Area) NormalizeFirst(field string) error {
	if a.First() != *a {
		return Invalid(field, "must be the first level of an area, without a slash (got %s)", Quote(string(*a)))
	}
	return a.normalize(field)
}

// fit reports whether the area is valid and canonical by the quick test.
func (a Area) fit() bool {
	if len(a) > MaxArea {
		return false
	}
	rest, more := string(a), a != ""
	for level := 0; more; level++ {
		var name string
		if name, rest, more = strings.Cut(rest, "/"); name == "" || level == MaxAreaLevels || !fit(name, MaxAreaName) {
			return false
		}
	}
	return true
}

func (a *Area) normalize(field string) error {
	if a.fit() {
		return nil // Nearly always.
	}
	// Names are checked one by one, so the path is cut off before it is split.
	if err := checkSize(field, string(*a), 2*MaxArea); err != nil {
		return err
	}
	names := strings.Split(string(*a), "/")
	if len(names) > MaxAreaLevels {
		return Invalid(field, "more than %d levels (got %d)", MaxAreaLevels, len(names))
	}
	for i := range names {
		if err := normalizeText(field, &names[i], MaxAreaName); err != nil {
			return err
		}
		if names[i] == "" {
			return Invalid(field, "level %d has no name (got %s)", i+1, Quote(string(*a)))
		}
	}
	path := strings.Join(names, "/")
	if err := checkSize(field, path, MaxArea); err != nil {
		return err
	}
	*a = Area(path)
	return nil
}

// Area returns the area that a location amounts to: building, floor and room, as far as they are known. A slash within a
// name becomes U+2215, the division slash, and names longer than MaxAreaName are cut. The location must be one of an
// admitted reading.
func (l Location) Area() Area {
	var names []string
	for _, name := range []string{l.Building, floorName(l.Floor), l.Room} {
		if name = areaName(name); name != "" {
			names = append(names, name)
		}
	}
	return Area(strings.Join(names, "/"))
}

// FirstArea returns the first level of Area.
func (l *Location) FirstArea() Area {
	if l.Building != "" {
		return Area(areaName(l.Building))
	}
	return l.Area().First()
}

// SameFirstArea reports whether two locations have the same first area. It may be wrong with false, never with true, and costs
// next to nothing.
func (l *Location) SameFirstArea(other *Location) bool {
	return l.Building == other.Building && (l.Building != "" || l.Floor == other.Floor && l.Room == other.Room)
}

func floorName(floor int) string {
	if floor == 0 {
		return "" // Unknown.
	}
	return strconv.Itoa(floor)
}

// areaName makes a name of an area from a text of a reading.
func areaName(text string) string {
	name := strings.ReplaceAll(text, "/", "\u2215")
	if len(name) <= MaxAreaName {
		return name
	}
	cut := MaxAreaName
	for cut > 0 && !utf8.RuneStart(name[cut]) {
		cut--
	}
	return strings.TrimFunc(name[:cut], unicode.IsSpace)
}

// AreaFrom is an area and the event time from which a device belongs to it; the zero time means from the beginning.
type AreaFrom struct {
	From time.Time
	Area Area
}

// Areas are the areas to which the registry says that a device has belonged, oldest first: at most MaxAreaHistory of them.
type Areas []AreaFrom

// MaxAreaHistory is the maximum number of areas that are kept of one device. The oldest one kept also holds for all time
// before it. While an open window needs the oldest of so many, a further area is delayed; see EntryInForce.DelayedUntil.
const MaxAreaHistory = 8

// At returns the area to which the device belongs at an event time, empty if the locations in its readings apply.
func (a Areas) At(t time.Time) Area {
	if len(a) == 0 {
		return ""
	}
	i := len(a) - 1
	for i > 0 && t.Before(a[i].From) {
		i--
	}
	return a[i].Area
}

// MaxArchivedAreas is the maximum number of areas that the archive keeps of one device; see Areas.After.
const MaxArchivedAreas = 128

// After returns the areas with the earlier ones of the device from before the first of them: the last MaxArchivedAreas of all.
func (a Areas) After(earlier Areas) Areas {
	if len(a) == 0 {
		return nil
	}
	n := 0
	for n < len(earlier) && earlier[n].From.Before(a[0].From) {
		n++
	}
	all := slices.Concat(earlier[:n], a)
	return all[max(0, len(all)-MaxArchivedAreas):]
}

// normalize checks the areas, at most so many, and puts them into canonical form.
func (a Areas) normalize(most int) error {
	if len(a) > most {
		return Invalid("areas", "more than %d (got %d)", most, len(a))
	}
	for i := range a {
		if err := a[i].Area.normalize("areas.area"); err != nil {
			return err
		}
		if !a[i].From.IsZero() {
			if err := normalizeMoment("areas.from", &a[i].From, DefaultEarliest); err != nil {
				return err
			}
		}
		if i > 0 && !a[i].From.After(a[i-1].From) {
			return Invalid("areas.from", "must ascend (got %s)", a[i].From.Format(time.RFC3339))
		}
	}
	return nil
}

// DeviceAreas announces the areas of a device to those who summarize its readings again, who may keep MaxArchivedAreas of them.
type DeviceAreas struct {
	Identity
	Areas Areas
	Position
}

// Normalize checks the device and its areas. The error is an *InvalidError.
func (d *DeviceAreas) Normalize() error {
	if err := d.Identity.Normalize(); err != nil {
		return err
	}
	if len(d.Areas) == 0 {
		d.Areas = nil
	}
	return d.Areas.normalize(MaxArchivedAreas)
}
