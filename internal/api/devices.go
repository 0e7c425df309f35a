package api

import (
	"bytes"
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

func (s *server) registerDevices(api huma.API) {
	huma.Register(api, huma.Operation{
		OperationID: "list-devices",
		Method:      http.MethodGet,
		Path:        Prefix + "/devices",
		Tags:        []string{"Devices"},
		Summary:     "List devices",
		Description: "The latest known of every device. Filters are joined by \"and\". Ordered by id, type or building, " +
			"paging gives every device exactly once; by status, value or last_seen, a device that changes between two pages " +
			"may move past the cursor.",
		Errors: []int{http.StatusBadRequest},
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

type devicesInput struct {
	Type     iot.DeviceType `query:"type" doc:"Only this device type." example:"temperature_sensor" maxLength:"128"`
	Status   iot.Status     `query:"status" doc:"Only devices with this status." enum:"online,offline"`
	Building string         `query:"building" doc:"Only this building." maxLength:"256"`
	Floor    optional[int]  `query:"floor" doc:"Only this floor."`
	Room     string         `query:"room" doc:"Only this room." maxLength:"256"`
	Area     iot.Area       `query:"area" doc:"Only this area and those below it." example:"A栋/3" maxLength:"1024"`
	Label    []string       `query:"label,explode" nullable:"false" doc:"Only devices that have the label, given as name or as name=value. All that are given must match." maxItems:"32"`
	Entered  optional[bool] `query:"registered" doc:"Only devices with a registry entry (true) or without (false)."`
	Q        string         `query:"q" doc:"Only devices whose id or name contains this text, in either case." maxLength:"128"`
	Alerting optional[bool] `query:"has_open_alerts" doc:"Only devices with open alerts (true) or without (false)."`
	Sort     string         `query:"sort" doc:"What to order by; equal ones are ordered by id." enum:"id,name,type,status,value,last_seen,building,area" default:"id"`
	Order    string         `query:"order" doc:"Ascending or descending." enum:"asc,desc" default:"asc"`
	Limit    int            `query:"limit" doc:"How many devices one page holds at most." minimum:"1" maximum:"1000" default:"100" example:"2"`
	Cursor   string         `query:"cursor" doc:"The next of the page before." maxLength:"2048"`
}

// listing leaves out the parameters that may change from page to page.
func (in devicesInput) listing() string {
	in.Limit, in.Cursor = 0, ""
	return listing("devices", in)
}

func (in *devicesInput) descending() bool { return in.Order == "desc" }

func (in *devicesInput) matches(d *listed, q *folded) bool {
	device := &d.state.Latest.Device
	switch {
	case in.Type != "" && device.Type != in.Type,
		in.Status != "" && d.state.Status != in.Status,
		in.Building != "" && device.Location.Building != in.Building,
		rejects(in.Floor, device.Location.Floor),
		in.Room != "" && device.Location.Room != in.Room,
		in.Area != "" && !d.area().Within(in.Area),
		!hasLabels(d.entry, in.Label),
		in.Entered.Given && rejects(in.Entered, d.entry != nil),
		in.Alerting.Given && rejects(in.Alerting, alerting(d.state)):
		return false
	}
	return q.in(string(device.ID)) || d.entry != nil && q.in(d.entry.Name)
}

// listed is a device with its registry entry, nil if it has none.
type listed struct {
	state *iot.DeviceState
	entry *iot.DeviceEntry
}

// listed returns a device with the entry that is in force.
func (s *server) listed(state *iot.DeviceState) listed {
	d := listed{state: state}
	if s.o.Entries == nil {
		return d
	}
	if entry, ok := s.o.Entries.Device(iot.Identity{ID: state.Latest.ID}); ok {
		d.entry = &entry
	}
	return d
}

// area is where the device belongs: as its entry says, or else as its readings say.
func (d *listed) area() iot.Area {
	if d.entry != nil && d.entry.Area != "" {
		return d.entry.Area
	}
	return d.state.Latest.Location.Area()
}

func (d *listed) name() string {
	if d.entry == nil {
		return ""
	}
	return d.entry.Name
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

// deviceKey is a device's sort key: the field of the order, then the id. Only the field that the order needs is set.
type deviceKey struct {
	Text   string       `json:"t,omitempty"`
	Number float64      `json:"n,omitempty"`
	Micros int64        `json:"u,omitempty"`
	ID     iot.DeviceID `json:"id"`
}

func (k deviceKey) compare(other deviceKey) int {
	return cmp.Or(
		cmp.Compare(k.Text, other.Text),
		cmp.Compare(k.Number, other.Number),
		cmp.Compare(k.Micros, other.Micros),
		cmp.Compare(k.ID, other.ID),
	)
}

func keyOf(d *listed, sort string) deviceKey {
	state := d.state
	key := deviceKey{ID: state.Latest.ID}
	switch sort {
	case "name":
		key.Text = d.name()
	case "area":
		key.Text = string(d.area())
	case "type":
		key.Text = string(state.Latest.Type)
	case "status":
		key.Text = string(state.Status)
	case "building":
		key.Text = state.Latest.Location.Building
	case "value":
		key.Number = state.Latest.Value
	case "last_seen":
		key.Micros = state.Latest.Time.UnixMicro()
	}
	return key
}

// placed is a device with its sort key.
type placed struct {
	key   deviceKey
	state iot.DeviceState
	entry *iot.DeviceEntry
}

// listedDevice is a device of a listing.
type listedDevice struct {
	wire.Device
	Entry *Registered `json:"registered,omitempty" doc:"What people have decided about the device, as far as it is in force; absent without a registry entry."`
}

func (s *server) listDevices(_ context.Context, in *devicesInput) (*answer[list[listedDevice]], error) {
	if err := s.checkType(in.Type); err != nil {
		return nil, err
	}
	in.Area = in.Area.Canonical()
	var after deviceKey
	if in.Cursor != "" {
		var err error
		if after, err = unseal[deviceKey](in.listing(), in.Cursor); err != nil {
			return nil, err
		}
	}
	rows := s.devicesByID
	if in.Sort != "id" {
		rows = s.devicesByKey
	}
	return devicePage(rows(in, after), in)
}

// devicesByID returns the devices of the page after the key after, in the order of their ids, and one more if there is one.
func (s *server) devicesByID(in *devicesInput, after deviceKey) []placed {
	var rows []placed
	q := fold(in.Q)
	s.o.Fleet.Scan(after.ID, in.descending(), func(state *iot.DeviceState) bool {
		if d := s.listed(state); in.matches(&d, q) {
			rows = append(rows, placed{deviceKey{ID: state.Latest.ID}, *state, d.entry})
		}
		return len(rows) <= in.Limit
	})
	return rows
}

// devicesByKey does the same for other orders. It scans every device, and copies few more than those of the page.
func (s *server) devicesByKey(in *devicesInput, after deviceKey) []placed {
	direction := 1
	if in.descending() {
		direction = -1
	}
	page := smallest{n: in.Limit + 1, compare: func(a, b deviceKey) int { return direction * a.compare(b) }}
	q := fold(in.Q)
	s.o.Fleet.Scan("", false, func(state *iot.DeviceState) bool {
		d := s.listed(state)
		if !in.matches(&d, q) {
			return true
		}
		key := keyOf(&d, in.Sort)
		if (in.Cursor == "" || page.compare(key, after) > 0) && page.wants(key) {
			page.add(placed{key, *state, d.entry})
		}
		return true
	})
	return page.sorted()
}

// devicePage returns the page of the first Limit rows. A further row means that another page follows.
func devicePage(rows []placed, in *devicesInput) (*answer[list[listedDevice]], error) {
	out := &answer[list[listedDevice]]{Body: list[listedDevice]{Items: []listedDevice{}}}
	if len(rows) > in.Limit {
		rows = rows[:in.Limit]
		next, err := seal(in.listing(), rows[len(rows)-1].key)
		if err != nil {
			return nil, err
		}
		out.Body.Next = next
	}
	for i := range rows {
		row := &rows[i]
		item := listedDevice{Device: wire.FromState(&row.state)}
		if row.entry != nil {
			item.Entry = toRegistered(row.entry)
		}
		out.Body.Items = append(out.Body.Items, item)
	}
	return out, nil
}

// smallest keeps the n smallest of the added devices, so that a page of a large fleet needs neither a copy nor a sort of
// the whole fleet.
type smallest struct {
	n       int
	compare func(a, b deviceKey) int
	kept    []placed
	// full means that the first n of kept are sorted; devices after the last of them can be ignored.
	full bool
}

// wants reports whether a device with this key may be among the n smallest.
func (s *smallest) wants(key deviceKey) bool { return !s.full || s.compare(key, s.kept[s.n-1].key) < 0 }

// add takes O(log n) on average: it sorts what is kept once per n additions.
func (s *smallest) add(v placed) {
	if s.kept = append(s.kept, v); len(s.kept) >= 2*s.n {
		s.kept = s.sorted()
		s.full = true
	}
}

func (s *smallest) sorted() []placed {
	slices.SortFunc(s.kept, func(a, b placed) int { return s.compare(a.key, b.key) })
	return s.kept[:min(s.n, len(s.kept))]
}

type deviceInput struct {
	ID iot.DeviceID `path:"id" doc:"The device's id, percent-encoded." example:"device_001" maxLength:"128"`
}

// deviceDetail is everything known about one device. Of a device that has never sent, only the id and the entry are known.
type deviceDetail struct {
	ID iot.DeviceID `json:"device_id"`
	*wire.Device
	Area        iot.Area     `json:"area,omitempty" doc:"Where the device belongs: as its registry entry says, or else as its readings say."`
	Entry       *Registered  `json:"registered,omitempty" doc:"What people have decided about the device, as far as it is in force; absent without a registry entry."`
	Alerts      []wire.Alert `json:"alerts" nullable:"false" doc:"The raised event of every open alert, most urgent first."`
	AlertStates []alertState `json:"alert_states" nullable:"false" doc:"Every rule that is violated or whose alert is still open."`
}

// deviceAnswer is a device with the entity tag of its registry entry.
type deviceAnswer struct {
	ETag string `header:"ETag" doc:"The version of the registry entry that was decided last, in quotes, for If-Match; absent if the database does not answer."`
	Body deviceDetail
}

// alertState is one rule's state on one device.
type alertState struct {
	Rule  string `json:"rule" doc:"The rule's name: the alert_type of its alerts."`
	State string `json:"state" enum:"pending,open,clearing" doc:"pending: violated, not yet for long enough; open: raised; clearing: safe again, not yet for long enough."`
	// AlertID is empty while the state is pending.
	AlertID   string     `json:"alert_id,omitempty" doc:"The open alert."`
	Onset     time.Time  `json:"onset" doc:"The first violating reading."`
	SafeSince *time.Time `json:"safe_since,omitempty" doc:"The first of the safe readings since, while clearing."`
}

func (s *server) getDevice(ctx context.Context, in *deviceInput) (*deviceAnswer, error) {
	id := in.ID.Canonical()
	detail := deviceDetail{ID: id, Alerts: []wire.Alert{}, AlertStates: []alertState{}}
	if state, ok := s.o.Fleet.Device(id); ok {
		device, d := wire.FromState(&state), s.listed(&state)
		detail.Device, detail.Area = &device, d.area()
		detail.Alerts = wire.FromAlerts(iot.TopAlerts(state.OpenAlerts()))
		for _, rule := range state.Alerts {
			detail.AlertStates = append(detail.AlertStates, fromAlertState(rule))
		}
	}
	out := &deviceAnswer{}
	if s.o.Registry != nil {
		// The tag is that of the last decision, so that a change is based on it. What is in force is shown.
		if decided, err := s.o.Registry.Entry(ctx, iot.Identity{ID: id}); err == nil {
			out.ETag = etag(decided.Version)
		}
		if entry, ok := s.o.Entries.Device(iot.Identity{ID: id}); ok {
			detail.Entry = toRegistered(&entry)
			if entry.Area != "" {
				detail.Area = entry.Area
			}
		}
	}
	if detail.Device == nil && detail.Entry == nil {
		return nil, s.noSuchDevice(in.ID)
	}
	out.Body = detail
	return out, nil
}

func fromAlertState(rule iot.AlertState) alertState {
	out := alertState{Rule: rule.Rule, State: "pending", Onset: rule.Onset}
	if rule.Raised != nil {
		out.State, out.AlertID, out.Onset = "open", rule.Raised.ID, rule.Raised.Onset
		if !rule.Safe.IsZero() {
			out.State, out.SafeSince = "clearing", &rule.Safe
		}
	}
	return out
}

// noSuchDevice is the answer for a device that is not in the fleet.
func (s *server) noSuchDevice(id iot.DeviceID) error {
	if s.o.Complete != nil && !s.o.Complete() {
		return retryLater(huma.Error503ServiceUnavailable("the devices are still being read after the start"), "1")
	}
	return huma.Error404NotFound("no device has the id " + string(id))
}
