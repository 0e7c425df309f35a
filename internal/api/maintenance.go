package api

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"iotmon/internal/control"
	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// MaintenanceBody is what people decide about maintenance. It is exported for the library.
type MaintenanceBody struct {
	DeviceType iot.DeviceType `json:"device_type,omitempty" minLength:"1" maxLength:"128" doc:"Devices of every type if absent."`
	RuleScope
	Except   []RuleScope         `json:"except,omitempty" maxItems:"16" doc:"What is not maintained of what is selected."`
	Reason   string              `json:"reason,omitempty" doc:"Why, for people: at most 256 bytes. Needed; absent only of what was decided before it was."`
	Periods  []MaintenancePeriod `json:"periods,omitempty" maxItems:"200" doc:"When. With weekly they are what it says of the next weeks, and are not given."`
	TimeZone string              `json:"time_zone,omitempty" doc:"Whose clocks weekly follows: a name of the IANA database." example:"Asia/Shanghai"`
	Weekly   []WeeklyMaintenance `json:"weekly,omitempty" maxItems:"70" doc:"What repeats each week."`
}

// MaintenancePeriod is a time. It is exported for the library.
type MaintenancePeriod struct {
	From  time.Time `json:"from"`
	Until time.Time `json:"until" doc:"Exclusive."`
}

// WeeklyMaintenance repeats each week. It is exported for the library.
type WeeklyMaintenance struct {
	Day   string `json:"day" enum:"mon,tue,wed,thu,fri,sat,sun" doc:"The day on which it begins."`
	From  string `json:"from" pattern:"^([01][0-9]|2[0-3]):[0-5][0-9]$" doc:"The local time at which it begins."`
	Until string `json:"until" pattern:"^([01][0-9]|2[0-3]):[0-5][0-9]$" doc:"The local time at which it ends; on the next day if that is not later."`
}

// days are the names of the days of the week, in the order of time.Weekday.
var days = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

const clockTime = "15:04"

// rule returns the rule that the body says. The error is an *iot.InvalidError.
func (b *MaintenanceBody) rule(name string, now time.Time) (iot.Rule, error) {
	// It is asked for here alone: what was decided before reasons were needed holds.
	reason, err := iot.NeededReason("reason", b.Reason, iot.MaxRuleText)
	if err != nil {
		return iot.Rule{}, err
	}
	if err := checkScopes(&b.RuleScope, b.Except); err != nil {
		return iot.Rule{}, err
	}
	rule := iot.Rule{
		Name: name, Selector: b.selector(), Severity: iot.Info, Text: reason, Condition: iot.Condition{Kind: iot.Maintenance},
		Schedule: &iot.Schedule{Calendar: iot.Calendar{TimeZone: b.TimeZone}},
	}
	rule.Type = b.DeviceType
	for i := range b.Except {
		rule.Except = append(rule.Except, b.Except[i].selector())
	}
	if len(b.Periods) > 0 && len(b.Weekly) > 0 {
		return rule, iot.Invalid("periods", "weekly says when: give one of both")
	}
	if len(b.Periods)+len(b.Weekly) == 0 {
		return rule, iot.Invalid("periods", "missing, as is weekly: one of both says when")
	}
	for _, p := range b.Periods {
		rule.Schedule.Periods = append(rule.Schedule.Periods, iot.Period(p))
	}
	for _, w := range b.Weekly {
		period, err := w.period()
		if err != nil {
			return rule, err
		}
		rule.Schedule.Calendar.Weekly = append(rule.Schedule.Calendar.Weekly, period)
	}
	entry := iot.RuleEntry{Version: 1, Rule: rule}
	if err := entry.Normalize(); err != nil {
		return rule, err
	}
	return rule, control.Expand(&rule, now)
}

// errOver is the error of maintenance that is over before it is decided.
var errOver = iot.Invalid("periods", "all of them are over: at least one must end in the future")

func samePeriod(a, b iot.Period) bool { return a.From.Equal(b.From) && a.Until.Equal(b.Until) }

// isOver reports whether all periods of maintenance are over.
func isOver(s *iot.Schedule, now time.Time) bool {
	return !slices.ContainsFunc(s.Periods, func(p iot.Period) bool { return p.Until.After(now) })
}

