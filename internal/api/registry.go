package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"golang.org/x/text/unicode/norm"

	"iotmon/internal/control"
	"iotmon/internal/iot"
	"iotmon/internal/spelling"
)

// Registry is where people decide about devices. Its methods may be called concurrently; their errors are those of
// control.Registry.
type Registry interface {
	// Entry returns the entry that was decided last.
	Entry(ctx context.Context, device iot.Identity) (iot.DeviceEntry, error)
	// Change makes a few edits, all or none, ChangeMany many of them, which are checked together and made in batches. Plan calls visit with
	// what they would do.
	Change(ctx context.Context, edits []control.Edit, by control.By) ([]control.Outcome, error)
	ChangeMany(ctx context.Context, edits []control.Edit, by control.By, made func(*control.Outcome)) error
	Plan(ctx context.Context, edits []control.Edit, visit func(*control.Outcome)) error
	// Audit returns who has decided what, the newest first.
	Audit(ctx context.Context, q control.AuditQuery) ([]control.Audit, error)
}

// Entries are the registry entries in force. Its methods may be called concurrently.
type Entries interface {
	// Device returns the entry of a device, which must not be changed; nil if there is none.
	Device(device iot.Identity) *iot.DeviceEntry
	// Devices calls visit with each entry, in no order, until visit returns false. visit must not block or call Entries, and must not
	// change the entry, which it may keep.
	Devices(visit func(iot.Identity, *iot.DeviceEntry) bool)
	// Wait waits until an entry of the version, or a higher one, is in force; false if ctx ends before.
	Wait(ctx context.Context, ref control.Ref, version int64) bool
	// Reference returns the median of peers that a partition has in force; nil if there is none. CountReferences returns how many it has.
	Reference(peers iot.Peers, partition int32) *iot.ReferenceInForce
	CountReferences(partition int32) int
	// Points returns the points of a machine that a partition has in force, which must not be changed; nil if there are none. CountPoints returns how many
	// it has of all machines.
	Points(machine iot.Machine, partition int32) *iot.PointsInForce
	CountPoints(partition int32) int
}

const (
	// inForceTimeout is how long a request waits until its decision is in force.
	inForceTimeout = 2 * time.Second
	// decisionsAtOnce is the maximum number of waiting requests.
	decisionsAtOnce = 64
	// nobody is who has decided, as long as nobody has to log in.
	nobody = "anonymous"
)

// EntryBody is what people decide about a device. It is exported, as Registered is, because the library ignores embedded types that are
// not.
type EntryBody struct {
	Name            string             `json:"name,omitempty" doc:"What people call the device; at most 128 bytes."`
	Area            iot.Area           `json:"area,omitempty" doc:"Where the device belongs: a path such as site/building/line/machine, at most 8 levels. Absent: the building, floor and room in its readings apply."`
	Labels          map[string]string  `json:"labels,omitempty" doc:"At most 32, by name; for filters and rules."`
	Limits          map[string]float64 `json:"limits,omitempty" doc:"The device's own thresholds, by the name of the rule whose threshold they replace."`
	Unit            string             `json:"unit,omitempty" doc:"The unit in which people want to see the device's values, one that its type's unit can be converted to: see display. Values, limits and rules are in the type's unit all the same."`
	IntervalSeconds float64            `json:"interval_seconds,omitempty" doc:"How often the device is expected to send. It is silent after three times this, at least 10 seconds. Absent: devices.offline_after applies."`
	Retired         bool               `json:"retired,omitempty" doc:"The device raises no alerts. Its readings still count."`
	Parent          iot.DeviceID       `json:"parent,omitempty" doc:"The id of the device through which this one sends, such as a gateway; at most 8 may be above a device. While an alert about the silence of the parent is open, alerts about that of the device are suppressed: by_parent."`
}

// Registered is an entry with its version.
type Registered struct {
	Version int64 `json:"version" doc:"Grows with each change; If-Match takes it in quotes."`
	EntryBody
}

func toRegistered(e *iot.DeviceEntry) *Registered {
	return &Registered{Version: e.Version, EntryBody: EntryBody{
		Name: e.Name, Area: e.Area, Labels: e.Labels, Limits: e.Limits, Unit: e.Unit, IntervalSeconds: e.Interval.Seconds(), Retired: e.Retired,
		Parent: e.Parent,
	}}
}

