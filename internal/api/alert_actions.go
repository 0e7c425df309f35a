package api

import (
	"context"
	"crypto/rand"
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
}

// Handled is what people have decided about alerts, as far as the processors say so. Its methods may be called concurrently.
type Handled interface {
	// Shelved returns what of a device is shelved.
	Shelved(device iot.Identity) iot.ShelvedInForce
	// WaitShelved waits until that is known as it is after a command; false if ctx ends before.
	WaitShelved(ctx context.Context, device iot.Identity, command iot.Position) bool
	// Returned returns an alert that has cleared without being acknowledged.
	Returned(id string) (iot.Alert, bool)
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
			"evaluated all the while. unshelve ends that. out_of_service and in_service are the same without an end. The answer comes once the processor has done it, with what is true then: " +
			"done is false if the alert was in a state in which it cannot be done, such as one that somebody else has acknowledged. No database is needed.",
		Responses: map[string]*huma.Response{
			"202": {Description: "In the log, and not processed yet: the processor is behind or not running."},
		},
		Errors: []int{http.StatusForbidden, http.StatusNotFound, http.StatusConflict, http.StatusTooManyRequests, http.StatusServiceUnavailable},
	}, s.handleAlert)
}

// AlertAction is what is done about an alert. It is exported for the library, which ignores what is embedded otherwise.
type AlertAction struct {
	Comment string    `json:"comment,omitempty" doc:"Why; the text of a comment. At most 1,024 bytes."`
	Until   time.Time `json:"until,omitzero" doc:"The end of shelving, at most 31 days from now."`
	Seconds float64   `json:"seconds,omitempty" minimum:"1" maximum:"2678400" doc:"Instead of until: how long from now."`
	OneShot bool      `json:"one_shot,omitempty" doc:"Shelving ends as soon as an alert of the rule clears on the device."`
	Device  bool      `json:"device,omitempty" doc:"All rules of the device are shelved, or taken out of service, not only that of the alert."`
}

type alertActionInput struct {
	ID     string      `path:"id" doc:"The alert's id." maxLength:"64"`
	Action string      `path:"action" enum:"acknowledge,comment,reset,shelve,unshelve,out_of_service,in_service" doc:"What is done."`
	Key    string      `header:"Idempotency-Key" maxLength:"64" doc:"The same for a request that is sent again because its answer was lost: it is done once."`
	Body   AlertAction `required:"false"`
}

// errOlderConsumers is the problem of a command that older consumers do not know.
var errOlderConsumers = huma.Error409Conflict("consumers of an older version, which do not know this, may still run; once there are none, run iotmon upgrade finish")

// alertHandled is the answer to what was done about an alert.
type alertHandled struct {
	Status int
	Body   struct {
		Done  bool        `json:"done" doc:"Whether it is as the request wants it to be."`
		Alert *wire.Alert `json:"alert" doc:"The alert after that."`
	}
}

// handleAlert appends a command and waits until it has been processed.
func (s *server) handleAlert(ctx context.Context, in *alertActionInput) (*alertHandled, error) {
	before, err := s.alert(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	command, err := s.command(&before, in)
	if err != nil {
		return nil, err
	}
	release, err := s.admitDecision()
	if err != nil {
		return nil, err
	}
	defer release()
	at, err := s.o.Commands.Command(ctx, []iot.Identity{before.Identity()}, []iot.Command{command})
	switch {
	case errors.Is(err, control.ErrOlder):
		return nil, errOlderConsumers
	case err != nil:
		s.o.Logger.WarnContext(ctx, "a command about an alert was not appended", "alert", in.ID, "action", in.Action, "error", err)
		return nil, retryLater(huma.Error503ServiceUnavailable("the log does not answer: try again"), "1")
	}
	waiting, cancel := context.WithTimeout(ctx, inForceTimeout)
	defer cancel()
	out := &alertHandled{Status: http.StatusOK}
	if !s.processed(waiting, before.Identity(), command.Action, at[0]) {
		out.Status = http.StatusAccepted
	}
	after := s.after(&before)
	out.Body.Done = s.done(&after, &command)
	for tries := 0; !out.Body.Done && tries < commandTries && retry.Wait(waiting, commandPoll) == nil; tries++ {
		after = s.after(&before)
		out.Body.Done = s.done(&after, &command)
	}
	shown := wire.FromAlert(&after)
	out.Body.Alert = &shown
	return out, nil
}

// commandTries is how often a request looks again for what its command has done: the topics of the device's state, of the alerts and of what is in
// force are not read at the same moment.
const commandTries = 10

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

// command returns what the request decides. The error is a problem.
func (s *server) command(a *iot.Alert, in *alertActionInput) (iot.Command, error) {
	now := iot.CutTime(s.o.Now())
	c := iot.Command{ID: in.Key, Action: iot.Action(in.Action), Actor: nobody, Reason: in.Body.Comment, Time: now}
	if c.ID == "" {
		c.ID = rand.Text()
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
		if in.Body.Seconds > 0 {
			c.Until = now.Add(time.Duration(in.Body.Seconds * float64(time.Second)))
		}
		if c.Until.Sub(now) > maxShelving {
			return c, actionProblem(iot.Invalid("until", "must be at most %v from now", maxShelving))
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

// done reports whether it is as a command that has been processed wants it to be.
func (s *server) done(after *iot.Alert, c *iot.Command) bool {
	shelvings := s.o.Handled.Shelved(after.Identity()).Shelvings
	shelved := func(outOfService bool) bool {
		for _, shelving := range shelvings {
			if shelving.Rule == c.Rule && shelving.OutOfService == outOfService {
				return true
			}
		}
		return false
	}
	switch c.Action {
	case iot.Acknowledge:
		_, waits := s.o.Handled.Returned(after.ID)
		return !after.AckedAt.IsZero() || !after.Open() && !waits
	case iot.Reset:
		return !after.Open()
	case iot.Shelve:
		return shelved(false)
	case iot.Unshelve:
		return !shelved(false)
	case iot.TakeOutOfService:
		return shelved(true)
	case iot.ReturnToService:
		return !shelved(true)
	}
	return true
}
