package api

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"iotmon/internal/iot"
)

// maxDeviceShelvings is how many shelvings the answer with a device lists at most.
const maxDeviceShelvings = 100

func (s *server) registerShelvings(api huma.API) {
	if s.o.Commands == nil || s.o.Handled == nil {
		return
	}
	tags := []string{"Alerts"}
	huma.Register(api, huma.Operation{
		OperationID: "list-shelvings", Method: http.MethodGet, Path: Prefix + "/shelvings", Tags: tags,
		Summary: "List what is shelved or out of service",
		Description: "Every rule of a device, and every whole device, of whose alerts nobody is notified because somebody has decided so, also if no alert is open: in the order of the devices, " +
			"and of each what is about the whole device first. It is what the processors have in force. end-shelving ends one.",
		Errors: []int{http.StatusBadRequest, http.StatusServiceUnavailable},
	}, s.listShelvings)
	huma.Register(api, huma.Operation{
		OperationID: "end-shelving", Method: http.MethodPost, Path: Prefix + "/shelvings/end", Tags: tags,
		Summary: "End what is shelved or out of service",
		Description: "The same as unshelve and in_service of an alert, also if there is no alert: done is false if the processor has refused it, and refused says why, such as nothing_to_end. " +
			"An Idempotency-Key is as that of handle-alert.",
		Responses: map[string]*huma.Response{
			"202": {Description: "In the log, and it is not known what came of it; see handle-alert."},
		},
		Errors: []int{http.StatusForbidden, http.StatusConflict, http.StatusTooManyRequests, http.StatusServiceUnavailable},
	}, s.endShelving)
}

// shelving is a rule of a device, or a whole device, that is shelved or out of service.
type shelving struct {
	Rule    string          `json:"alert_type,omitempty" doc:"The rule: the alert_type of its alerts; absent if all rules of the device are."`
	Kind    iot.Suppression `json:"kind" enum:"shelved,out_of_service"`
	Until   time.Time       `json:"until,omitzero" doc:"When shelving ends; absent of what is out of service, which has no end."`
	OneShot bool            `json:"one_shot,omitempty" doc:"Shelving ends as soon as an alert of the rule clears."`
	By      string          `json:"by" doc:"Who has decided it: an opaque id."`
	Reason  string          `json:"reason,omitempty" doc:"Why; absent if it was decided before reasons were needed."`
	Since   time.Time       `json:"since" doc:"When it was decided."`
}

// listedShelving is a shelving with its device.
type listedShelving struct {
	DeviceID iot.DeviceID `json:"device_id"`
	Area     iot.Area     `json:"area,omitempty" doc:"Where the device belongs."`
	shelving
}

func toShelving(s *iot.Shelving) shelving {
	out := shelving{Rule: s.Rule, Kind: iot.Shelved, Until: s.Until, OneShot: s.OneShot, By: s.Actor, Reason: s.Reason, Since: s.Since}
	if s.OutOfService {
		out.Kind = iot.OutOfService
	}
	return out
}

// compare orders the shelvings of a device.
func (s *shelving) compare(other *shelving) int {
	return cmp.Or(cmp.Compare(s.Rule, other.Rule), cmp.Compare(s.Kind, other.Kind))
}

// toShelvings returns what of a device is shelved, in order, as far as it is wanted.
func toShelvings(of []iot.Shelving, wanted func(*iot.Shelving) bool) []shelving {
	var all []shelving
	for i := range of {
		if wanted(&of[i]) {
			all = append(all, toShelving(&of[i]))
		}
	}
	slices.SortFunc(all, func(a, b shelving) int { return a.compare(&b) })
	return all
}

// shelvingsOf returns what of a device is shelved, the first maxDeviceShelvings.
func (s *server) shelvingsOf(id iot.DeviceID) []shelving {
	if s.o.Handled == nil {
		return nil
	}
	all := toShelvings(s.o.Handled.Shelved(iot.Identity{ID: id}).Shelvings, func(*iot.Shelving) bool { return true })
	return all[:min(len(all), maxDeviceShelvings)]
}

// suppressing returns by what alerts of the rule of an alert on its device are suppressed, whether the alert is open or not.
func (s *server) suppressing(a *iot.Alert) []shelving {
	return toShelvings(s.o.Handled.Shelved(a.Identity()).Shelvings, func(one *iot.Shelving) bool { return one.Rule == "" || one.Rule == a.Rule })
}

type shelvingsInput struct {
	Device iot.DeviceID `query:"device" doc:"Only this device." maxLength:"128"`
	Rule   string       `query:"rule" doc:"Only this rule: the alert_type. What is about whole devices is left out." maxLength:"128"`
	Area   iot.Area     `query:"area" doc:"Only devices of this area and those below it." maxLength:"1024"`
	Limit  int          `query:"limit" doc:"How many one page holds at most." minimum:"1" maximum:"1000" default:"100" example:"10"`
	Cursor string       `query:"cursor" doc:"The next of the page before." maxLength:"2048"`
}

func (in shelvingsInput) listing() string {
	in.Limit, in.Cursor = 0, ""
	return listing("shelvings", in)
}

