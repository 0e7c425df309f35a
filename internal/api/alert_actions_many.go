package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"iotmon/internal/control"
	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

const (
	// maxHandled is how many alerts one request handles at most.
	maxHandled = 1000
	// maxHandledPages is how many pages of maxHandled alerts a filter looks through for those that are not yet as they are to be.
	maxHandledPages = 200
	// manyTimeout is how long a request waits until its commands have been processed.
	manyTimeout = 5 * time.Second
)

func (s *server) registerManyActions(api huma.API) {
	if s.o.Commands == nil || s.o.Handled == nil {
		return
	}
	huma.Register(api, huma.Operation{
		OperationID: "handle-alerts", Method: http.MethodPost, Path: Prefix + "/alerts/actions", Tags: []string{"Alerts"},
		Summary: "Handle many alerts",
		Description: "The same as handling each of them: up to 1,000 by their ids, or those that a filter selects in the archive, which is about a second behind. A filter leaves out what is " +
			"as the request wants it to be already, or cannot be so, except for comments, and what was handled with the same Idempotency-Key, done or refused; more says that it selects " +
			"further ones: send the request again, with the same key. Each alert is answered with what the processor has done. Without a filter no database is needed for alerts that are open " +
			"or wait to be acknowledged.",
		Responses: map[string]*huma.Response{"202": {Description: "In the log, and it is not known of all what came of it: a processor is behind or not running, or consumers of an older version may still run."}},
		Errors:    []int{http.StatusForbidden, http.StatusConflict, http.StatusTooManyRequests, http.StatusServiceUnavailable},
	}, s.handleAlerts)
}

// AlertFilter selects alerts: those that match all that is given. It is exported for the library.
type AlertFilter struct {
	State    string         `json:"state,omitempty" enum:"open,returned" doc:"Only alerts that are open, or only those that have cleared and that nobody has acknowledged; both if absent."`
	Severity iot.Severity   `json:"severity,omitempty" enum:"info,warning,critical"`
	Type     iot.DeviceType `json:"type,omitempty" minLength:"1" maxLength:"128" doc:"Only this device type."`
	Device   iot.DeviceID   `json:"device,omitempty" minLength:"1" maxLength:"128" doc:"Only this device."`
	Rule     string         `json:"rule,omitempty" minLength:"1" maxLength:"128" doc:"Only this rule: the alert_type."`
	Area     iot.Area       `json:"area,omitempty" minLength:"1" maxLength:"1024" doc:"Only devices of this area and those below it."`
	Text     string         `json:"q,omitempty" minLength:"1" maxLength:"128" doc:"Only with this part in the device's id, the rule or the message."`
}

// Resolve puts the names into canonical form. It refuses an area without a level, which would be that of every device.
func (f *AlertFilter) Resolve(_ huma.Context, prefix *huma.PathBuffer) []error {
	if f.Area != "" && selectsNothing("area", string(f.Area)) {
		return []error{&huma.ErrorDetail{Message: emptyMessage, Location: prefix.With("area")}}
	}
	f.Area = f.Area.Canonical()
	canonicalName(&f.Type)
	canonicalName(&f.Device)
	canonicalName(&f.Rule)
	canonicalName(&f.Text)
	return nil
}

// ManyAction is what is done about many alerts. It is exported for the library.
type ManyAction struct {
	Action string       `json:"action" enum:"acknowledge,comment,reset,shelve,unshelve,out_of_service,in_service" doc:"What is done."`
	IDs    []string     `json:"ids,omitempty" maxItems:"1000" doc:"The ids of the alerts."`
	Filter *AlertFilter `json:"filter,omitempty" doc:"Instead of ids: which alerts. An empty filter selects all that are open or wait to be acknowledged."`
	AlertAction
}

type manyActionInput struct {
	Key  string `header:"Idempotency-Key" maxLength:"64" doc:"The same for a request that is sent again because its answer was lost, or for what more says: it is done once about each alert. Another request with it is 422."`
	Body ManyAction
}

// handledItem is what has become of one alert.
type handledItem struct {
	ID string `json:"id"`
	WhatWasDone
	Error string      `json:"error,omitempty" doc:"Why nothing was tried."`
	Alert *wire.Alert `json:"alert,omitempty" doc:"The alert after that."`
}

// alertsHandled is the answer to what was done about many alerts.
type alertsHandled struct {
	Status int
	Body   struct {
		Done  int           `json:"done" doc:"About how many the processor has done it."`
		More  bool          `json:"more,omitempty" doc:"The filter selects further alerts."`
		Items []handledItem `json:"items" nullable:"false"`
	}
}

