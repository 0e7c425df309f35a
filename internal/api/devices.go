package api

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

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

// listing leaves out what may change from page to page.
func (in devicesInput) listing() string {
	in.Limit, in.Cursor = 0, ""
	return listing("devices", in)
}

func (in *devicesInput) matches(state *iot.DeviceState, foldedQ string) bool {
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
	return foldedQ == "" || strings.Contains(strings.ToLower(string(device.ID)), foldedQ)
}

func alerting(state *iot.DeviceState) bool {
	return slices.ContainsFunc(state.Alerts, func(a iot.AlertState) bool { return a.Raised != nil })
}

// deviceKey is a device's place in an order: what it is ordered by, then its id. Only the field that the order needs is
// set.
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

// placed is a device at its place in an order.
type placed struct {
	key   deviceKey
	state *iot.DeviceState
}

func (s *server) listDevices(_ context.Context, in *devicesInput) (*answer[list[wire.Device]], error) {
	if err := s.checkType(in.Type); err != nil {
		return nil, err
	}
	direction := 1
	if in.Order == "desc" {
		direction = -1
	}
	var after deviceKey
	if in.Cursor != "" {
		var err error
		if after, err = unseal[deviceKey](in.listing(), in.Cursor); err != nil {
			return nil, err
		}
	}
	page := smallest[placed]{n: in.Limit + 1, compare: func(a, b placed) int { return direction * a.key.compare(b.key) }}
	foldedQ := strings.ToLower(in.Q)
	states := s.o.Fleet.Devices()
	for i := range states {
		state := &states[i]
		if !in.matches(state, foldedQ) {
			continue
		}
		key := keyOf(state, in.Sort)
		if in.Cursor == "" || direction*key.compare(after) > 0 {
			page.add(placed{key, state})
		}
	}
	return devicePage(page.sorted(), in)
}

// devicePage answers with the first Limit rows; one more is there if another page follows.
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
	for _, row := range rows {
		out.Body.Items = append(out.Body.Items, wire.FromState(row.state))
	}
	return out, nil
}

// smallest keeps the n smallest of what it is given, so that a page of a large fleet needs neither a copy nor a sort of
// all of it.
type smallest[T any] struct {
	n       int
	compare func(a, b T) int
	kept    []T
}

// add takes O(log n) on average: it sorts what is kept once per n additions.
func (s *smallest[T]) add(v T) {
	if s.kept = append(s.kept, v); len(s.kept) >= 2*s.n {
		s.kept = s.sorted()
	}
}

func (s *smallest[T]) sorted() []T {
	slices.SortFunc(s.kept, s.compare)
	return s.kept[:min(s.n, len(s.kept))]
}

type deviceInput struct {
	ID iot.DeviceID `path:"id" doc:"The device's id, percent-encoded." example:"device_001" maxLength:"128"`
}

// deviceDetail is all that is known of one device.
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
	state, ok := s.o.Fleet.Device(in.ID)
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
