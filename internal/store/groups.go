package store

import (
	"encoding/binary"
	"errors"
	"maps"
	"math"
	"slices"
	"time"

	"iotmon/internal/api"
	"iotmon/internal/iot"
)

// The forms in which EncodeGroups encodes the division of a summary.
const (
	// formOne is a single group: the number of readings of the summary, and the names of the group.
	formOne = 1
	// formMany is any number of groups, each with its numbers.
	formMany = 2
	// formTenants is formMany where any of the groups has a tenant. A query of everything reads the groups only of these rows.
	formTenants = 3
)

// EncodeGroups encodes the groups of a summary for a column beside its numbers: some forty bytes and the name of the area for each,
// and the name alone where there is only one. It returns nil if there is nothing to say.
func EncodeGroups(s *iot.WindowSummary) []byte {
	if iot.Ungrouped(s.Groups) {
		return nil
	}
	tenants := s.Groups[len(s.Groups)-1].Tenant != "" // They are in order.
	if len(s.Groups) == 1 && !tenants {
		return appendNames(binary.AppendVarint([]byte{formOne}, s.Count+s.Bad), s.Groups[0].Group)
	}
	blob := []byte{formMany}
	if tenants {
		blob[0] = formTenants
	}
	for i := range s.Groups {
		g := &s.Groups[i]
		blob = appendNames(blob, g.Group)
		for _, n := range []int64{g.Count, g.Uncertain, g.Bad, g.Devices, g.Online, g.Offline, g.AlertCount} {
			blob = binary.AppendVarint(blob, n)
		}
		if g.Count == 0 {
			continue
		}
		sum := EncodeSum(g.Sum)
		blob = append(binary.AppendUvarint(appendTerms(blob, []float64{g.Min, g.Max}), uint64(len(sum))), sum...)
	}
	return blob
}

func appendNames(blob []byte, g iot.Group) []byte {
	for _, name := range []string{string(g.Tenant), string(g.Area)} {
		blob = append(binary.AppendUvarint(blob, uint64(len(name))), name...)
	}
	return blob
}

// DecodeGroups returns the groups of a summary whose numbers have been read. It returns nil if the groups do not add up to these: the
// numbers were then replaced by a version of iotmon that knows no groups.
func DecodeGroups(blob []byte, whole *iot.WindowSummary) []iot.GroupSummary {
	d := decoder{rest: blob}
	switch d.byte() {
	case formOne:
		count := d.varint()
		part := iot.GroupSummary{Group: d.names(whole.Type), Summary: whole.Summary}
		part.Alerts = nil
		if d.err != nil || count != whole.Count+whole.Bad {
			return nil
		}
		return []iot.GroupSummary{part}
	case formMany, formTenants:
		var groups []iot.GroupSummary
		for len(d.rest) > 0 && d.err == nil {
			groups = append(groups, d.group(whole.Type))
		}
		if d.err != nil || !addUp(groups, &whole.Summary) {
			return nil
		}
		return groups
	}
	return nil
}

// addUp reports whether the groups are the parts of a whole.
func addUp(groups []iot.GroupSummary, whole *iot.Summary) bool {
	var sum iot.Summary
	for i := range groups {
		sum.Merge(groups[i].Summary)
	}
	return sum.Count == whole.Count && sum.Uncertain == whole.Uncertain && sum.Bad == whole.Bad && sum.Online == whole.Online &&
		sum.Offline == whole.Offline && sum.AlertCount == whole.AlertCount && sum.Sum.Float64() == whole.Sum.Float64()
}

// decoder reads from the front of a blob. After an error it returns zeros.
type decoder struct {
	rest []byte
	err  error
}

var errShort = errors.New("the encoded groups end early")

func (d *decoder) bytes(n uint64) []byte {
	if n > uint64(len(d.rest)) {
		d.rest, d.err = nil, errShort
		return nil
	}
	taken := d.rest[:n]
	d.rest = d.rest[n:]
	return taken
}

func (d *decoder) byte() byte {
	if b := d.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.rest)
	return v * int64(d.skip(n))
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.rest)
	return v * uint64(d.skip(n))
}

// skip skips a number of n bytes. It returns 0 if that was none, else 1.
func (d *decoder) skip(n int) int {
	if n <= 0 {
		d.rest, d.err = nil, errShort
		return 0
	}
	d.rest = d.rest[n:]
	return 1
}

func (d *decoder) float() float64 {
	if b := d.bytes(8); b != nil {
		return math.Float64frombits(binary.LittleEndian.Uint64(b))
	}
	return 0
}

func (d *decoder) names(t iot.DeviceType) iot.Group {
	tenant, area := string(d.bytes(d.uvarint())), string(d.bytes(d.uvarint()))
	return iot.Group{Tenant: iot.Tenant(tenant), Area: iot.Area(area), Type: t}
}

func (d *decoder) group(t iot.DeviceType) iot.GroupSummary {
	g := iot.GroupSummary{Group: d.names(t)}
	for _, n := range []*int64{&g.Count, &g.Uncertain, &g.Bad, &g.Devices, &g.Online, &g.Offline, &g.AlertCount} {
		*n = d.varint()
	}
	if g.Count != 0 {
		g.Min, g.Max = d.float(), d.float()
		g.Sum = DecodeSum(d.bytes(d.uvarint()))
	}
	return g
}