func (w *WeeklyMaintenance) period() (iot.WeeklyPeriod, error) {
	day := slices.Index(days, w.Day)
	from, err := time.Parse(clockTime, w.From)
	until, err2 := time.Parse(clockTime, w.Until)
	if day < 0 || err != nil || err2 != nil {
		return iot.WeeklyPeriod{}, iot.Invalid("weekly", "must be a day such as mon, and two times such as 22:00")
	}
	if !until.After(from) {
		until = until.Add(24 * time.Hour)
	}
	return iot.WeeklyPeriod{Day: time.Weekday(day), Start: from.Hour()*60 + from.Minute(), Minutes: int(until.Sub(from).Minutes())}, nil
}

func toMaintenanceBody(r *iot.Rule) MaintenanceBody {
	b := MaintenanceBody{DeviceType: r.Type, RuleScope: toScope(&r.Selector), Reason: r.Text}
	for i := range r.Except {
		b.Except = append(b.Except, toScope(&r.Except[i]))
	}
	if r.Schedule == nil { // It was deleted.
		return b
	}
	b.TimeZone = r.Schedule.Calendar.TimeZone
	for _, p := range r.Schedule.Periods {
		b.Periods = append(b.Periods, MaintenancePeriod(p))
	}
	for _, w := range r.Schedule.Calendar.Weekly {
		from := time.Time{}.Add(time.Duration(w.Start) * time.Minute)
		until := from.Add(time.Duration(w.Minutes) * time.Minute)
		b.Weekly = append(b.Weekly, WeeklyMaintenance{Day: days[w.Day], From: from.Format(clockTime), Until: until.Format(clockTime)})
	}
	return b
}

// MaintenanceShown is maintenance with its version. It is exported for the library.
type MaintenanceShown struct {
	Name    string `json:"name"`
	Version int64  `json:"version" doc:"Grows with each change; If-Match takes it in quotes."`
	MaintenanceBody
}

func toMaintenanceShown(e *iot.RuleEntry) MaintenanceShown {
	return MaintenanceShown{Name: e.Rule.Name, Version: e.Version, MaintenanceBody: toMaintenanceBody(&e.Rule)}
}

// NewMaintenance is maintenance with its name. It is exported for the library.
type NewMaintenance struct {
	Name string `json:"name" minLength:"1" maxLength:"128" doc:"No alert rule has the same."`
	MaintenanceBody
}

