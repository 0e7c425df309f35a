package api

import (
	"cmp"
	"context"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"iotmon/internal/alert"
	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

type deviceInput struct {
	ID iot.DeviceID `path:"id" doc:"The device's id, percent-encoded." example:"device_001" maxLength:"128"`
}

// ListedDevice is a device of a listing. Of one that has never sent, only the id, the status, the area and the entry are known. It is
// exported for the library, which ignores what is embedded otherwise.
type ListedDevice struct {
	ID     iot.DeviceID `json:"device_id"`
	Status iot.Status   `json:"status" enum:"online,offline,never_sent" doc:"Online or offline as the system determines it: a silent device is offline. never_sent: the device has a registry entry and has never sent."`
	*wire.Device
	Area  iot.Area    `json:"area,omitempty" doc:"Where the device belongs: as its registry entry says, or else as its readings say."`
	Shown *Display    `json:"display,omitempty" doc:"The unit in which people want to see the device's values; absent if that is unit."`
	Entry *Registered `json:"registered,omitempty" doc:"What people have decided about the device, as far as it is in force; absent without a registry entry."`
}

// Display is the unit of a registry entry, and how values are converted to it.
type Display struct {
	Unit   string  `json:"unit"`
	Scale  float64 `json:"scale" doc:"A value is shown as value * scale + offset."`
	Offset float64 `json:"offset"`
}

// display returns how the values of a device are shown; nil if as they are. An entry may have a unit that does not fit the device's type,
// from before its first reading: it is ignored.
func (d *listed) display() *Display {
	if d.state == nil || d.entry == nil || d.entry.Unit == "" {
		return nil
	}
	shown, ok := iot.ShownIn(d.entry.Unit, d.state.Latest.Unit)
	if !ok {
		return nil
	}
	return &Display{d.entry.Unit, shown.Scale, shown.Offset}
}

func toListed(d *listed) ListedDevice {
	item := ListedDevice{ID: d.id, Status: d.status(), Area: d.area(), Shown: d.display()}
	if d.state != nil {
		item.Device = new(wire.FromState(d.state))
	}
	if d.entry != nil {
		item.Entry = toRegistered(d.entry)
	}
	return item
}

// deviceDetail is everything known about one device.
type deviceDetail struct {
	ListedDevice
	Alerts      []wire.Alert `json:"alerts" nullable:"false" doc:"The raised event of every open alert, most urgent first."`
	AlertStates []alertState `json:"alert_states" nullable:"false" doc:"Every rule that is violated or whose alert is still open."`
	Shelvings   []shelving   `json:"shelvings,omitempty" doc:"What of the device is shelved or out of service, at most 100, also without an open alert; absent if nothing is, or if that is not known yet after a start."`
	AlertRules  []deviceRule `json:"alert_rules,omitempty" doc:"The rules in force that watch the device, in the order of their names, at most 100: absent if there are none, if it has never sent, or if the rules are not known yet after a start."`
}

// deviceAnswer is a device with the entity tag of its registry entry.
type deviceAnswer struct {
	ETag string `header:"ETag" doc:"The version of the registry entry that was decided last, in quotes, for If-Match; absent if the database does not answer."`
	Body deviceDetail
}

// deviceRule is a rule that watches a device.
type deviceRule struct {
	AlertType string       `json:"alert_type" doc:"The alert_type of its alerts: the rule's name and, of a level, a dot and the level's name."`
	Severity  iot.Severity `json:"severity" enum:"info,warning,critical"`
	Kind      string       `json:"kind" doc:"That of the rule's condition; threshold for a level."`
	Threshold *float64     `json:"threshold,omitempty" doc:"The one that holds for this device, in the type's unit unless values are counted; absent where nothing is compared with one."`
	Usual     *float64     `json:"usual_threshold,omitempty" doc:"That of the rule, if the device has its own."`
	Below     bool         `json:"below,omitempty" doc:"Lower values violate, instead of higher ones."`
}

// alertRules returns the rules in force that watch a device.
func (s *server) alertRules(state *iot.DeviceState, entry *iot.DeviceEntry) []deviceRule {
	if s.o.RulesInForce == nil {
		return nil
	}
	rules, _ := s.o.RulesInForce()
	unlimited := iot.DeviceEntry{}
	if entry != nil {
		unlimited = *entry
		unlimited.Limits = nil
	}
	usual := alert.Watching(rules, &unlimited, &state.Latest.Device)
	var list []deviceRule
	for i, rule := range alert.Watching(rules, entry, &state.Latest.Device) {
		one := deviceRule{AlertType: rule.Name, Severity: rule.Severity, Kind: cmp.Or(string(rule.Kind), kindThreshold), Below: rule.JudgesBelow()}
		if rule.Kind != iot.NoData {
			one.Threshold = &rule.Threshold
			if usual[i].Threshold != rule.Threshold {
				one.Usual = &usual[i].Threshold
			}
		}
		list = append(list, one)
	}
	return list
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
	d := listed{id: id, entry: s.entry(id)}
	detail := deviceDetail{Alerts: []wire.Alert{}, AlertStates: []alertState{}}
	if state, ok := s.o.Fleet.Device(id); ok {
		d.state = &state
		detail.Alerts = wire.FromAlerts(iot.TopAlerts(state.OpenAlerts()))
		for _, rule := range state.Alerts {
			detail.AlertStates = append(detail.AlertStates, fromAlertState(rule))
		}
		detail.AlertRules = s.alertRules(&state, d.entry)
	}
	if d.state == nil && d.entry == nil {
		return nil, s.noSuchDevice(in.ID)
	}
	detail.ListedDevice = toListed(&d)
	detail.Shelvings = s.shelvingsOf(id)
	out := &deviceAnswer{Body: detail}
	if s.o.Registry != nil {
		// The tag is that of the last decision, so that a change is based on it. What is in force is shown.
		if decided, err := s.o.Registry.Entry(ctx, iot.Identity{ID: id}); err == nil {
			out.ETag = etag(decided.Version)
		}
	}
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