// entry returns the entry that the body says. The error is an *iot.InvalidError.
func (b *EntryBody) entry() (iot.DeviceEntry, error) {
	if !(math.Abs(b.IntervalSeconds) <= iot.MaxInterval.Seconds()) { // Also if it is not a number.
		return iot.DeviceEntry{}, iot.Invalid("interval_seconds", "must be between 0 and %s seconds, which is %v (got %v)", iot.Number(iot.MaxInterval.Seconds()), iot.Lasting(iot.MaxInterval), b.IntervalSeconds)
	}
	return iot.DeviceEntry{
		Name: b.Name, Area: b.Area, Labels: b.Labels, Limits: b.Limits, Unit: b.Unit, Retired: b.Retired, Parent: b.Parent,
		Interval: time.Duration(math.Round(b.IntervalSeconds*1e6)) * time.Microsecond,
	}, nil
}

// decodeStrictly decodes one JSON value. It refuses unknown keys, so that a typing error is not taken for an absent key, and text that is
// not UTF-8, which encoding/json would replace.
func decodeStrictly(data []byte, into any) error {
	if !utf8.Valid(data) {
		return errors.New("not UTF-8")
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return errors.New("something follows the JSON object")
	}
	return nil
}

// mergePatch returns an object to which a JSON merge patch was applied (RFC 7396).
func mergePatch(target, patch any) any {
	changes, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	object, ok := target.(map[string]any)
	if !ok {
		object = make(map[string]any)
	}
	for key, value := range changes {
		if value == nil {
			delete(object, key)
			continue
		}
		object[key] = mergePatch(object[key], value)
	}
	return object
}

// patched returns an entry to which the merge patch was applied.
func patched(e *iot.DeviceEntry, patch []byte) (iot.DeviceEntry, error) {
	var changes map[string]any
	if err := decodeStrictly(patch, &changes); err != nil || changes == nil {
		return iot.DeviceEntry{}, iot.Invalid("", "must be a JSON object with what is to change")
	}
	if err := checkKeys(changes); err != nil {
		return iot.DeviceEntry{}, err
	}
	for _, field := range []string{"labels", "limits"} {
		if names, ok := changes[field].(map[string]any); ok {
			canonical, err := canonicalNames(field, names)
			if err != nil {
				return iot.DeviceEntry{}, err
			}
			changes[field] = canonical
		}
	}
	text, err := json.Marshal(toRegistered(e).EntryBody)
	if err != nil {
		return iot.DeviceEntry{}, err
	}
	var target any
	if err := json.Unmarshal(text, &target); err != nil {
		return iot.DeviceEntry{}, err
	}
	if text, err = json.Marshal(mergePatch(target, changes)); err != nil {
		return iot.DeviceEntry{}, err
	}
	var body EntryBody
	if err := decodeStrictly(text, &body); err != nil {
		return iot.DeviceEntry{}, iot.Invalid("", "must be a JSON object with the keys of a registry entry: %v", err)
	}
	return body.entry()
}

// canonicalNames returns a patch of labels or limits with the names as entries have them, so that a name finds the one that looks the
// same.
func canonicalNames(field string, patch map[string]any) (map[string]any, error) {
	canonical := make(map[string]any, len(patch))
	for name, value := range patch {
		canonical[norm.NFC.String(name)] = value
	}
	if len(canonical) < len(patch) {
		return nil, iot.Invalid(field, "two names that look the same")
	}
	return canonical, nil
}

// checkKeys refuses keys that an entry does not have. Package encoding/json would take NAME for name, and of both the one that comes
// last: in a patch, that of the entry which is patched.
func checkKeys(object map[string]any) error {
	for _, key := range slices.Sorted(maps.Keys(object)) {
		if !slices.Contains(entryKeys, key) {
			return iot.Invalid(key, "%s", unknownKey+spelling.Suggest(key, entryKeys))
		}
	}
	return nil
}

// entryKeys are the keys of EntryBody.
var entryKeys = func() (keys []string) {
	for _, field := range reflect.VisibleFields(reflect.TypeFor[EntryBody]()) {
		key, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		keys = append(keys, key)
	}
	return keys
}()

