package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"iotmon/internal/control"
	"iotmon/internal/iot"
	"iotmon/internal/retry"
	"iotmon/internal/wire"
)

// Commands appends what people decide about alerts to the log. Its methods may be called concurrently.
type Commands interface {
	// Command appends commands about devices and returns where each of them is. It returns control.ErrOlder if a consumer may run that does
	// not know one of them.
	Command(ctx context.Context, devices []iot.Identity, commands []iot.Command) ([]iot.Position, error)
	// Remembers reports whether the processors remember what they have done with commands: none of an older version may be left.
	Remembers(ctx context.Context) bool
}

// Handled is what people have decided about alerts, as far as the processors say so. Its methods may be called concurrently.
type Handled interface {
	// Shelved returns what of a device is shelved.
	Shelved(device iot.Identity) iot.ShelvedInForce
	// EachShelved calls visit for each device of which something is shelved, in no order, until visit returns false. visit must not block or call Handled.
	EachShelved(visit func(iot.Identity, *iot.ShelvedInForce) bool)
	// Current reports whether all that is shelved has been read.
	Current() bool
	// WaitShelved waits until that is known as it is after a command; false if ctx ends before.
	WaitShelved(ctx context.Context, device iot.Identity, command iot.Position) bool
	// Returned returns an alert that has cleared without being acknowledged.
	Returned(id string) (iot.Alert, bool)
	// Outcome returns what a processor has done with a command; false if that is not known.
	Outcome(command string) (iot.Outcome, bool)
	// WaitOutcome waits until that is known; false if ctx ends before.
	WaitOutcome(ctx context.Context, command string) bool
	// Request returns what distinguishes the request with a key from others; false if no command of it is remembered.
	Request(key string) (request string, known bool)
}

// commandPoll is how often a request asks whether its command has been processed.
const commandPoll = 20 * time.Millisecond

// maxShelving is the maximum of shelving in a request: who needs longer takes the device out of service.
const maxShelving = 31 * 24 * time.Hour

func (s *server) registerAlertActions(api huma.API) {
	if s.o.Commands == nil || s.o.Handled == nil {
		return
	}
	huma.Register(api, huma.Operation{
		OperationID: "handle-alert", Method: http.MethodPost, Path: Prefix + "/alerts/{id}/{action}", Tags: []string{"Alerts"},
		Summary: "Handle an alert",
		Description: "acknowledge: somebody has seen it; it counts for this alert only, not for a later one of the same rule. comment: adds a comment. reset: ends a latched " +
			"alert that has been acknowledged. shelve: nobody is notified of the rule's alerts on the device until a time, or with one_shot until an alert has cleared; the rule is " +
			"evaluated all the while. unshelve ends that. out_of_service and in_service are the same without an end. shelve and out_of_service need a comment, the reason. The answer is what the processor has done: done is false if it has " +
			"refused it, and refused says why, such as that somebody else has acknowledged the alert. What was said with an acknowledgement is kept as a comment then. A comment on an alert " +
			"that is over is kept, too. The processor remembers a request by its Idempotency-Key for 24 hours, or until 10,000 later ones: sent again it is answered as before, and " +
			"another request with the same key is 422. No database is needed for an alert that is open or waits to be acknowledged.",
		Responses: map[string]*huma.Response{
			"202": {Description: "In the log, and it is not known what came of it: the processor is behind or not running, or consumers of an older version may still run, which do not say that."},
		},
		Errors: []int{http.StatusForbidden, http.StatusNotFound, http.StatusConflict, http.StatusTooManyRequests, http.StatusServiceUnavailable},
	}, s.handleAlert)
}

// AlertAction is what is done about an alert. It is exported for the library, which ignores what is embedded otherwise.
type AlertAction struct {
	Comment string    `json:"comment,omitempty" doc:"Why; the text of a comment. At most 1,024 bytes. comment, shelve and out_of_service need one."`
	Until   time.Time `json:"until,omitzero" doc:"The end of shelving, at most 31 days from now."`
	Seconds float64   `json:"seconds,omitempty" minimum:"1" maximum:"2678400" doc:"Instead of until: how long from now. Both are refused."`
	OneShot bool      `json:"one_shot,omitempty" doc:"Shelving ends as soon as an alert of the rule clears on the device."`
	Device  bool      `json:"device,omitempty" doc:"All rules of the device are shelved, or taken out of service, not only that of the alert."`
}

