package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"iotmon/internal/alert"
	"iotmon/internal/iot"
	"iotmon/internal/trial"
)

const (
	// trialsAtOnce is the maximum number of trials at the same time: each reads as much as it can.
	trialsAtOnce = 1
	// newRuleName is the name of a rule that is tried without one.
	newRuleName = "new_rule"
	// defaultTrialSpan is how much is tried if the request does not say.
	defaultTrialSpan = 24 * time.Hour
)

func (s *server) registerTrials(api huma.API) {
	if s.o.Rules == nil || s.o.Trials == nil {
		return
	}
	huma.Register(api, huma.Operation{
		OperationID: "try-rule", Method: http.MethodPost, Path: Prefix + "/rules/try", Tags: []string{"Rules"},
		Summary: "Try an alert rule on the past",
		Description: "Answers with the alerts that a rule would have raised by the archived readings of a time, beside those of the version in force. Nothing is changed. " +
			"Each device's readings are judged in the order of its own time, also those that arrived late; nothing is remembered from before the time; entries and locations " +
			"of devices are those of now; a rule that latches counts as if it did not, and one that is disabled as if it was not. Silence is that between the times of a device's " +
			"readings, from its first one on: what came later out of a buffer counts as if it had come in time, and reports that a device is online are not known. device_offline cannot be tried. Medians are those of the archived readings at the beginning of every 10 seconds, or more seldom if there are many devices. At most 20 million readings and 20 seconds: stopped says which of them has ended the trial. One trial runs at a time.",
		Errors: []int{http.StatusForbidden, http.StatusNotFound, http.StatusTooManyRequests, http.StatusServiceUnavailable},
	}, s.tryRule)
}

// TrialBody is what is tried. It is exported for the library.
type TrialBody struct {
	Name   string    `json:"name,omitempty" maxLength:"128" doc:"The rule's name. The rule of that name in force, if there is one, is what is compared with."`
	Rule   *RuleBody `json:"rule,omitempty" doc:"The rule that is tried. Absent: the one in force."`
	From   moment    `json:"from,omitzero" doc:"The beginning: RFC 3339, or a time before now such as -90m or -7d. 24 hours before the end if absent."`
	To     moment    `json:"to,omitzero" doc:"The end, exclusive; now if absent. At most 31 days after the beginning."`
	Alerts int       `json:"alerts,omitempty" minimum:"0" maximum:"1000" default:"100" doc:"How many alerts are listed: the newest."`
}

type trialInput struct{ Body TrialBody }

// tried is the answer to a trial.
type tried struct {
	From            time.Time     `json:"from"`
	To              time.Time     `json:"to"`
	Devices         int           `json:"devices" doc:"How many devices were tried."`
	DevicesSelected int           `json:"devices_selected" doc:"How many devices the rule, or the version in force, watches."`
	Readings        int64         `json:"readings" doc:"How many readings were judged."`
	Stopped         trial.Limit   `json:"stopped,omitempty" enum:"readings,time,devices" doc:"The limit that has ended the trial: what comes after it, by the ids of devices, is left out."`
	Tried           tally         `json:"tried" doc:"The alerts of the rule."`
	InForce         *tally        `json:"in_force,omitempty" doc:"The alerts of the version in force; absent if there is none, or it is disabled, or the one that is tried."`
	Medians         *triedMedians `json:"medians,omitempty" doc:"How the medians were found that a rule of the kind deviation compares values with."`
	Points          *triedPoints  `json:"points,omitempty" doc:"How the points of machines were found that an expression names."`
	Items           []triedItem   `json:"items" nullable:"false" doc:"The newest alerts of both, the newest first."`
	LeftOut         int64         `json:"left_out" doc:"How many alerts items does not list."`
}

// triedMedians says how medians were found.
type triedMedians struct {
	EverySeconds float64 `json:"every_seconds" doc:"How often they were taken."`
	Groups       int     `json:"groups" doc:"Of how many areas the rule, or the version in force, watches devices."`
	Without      int     `json:"without" doc:"How many of them never had five devices with good values at a time, so that no value was judged."`
}

