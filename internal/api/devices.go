package api

import (
	"bytes"
	"context"
	"net/http"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"iotmon/internal/iot"
)

func (s *server) registerDevices(api huma.API) {
	huma.Register(api, huma.Operation{
		OperationID: "list-devices",
		Method:      http.MethodGet,
		Path:        Prefix + "/devices",
		Tags:        []string{"Devices"},
		Summary:     "List devices",
		Description: "The latest known of every device. Filters are joined by \"and\". Devices of which nothing is known that the order needs are " +
			"last, ascending and descending. With cursor, paging gives every device exactly once, ordered by what does not change with " +
			"each reading; otherwise a device that changes between two pages may move past the cursor. With offset, pages that are " +
			"requested within a second of each other belong to the same order.",
		Errors: []int{http.StatusBadRequest, http.StatusServiceUnavailable},
	}, s.listDevices)
	huma.Register(api, huma.Operation{
		OperationID: "get-device",
		Method:      http.MethodGet,
		Path:        Prefix + "/devices/{id}",
		Tags:        []string{"Devices"},
		Summary:     "Get one device",
		Description: "The latest known of one device, its open alerts, and how far each of its rules is violated.",
		Errors:      []int{http.StatusNotFound, http.StatusServiceUnavailable},
	}, s.getDevice)
}

// neverSent is the status of a device that has a registry entry and has never sent.
const neverSent iot.Status = "never_sent"

// DeviceFilter selects devices. It is exported for the library, which ignores what is embedded otherwise.
type DeviceFilter struct {
	Type      iot.DeviceType `query:"type" doc:"Only this device type." example:"temperature_sensor" maxLength:"128"`
	Status    iot.Status     `query:"status" doc:"Only devices with this status. never_sent: devices with a registry entry that have never sent." enum:"online,offline,never_sent"`
	Building  string         `query:"building" doc:"Only this building." maxLength:"256"`
	Floor     optional[int]  `query:"floor" doc:"Only this floor."`
	Room      string         `query:"room" doc:"Only this room." maxLength:"256"`
	Area      iot.Area       `query:"area" doc:"Only this area and those below it." example:"A栋/3" maxLength:"1024"`
	Label     []string       `query:"label,explode" nullable:"false" doc:"Only devices that have the label, given as name or as name=value. All that are given must match." maxItems:"32"`
	Entered   optional[bool] `query:"registered" doc:"Only devices with a registry entry (true) or without (false)."`
	Retired   optional[bool] `query:"retired" doc:"Only devices that are retired (true) or are not (false)."`
	NeverSent bool           `query:"never_sent" doc:"Also devices with a registry entry that have never sent: of them there is only device_id, status, area and registered."`
	Q         string         `query:"q" doc:"Only devices whose id or name contains this text, in either case." maxLength:"128"`
	Alerting  optional[bool] `query:"has_open_alerts" doc:"Only devices with open alerts (true) or without (false)."`
}

// devicesInput are the parameters of a listing.
type devicesInput struct {
	DeviceFilter
	Sort   sortBy        `query:"sort" doc:"What to order by; equal ones are ordered by id. label.NAME is the label of that name." default:"id" example:"name"`
	Order  string        `query:"order" doc:"Ascending or descending." enum:"asc,desc" default:"asc"`
	Limit  int           `query:"limit" doc:"How many devices one page holds at most." minimum:"1" maximum:"1000" default:"100" example:"2"`
	Cursor string        `query:"cursor" doc:"The next of the page before." maxLength:"2048"`
	Offset optional[int] `query:"offset" doc:"How many devices to skip, instead of a cursor. The answer has the total then, and no next." minimum:"0"`
}

// listing leaves out the parameters that may change from page to page.
func (in devicesInput) listing() string {
	in.Limit, in.Cursor, in.Offset = 0, "", optional[int]{}
	return listing("devices", in)
}

// check checks the filter and puts it into canonical form. The error is a problem.
func (f *DeviceFilter) check(s *server) error {
	f.Area = f.Area.Canonical()
	return s.checkType(f.Type)
}

func (in *devicesInput) descending() bool { return in.Order == "desc" }

// neverSent reports whether devices that have never sent are listed.
func (f *DeviceFilter) neverSent() bool { return f.NeverSent || f.Status == neverSent }