// etag returns the entity tag of a version.
func etag(version int64) string { return strconv.Quote(strconv.FormatInt(version, 10)) }

// EntryInput names a device, and says on which entry a change is based. It is exported for the library, which ignores what is embedded
// otherwise.
type EntryInput struct {
	ID          iot.DeviceID `path:"id" doc:"The device's id, percent-encoded." example:"device_001" maxLength:"128"`
	IfMatch     string       `header:"If-Match" doc:"The ETag of the entry that the change is based on; * for any entry."`
	IfNoneMatch string       `header:"If-None-Match" doc:"* if the device must have no entry yet."`
	Why
}

// Why says why something is decided. It is exported for the library.
type Why struct {
	Reason string `query:"reason" doc:"Why, for those who read the versions and the audit later." maxLength:"1024"`
}

// Resolve refuses a reason that cannot be stored.
func (w *Why) Resolve(huma.Context) []error {
	reason, err := iot.CheckedReason(w.Reason)
	if err != nil {
		return []error{&huma.ErrorDetail{Location: "query.reason", Message: err.Error()}}
	}
	w.Reason = reason
	return nil
}

// by returns who decides, and why. Action is how.
func (w *Why) by(action string) control.By {
	return control.By{Actor: nobody, Action: action, Reason: w.Reason}
}

func (p *EntryInput) condition() (control.Condition, error) {
	var c control.Condition
	switch {
	case p.IfMatch == "":
	case strings.TrimSpace(p.IfMatch) == "*":
		c.Entered = true
	default:
		c.Versions = []int64{}
		for tag := range strings.SplitSeq(p.IfMatch, ",") {
			// A weak tag, or one that is no version, matches no entry: RFC 9110 asks for a strong comparison.
			if version, err := strconv.ParseInt(strings.Trim(strings.TrimSpace(tag), `"`), 10, 64); err == nil {
				c.Versions = append(c.Versions, version)
			}
		}
	}
	switch strings.TrimSpace(p.IfNoneMatch) {
	case "":
	case "*":
		c.Unentered = true
	default:
		return c, huma.Error400BadRequest("If-None-Match must be *; for a change of a known version use If-Match")
	}
	return c, nil
}

func (s *server) registerRegistry(api huma.API) {
	if s.o.Registry == nil {
		return
	}
	body := func() *huma.RequestBody {
		return &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{}}
	}
	errors := []int{http.StatusBadRequest, http.StatusForbidden, http.StatusConflict, http.StatusPreconditionFailed, http.StatusTooManyRequests, http.StatusServiceUnavailable}
	responses := func() map[string]*huma.Response {
		return map[string]*huma.Response{
			"202": {Description: "Decided, and not in force yet: the processor is behind or not running. It comes into force by itself."},
		}
	}
	// Huma would validate bodies as the binary data that it takes them for; decodeStrictly does it.
	put := huma.Operation{
		OperationID: "put-device", Method: http.MethodPut, Path: Prefix + "/devices/{id}", Tags: []string{"Devices"},
		Summary: "Replace a device's registry entry",
		Description: "Everything that people have decided about the device; what is absent in the body is removed. A device may be entered " +
			"before it has sent anything. To replace an existing entry, If-Match is required. The answer comes once the entry is in force.",
		RequestBody: body(), Responses: responses(), Errors: slices.Concat(errors, []int{http.StatusPreconditionRequired}), MaxBodyBytes: maxEntryBytes, SkipValidateBody: true,
	}
	huma.Register(api, put, s.putDevice)
	patch := huma.Operation{
		OperationID: "patch-device", Method: http.MethodPatch, Path: Prefix + "/devices/{id}", Tags: []string{"Devices"},
		Summary: "Change a device's registry entry",
		Description: "A JSON merge patch (RFC 7396): keys replace those of the entry, null removes one, the others stay. Labels and limits are " +
			"merged one by one. With If-Match only if the entry has not changed since.",
		RequestBody: body(), Responses: responses(), Errors: errors, MaxBodyBytes: maxEntryBytes, SkipValidateBody: true,
	}
	huma.Register(api, patch, s.patchDevice)
	// Huma describes raw bodies as binary; what they hold is an entry.
	entry := api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[EntryBody](), true, "")
	item := api.OpenAPI().Paths[put.Path]
	item.Put.RequestBody.Content["application/json"].Schema = entry
	item.Patch.RequestBody.Content["application/merge-patch+json"].Schema = &huma.Schema{
		Type: huma.TypeObject, Description: "What changes; null removes a key.", AdditionalProperties: true,
	}
}