// handling is a command about one alert, with the id that it has and that an older web service has given it. Others may share it.
type handling struct {
	before         iot.Alert
	command, older string
}

func (s *server) handleAlerts(ctx context.Context, in *manyActionInput) (*alertsHandled, error) {
	if (len(in.Body.IDs) > 0) == (in.Body.Filter != nil) {
		return nil, huma.Error422UnprocessableEntity("validation failed", &huma.ErrorDetail{Message: "must have ids or a filter, and not both", Location: "body"})
	}
	origin, err := originOf(in.Key, "many", in.Body)
	if err != nil {
		return nil, err
	}
	done, err := s.claimKey(origin)
	if err != nil {
		return nil, err
	}
	defer done()
	if _, known := s.o.Handled.Request(origin.key); !known {
		if err := checkReason(iot.Action(in.Body.Action), in.Body.Comment); err != nil {
			return nil, err
		}
	}
	out := &alertsHandled{Status: http.StatusOK}
	out.Body.Items = []handledItem{}
	alerts, err := s.alertsToHandle(ctx, in, origin, out)
	if err != nil {
		return nil, err
	}
	release, err := s.admitDecision()
	if err != nil {
		return nil, err
	}
	defer release()
	waiting, cancel := context.WithTimeout(ctx, manyTimeout)
	defer cancel()
	remembers := len(alerts) == 0 || s.o.Commands.Remembers(ctx)
	for len(alerts) > 0 {
		round, later := s.nextRound(alerts, in)
		handled, all, err := s.commandRound(ctx, waiting, remembers, round, in, origin)
		if err != nil {
			return nil, err
		}
		if !all {
			out.Status = http.StatusAccepted
		}
		s.answerRound(waiting, handled, origin, out)
		alerts = later
	}
	return out, nil
}

// alertsToHandle returns the alerts that the request is about. Ids without an alert are answered in out. The error is a problem.
func (s *server) alertsToHandle(ctx context.Context, in *manyActionInput, of *origin, out *alertsHandled) ([]iot.Alert, error) {
	if in.Body.Filter != nil {
		alerts, more, err := s.alertsByFilter(ctx, in, of)
		out.Body.More = more
		return alerts, err
	}
	var alerts []iot.Alert
	seen := make(map[string]bool)
	for _, id := range in.Body.IDs {
		if seen[id] {
			continue
		}
		seen[id] = true
		a, err := s.alert(ctx, id)
		var problem huma.StatusError
		switch {
		case err == nil:
			alerts = append(alerts, a)
		case errors.As(err, &problem) && problem.GetStatus() == http.StatusNotFound:
			out.Body.Items = append(out.Body.Items, handledItem{ID: id, Error: problem.Error()})
		default:
			return nil, err
		}
	}
	return alerts, nil
}

// alertsByFilter returns the alerts that a filter selects and that are not yet as they are to be, and whether there are more. What the same request has
// handled before is not among them.
func (s *server) alertsByFilter(ctx context.Context, in *manyActionInput, of *origin) (alerts []iot.Alert, more bool, err error) {
	f := in.Body.Filter
	if err := s.checkType(f.Type); err != nil {
		return nil, false, err
	}
	open := true
	queries := []AlertsQuery{{Open: &open}, {Returned: true}}
	switch f.State {
	case "open":
		queries = queries[:1]
	case "returned":
		queries = queries[1:]
	}
	seen := make(map[string]bool) // One may clear between the two.
	for _, q := range queries {
		q.Severity, q.Type, q.Device, q.Rule, q.Area, q.Text, q.Limit = f.Severity, f.Type, f.Device, f.Rule, f.Area, f.Text, maxHandled
		for page := 0; ; page++ {
			found, err := s.o.History.Alerts(ctx, q)
			if err := s.historyProblem(ctx, err); err != nil {
				return nil, false, err
			}
			for i := range found {
				after := s.after(&found[i].Alert)
				_, handled := s.outcome(commandID(of, &after, in), olderCommandID(of.key, &after, in), of)
				if found[i].Historical || seen[after.ID] || handled || !s.wanted(&after, iot.Action(in.Body.Action), in.Body.Device) {
					continue
				}
				if len(alerts) == maxHandled {
					return alerts, true, nil
				}
				seen[after.ID] = true
				alerts = append(alerts, found[i].Alert)
			}
			if len(found) < q.Limit {
				break
			}
			if page == maxHandledPages {
				return alerts, true, nil
			}
			last := &found[len(found)-1]
			q.BeforeOnset, q.AfterID = last.Onset, last.ID
		}
	}
	return alerts, false, nil
}