func (f *DeviceFilter) matches(d *listed, q *folded) bool {
	if f.Status != "" && f.Status != d.status() || f.Area != "" && !d.area().Within(f.Area) || !hasLabels(d.entry, f.Label) ||
		rejects(f.Entered, d.entry != nil) ||
		rejects(f.Retired, d.entry != nil && d.entry.Retired) ||
		!f.matchesState(d.state) {
		return false
	}
	return q.in(string(d.id)) || d.entry != nil && q.in(d.entry.Name)
}

// matchesState checks what only readings say. A device that has never sent, whose state is nil, has no type, place or alerts.
func (f *DeviceFilter) matchesState(state *iot.DeviceState) bool {
	if state == nil {
		return f.Type == "" && f.Building == "" && !f.Floor.Given && f.Room == "" && !rejects(f.Alerting, false)
	}
	device := &state.Latest.Device
	return (f.Type == "" || device.Type == f.Type) &&
		(f.Building == "" || device.Location.Building == f.Building) &&
		!rejects(f.Floor, device.Location.Floor) &&
		(f.Room == "" || device.Location.Room == f.Room) &&
		(!f.Alerting.Given || !rejects(f.Alerting, alerting(state)))
}

// listed is a device with its registry entry, nil if it has none. The state is nil if it has never sent.
type listed struct {
	id    iot.DeviceID
	state *iot.DeviceState
	entry *iot.DeviceEntry
}

// listed returns a device with the entry that is in force.
func (s *server) listed(state *iot.DeviceState) listed {
	return listed{state.Latest.ID, state, s.entry(state.Latest.ID)}
}

// entry returns the entry of a device that is in force; nil if there is none.
func (s *server) entry(id iot.DeviceID) *iot.DeviceEntry {
	if s.o.Entries == nil {
		return nil
	}
	return s.o.Entries.Device(iot.Identity{ID: id})
}

func (d *listed) status() iot.Status {
	if d.state == nil {
		return neverSent
	}
	return d.state.Status
}

// area is where the device belongs: as its entry says, or else as its readings say.
func (d *listed) area() iot.Area {
	switch {
	case d.entry != nil && d.entry.Area != "":
		return d.entry.Area
	case d.state != nil:
		return d.state.Latest.Location.Area()
	}
	return ""
}

// hasLabels reports whether an entry, which may be nil, has all labels, given as name or name=value.
func hasLabels(entry *iot.DeviceEntry, labels []string) bool {
	for _, label := range labels {
		if entry == nil {
			return false
		}
		name, value, exact := strings.Cut(label, "=")
		if got, has := entry.Labels[name]; !has || exact && got != value {
			return false
		}
	}
	return true
}

// folded is a text for case-insensitive search.
type folded struct {
	text []byte
	// buffer is reused for each searched text, of which there may be 100,000.
	buffer []byte
}

func fold(text string) *folded { return &folded{text: lower(nil, text)} }

// in reports whether the text occurs in s.
func (f *folded) in(s string) bool {
	if len(f.text) == 0 {
		return true
	}
	f.buffer = lower(f.buffer[:0], s)
	return bytes.Contains(f.buffer, f.text)
}

func lower(dst []byte, s string) []byte {
	for _, r := range s {
		dst = utf8.AppendRune(dst, unicode.ToLower(r))
	}
	return dst
}

func alerting(state *iot.DeviceState) bool {
	return slices.ContainsFunc(state.Alerts, func(a iot.AlertState) bool { return a.Raised != nil })
}

// devicePage is one page of the devices.
type devicePage struct {
	Items []ListedDevice `json:"items" nullable:"false"`
	Next  string         `json:"next,omitempty" doc:"The cursor of the next page; absent on the last, and with offset."`
	Total *int           `json:"total,omitempty" doc:"How many devices match; only with offset."`
}

func (s *server) listDevices(ctx context.Context, in *devicesInput) (*answer[devicePage], error) {
	if err := in.check(s); err != nil {
		return nil, err
	}
	if in.Offset.Given {
		return s.devicesAt(ctx, in)
	}
	var after deviceKey
	if in.Cursor != "" {
		var err error
		if after, err = unseal[deviceKey](in.listing(), in.Cursor); err != nil {
			return nil, err
		}
	}
	if in.Sort == "id" && !in.neverSent() {
		return s.devicePage(s.devicesByID(in, after), in)
	}
	release, err := s.admitScan(ctx)
	if err != nil {
		return nil, err
	}
	rows := s.devicesByKey(in, after)
	release()
	return s.devicePage(rows, in)
}