type alertActionInput struct {
	ID     string      `path:"id" doc:"The alert's id." maxLength:"64"`
	Action string      `path:"action" enum:"acknowledge,comment,reset,shelve,unshelve,out_of_service,in_service" doc:"What is done."`
	Key    string      `header:"Idempotency-Key" maxLength:"64" doc:"The same for a request that is sent again because its answer was lost: it is done once. Another request with it is 422."`
	Body   AlertAction `required:"false"`
}

// errOlderConsumers is the problem of a command that older consumers do not know.
var errOlderConsumers = huma.Error409Conflict("consumers of an older version, which do not know this, may still run; once there are none, run iotmon upgrade finish")

// alertHandled is the answer to what was done about an alert.
type alertHandled struct {
	Status int
	Body   struct {
		WhatWasDone
		Alert     *wire.Alert `json:"alert" doc:"The alert after that. One that is over is as it was when it ended: what holds now is in shelvings."`
		Shelvings []shelving  `json:"shelvings,omitempty" doc:"After shelve, unshelve, out_of_service and in_service: by what alerts of the rule on the device are suppressed now; absent if nothing is shelved or out of service."`
	}
}

// WhatWasDone is what the processor has done with a command. It is exported for the library, which ignores what is embedded otherwise.
type WhatWasDone struct {
	Done    bool          `json:"done" doc:"Whether the processor has done it."`
	Refused *refusal      `json:"refused,omitempty" doc:"Why it has not; absent if it has, or that is not known yet."`
	Remains iot.Remaining `json:"remains,omitempty" enum:"shelved,device_shelved,out_of_service,device_out_of_service" doc:"After unshelve or in_service: what suppresses the alerts of the rule on the device all the same."`
}

// refusal is why the processor has not done something.
type refusal struct {
	Reason iot.Refusal `json:"reason" enum:"unknown_device,over,already_acknowledged,not_latched,not_acknowledged,changed_meanwhile,nothing_to_end,end_passed,too_many_shelvings,key_reused"`
	By     string      `json:"by,omitempty" doc:"Who has acknowledged the alert, or changed what is shelved: an opaque id; absent if that is not known."`
	At     time.Time   `json:"at,omitzero" doc:"When."`
}

func fromOutcome(o *iot.Outcome) WhatWasDone {
	out := WhatWasDone{Done: o.Refused == "", Remains: o.Remains}
	if !out.Done {
		out.Refused = &refusal{Reason: o.Refused, By: o.By, At: o.At}
	}
	return out
}

