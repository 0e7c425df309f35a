package api

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"iotmon/internal/control"
	"iotmon/internal/iot"
)

const (
	// maxMany is the maximum number of devices that one request changes, maxManyBytes that of the bytes of its body.
	maxMany      = 10_000
	maxManyBytes = 4 << 20
	// maxChanges is the maximum number of changes that an answer lists.
	maxChanges = 1000
)

func (s *server) registerMany(api huma.API) {
	if s.o.Registry == nil {
		return
	}
	many := huma.Operation{
		OperationID: "patch-devices", Method: http.MethodPatch, Path: Prefix + "/devices", Tags: []string{"Devices"},
		Summary: "Change many registry entries",
		Description: "The same change of many devices, at most 10000: of those that the body names or, if it names none, of all that the filter selects. " +
			"All are checked first, and none is changed if one has another version than the body says, or if a change is not possible: the errors name " +
			"every such device. Then they are changed in the order of the request, up to 1000 at a time, and other changes are made in between. If that ends early, " +
			"with 409 or 503, made says how many are changed, and the same request completes it. With dry_run nothing is changed; the answer is the same.",
		RequestBody:  &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{}},
		Responses:    map[string]*huma.Response{"202": {Description: "Decided, and not yet all in force."}},
		Errors:       []int{http.StatusBadRequest, http.StatusForbidden, http.StatusConflict, http.StatusPreconditionFailed, http.StatusTooManyRequests, http.StatusServiceUnavailable},
		MaxBodyBytes: maxManyBytes, SkipValidateBody: true,
	}
	huma.Register(api, many, s.patchDevices)
	body := api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[manyChange](), true, "")
	api.OpenAPI().Paths[many.Path].Patch.RequestBody.Content["application/json"].Schema = body
}

// manyChange is what is to be done to which devices.
type manyChange struct {
	Devices []versioned     `json:"devices,omitempty" nullable:"false" maxItems:"10000" doc:"Which devices; absent: those that the filter selects."`
	Patch   json.RawMessage `json:"patch,omitempty" doc:"A JSON merge patch of each entry, as for one device; null removes a key."`
	Forget  bool            `json:"forget,omitempty" doc:"Forget the devices, instead of a patch."`
}

// Schema describes the patch, which the library would take for binary data.
func (manyChange) TransformSchema(_ huma.Registry, schema *huma.Schema) *huma.Schema {
	patch := schema.Properties["patch"]
	schema.Properties["patch"] = &huma.Schema{Type: huma.TypeObject, Description: patch.Description, AdditionalProperties: true}
	return schema
}

// versioned is a device with the version of its entry that the change is based on.
type versioned struct {
	ID      iot.DeviceID `json:"device_id" maxLength:"128"`
	Version *int64       `json:"version,omitempty" doc:"The version of the entry that the change is based on, 0 if there is none; absent for any."`
}

type manyInput struct {
	DeviceFilter
	Why
	DryRun  bool   `query:"dry_run" doc:"Answer with what would change, and change nothing."`
	RawBody []byte `contentType:"application/json"`
}

// ManyChanged is what a change of many entries does. It is exported for the library, which ignores what is embedded otherwise.
type ManyChanged struct {
	Changed   int            `json:"changed" doc:"How many entries change."`
	InForce   bool           `json:"in_force" doc:"Whether the processors have taken all changes over."`
	Items     []changedEntry `json:"items" nullable:"false" doc:"The first 1000 changes, in the order of the request."`
	Truncated bool           `json:"truncated,omitempty" doc:"There are more changes than items."`
}

type changedEntry struct {
	ID     iot.DeviceID `json:"device_id"`
	Before *Registered  `json:"before,omitempty" doc:"Absent without an entry."`
	After  *Registered  `json:"after,omitempty" doc:"Absent if the device is forgotten."`
}

type manyAnswer struct {
	Status int
	Body   struct {
		DryRun  bool `json:"dry_run"`
		Devices int  `json:"devices" doc:"How many devices were named or selected."`
		ManyChanged
	}
}