// triedPoints says how points were found.
type triedPoints struct {
	EverySeconds float64 `json:"every_seconds" doc:"How often they were taken."`
	Machines     int     `json:"machines" doc:"Of how many machines, which are areas, the rule, or the version in force, watches devices."`
	Without      int     `json:"without" doc:"How many of them never had one of the points with a good value."`
	WithoutArea  int     `json:"devices_without_area,omitempty" doc:"How many watched devices have no area, so that they are of no machine and have no points."`
}

// tally counts the alerts of one version.
type tally struct {
	Alerts         int64        `json:"alerts"`
	Devices        int64        `json:"devices" doc:"How many devices have raised alerts."`
	Open           int64        `json:"open" doc:"How many alerts were open at the end."`
	Alone          int64        `json:"alone" doc:"How many overlap no alert of the other version."`
	PerDay         float64      `json:"per_day" doc:"Alerts a day, on average."`
	MeanSeconds    float64      `json:"mean_seconds" doc:"How long an alert was open, on average; until the end if it was open then."`
	LongestSeconds float64      `json:"longest_seconds"`
	Chattering     int64        `json:"chattering" doc:"How many devices have raised three or more alerts within a minute."`
	Fleeting       int64        `json:"fleeting" doc:"How many alerts have cleared within a minute."`
	Failed         int64        `json:"failed,omitempty" doc:"On how many devices the condition has failed."`
	Days           []dayTally   `json:"days" nullable:"false"`
	Most           []mostAlerts `json:"most" nullable:"false" doc:"The devices with the most alerts, at most ten."`
}

// dayTally is how many alerts were raised on one day.
type dayTally struct {
	Day    string `json:"day" format:"date" doc:"In UTC."`
	Alerts int64  `json:"alerts"`
}

// mostAlerts is how many alerts one device has raised.
type mostAlerts struct {
	DeviceID   iot.DeviceID `json:"device_id"`
	Alerts     int64        `json:"alerts"`
	Chattering bool         `json:"chattering,omitempty"`
}

// triedItem is an alert that would have been raised.
type triedItem struct {
	DeviceID  iot.DeviceID `json:"device_id"`
	AlertType string       `json:"alert_type" doc:"The rule's name; for levels with that of the level behind it."`
	By        string       `json:"by" enum:"both,tried,in_force" doc:"Which version raises it; both if their alerts overlap."`
	Onset     time.Time    `json:"onset" doc:"The first violating reading."`
	RaisedAt  time.Time    `json:"raised_at"`
	ClearedAt time.Time    `json:"cleared_at,omitzero" doc:"Absent if it was open at the end."`
	Value     float64      `json:"current_value" doc:"What was judged when it was raised."`
	Threshold float64      `json:"threshold"`
	Unit      string       `json:"unit,omitempty"`
}

func (s *server) tryRule(ctx context.Context, in *trialInput) (*answer[tried], error) {
	t, err := s.trialOf(&in.Body)
	if err != nil {
		return nil, err
	}
	select {
	case s.trying <- struct{}{}:
		defer func() { <-s.trying }()
	default:
		return nil, retryLater(huma.Error429TooManyRequests("another rule is being tried at this moment"), "5")
	}
	result, err := t.Run(ctx, s.o.Trials)
	if invalid := (*iot.InvalidError)(nil); errors.As(err, &invalid) {
		return nil, ruleProblemAt("body.rule", err)
	}
	if err := s.historyProblem(ctx, err); err != nil {
		return nil, err
	}
	return &answer[tried]{toTried(t, result)}, nil
}