func (s *server) registerMaintenance(api huma.API) {
	if s.o.Rules == nil {
		return
	}
	failures := []int{http.StatusServiceUnavailable}
	changes := append(slices.Clone(failures), http.StatusBadRequest, http.StatusForbidden, http.StatusConflict, http.StatusPreconditionFailed, http.StatusTooManyRequests)
	responses := func() map[string]*huma.Response {
		return map[string]*huma.Response{"202": {Description: "Decided, and not in force yet; see create-rule."}}
	}
	path, tags := Prefix+"/maintenance", []string{"Rules"}
	huma.Register(api, huma.Operation{
		OperationID: "list-maintenance", Method: http.MethodGet, Path: path, Tags: tags, Summary: "List maintenance",
		Description: "What suppresses alerts by design, in the order of the names. Periods that have passed stay until somebody deletes them.", Errors: failures,
	}, s.listMaintenance)
	huma.Register(api, huma.Operation{
		OperationID: "create-maintenance", Method: http.MethodPost, Path: path, Tags: tags, DefaultStatus: http.StatusCreated, Summary: "Plan maintenance",
		Description: "While one of the periods holds, alerts of the selected devices are raised and cleared as ever, and suppressed: by_design. Those that stand at the end " +
			"are no longer suppressed then. At most 100 in all.",
		Responses: responses(), Errors: changes, MaxBodyBytes: maxRuleBytes,
	}, s.createMaintenance)
	huma.Register(api, huma.Operation{
		OperationID: "get-maintenance", Method: http.MethodGet, Path: path + "/{name}", Tags: tags, Summary: "Get maintenance",
		Description: "As it was decided last.", Errors: append(slices.Clone(failures), http.StatusNotFound),
	}, s.getMaintenance)
	huma.Register(api, huma.Operation{
		OperationID: "put-maintenance", Method: http.MethodPut, Path: path + "/{name}", Tags: tags, Summary: "Replace maintenance",
		Description: "To replace what is there, If-Match is required.",
		Responses:   responses(), Errors: append(slices.Clone(changes), http.StatusPreconditionRequired, http.StatusNotFound), MaxBodyBytes: maxRuleBytes,
	}, s.putMaintenance)
	huma.Register(api, huma.Operation{
		OperationID: "end-maintenance", Method: http.MethodPost, Path: path + "/{name}/end", Tags: tags, Summary: "End the maintenance that is going on",
		Description: "The period that holds ends now; later ones, and what repeats each week, stay. 409 if none holds.",
		Responses:   responses(), Errors: append(slices.Clone(changes), http.StatusNotFound),
	}, s.endMaintenance)
	huma.Register(api, huma.Operation{
		OperationID: "delete-maintenance", Method: http.MethodDelete, Path: path + "/{name}", Tags: tags, Summary: "Delete maintenance",
		Description: "What it suppresses is no longer suppressed.", Responses: responses(), Errors: append(slices.Clone(changes), http.StatusNotFound),
	}, s.deleteMaintenance)
	huma.Register(api, huma.Operation{
		OperationID: "list-maintenance-versions", Method: http.MethodGet, Path: path + "/{name}/versions", Tags: tags, Summary: "List what was decided about maintenance",
		Description: "The newest first, at most 50, as long as control.audit_retention keeps them.", Errors: failures,
	}, s.listMaintenanceVersions)
}

// maintenanceAnswer is maintenance, as it was decided last.
type maintenanceAnswer struct {
	Status   int
	ETag     string `header:"ETag" doc:"The version in quotes, for If-Match."`
	Location string `header:"Location" doc:"The address of what was added."`
	Body     struct {
		MaintenanceShown
		InForce bool `json:"in_force" doc:"Whether every processor goes by it."`
	}
}

func (s *server) getMaintenance(ctx context.Context, in *ruleInput) (*maintenanceAnswer, error) {
	entry, err := s.o.Rules.Rule(ctx, in.Name)
	switch {
	case err != nil:
		return nil, s.decisionProblem(ctx, err)
	case entry.Version == 0 || entry.Deleted || entry.Rule.Kind != iot.Maintenance:
		return nil, noMaintenance(in.Name)
	}
	return toMaintenanceAnswer(s.awaitRule(ctx, &entry, 0)), nil
}

func noMaintenance(name string) error {
	return huma.Error404NotFound("there is no maintenance " + iot.Quote(name))
}

func toMaintenanceAnswer(d *decided) *maintenanceAnswer {
	out := &maintenanceAnswer{Status: d.status, ETag: etag(d.entry.Version)}
	out.Body.MaintenanceShown, out.Body.InForce = toMaintenanceShown(&d.entry), d.inForce
	return out
}

type createMaintenanceInput struct {
	Why
	Body NewMaintenance
}

func (s *server) createMaintenance(ctx context.Context, in *createMaintenanceInput) (*maintenanceAnswer, error) {
	rule, err := in.Body.rule(in.Body.Name, s.o.Now())
	if err != nil {
		return nil, maintenanceProblem(err)
	}
	if isOver(rule.Schedule, s.o.Now()) {
		return nil, maintenanceProblem(errOver)
	}
	made, err := s.create(ctx, control.RuleEdit{
		Name: in.Body.Name, Maintenance: true, To: func(iot.RuleEntry) (iot.RuleEntry, error) { return iot.RuleEntry{Rule: rule}, nil },
	}, in.by("create"))
	if err != nil {
		return nil, err
	}
	out := toMaintenanceAnswer(made)
	out.Location = Prefix + "/maintenance/" + url.PathEscape(in.Body.Name)
	return out, nil
}

type putMaintenanceInput struct {
	RuleInput
	Body MaintenanceBody
}