// shelvingsRow is a cursor: the last row of a page.
type shelvingsRow struct {
	Device iot.DeviceID    `json:"d"`
	Rule   string          `json:"r,omitempty"`
	Kind   iot.Suppression `json:"k"`
}

// shelvedDevice is a device with what of it is shelved, which must not be changed.
type shelvedDevice struct {
	id iot.DeviceID
	of *iot.ShelvedInForce
}

func (s *server) listShelvings(ctx context.Context, in *shelvingsInput) (*answer[list[listedShelving]], error) {
	var after shelvingsRow
	if in.Cursor != "" {
		var err error
		if after, err = unseal[shelvingsRow](in.listing(), in.Cursor); err != nil {
			return nil, err
		}
	}
	if !s.o.Handled.Current() { // An empty list would say that nothing is shelved.
		return nil, retryLater(huma.Error503ServiceUnavailable("what is shelved is still being read after the start"), "1")
	}
	release, err := s.admitScan(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	out := &answer[list[listedShelving]]{Body: list[listedShelving]{Items: []listedShelving{}}}
	last := shelving{Rule: after.Rule, Kind: after.Kind}
	for _, d := range s.shelvedDevices(in.Device, after.Device) {
		area := s.areaOf(d.id)
		if !area.Within(in.Area.Canonical()) {
			continue
		}
		for _, one := range toShelvings(d.of.Shelvings, func(one *iot.Shelving) bool { return in.Rule == "" || one.Rule == in.Rule }) {
			if d.id == after.Device && one.compare(&last) <= 0 {
				continue
			}
			if items := out.Body.Items; len(items) == in.Limit {
				end := &items[in.Limit-1]
				out.Body.Next, err = seal(in.listing(), shelvingsRow{end.DeviceID, end.Rule, end.Kind})
				return out, err
			}
			out.Body.Items = append(out.Body.Items, listedShelving{d.id, area, one})
		}
	}
	return out, nil
}

// shelvedDevices returns the devices of which something is shelved from one on, in the order of their ids; only one of them if that is not empty.
func (s *server) shelvedDevices(only, from iot.DeviceID) []shelvedDevice {
	var all []shelvedDevice
	s.o.Handled.EachShelved(func(device iot.Identity, of *iot.ShelvedInForce) bool {
		if device.Tenant == "" && device.ID >= from && (only == "" || device.ID == only) {
			all = append(all, shelvedDevice{device.ID, of})
		}
		return true
	})
	slices.SortFunc(all, func(a, b shelvedDevice) int { return cmp.Compare(a.id, b.id) })
	return all
}

// areaOf returns where a device belongs; empty if that is not known.
func (s *server) areaOf(id iot.DeviceID) iot.Area {
	d := listed{id: id, entry: s.entry(id)}
	if state, ok := s.o.Fleet.Device(id); ok {
		d.state = &state
	}
	return d.area()
}

// EndedShelving is which shelving ends. It is exported for the library.
type EndedShelving struct {
	DeviceID iot.DeviceID    `json:"device_id" minLength:"1" maxLength:"128"`
	Rule     string          `json:"alert_type,omitempty" minLength:"1" maxLength:"128" doc:"The rule; absent: what is about the whole device."`
	Kind     iot.Suppression `json:"kind" enum:"shelved,out_of_service" doc:"What ends."`
	Comment  string          `json:"comment,omitempty" doc:"Why. At most 1,024 bytes."`
}

// Resolve puts the names into canonical form.
func (e *EndedShelving) Resolve(huma.Context) []error {
	canonicalName(&e.DeviceID)
	canonicalName(&e.Rule)
	return nil
}

type endShelvingInput struct {
	Key  string `header:"Idempotency-Key" maxLength:"64" doc:"The same for a request that is sent again because its answer was lost: it is done once. Another request with it is 422."`
	Body EndedShelving
}

// shelvingEnded is the answer to the end of a shelving.
type shelvingEnded struct {
	Status int
	Body   struct {
		WhatWasDone
		Shelvings []shelving `json:"shelvings,omitempty" doc:"By what alerts of the rule on the device are suppressed now; absent if nothing is shelved or out of service."`
	}
}

// endShelving appends the command of unshelve or in_service, which needs no alert.
func (s *server) endShelving(ctx context.Context, in *endShelvingInput) (*shelvingEnded, error) {
	about := iot.Alert{DeviceID: in.Body.DeviceID, Rule: in.Body.Rule}
	action := alertActionInput{Action: string(iot.Unshelve), Body: AlertAction{Comment: in.Body.Comment, Device: in.Body.Rule == ""}}
	if in.Body.Kind == iot.OutOfService {
		action.Action = string(iot.ReturnToService)
	}
	origin, err := originOf(in.Key, "shelving", in.Body)
	if err != nil {
		return nil, err
	}
	o, known, err := s.carryOut(ctx, &about, &action, origin, origin.id())
	switch {
	case err != nil:
		return nil, err
	case known && o.Refused == iot.KeyReused:
		return nil, keyReused()
	}
	out := &shelvingEnded{Status: http.StatusOK}
	if known {
		out.Body.WhatWasDone = fromOutcome(&o)
	} else {
		out.Status = http.StatusAccepted
	}
	out.Body.Shelvings = s.suppressing(&about)
	return out, nil
}