// devicesByID returns the keys of the devices of the page after the key after, in the order of their ids, and one more if there is one.
func (s *server) devicesByID(in *devicesInput, after deviceKey) []deviceKey {
	var rows []deviceKey
	q := fold(in.Q)
	s.o.Fleet.Scan(after.ID, in.descending(), func(state *iot.DeviceState) bool {
		if d := s.listed(state); in.matches(&d, q) {
			rows = append(rows, deviceKey{ID: d.id})
		}
		return len(rows) <= in.Limit
	})
	return rows
}

// devicesByKey does the same for other orders. It scans every device, and keeps few more keys than those of the page.
func (s *server) devicesByKey(in *devicesInput, after deviceKey) []deviceKey {
	page := smallest{n: in.Limit + 1, compare: comparing(in.descending())}
	s.eachMatching(&in.DeviceFilter, func(d *listed) {
		key := in.Sort.key(d)
		if (in.Cursor == "" || page.compare(key, after) > 0) && page.wants(key) {
			page.add(key)
		}
	})
	return page.sorted()
}

// eachMatching calls visit with each device that the filter selects, once, in no order. visit must not keep the pointer.
func (s *server) eachMatching(f *DeviceFilter, visit func(*listed)) {
	q := fold(f.Q)
	each := func(d *listed) {
		if f.matches(d, q) {
			visit(d)
		}
	}
	// A device that sends for the first time during the scan is listed as one that has sent, or as one that has not: never twice.
	others := make(map[iot.DeviceID]*iot.DeviceEntry)
	if f.neverSent() {
		for _, e := range s.neverSent() {
			others[e.id] = e.entry
		}
	}
	var d listed // One for all, which would be allocated for each of 100,000.
	s.o.Fleet.Scan("", false, func(state *iot.DeviceState) bool {
		if len(others) > 0 {
			delete(others, state.Latest.ID)
		}
		d = s.listed(state)
		each(&d)
		return true
	})
	for id, entry := range others {
		each(&listed{id: id, entry: entry})
	}
}

// devicePage returns the page of the first Limit rows. A further row means that another page follows.
func (s *server) devicePage(rows []deviceKey, in *devicesInput) (*answer[devicePage], error) {
	out := &answer[devicePage]{Body: devicePage{Items: []ListedDevice{}}}
	if len(rows) > in.Limit {
		rows = rows[:in.Limit]
		next, err := seal(in.listing(), rows[len(rows)-1])
		if err != nil {
			return nil, err
		}
		out.Body.Next = next
	}
	for i := range rows {
		out.Body.add(s, rows[i].ID, in)
	}
	return out, nil
}

// add adds a device as it is now, unless it was forgotten since the scan.
func (p *devicePage) add(s *server, id iot.DeviceID, in *devicesInput) {
	d := listed{id: id, entry: s.entry(id)}
	if state, ok := s.o.Fleet.Device(id); ok {
		d.state = &state
	} else if d.entry == nil || !in.neverSent() {
		return
	}
	p.Items = append(p.Items, toListed(&d))
}

// smallest keeps the n smallest of the added keys, so that a page of a large fleet needs neither a copy nor a sort of
// the whole fleet.
type smallest struct {
	n       int
	compare func(a, b deviceKey) int
	kept    []deviceKey
	// full means that the first n of kept are sorted; keys after the last of them can be ignored.
	full bool
}

// wants reports whether a device with this key may be among the n smallest.
func (s *smallest) wants(key deviceKey) bool { return !s.full || s.compare(key, s.kept[s.n-1]) < 0 }

// add takes O(log n) on average: it sorts what is kept once per n additions.
func (s *smallest) add(key deviceKey) {
	if s.kept = append(s.kept, key); len(s.kept) >= 2*s.n {
		s.kept = s.sorted()
		s.full = true
	}
}

func (s *smallest) sorted() []deviceKey {
	slices.SortFunc(s.kept, s.compare)
	return s.kept[:min(s.n, len(s.kept))]
}