// maxEntryBytes is more than the largest valid entry takes.
const maxEntryBytes = 64 << 10

type putInput struct {
	EntryInput
	RawBody []byte `contentType:"application/json"`
}

type patchInput struct {
	EntryInput
	RawBody []byte `contentType:"application/merge-patch+json"`
}

// entryAnswer is the entry after a change.
type entryAnswer struct {
	Status int
	ETag   string `header:"ETag" doc:"The version in quotes, for If-Match."`
	Body   struct {
		ID iot.DeviceID `json:"device_id"`
		Registered
		InForce bool `json:"in_force" doc:"Whether the processors have taken the entry over."`
	}
}

func (s *server) putDevice(ctx context.Context, in *putInput) (*entryAnswer, error) {
	var body EntryBody
	if err := s.decodeBody(in.RawBody, s.document.Paths[Prefix+"/devices/{id}"].Put, &body); err != nil {
		return nil, err
	}
	entry, err := body.entry()
	if err != nil {
		return nil, entryProblem(err)
	}
	return s.changeDevice(ctx, &in.EntryInput, "put", func(current iot.DeviceEntry) (iot.DeviceEntry, error) {
		if in.IfMatch == "" && in.IfNoneMatch == "" && !same(current) {
			return iot.DeviceEntry{}, errPrecondition
		}
		return entry, nil
	})
}

// errPrecondition is returned for a change that would overwrite an entry unseen.
var errPrecondition = errors.New("precondition required")

// same reports whether an entry says nothing.
func same(e iot.DeviceEntry) bool {
	return e.Name == "" && e.Area == "" && len(e.Labels) == 0 && len(e.Limits) == 0 && e.Unit == "" && e.Interval == 0 && !e.Retired && e.Parent == ""
}

func (s *server) patchDevice(ctx context.Context, in *patchInput) (*entryAnswer, error) {
	return s.changeDevice(ctx, &in.EntryInput, "patch", func(current iot.DeviceEntry) (iot.DeviceEntry, error) {
		return patched(&current, in.RawBody)
	})
}

// changeDevice changes an entry, and answers once it is in force, or after inForceTimeout.
func (s *server) changeDevice(ctx context.Context, in *EntryInput, action string, to func(iot.DeviceEntry) (iot.DeviceEntry, error)) (*entryAnswer, error) {
	condition, err := in.condition()
	if err != nil {
		return nil, err
	}
	outcome, inForce, err := s.decide(ctx, control.Edit{Device: iot.Identity{ID: in.ID}, If: condition, To: s.checked(in.ID, to)}, in.by(action))
	if err != nil {
		return nil, err
	}
	out := &entryAnswer{Status: http.StatusOK, ETag: etag(outcome.After.Version)}
	if !inForce {
		out.Status = http.StatusAccepted
	}
	out.Body.ID, out.Body.Registered, out.Body.InForce = outcome.Device.ID, *toRegistered(&outcome.After), inForce
	return out, nil
}

// checked returns a change of an entry that is refused if it gives a unit in which the device's values cannot be shown. Of a device that
// has never sent, that is not known yet.
func (s *server) checked(id iot.DeviceID, to func(iot.DeviceEntry) (iot.DeviceEntry, error)) func(iot.DeviceEntry) (iot.DeviceEntry, error) {
	return func(before iot.DeviceEntry) (iot.DeviceEntry, error) {
		after, err := to(before)
		if err != nil || after.Unit == "" || after.Unit == before.Unit {
			return after, err
		}
		if state, ok := s.o.Fleet.Device(id.Canonical()); ok {
			if _, ok := iot.ShownIn(after.Unit, state.Latest.Unit); !ok {
				return after, iot.Invalid("unit", "values of device %s are in %s, which cannot be converted to %s", iot.Quote(string(id)),
					iot.Quote(state.Latest.Unit), iot.Quote(after.Unit))
			}
		}
		return after, nil
	}
}