// handleAlert appends a command and waits until it is known what came of it.
func (s *server) handleAlert(ctx context.Context, in *alertActionInput) (*alertHandled, error) {
	before, err := s.alert(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	origin, err := originOf(in.Key, "one", in.ID, in.Action, in.Body)
	if err != nil {
		return nil, err
	}
	out := &alertHandled{Status: http.StatusOK}
	id := origin.id()
	o, known, err := s.carryOut(ctx, &before, in, origin, id)
	if err != nil {
		return nil, err
	}
	if known {
		out, err = s.answerOne(ctx, out, &before, &o)
		if err != nil {
			return nil, err
		}
	} else {
		out.Status = http.StatusAccepted
		after := s.after(&before)
		shown := wire.FromAlert(&after)
		out.Body.Alert = &shown
	}
	switch iot.Action(in.Action) {
	case iot.Shelve, iot.Unshelve, iot.TakeOutOfService, iot.ReturnToService:
		out.Body.Shelvings = s.suppressing(&before)
	}
	return out, nil
}

// carryOut appends a command and waits until it is known what came of it, or for inForceTimeout. What has been done before is not done again. The
// error is a problem.
func (s *server) carryOut(ctx context.Context, about *iot.Alert, in *alertActionInput, of *origin, id string) (o iot.Outcome, known bool, err error) {
	if o, known := s.outcome(id, of.key, of); known {
		return o, true, nil
	}
	done, err := s.claimKey(of)
	if err != nil {
		return o, false, err
	}
	defer done()
	if err := checkReason(iot.Action(in.Action), in.Body.Comment); err != nil {
		return o, false, err
	}
	command, err := s.command(about, in, of, id)
	if err != nil {
		return o, false, err
	}
	release, err := s.admitDecision()
	if err != nil {
		return o, false, err
	}
	defer release()
	at, err := s.o.Commands.Command(ctx, []iot.Identity{about.Identity()}, []iot.Command{command})
	of.appended = !errors.Is(err, control.ErrOlder)
	switch {
	case !of.appended:
		return o, false, errOlderConsumers
	case err != nil:
		s.o.Logger.WarnContext(ctx, "a command about an alert was not appended", "alert", in.ID, "action", in.Action, "error", err)
		return o, false, retryLater(huma.Error503ServiceUnavailable("the log does not answer: try again"), "1")
	}
	waiting, cancel := context.WithTimeout(ctx, inForceTimeout)
	defer cancel()
	o, known = s.awaitOutcome(waiting, s.o.Commands.Remembers(ctx), about.Identity(), &command, at[0])
	return o, known, nil
}

// awaitOutcome waits until it is known what came of a command that was appended at a position, and the live view shows it; false if ctx ends before, or
// the processors do not remember that.
func (s *server) awaitOutcome(ctx context.Context, remembers bool, device iot.Identity, c *iot.Command, at iot.Position) (iot.Outcome, bool) {
	if !remembers {
		s.processed(ctx, device, c.Action, at)
		return iot.Outcome{}, false
	}
	s.o.Handled.WaitOutcome(ctx, c.ID)
	o, known := s.o.Handled.Outcome(c.ID)
	if known && o.Refused != iot.UnknownDevice && o.Refused != iot.KeyReused { // Of these nothing else is published.
		s.processed(ctx, device, c.Action, at)
	}
	return o, known
}

// answerOne answers with what was done. The error is the problem of a key that another request has used, at the same time as this one.
func (s *server) answerOne(ctx context.Context, out *alertHandled, before *iot.Alert, o *iot.Outcome) (*alertHandled, error) {
	if o.Refused == iot.KeyReused {
		return nil, keyReused()
	}
	out.Body.WhatWasDone = fromOutcome(o)
	after := s.afterOutcome(ctx, before, o)
	shown := wire.FromAlert(&after)
	out.Body.Alert = &shown
	return out, nil
}

// commandTries is how often a request looks for the alert as it is after its command: the topics of the device's state, of the alerts and of what is in
// force are not read at the same moment.
const commandTries = 10

// afterOutcome returns the alert as it is after a command. What the processor says of it counts, also if the live view is behind.
func (s *server) afterOutcome(ctx context.Context, before *iot.Alert, o *iot.Outcome) iot.Alert {
	after := s.after(before)
	for tries := 0; o.State != "" && after.LifeState() != o.State && tries < commandTries && retry.Wait(ctx, commandPoll) == nil; tries++ {
		after = s.after(before)
	}
	if o.State == "" || after.LifeState() == o.State {
		return after
	}
	if after.AckedAt.IsZero() && !o.At.IsZero() {
		after.AckedAt, after.AckedBy = o.At, o.By
	}
	if after.Open() && o.State == iot.NormalState {
		after.Transition = iot.Cleared
	}
	return after
}

// after returns the alert as it is now: an open one as the state of its device has it.
func (s *server) after(before *iot.Alert) iot.Alert {
	if state, ok := s.o.Fleet.Device(before.DeviceID); ok {
		for i := range state.Alerts {
			if raised := state.Alerts[i].Raised; raised != nil && raised.ID == before.ID {
				return *raised
			}
		}
	}
	if a, ok := s.o.Fleet.Alert(before.ID); ok {
		return a
	}
	return *before
}

// alert returns the last event of an alert: that of the live view, of those that wait to be acknowledged, or of the archive.
func (s *server) alert(ctx context.Context, id string) (iot.Alert, error) {
	if a, ok := s.o.Fleet.Alert(id); ok {
		return a, nil
	}
	if a, ok := s.o.Handled.Returned(id); ok {
		return a, nil
	}
	found, archived, err := s.fromArchive(ctx, id)
	if err != nil {
		return iot.Alert{}, err
	}
	if !archived || found.Historical {
		return iot.Alert{}, huma.Error404NotFound("there is no alert " + iot.Quote(id))
	}
	return found.Alert, nil
}

// checkReason returns the problem of a decision that people are not to be notified, without a reason. It is asked for here alone: what is in the log from
// before reasons were needed holds.
func checkReason(action iot.Action, comment string) error {
	if action == iot.Shelve || action == iot.TakeOutOfService {
		if _, err := iot.NeededReason("comment", comment, iot.MaxReason); err != nil {
			return actionProblem(err)
		}
	}
	return nil
}

// command returns what the request decides, with an id. The error is a problem.
func (s *server) command(a *iot.Alert, in *alertActionInput, of *origin, id string) (iot.Command, error) {
	now := iot.CutTime(s.o.Now())
	c := iot.Command{
		ID: id, Key: of.key, Request: of.request, Action: iot.Action(in.Action), Actor: nobody, Reason: in.Body.Comment, Time: now,
	}
	switch c.Action {
	case iot.Acknowledge, iot.AddComment, iot.Reset:
		c.Alert = a.ID
	default:
		c.Revision = s.o.Handled.Shelved(a.Identity()).Revision
		if !in.Body.Device {
			c.Rule = a.Rule
		}
	}
	if c.Action == iot.Shelve {
		c.Until, c.OneShot = iot.CutTime(in.Body.Until), in.Body.OneShot
		if in.Body.Seconds > 0 && !in.Body.Until.IsZero() {
			return c, actionProblem(iot.Invalid("until", "must not be given together with seconds: either says when shelving ends"))
		}
		if in.Body.Seconds > 0 {
			c.Until = now.Add(time.Duration(in.Body.Seconds * float64(time.Second)))
		}
		if c.Until.Sub(now) > maxShelving {
			return c, actionProblem(iot.Invalid("until", "must be at most %v from now", iot.Lasting(maxShelving)))
		}
	} else if !in.Body.Until.IsZero() || in.Body.Seconds != 0 || in.Body.OneShot {
		return c, actionProblem(iot.Invalid("until", "only shelving has an end"))
	}
	if err := c.Normalize(); err != nil {
		return c, actionProblem(err)
	}
	return c, nil
}

func actionProblem(err error) error {
	where, reason := "body", err.Error()
	if invalid := (*iot.InvalidError)(nil); errors.As(err, &invalid) {
		field := invalid.Field
		if field == "reason" {
			field = "comment"
		}
		where, reason = fmt.Sprintf("body.%s", field), invalid.Reason
	}
	return huma.Error422UnprocessableEntity("validation failed", &huma.ErrorDetail{Message: reason, Location: where})
}

// processed waits until the processor has processed a command about a device, and the live view shows it; false if ctx ends before.
func (s *server) processed(ctx context.Context, device iot.Identity, action iot.Action, at iot.Position) bool {
	switch action {
	case iot.Shelve, iot.Unshelve, iot.TakeOutOfService, iot.ReturnToService:
		if !s.o.Handled.WaitShelved(ctx, device, at) {
			return false
		}
	}
	for {
		state, ok := s.o.Fleet.Device(device.ID)
		if !ok || state.Partition == at.Partition && state.Offset > at.Offset {
			return true // Nothing is watched of a device that has never sent.
		}
		if retry.Wait(ctx, commandPoll) != nil {
			return false
		}
	}
}

// wanted reports whether an alert is one that an action by a filter is about: of what is as it is to be already, or cannot be, there is nothing to do.
func (s *server) wanted(a *iot.Alert, action iot.Action, device bool) bool {
	shelved := func(outOfService bool) bool {
		for _, shelving := range s.o.Handled.Shelved(a.Identity()).Shelvings {
			if shelving.OutOfService == outOfService && (shelving.Rule == "") == device && (device || shelving.Rule == a.Rule) {
				return true
			}
		}
		return false
	}
	switch action {
	case iot.Acknowledge:
		return a.AckedAt.IsZero() && a.LifeState() != iot.NormalState
	case iot.Reset:
		return a.LifeState() == iot.LatchedAcknowledged
	case iot.Shelve:
		return !shelved(false)
	case iot.Unshelve:
		return shelved(false)
	case iot.TakeOutOfService:
		return !shelved(true)
	case iot.ReturnToService:
		return shelved(true)
	}
	return true
}