func (s *server) patchDevices(ctx context.Context, in *manyInput) (*manyAnswer, error) {
	var change manyChange
	if err := s.decodeBody(in.RawBody, s.document.Paths[Prefix+"/devices"].Patch, &change); err != nil {
		return nil, err
	}
	if change.Forget == (change.Patch != nil) {
		return nil, entryProblem(iot.Invalid("patch", "either a patch must be given or forget"))
	}
	devices, err := s.chosen(ctx, in, change.Devices)
	if err != nil {
		return nil, err
	}
	edits := make([]control.Edit, len(devices))
	for i, device := range devices {
		edits[i] = s.manyEdit(device, &change)
	}
	out := &manyAnswer{}
	out.Body.DryRun, out.Body.Devices = in.DryRun, len(edits)
	out.Status, out.Body.ManyChanged, err = s.decideMany(ctx, many{
		edits: edits, by: in.by(change.action()), dryRun: in.DryRun, advice: "read it again and decide anew",
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// chosen returns the devices that are to be changed: the named ones or, if there are none, those that the filter selects, in the order of
// their ids. The error is a problem.
func (s *server) chosen(ctx context.Context, in *manyInput, named []versioned) ([]versioned, error) {
	filter := in.DeviceFilter
	filter.NeverSent = false // It selects more, and not fewer.
	narrowed := !reflect.DeepEqual(filter, DeviceFilter{})
	switch {
	case named != nil && narrowed:
		return nil, entryProblem(iot.Invalid("devices", "must not be given together with a filter"))
	case named == nil && !narrowed:
		return nil, entryProblem(iot.Invalid("devices", "must be given, or a filter: a change of all devices is probably a mistake"))
	case named == nil:
		var err error
		if named, err = s.selected(ctx, &in.DeviceFilter); err != nil {
			return nil, err
		}
	}
	if len(named) > maxMany {
		return nil, entryProblem(iot.Invalid("devices", "more than %d (got %d): change them in parts", maxMany, len(named)))
	}
	return named, nil
}

// selected returns the devices that a filter selects, in the order of their ids. The error is a problem.
func (s *server) selected(ctx context.Context, f *DeviceFilter) ([]versioned, error) {
	if err := f.check(s); err != nil {
		return nil, err
	}
	release, err := s.admitScan(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	var found []versioned
	s.eachMatching(f, func(d *listed) { found = append(found, versioned{ID: d.id}) })
	slices.SortFunc(found, func(a, b versioned) int { return cmp.Compare(a.ID, b.ID) })
	return found, nil
}

func (s *server) manyEdit(device versioned, change *manyChange) control.Edit {
	edit := control.Edit{Device: iot.Identity{ID: device.ID}}
	if device.Version != nil {
		edit.If.Versions = []int64{*device.Version}
	}
	if change.Forget {
		edit.To = s.forgetting(device.ID.Canonical())
	} else {
		edit.To = s.checked(device.ID, func(current iot.DeviceEntry) (iot.DeviceEntry, error) { return patched(&current, change.Patch) })
	}
	return edit
}

func (c *manyChange) action() string {
	if c.Forget {
		return "forget"
	}
	return "change"
}

// many are edits that are made together.
type many struct {
	edits  []control.Edit
	by     control.By
	dryRun bool
	// advice is what to do if an entry has another version.
	advice string
}

// decideMany makes edits, or says what they would do, and waits until they are in force. It returns the status of the answer. The error is
// a problem.
func (s *server) decideMany(ctx context.Context, m many) (status int, out ManyChanged, err error) {
	release, err := s.admitDecision()
	if err != nil {
		return 0, out, err
	}
	defer release()
	defer s.orders.drop()
	out.Items = []changedEntry{}
	if m.dryRun {
		if err = s.o.Registry.Plan(ctx, m.edits, out.list); err != nil {
			return 0, out, s.manyProblem(ctx, err, &m)
		}
		s.decisionMade(ctx)
		return http.StatusOK, out, nil
	}
	var changes []change
	err = s.o.Registry.ChangeMany(ctx, m.edits, m.by, func(o *control.Outcome) {
		out.list(o)
		changes = append(changes, change{o.Device, o.After.Version, o.After.Forget})
	})
	if err != nil {
		return 0, out, s.manyProblem(ctx, err, &m)
	}
	s.decisionMade(ctx)
	if out.InForce = s.waitAll(ctx, changes); !out.InForce {
		return http.StatusAccepted, out, nil
	}
	return http.StatusOK, out, nil
}

// list counts a change, and lists it unless there are too many.
func (c *ManyChanged) list(o *control.Outcome) {
	c.Changed++
	if c.Truncated = c.Changed > maxChanges; !c.Truncated {
		c.Items = append(c.Items, changedEntry{o.Device.ID, shown(&o.Before), shown(&o.After)})
	}
}

// change is a change that is to come into force.
type change struct {
	device  iot.Identity
	version int64
	forget  bool
}

// shown returns an entry; nil if there is none.
func shown(e *iot.DeviceEntry) *Registered {
	if e.Version == 0 || e.Forget {
		return nil
	}
	return toRegistered(e)
}

// waitAll waits until all changes are in force, and forgotten devices are gone; false after inForceTimeout or when ctx ends.
func (s *server) waitAll(ctx context.Context, changes []change) bool {
	ctx, cancel := context.WithTimeout(ctx, inForceTimeout)
	defer cancel()
	for _, c := range changes {
		if !s.o.Entries.Wait(ctx, control.DeviceRef(c.device), c.version) {
			return false
		}
	}
	for _, c := range changes {
		if c.forget && !s.waitForgotten(ctx, c.device.ID) {
			return false
		}
	}
	return true
}

// manyProblem converts an error of the registry to a problem that names the devices.
func (s *server) manyProblem(ctx context.Context, err error, m *many) error {
	var partial *control.PartialError
	var refused *control.RefusedError
	var changed *control.ConditionError
	switch {
	case errors.As(err, &partial):
		return s.partialProblem(ctx, partial, m)
	case errors.As(err, &changed) && errors.As(err, &refused):
		return huma.Error412PreconditionFailed(fmt.Sprintf("nothing is changed: device %s has version %d by now: %s",
			iot.Quote(string(changed.Device.ID)), changed.Version, m.advice), refusals(refused)...)
	case errors.As(err, &refused):
		return huma.Error422UnprocessableEntity("nothing is changed, because some changes are not possible", refusals(refused)...)
	case errors.Is(err, control.ErrTwice):
		return huma.Error422UnprocessableEntity(err.Error())
	}
	return s.decisionProblem(ctx, err)
}

// partialProblem is the problem of edits of which only the first were made.
func (s *server) partialProblem(ctx context.Context, partial *control.PartialError, m *many) error {
	done := fmt.Sprintf("only the first %d of %d devices are changed", partial.Made, len(m.edits))
	var refused *control.RefusedError
	if errors.As(partial.Err, &refused) {
		problem := stopped(http.StatusConflict, fmt.Sprintf("%s, because others were changed by somebody else meanwhile: %s", done, m.advice))
		problem.Made = &partial.Made
		for _, detail := range refusals(refused) {
			problem.Add(detail)
		}
		return problem
	}
	problem := stopped(http.StatusServiceUnavailable, done+", because the database does not answer: send the same request again to complete it")
	if errors.Is(partial.Err, control.ErrBusy) {
		problem = stopped(http.StatusServiceUnavailable, done+", because the database is busy with other changes: send the same request again to complete it")
		problem.Busy = true
	} else if ctx.Err() == nil && !s.decisionsDown.Swap(true) {
		s.o.Logger.ErrorContext(ctx, "nothing can be decided", "error", partial.Err)
	}
	problem.Made = &partial.Made
	return retryLater(problem, "1")
}

// refusals returns why each device was refused.
func refusals(refused *control.RefusedError) []error {
	var details []error
	for _, r := range refused.Edits {
		detail := &huma.ErrorDetail{Message: r.Err.Error(), Location: "body", Value: r.Device.ID}
		var invalid *iot.InvalidError
		var changed *control.ConditionError
		switch {
		case errors.As(r.Err, &invalid):
			detail.Message, detail.Location = invalid.Reason, "body."+invalid.Field
		case errors.As(r.Err, &changed):
			detail.Location = "body.version"
		}
		details = append(details, detail)
	}
	return details
}