// trialOf returns what the request tries. The error is a problem.
func (s *server) trialOf(body *TrialBody) (*trial.Trial, error) {
	from, to, err := s.period(body.From, body.To, defaultTrialSpan)
	if err != nil || to.Sub(from) > trial.MaxSpan {
		return nil, huma.Error422UnprocessableEntity("validation failed", &huma.ErrorDetail{
			Message: "must be before to, by at most 31 days", Location: "body.from", Value: from.Format(time.RFC3339),
		})
	}
	entries, err := s.o.Rules.Rules()
	if err != nil {
		return nil, s.decisionProblem(context.Background(), err)
	}
	t := &trial.Trial{
		Catalog: s.o.Catalog, Entry: s.o.Entries.Device, From: from, To: to, Alerts: body.Alerts, Now: s.o.Now,
	}
	for i := range entries {
		if entries[i].Rule.Name == body.Name {
			t.Other = &entries[i].Rule
		}
	}
	if body.Rule == nil {
		if t.Other == nil {
			return nil, noRule(body.Name)
		}
		t.Rule, t.Other = *t.Other, nil
		return t, nil
	}
	if t.Other != nil && t.Other.Disabled {
		t.Other = nil // It raises nothing.
	}
	name := body.Name
	if name == "" {
		name = newRuleName
	}
	rule, err := body.Rule.rule(name)
	if err == nil {
		entry := iot.RuleEntry{Version: 1, Rule: rule}
		err = entry.Normalize()
		t.Rule = entry.Rule
	}
	if err == nil {
		err = alert.CheckClears(&t.Rule, s.o.Catalog)
	}
	if err == nil {
		err = s.ruleChange((&Why{}).by("try")).Check([]iot.Rule{t.Rule})
	}
	if err != nil {
		return nil, ruleProblemAt("body.rule", err)
	}
	return t, nil
}

func toTried(t *trial.Trial, r *trial.Result) tried {
	out := tried{
		From: t.From, To: t.To, Devices: r.Devices, DevicesSelected: r.Selected, Readings: r.Readings, Stopped: r.Stopped,
		Tried: toTally(t, &r.Tried), Items: make([]triedItem, len(r.Alerts)), LeftOut: r.Tried.Alerts - int64(len(r.Alerts)),
	}
	if r.Other != nil {
		other := toTally(t, r.Other)
		out.InForce = &other
		out.LeftOut += r.Other.Alone
	}
	if m := r.Medians; m != nil {
		out.Medians = &triedMedians{m.Every.Seconds(), m.Peers, m.Without}
	}
	if p := r.Points; p != nil {
		out.Points = &triedPoints{p.Every.Seconds(), p.Machines, p.Without, p.WithoutArea}
	}
	for i, a := range r.Alerts {
		by := string(a.By)
		if a.By == trial.ByOther {
			by = "in_force"
		}
		out.Items[i] = triedItem{
			DeviceID: a.ID, AlertType: a.Rule, By: by, Onset: a.Onset, RaisedAt: a.Raised, ClearedAt: a.Cleared, Value: a.Value, Threshold: a.Threshold, Unit: a.Unit,
		}
	}
	return out
}

func toTally(t *trial.Trial, of *trial.Tally) tally {
	out := tally{
		Alerts: of.Alerts, Devices: of.Devices, Open: of.Open, Alone: of.Alone, LongestSeconds: of.Longest.Seconds(), Chattering: of.Chattering,
		Fleeting: of.Fleeting, Failed: of.Failed, Days: make([]dayTally, len(of.Days)), Most: make([]mostAlerts, len(of.Most)),
		PerDay: float64(of.Alerts) * float64(24*time.Hour) / float64(t.To.Sub(t.From)),
	}
	if of.Alerts > 0 {
		out.MeanSeconds = of.Total.Seconds() / float64(of.Alerts)
	}
	for i, day := range of.Days {
		out.Days[i] = dayTally{day.Start.Format(time.DateOnly), day.Alerts}
	}
	for i, device := range of.Most {
		out.Most[i] = mostAlerts{device.ID, device.Alerts, device.Chattering}
	}
	return out
}