// decide makes one edit, and waits until it is in force. The error is a problem.
func (s *server) decide(ctx context.Context, edit control.Edit, by control.By) (outcome control.Outcome, inForce bool, err error) {
	release, err := s.admitDecision()
	if err != nil {
		return outcome, false, err
	}
	defer release()
	defer s.orders.drop()
	outcomes, err := s.o.Registry.Change(ctx, []control.Edit{edit}, by)
	if err != nil {
		return outcome, false, s.decisionProblem(ctx, err)
	}
	s.decisionMade(ctx)
	outcome = outcomes[0]
	if outcome.After.Version == 0 {
		return outcome, true, nil // Nothing was there and nothing is.
	}
	waiting, cancel := context.WithTimeout(ctx, inForceTimeout)
	defer cancel()
	return outcome, s.o.Entries.Wait(waiting, control.DeviceRef(outcome.Device), outcome.After.Version), nil
}

// admitDecision limits the number of requests that wait for decisions. The error is a problem.
func (s *server) admitDecision() (release func(), err error) {
	select {
	case s.deciding <- struct{}{}:
		return func() { <-s.deciding }, nil
	default:
		return nil, retryLater(huma.Error429TooManyRequests("too many devices are being changed at this moment"), "1")
	}
}

// decisionProblem converts an error of the registry to a problem. Of an outage it logs only the first failure.
func (s *server) decisionProblem(ctx context.Context, err error) error {
	var changed *control.ConditionError
	switch {
	case errors.As(err, &changed):
		return huma.ErrorWithHeaders(
			huma.Error412PreconditionFailed(fmt.Sprintf("the entry has another version, %d: read it again and decide anew", changed.Version)),
			http.Header{"ETag": {etag(changed.Version)}},
		)
	case errors.Is(err, control.ErrNoVersion):
		return huma.Error409Conflict("the entry cannot be changed: another program has given it the highest version that there is")
	case errors.Is(err, errPrecondition):
		return huma.NewError(http.StatusPreconditionRequired, "the device has an entry already: send its ETag in If-Match, so that nobody's change is lost, or PATCH it")
	case errors.Is(err, control.ErrBusy):
		return retryLater(busy(), "1")
	case errors.Is(err, control.ErrNotRead):
		return retryLater(huma.Error503ServiceUnavailable("nothing can be changed yet, because what is in force is still being read; everything else goes on"), "1")
	case errors.Is(err, control.ErrUnavailable):
		if ctx.Err() == nil && !s.decisionsDown.Swap(true) {
			s.o.Logger.ErrorContext(ctx, "nothing can be decided", "error", err)
		}
		return retryLater(huma.Error503ServiceUnavailable("nothing can be changed at the moment, because the database does not answer; everything else goes on"), "5")
	}
	return entryProblem(err)
}

// decisionStopped is a problem of decisions that says more than others.
type decisionStopped struct {
	huma.ErrorModel
	// Busy means that the database is busy with other changes: the same request will do.
	Busy bool `json:"busy,omitempty"`
	// Made is how many devices are as the request wants them, if they are not all; nil if none was changed.
	Made *int `json:"made,omitempty"`
}

func stopped(status int, detail string) *decisionStopped {
	return &decisionStopped{ErrorModel: huma.ErrorModel{Status: status, Title: http.StatusText(status), Detail: detail}}
}

func busy() *decisionStopped {
	problem := stopped(http.StatusServiceUnavailable, "nothing is changed, because the database is busy with other changes: try again")
	problem.Busy = true
	return problem
}

// decisionMade logs the first decision after an outage.
func (s *server) decisionMade(ctx context.Context) {
	if s.decisionsDown.Swap(false) {
		s.o.Logger.InfoContext(ctx, "decisions can be made again")
	}
}

// entryProblem converts an *iot.InvalidError to a problem.
func entryProblem(err error) error {
	var invalid *iot.InvalidError
	if !errors.As(err, &invalid) {
		return err
	}
	location := "body"
	if invalid.Field != "" {
		location += "." + invalid.Field
	}
	return huma.Error422UnprocessableEntity("validation failed", &huma.ErrorDetail{Message: invalid.Reason, Location: location})
}