// Areas is what a database knows of areas when it recomputes windows of one partition.
type Areas struct {
	// Names are the areas of the ids in the readings' flags.
	Names map[int64]iot.Area
	// Tenants are the tenants of the devices that have one, by the row ids of the devices.
	Tenants map[int64]iot.Tenant
	// Registered are the areas to which the registry says that devices have belonged, by the row ids of the devices.
	Registered map[int64]iot.Areas
}

// NewAreas returns what is known without a database: what the id OtherArea means.
func NewAreas() Areas {
	return Areas{
		Names: map[int64]iot.Area{OtherArea: iot.OtherAreas}, Tenants: make(map[int64]iot.Tenant), Registered: make(map[int64]iot.Areas),
	}
}

// of returns the group, without its type, in which a reading counts.
func (a *Areas) of(device int64, at time.Time, flags int64) iot.Group {
	area := a.Registered[device].At(at).First()
	if area == "" {
		area = a.Names[flags>>areaShift]
	}
	return iot.Group{Tenant: a.Tenants[device], Area: area}
}

// Recount adds up the readings of one partition's window that are in the archive.
type Recount struct {
	Areas
	// Whole is the summary of all of them.
	Whole iot.Summary
	parts map[iot.Group]*iot.Summary
	// device is the device of the last reading, groups are those in which it was counted.
	device int64
	groups []iot.Group
}

// Add adds a reading, given its time and flags. All readings of a device must be added one after the other, in any order.
func (r *Recount) Add(device int64, at time.Time, value float64, flags int64) {
	if device != r.device {
		r.device, r.groups = device, r.groups[:0]
	}
	group, quality := r.of(device, at, flags), Quality(flags)
	part := r.parts[group]
	if part == nil {
		if r.parts == nil {
			r.parts = make(map[iot.Group]*iot.Summary)
		}
		part = new(iot.Summary)
		r.parts[group] = part
	}
	r.Whole.AddReading(value, quality)
	part.AddReading(value, quality)
	if quality == iot.Bad || slices.Contains(r.groups, group) {
		return
	}
	if len(r.groups) == 0 {
		r.Whole.Devices++
	}
	part.Devices++
	r.groups = append(r.groups, group)
}

// Divide returns the groups of Whole. Before is the summary that is replaced, the zero one if there is none: what its groups say about the
// moment at which the window closed stays. Areas that had no group of their own then, because there were too many, have none now.
func (r *Recount) Divide(t iot.DeviceType, before *iot.WindowSummary) []iot.GroupSummary {
	d := division{byGroup: make(map[iot.Group]*iot.GroupSummary), kind: t}
	d.begin(before)
	for _, group := range slices.SortedFunc(maps.Keys(r.parts), iot.Group.Compare) {
		d.part(group).Merge(*r.parts[group])
	}
	groups := make([]iot.GroupSummary, 0, len(d.byGroup))
	for _, part := range d.byGroup {
		groups = append(groups, *part)
	}
	slices.SortFunc(groups, func(a, b iot.GroupSummary) int { return a.Compare(b.Group) })
	if iot.Ungrouped(groups) {
		return nil
	}
	return groups
}

// division collects the groups of a recomputed summary.
type division struct {
	byGroup map[iot.Group]*iot.GroupSummary
	kind    iot.DeviceType
	// full means that there were too many areas when the window closed; named counts those with a group of their own.
	full  bool
	named int
}

// begin adds the groups of the summary before, without its readings.
func (d *division) begin(before *iot.WindowSummary) {
	rest := iot.Summary{Online: before.Online, Offline: before.Offline, AlertCount: before.AlertCount}
	for i := range before.Groups {
		old := &before.Groups[i]
		d.full = d.full || old.Area == iot.OtherAreas
		part := d.add(old.Group)
		part.Online, part.Offline, part.AlertCount = old.Online, old.Offline, old.AlertCount
		rest.Online, rest.Offline, rest.AlertCount = rest.Online-old.Online, rest.Offline-old.Offline, rest.AlertCount-old.AlertCount
	}
	if rest.Online != 0 || rest.Offline != 0 || rest.AlertCount != 0 {
		part := d.part(iot.Group{}) // The summary before knew no groups.
		part.Online, part.Offline, part.AlertCount = part.Online+rest.Online, part.Offline+rest.Offline, part.AlertCount+rest.AlertCount
	}
}

func (d *division) add(g iot.Group) *iot.GroupSummary {
	g.Type = d.kind
	part := &iot.GroupSummary{Group: g}
	d.byGroup[g] = part
	if g.Area != "" && g.Area != iot.OtherAreas {
		d.named++
	}
	return part
}

// part returns a group, or that of the other areas if there are too many.
func (d *division) part(g iot.Group) *iot.GroupSummary {
	g.Type = d.kind
	if part := d.byGroup[g]; part != nil {
		return part
	}
	if g.Area != "" && g.Area != iot.OtherAreas && (d.full || d.named >= iot.MaxAreas) {
		return d.part(iot.Group{Tenant: g.Tenant, Area: iot.OtherAreas})
	}
	return d.add(g)
}

// Narrow narrows a summary that was read from the archive to what a query selects. What is left of one without such devices is Empty.
func Narrow(s *iot.WindowSummary, q *api.SummariesQuery) {
	own, _ := s.OfTenant(q.Tenant)
	if q.Area != "" {
		own.Summary, _ = own.InArea(q.Area)
	}
	own.Groups = nil
	*s = own
}