func (s *server) putMaintenance(ctx context.Context, in *putMaintenanceInput) (*maintenanceAnswer, error) {
	rule, err := in.Body.rule(in.Name, s.o.Now())
	if err != nil {
		return nil, maintenanceProblem(err)
	}
	replacing := in.replacing(rule)
	return s.changeMaintenance(ctx, &in.RuleInput, "put", func(current iot.RuleEntry) (iot.RuleEntry, error) {
		entry, err := replacing(current)
		// Of maintenance that is over the reason, say, may still be changed.
		if before := current.Rule.Schedule; err == nil && isOver(rule.Schedule, s.o.Now()) && (before == nil || !slices.EqualFunc(rule.Schedule.Periods, before.Periods, samePeriod)) {
			return entry, errOver
		}
		if err == nil {
			control.KeepEnded(&entry.Rule, current.Rule.Schedule, s.o.Now())
		}
		return entry, err
	})
}

func (s *server) endMaintenance(ctx context.Context, in *RuleInput) (*maintenanceAnswer, error) {
	return s.changeMaintenance(ctx, in, "end", func(current iot.RuleEntry) (iot.RuleEntry, error) {
		switch {
		case current.Version == 0 || current.Deleted:
			return current, noMaintenance(in.Name)
		case !control.End(&current.Rule, s.o.Now()):
			return current, huma.Error409Conflict("no maintenance " + iot.Quote(in.Name) + " is going on")
		}
		return current, nil
	})
}

func (s *server) deleteMaintenance(ctx context.Context, in *RuleInput) (*maintenanceAnswer, error) {
	return s.changeMaintenance(ctx, in, "delete", deletingRule)
}

func (s *server) changeMaintenance(ctx context.Context, in *RuleInput, action string, to func(iot.RuleEntry) (iot.RuleEntry, error)) (*maintenanceAnswer, error) {
	made, err := s.change(ctx, in, control.RuleEdit{Name: in.Name, Maintenance: true, To: to}, action)
	switch {
	case err != nil:
		return nil, err
	case made.entry.Version == 0:
		return nil, noMaintenance(in.Name)
	}
	return toMaintenanceAnswer(made), nil
}

// maintenanceProblem says what is wrong with a body, and where.
func maintenanceProblem(err error) error {
	if invalid := (*iot.InvalidError)(nil); errors.As(err, &invalid) && invalid.Field == "text" {
		err = &iot.InvalidError{Field: "reason", Reason: invalid.Reason}
	}
	return ruleProblem(err)
}

// maintenanceVersion is one decision about maintenance.
type maintenanceVersion struct {
	MaintenanceShown
	Deleted bool      `json:"deleted,omitempty" doc:"It was deleted; everything else about it is empty."`
	Time    time.Time `json:"time" doc:"When, by the clock of the service that has stored it."`
	Actor   string    `json:"actor" doc:"Who: an opaque id."`
	Action  string    `json:"action" doc:"How: create, put, end, delete, or calendar if the periods of the next weeks were added; adopt or repeat if a database was restored."`
	Reason  string    `json:"reason,omitempty" doc:"Why it was decided or, if nobody has said, why there is maintenance; absent if no reason was given."`
}

func (s *server) listMaintenanceVersions(ctx context.Context, in *ruleInput) (*answer[list[maintenanceVersion]], error) {
	all, err := s.o.Rules.Audit(ctx, control.AuditQuery{Of: control.RuleRef(in.Name), Limit: maxRuleVersions})
	if err != nil {
		return nil, s.decisionProblem(ctx, err)
	}
	out := list[maintenanceVersion]{Items: []maintenanceVersion{}}
	for i := range all {
		a := &all[i]
		entry, err := wire.DecodeRuleEntry(a.After)
		if err != nil || !entry.Deleted && entry.Rule.Kind != iot.Maintenance {
			continue // Another version of iotmon has written it, or there was a rule of that name.
		}
		out.Items = append(out.Items, maintenanceVersion{
			toMaintenanceShown(&entry), entry.Deleted, a.Time, a.Actor, a.Action, cmp.Or(a.Reason, entry.Rule.Text),
		})
	}
	return &answer[list[maintenanceVersion]]{out}, nil
}
