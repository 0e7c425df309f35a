package api

import (
	"bytes"
	"cmp"
	"context"
	"net/http"
	"slices"
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
		Errors:      []int{http.StatusNotFound},
	}, s.getDevice)
}

type devicesInput struct {
	Type     iot.DeviceType `query:"type" doc:"Only this device type." example:"temperature_sensor" maxLength:"128"`
	Status   iot.Status     `query:"status" doc:"Only devices with this status." enum:"online,offline"`
	Building string         `query:"building" doc:"Only this building." maxLength:"256"`
	Floor    optional[int]  `query:"floor" doc:"Only this floor."`
	Room     string         `query:"room" doc:"Only this room." maxLength:"256"`
	Q        string         `query:"q" doc:"Only ids that contain this text, in either case." maxLength:"128"`
	Alerting optional[bool] `query:"has_open_alerts" doc:"Only devices with open alerts (true) or without (false)."`
	Sort     string         `query:"sort" doc:"What to order by; equal ones are ordered by id." enum:"id,type,status,value,last_seen,building" default:"id"`
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

func (in *devicesInput) matches(state *iot.DeviceState, q *folded) bool {
	device := &state.Latest.Device
	switch {
	case in.Type != "" && device.Type != in.Type,
		in.Status != "" && state.Status != in.Status,
		in.Building != "" && device.Location.Building != in.Building,
		rejects(in.Floor, device.Location.Floor),
		in.Room != "" && device.Location.Room != in.Room,
		in.Alerting.Given && rejects(in.Alerting, alerting(state)):
		return false
	}
	return q.in(string(device.ID))
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

func keyOf(state *iot.DeviceState, sort string) deviceKey {
	key := deviceKey{ID: state.Latest.ID}
	switch sort {
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
}

func (s *server) listDevices(_ context.Context, in *devicesInput) (*answer[list[wire.Device]], error) {
	if err := s.checkType(in.Type); err != nil {
		return nil, err
	}
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
		if in.matches(state, q) {
			rows = append(rows, placed{deviceKey{ID: state.Latest.ID}, *state})
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
		if !in.matches(state, q) {
			return true
		}
		key := keyOf(state, in.Sort)
		if (in.Cursor == "" || page.compare(key, after) > 0) && page.wants(key) {
			page.add(placed{key, *state})
		}
		return true
	})
	return page.sorted()
}

// devicePage returns the page of the first Limit rows. A further row means that another page follows.
func devicePage(rows []placed, in *devicesInput) (*answer[list[wire.Device]], error) {
	out := &answer[list[wire.Device]]{Body: list[wire.Device]{Items: []wire.Device{}}}
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
		out.Body.Items = append(out.Body.Items, wire.FromState(&row.state))
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

// deviceDetail is everything known about one device.
type deviceDetail struct {
	wire.Device
	Alerts      []wire.Alert `json:"alerts" nullable:"false" doc:"The raised event of every open alert, most urgent first."`
	AlertStates []alertState `json:"alert_states" nullable:"false" doc:"Every rule that is violated or whose alert is still open."`
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

func (s *server) getDevice(_ context.Context, in *deviceInput) (*answer[deviceDetail], error) {
	state, ok := s.o.Fleet.Device(in.ID.Canonical())
	if !ok {
		return nil, noSuchDevice(in.ID)
	}
	detail := deviceDetail{
		Device:      wire.FromState(&state),
		Alerts:      wire.FromAlerts(iot.TopAlerts(state.OpenAlerts())),
		AlertStates: []alertState{},
	}
	for _, rule := range state.Alerts {
		detail.AlertStates = append(detail.AlertStates, fromAlertState(rule))
	}
	return &answer[deviceDetail]{detail}, nil
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

func noSuchDevice(id iot.DeviceID) error {
	return huma.Error404NotFound("no device has the id " + string(id))
}
