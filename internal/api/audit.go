package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"iotmon/internal/control"
	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

func (s *server) registerAudit(api huma.API) {
	if s.o.Registry == nil {
		return
	}
	huma.Register(api, huma.Operation{
		OperationID: "list-audit",
		Method:      http.MethodGet,
		Path:        Prefix + "/audit",
		Tags:        []string{"Devices"},
		Summary:     "List who has decided what",
		Description: "The decisions about devices, rules, the maps of sources, device types and who is notified of alerts, the newest first. They are kept as long as control.audit_retention " +
			"says, the last one about each of them always.",
		Errors: []int{http.StatusBadRequest, http.StatusServiceUnavailable},
	}, s.listAudit)
}

type auditInput struct {
	Device iot.DeviceID `query:"device" doc:"Only decisions about this device." example:"device_001" maxLength:"128"`
	Source string       `query:"source" doc:"Only decisions about the map of this source." maxLength:"63"`
	Rule   string       `query:"rule" doc:"Only decisions about this rule." maxLength:"128"`
	Kind   control.Kind `query:"kind" doc:"Only decisions about things of this kind, without device, source and rule." enum:"device,rule,map,type,notifications"`
	Limit  int          `query:"limit" doc:"How many decisions one page holds at most." minimum:"1" maximum:"200" default:"50"`
	Cursor string       `query:"cursor" doc:"The next of the page before." maxLength:"2048"`
}

// listing leaves out the parameters that may change from page to page.
func (in auditInput) listing() string {
	in.Limit, in.Cursor = 0, ""
	return listing("audit", in)
}

// decision is one audit entry.
type decision struct {
	Revision int64          `json:"revision" doc:"Grows with each decision."`
	Time     time.Time      `json:"time" doc:"When, by the clock of the service that has stored it."`
	Actor    string         `json:"actor" doc:"Who: an opaque id. iotmon: no person, because a database that was restored has lost or repeated a decision."`
	Action   string         `json:"action" doc:"How: put, patch, import, change or forget; adopt or repeat if nobody has."`
	Reason   string         `json:"reason,omitempty" doc:"Why it was decided; absent if no reason was given."`
	Kind     control.Kind   `json:"kind" enum:"device,rule,map,type,notifications" doc:"What was decided about."`
	Device   iot.DeviceID   `json:"device_id,omitempty" doc:"The device, if it is one."`
	Source   string         `json:"source,omitempty" doc:"The source, if it is the map of one."`
	Rule     string         `json:"alert_type,omitempty" doc:"The rule, if it is one."`
	Type     iot.DeviceType `json:"device_type,omitempty" doc:"The device type, if it is one. Types are decided with the map of a source that defines them."`
	Version  int64          `json:"version" doc:"The version since."`
	Before   any            `json:"before,omitempty" doc:"What was decided before, for a device its registry entry; absent if nothing was."`
	After    any            `json:"after,omitempty" doc:"What has been decided; absent if the device is forgotten, or the rule deleted."`
}

func (s *server) listAudit(ctx context.Context, in *auditInput) (*answer[list[decision]], error) {
	q := control.AuditQuery{Limit: in.Limit + 1}
	in.Device = in.Device.Canonical()
	switch {
	case in.Kind != "" && (in.Device != "" || in.Source != "" || in.Rule != ""):
		return nil, badParameter("kind", "must not be given together with device, source or rule", string(in.Kind))
	case in.Kind == control.Notifications:
		q.Of = control.NotificationsRef()
	case in.Kind != "":
		q.Kind = in.Kind
	case in.Device != "" && in.Rule != "":
		return nil, badParameter("rule", "must not be given together with device", in.Rule)
	case in.Source != "" && (in.Device != "" || in.Rule != ""):
		return nil, badParameter("source", "must not be given together with device or rule", in.Source)
	case in.Source != "":
		q.Of = control.MapRef(in.Source)
	case in.Device != "":
		q.Of = control.DeviceRef(iot.Identity{ID: in.Device})
	case in.Rule != "":
		q.Of = control.RuleRef(in.Rule)
	}
	if in.Cursor != "" {
		var err error
		if q.Before, err = unseal[int64](in.listing(), in.Cursor); err != nil {
			return nil, err
		}
	}
	entries, err := s.o.Registry.Audit(ctx, q)
	if err != nil {
		return nil, s.decisionProblem(ctx, err)
	}
	out := &answer[list[decision]]{Body: list[decision]{Items: []decision{}}}
	if len(entries) > in.Limit {
		entries = entries[:in.Limit]
		if out.Body.Next, err = seal(in.listing(), entries[len(entries)-1].Revision); err != nil {
			return nil, err
		}
	}
	entries = ownDecisions(entries)
	for i := range entries {
		out.Body.Items = append(out.Body.Items, toDecision(&entries[i]))
	}
	return out, nil
}

func toDecision(a *control.Audit) decision {
	d := decision{Revision: a.Revision, Time: a.Time, Actor: a.Actor, Action: a.Action, Reason: a.Reason, Kind: a.Kind, Version: a.Version}
	switch a.Kind {
	case control.Device:
		d.Device = iot.DeviceID(a.ID)
	case control.Map:
		d.Source = a.ID
	case control.Type:
		d.Type = iot.DeviceType(a.ID)
	case control.Notifications:
	default:
		d.Rule = a.ID
	}
	d.Before, d.After = decidedBody(a.Ref, a.Before), decidedBody(a.Ref, a.After)
	return d
}

// decidedBody returns what a body says; nil if there is none, or if it says that something is deleted. What cannot be decoded, because
// a newer version has written it, is returned as it is.
func decidedBody(of control.Ref, body []byte) any {
	if body == nil {
		return nil
	}
	if of.Kind == control.Device {
		if entry, err := wire.DecodeDeviceEntry(body); err == nil {
			if entry.Forget {
				return nil
			}
			return toRegistered(&entry)
		}
	}
	var deleted struct{ Deleted bool }
	if json.Unmarshal(body, &deleted) == nil && deleted.Deleted {
		return nil
	}
	return json.RawMessage(body)
}