// nextRound returns the alerts whose commands can be appended together, and the others: of commands that can be reversed each device has
// one in a round, because the next one says that it knows of that one. Alerts of one device and rule share such a command.
func (s *server) nextRound(alerts []iot.Alert, in *manyActionInput) (round, later []iot.Alert) {
	switch iot.Action(in.Body.Action) {
	case iot.Acknowledge, iot.AddComment, iot.Reset:
		return alerts, nil
	}
	rules := make(map[iot.Identity]string)
	for _, a := range alerts {
		rule, any := rules[a.Identity()]
		if !any {
			rules[a.Identity()] = a.Rule
		}
		if !any || rule == a.Rule || in.Body.Device {
			round = append(round, a)
		} else {
			later = append(later, a)
		}
	}
	return round, later
}

// commandRound appends the commands of a round, but those that have been processed before, and waits until it is known what came of them: known is
// whether it is of all. The error is a problem.
func (s *server) commandRound(
	ctx, waiting context.Context, remembers bool, round []iot.Alert, in *manyActionInput, of *origin,
) (all []handling, known bool, err error) {
	var devices []iot.Identity
	var commands []iot.Command
	appended := make(map[string]bool)
	for i := range round {
		a := &round[i]
		h := handling{*a, commandID(of, a, in), olderCommandID(of.key, a, in)}
		all = append(all, h)
		if _, known := s.outcome(h.command, h.older, of); known || appended[h.command] {
			continue
		}
		appended[h.command] = true
		command, err := s.command(a, &alertActionInput{Action: in.Body.Action, Body: in.Body.AlertAction}, of, h.command)
		if err != nil {
			return nil, false, err // It is the same for all alerts.
		}
		devices, commands = append(devices, a.Identity()), append(commands, command)
	}
	if len(commands) == 0 {
		return all, true, nil
	}
	at, err := s.o.Commands.Command(ctx, devices, commands)
	of.appended = of.appended || !errors.Is(err, control.ErrOlder)
	switch {
	case errors.Is(err, control.ErrOlder):
		return nil, false, errOlderConsumers
	case err != nil:
		s.o.Logger.WarnContext(ctx, "commands about alerts were not all appended", "alerts", len(round), "action", in.Body.Action, "error", err)
		return nil, false, retryLater(huma.Error503ServiceUnavailable("the log does not answer: try again with the same Idempotency-Key"), "1")
	}
	known = true
	for i := range commands {
		_, one := s.awaitOutcome(waiting, remembers, devices[i], &commands[i], at[i])
		known = known && one
	}
	return all, known, nil
}

// answerRound answers what was done about each alert, as far as that is known. It looks for a moment for the alerts as they are after that, as
// handleAlert does.
func (s *server) answerRound(waiting context.Context, handled []handling, of *origin, out *alertsHandled) {
	patience, cancel := context.WithTimeout(waiting, commandTries*commandPoll)
	defer cancel()
	for i := range handled {
		h := &handled[i]
		item := handledItem{ID: h.before.ID}
		after := s.after(&h.before)
		if o, known := s.outcome(h.command, h.older, of); known {
			item.WhatWasDone = fromOutcome(&o)
			after = s.afterOutcome(patience, &h.before, &o)
		}
		shown := wire.FromAlert(&after)
		item.Alert = &shown
		out.Body.Items = append(out.Body.Items, item)
		if item.Done {
			out.Body.Done++
		}
	}
}

// commandID returns the id of the command of a request about an alert: the same if it is sent again, and for alerts that share the command.
func commandID(of *origin, a *iot.Alert, in *manyActionInput) string {
	return of.id(commandParts(a, in)...)
}

// olderCommandID returns the id that a web service of an older version has given the command.
func olderCommandID(key string, a *iot.Alert, in *manyActionInput) string {
	return iot.Fingerprint(append([]string{key}, commandParts(a, in)...)...)
}

// commandParts returns what distinguishes the command about an alert from the others of the request.
func commandParts(a *iot.Alert, in *manyActionInput) []string {
	device := a.Identity().String()
	switch iot.Action(in.Body.Action) {
	case iot.Acknowledge, iot.AddComment, iot.Reset:
		return []string{device, a.ID}
	}
	if in.Body.Device {
		return []string{device}
	}
	return []string{device, "", a.Rule}
}
